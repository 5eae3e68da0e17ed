"""What there is: targets, systems, backends, passes, networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from seamount.backends import registry
from seamount.backends.registry import list_systems, list_targets, load_system, load_target
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.passes import PASSES
from seamount.compiler.pipelines import canonical
from seamount.compiler.target.system import System
from seamount.compiler.target.target import Target
from seamount.models.networks.cards import CARDS as NETWORKS
from seamount.models.networks.cards import NetworkCard
from seamount.models.reference.card import Card
from seamount.models.reference.registry import CARDS as TRAINED
from seamount.results.blocks import Block, Shown, percent, table


@dataclass(frozen=True, eq=False, repr=False)
class Targets(Shown):
    """The chips and simulators, and systems of several chips."""

    targets: tuple[Target, ...]
    systems: tuple[System, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names that `seamount.compile(target=)` knows."""
        return tuple(t.name for t in self.targets)

    def blocks(self) -> Iterator[Block]:
        columns = ("name", "what", "chip", "date")
        yield table("targets", columns, [(t.name, t.title, t.chip, t.date) for t in self.targets], left=4)
        rows = [(s.name, s.title, s.chip, s.date) for s in self.systems]
        yield table("systems of several chips, for fit", columns, rows, left=4)

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
    return Targets(tuple(map(load_target, list_targets())), tuple(map(load_system, list_systems())))


def target(name: str) -> TargetNumbers:
    """One target or system, or the .toml file of a target, with every number and its source.

    Raises InputError for a name that is none, and for every fault of a file.
    """
    return TargetNumbers(load_system(name) if name in list_systems() else load_target(name))


def backends() -> tuple[str, ...]:
    """The names that `Artifact.run(backend=)` knows."""
    return registry.list_backends()


@dataclass(frozen=True, eq=False, repr=False)
class Passes(Shown):
    """The compiler's passes with their contracts; those that compile runs come first, in order."""

    names: tuple[str, ...]

    def blocks(self) -> Iterator[Block]:
        rows = []
        for name in self.names:
            p = PASSES[name]
            needs = ", ".join(sorted(map(str, p.requires))) or "-"
            gives = ", ".join(sorted(map(str, p.ensures))) or "-"
            rows.append((name, p.summary(), needs, gives))
        yield table("passes", ("name", "what", "requires", "ensures"), rows, left=4)

    def to_dict(self) -> dict[str, Any]:
        return {name: PASSES[name].summary() for name in self.names}


def passes() -> Passes:
    """The compiler's passes; those that `compile` runs come first, in order."""
    order = [p.name for p in canonical().passes] + ["quantize", "balance-delays"]
    return Passes((*order, *sorted(set(PASSES) - set(order))))


@dataclass(frozen=True, eq=False, repr=False)
class Networks(Shown):
    """Networks: cards of those that `train` knows and of the trained ones that ship; or the card of one."""

    cards: tuple[NetworkCard | Card, ...]
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

    Raises InputError for a name that is none.
    """
    cards: tuple[NetworkCard | Card, ...] = (*NETWORKS.values(), *TRAINED.values())
    chosen = tuple(card for card in cards if name in (None, card.name))
    if not chosen:
        remedy = f"use one of {', '.join((*NETWORKS, *TRAINED))}"
        raise InputError(Problem(f"network '{name}'", "does not exist", remedy))
    return Networks(chosen, name)


def _card(card: NetworkCard | Card) -> dict[str, Any]:
    """What a card says, as plain values."""
    tree: dict[str, Any] = {k: v for k, v in vars(card).items() if k not in ("chain", "module", "cycle", "golden")}
    if isinstance(card, NetworkCard):
        return {**tree, "kind": "for seamount train"}
    return {**tree, "kind": "trained", "weights": f"models/weights/{card.weights.name}", "schedule": repr(card.cycle)}
