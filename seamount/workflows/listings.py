"""What there is: targets, systems, backends, passes, networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from seamount.backends import registry
from seamount.backends.registry import list_systems, load_system, load_target, sound_systems, sound_targets
from seamount.compiler.errors import Problem
from seamount.compiler.passes import pass_class, pass_faults, sound_passes
from seamount.compiler.pipelines import canonical, default_text
from seamount.compiler.target.system import System
from seamount.compiler.target.target import Target
from seamount.models.networks.cards import NetworkCard
from seamount.models.networks.table import NETWORKS, AnyCard, network
from seamount.models.reference.card import Card
from seamount.results.blocks import Block, Shown, percent, table


@dataclass(frozen=True, eq=False, repr=False)
class Targets(Shown):
    """The chips and simulators, and systems of several chips; plug-ins that cannot be used, and why."""

    targets: tuple[Target, ...]
    systems: tuple[System, ...]
    broken: tuple[Problem, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names that `seamount.compile(target=)` knows."""
        return tuple(t.name for t in self.targets)

    def blocks(self) -> Iterator[Block]:
        columns = ("name", "what", "chip", "date")
        yield table("targets", columns, [(t.name, t.title, t.chip, t.date) for t in self.targets], left=4)
        rows = [(s.name, s.title, s.chip, s.date) for s in self.systems]
        yield table("systems of several chips, for fit", columns, rows, left=4)
        yield from _broken(self.broken)

    def to_dict(self) -> dict[str, Any]:
        def tree(one: Target | System) -> dict[str, str]:
            return {"title": one.title, "chip": one.chip, "date": one.date}

        return {
            "targets": {t.name: tree(t) for t in self.targets},
            "systems": {s.name: tree(s) for s in self.systems},
        }


@dataclass(frozen=True, eq=False, repr=False)
class TargetNumbers(Shown):
    """One target or system with every number, its unit and its source."""

    target: Target | System

    def blocks(self) -> Iterator[Block]:
        target = self.target
        rows = [(path, str(q), q.terms) for path, q in sorted(target.quantities.items())]
        title = f"{target.name}: {target.title}, as of {target.date}"
        yield table(title, ("number", "value (source)", "conditions"), rows, left=3)
        for key, text in sorted(target.sources.items()):
            yield f"{key}: {text}"
        for note in target.notes:
            yield f"note: {note}"

    def to_dict(self) -> dict[str, Any]:
        return {path: str(q) for path, q in sorted(self.target.quantities.items())}


def targets() -> Targets:
    """The targets that `compile` knows and the systems that `fit` knows.

    Example:
        print(seamount.targets())
    """
    return Targets(tuple(sound_targets()), tuple(sound_systems()), tuple(registry.plugin_faults()))


def target(name: str) -> TargetNumbers:
    """One target or system, or the .toml file of a target, with every number and its source.

    Raises InputError for an unknown name, and for every fault of a file.
    """
    return TargetNumbers(load_system(name) if name in list_systems() else load_target(name))


def backends() -> tuple[str, ...]:
    """The names that `Artifact.run(backend=)` knows."""
    return registry.list_backends()


@dataclass(frozen=True, eq=False, repr=False)
class Passes(Shown):
    """The compiler's passes with their contracts, and the text of the pipeline that compile runs."""

    names: tuple[str, ...]
    pipeline: str
    broken: tuple[Problem, ...] = ()

    def blocks(self) -> Iterator[Block]:
        rows = []
        for name in self.names:
            p = pass_class(name)
            needs = ", ".join(sorted(map(str, p.requires))) or "-"
            gives = ", ".join(sorted(map(str, p.ensures))) or "-"
            rows.append((name, p.summary(), needs, gives))
        yield table("passes", ("name", "what", "requires", "ensures"), rows, left=4)
        yield f"the pipeline of compile: {self.pipeline}"
        yield from _broken(self.broken)

    def to_dict(self) -> dict[str, Any]:
        return {name: pass_class(name).summary() for name in self.names}


def passes() -> Passes:
    """The compiler's passes; those that `compile` runs come first, in order."""
    order = [p.name for p in canonical().passes] + ["quantize", "balance-delays"]
    names = (*order, *sorted(set(sound_passes()) - set(order)))
    return Passes(names, default_text(), tuple(pass_faults()))


@dataclass(frozen=True, eq=False, repr=False)
class Networks(Shown):
    """Networks: cards of those that `train` knows and of the trained ones that ship; or the card of one."""

    cards: tuple[AnyCard, ...]
    name: str | None = None

    def to_dict(self) -> Any:
        return [_card(card) for card in self.cards]

    def blocks(self) -> Iterator[Block]:
        if self.name is not None:
            rows = [(k, f"{v:,}" if isinstance(v, int) else str(v)) for k, v in _card(self.cards[0]).items()]
            yield table(self.name, ("card", "value"), rows, left=2)
            return
        columns: tuple[str, ...] = ("name", "layers", "origin", "made for", "input", "classes", "parameters")
        made = [c for c in self.cards if isinstance(c, NetworkCard)]
        known = [(c.name, c.layers, c.origin, c.made_for, c.shape, c.classes, f"{c.parameters:,}") for c in made]
        yield table("networks for seamount train --network", columns, known, left=4)
        yield "--network also takes short forms, e.g. 16C5/2-32C3-AP2-R64-FC32: 16 channels, kernel 5, stride 2;"
        yield "average pool 2 x 2; 64 recurrent neurons; 32 fully connected ones. The classifier is added.\n"
        trained = [
            (c.name, c.layers, c.framework, c.data, f"{c.parameters:,}", c.steps, percent(c.accuracy))
            for c in self.cards
            if isinstance(c, Card)
        ]
        columns = ("name", "layers", "framework", "data", "parameters", "T", "accuracy")
        yield table("trained, in models/weights, for seamount compile", columns, trained, left=4)


def networks(name: str | None = None) -> Networks:
    """The networks that `train` knows and the trained ones that ship, or one of them.

    Raises InputError for an unknown name.
    """
    return Networks(tuple(NETWORKS.values()) if name is None else (network(name),), name)


def _card(card: AnyCard) -> dict[str, Any]:
    """What a card says, as plain values."""
    tree: dict[str, Any] = {k: v for k, v in vars(card).items() if k not in ("chain", "module", "cycle", "golden")}
    if isinstance(card, NetworkCard):
        return {**tree, "kind": "for seamount train"}
    return {**tree, "kind": "trained", "weights": f"models/weights/{card.weights.name}", "schedule": repr(card.cycle)}


def _broken(problems: tuple[Problem, ...]) -> Iterator[str]:
    """Plug-ins that cannot be used, and why."""
    for problem in problems:
        yield f"broken plug-in: {problem}"
