"""What a run costs: energy and time by cost sets, placed where a set prices what a chip does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seamount.backends.registry import costs_of, list_costs, list_targets, load_costs, load_system, load_target
from seamount.compiler.artifact import Artifact
from seamount.compiler.energy import text as text
from seamount.compiler.energy.ann import FORMATS, Format
from seamount.compiler.energy.assessment import Assessment, assess, tree
from seamount.compiler.energy.cost_set import CostSet
from seamount.compiler.energy.price import Costs, Line
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import EventCounts
from seamount.compiler.kept_run import RUN_FILE, Run, load_run
from seamount.compiler.placement.place import place
from seamount.compiler.placement.placement import Placement
from seamount.compiler.placement.plan import DoesNotFit
from seamount.progress import Progress
from seamount.results.blocks import Block, Shown, Table, table
from seamount.workflows.artifact import load_artifact
from seamount.workflows.brief import COMPARED, chip_of, first_of
from seamount.workflows.data import Data, labelled
from seamount.workflows.run import Run as Ran
from seamount.workflows.runner import run


@dataclass(frozen=True, eq=False, repr=False)
class Price(Shown):
    """Energy and time of runs by cost sets, per inference.

    runs: (name, chip, one assessment per cost set). ann: format of the ANN whose lines are shown too; None for none.
    """

    runs: tuple[tuple[str, str, tuple[Assessment, ...]], ...]
    ann: Format | None = None

    @property
    def assessments(self) -> tuple[Assessment, ...]:
        """Of the first run, one per cost set."""
        return self.runs[0][2]

    def blocks(self) -> Iterator[Block]:
        if len(self.runs) > 1:
            yield self._side_by_side()
            return
        for one in self.assessments:
            yield from _assessment(one, self.ann)

    def to_dict(self) -> dict[str, Any]:
        trees = [{"chip": chip, "sets": [tree(one) for one in several]} for _, chip, several in self.runs]
        named = [{"run": name, **kept} for (name, _, _), kept in zip(self.runs, trees, strict=True)]
        return trees[0] if len(self.runs) == 1 else {"runs": named}

    def _side_by_side(self) -> Table:
        form = self.ann or FORMATS[0]
        rows = []
        for name, _, several in self.runs:
            for one in several:
                when, static = one.run.delay, one.run.static
                rows.append(
                    (Path(name).name, one.run.costs.name, f"{one.comparisons[form].rate:.3g}",
                     text.energy(one.run.dynamic), "" if static is None else text.energy(static.energy),
                     "" if when is None else text.time(when.inference_ns),
                     text.energy(one.twins[form].energy), one.comparisons[form].verdict)
                )  # fmt: skip
        columns = ("run", "set", "spike rate", "dynamic", "static", "time", f"{form} ANN", "verdict")
        return table("energy and time per inference", columns, rows, left=2)

    def plot(self, ax: Any = None) -> Any:
        """Energies as intervals, one bar per cost set, with the ANN's beside. Needs matplotlib; returns the axes."""
        from seamount.results.plots import energies

        return energies(self.assessments, self.ann or FORMATS[0], ax)


def price(
    source: Any,
    data: Data | None = None,
    *,
    sets: Sequence[str] = (),
    ann: str = "",
    system: str | None = None,
    steps: int | None = None,
    progress: Progress = None,
) -> Price:
    """Energy and time of a run as intervals, line by line with sources, beside the equivalent ANN.

    source    a run (of `Artifact.run`, or the path of a kept one), or an artifact with `data` to run; or a list of them
    sets      cost sets from `seamount.costs()` or .toml files; default: those of the chip it was compiled for, and
              45 nm with memory, which also prices the ANN
    ann       format of the ANN whose lines are listed too
    system    place it on a board or rack; default: on one chip
    steps     T of the run that is made

    Raises InputError, and DoesNotFit for a system that was named.

    Example:
        print(seamount.price(artifact.run(x, y), sets=["loihi1"]))
    """
    form = ann_format(ann)
    found = []
    for one in source if isinstance(source, list | tuple) else [source]:
        name, artifact, counts = _counted(one, data, steps, progress)
        found.append((name, chip_of(artifact), tuple(assessed(artifact, counts, sets, system))))
    return Price(tuple(found), form)


def _counted(
    source: Any, data: Data | None, steps: int | None, progress: Progress
) -> tuple[str, Artifact, EventCounts]:
    """An artifact and what it did: of a run, or run now."""
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else ""
    if name and (Path(name) / RUN_FILE).is_file():
        source = load_run(Path(name))
    if isinstance(source, Run | Ran):
        if data is not None:
            found = f"{name or 'the source'} is a run and has its counts already"
            raise InputError(Problem("--data", found, "omit it"))
        return name or source.artifact.manifest.model.name, source.artifact, source.counts
    artifact = load_artifact(name) if name else source
    if not isinstance(artifact, Artifact):
        raise InputError(
            Problem("price", f"was given a {type(source).__name__}", "give a run, or an artifact with data")
        )
    if data is None:
        remedy = "give --data, or a folder that 'seamount run -o' wrote"
        raise InputError(Problem(name or "artifact", "is an artifact, which has not run", remedy))
    samples = labelled(data, steps or artifact.steps)
    ran = run(artifact, samples.x, samples.y, steps=steps, progress=progress)
    if ran.stopped is not None:
        raise ran.stopped
    return name or artifact.manifest.model.name, artifact, ran.counts


def ann_format(name: str) -> Format | None:
    """The format of an ANN by name; None for none. Raises InputError for an unknown format."""
    for form in FORMATS:
        if form == name:
            return form
    if name:
        raise InputError(Problem(f"--ann {name}", "is no format", f"one of {', '.join(FORMATS)}"))
    return None


def assessed(artifact: Artifact, counts: EventCounts, sets: Sequence[str], system: str | None) -> list[Assessment]:
    """One assessment per cost set; placed where a set prices what a chip does."""
    chip = chip_of(artifact)
    chosen = _chosen(sets, chip)
    placement, remark = None, ""
    if any(costs.model == "events" for costs in chosen):
        placement, remark = placed(artifact, counts, system)
    return [assess(artifact, counts, costs, chip, placement, remark) for costs in chosen]


def placed(artifact: Artifact, counts: EventCounts, system: str | None) -> tuple[Placement | None, str]:
    """Where the network lies on the chip that it was compiled for, and a remark on it.

    Raises DoesNotFit for a system that was named; one chip that is too small only leaves the placement out.
    """
    if chip_of(artifact) not in list_targets():
        return None, f"not placed: no shipped target is named {chip_of(artifact)}"
    target = load_target(chip_of(artifact))
    if system is not None:
        found = place(artifact.program, target, load_system(system), counts)
    else:
        try:
            found = place(artifact.program, target, None, counts)
        except DoesNotFit as error:
            first = error.problems[0]
            return None, f"not placed, it does not fit one chip of {target.name}: {first.where} {first.found}"
    where = f"{len(found.loads)} core{'s' * (len(found.loads) > 1)} of {found.system}"
    return found, f"placed on {where} for {target.name}; 'seamount fit' shows where"


def _chosen(names: Sequence[str], chip: str) -> list[CostSet]:
    if names:
        return [load_costs(name) for name in dict.fromkeys(names)]
    own = costs_of(chip)
    return [*([] if own is None else [own]), load_costs(COMPARED)]


# as tables and lines


def _assessment(found: Assessment, form: Format | None) -> Iterator[Block]:
    run = found.run
    title = f"{run.costs.name}: {run.costs.title}; per inference, {run.samples} samples, T = {run.steps}"
    yield _lines(title, run.lines)
    if form is not None:
        passes = found.twins[form].passes
        yield _lines(f"the {form} ANN, {passes} pass{'es' * (passes > 1)}", found.twins[form].lines)
    for name, value in _totals(run).items():
        yield f"{name}: {value}"
    for name, twin in found.twins.items():
        rest = f" ({first_of(twin.energy.missing)})" if twin.energy.missing else ""
        yield f"ANN {name}, {twin.macs:,} MACs: {text.energy(twin.energy)}{rest}"
    chosen = form or FORMATS[0]
    for line in (text.verdict(found.comparisons[chosen], chosen), text.crossing(found.comparisons[chosen])):
        if line:
            yield line
    missing = run.energy.missing + (() if run.delay is None else run.delay.inference_ns.missing)
    for what in dict.fromkeys(missing):
        yield f"unknown: {what}"
    for note in run.notes:
        yield f"note: {note}"
    for key, reference in sorted(run.costs.sources.items()):
        yield f"source {key}: {reference}"
    yield ""


def _lines(title: str, lines: tuple[Line, ...]) -> Table:
    rows = []
    for line in lines:
        count = line.count.number
        shown = "unknown" if count is None else text.span(count, "")
        rows.append(
            (line.count.event, line.count.where, shown, text.cost(line.cost), text.source(line.cost),
             text.energy(line.energy))
        )  # fmt: skip
    return table(title, ("event", "where", "count", "cost each", "source", "energy"), rows, left=2)


def _totals(run: Costs) -> Mapping[str, str]:
    shown = {"dynamic": text.energy(run.dynamic)}
    if run.static is not None:
        shown["static"] = text.energy(run.static.energy)
    if run.delay is not None:
        shown["time per step"] = f"{text.time(run.delay.step_ns)} ({run.delay.basis})"
        steps = f"{run.delay.steps} steps and {run.delay.depth} of depth"
        shown["time per inference"] = f"{text.time(run.delay.inference_ns)} ({steps})"
    if run.energy_delay is not None and not run.energy.unknown:
        shown["energy x delay"] = text.span(run.energy_delay.bounds, "J s", 1e-21)
    shown["dense, every synapse in every step"] = text.energy(run.dense)
    return shown


@dataclass(frozen=True, eq=False, repr=False)
class CostSets(Shown):
    """The cost sets: what events cost by whose account."""

    sets: tuple[CostSet, ...]

    def blocks(self) -> Iterator[Block]:
        known = [(c.name, c.title, c.chip or "any", c.date) for c in self.sets]
        yield table("cost sets", ("name", "what", "chip", "date"), known, left=4)

    def to_dict(self) -> dict[str, Any]:
        return {c.name: {"title": c.title, "chip": c.chip, "date": c.date} for c in self.sets}


@dataclass(frozen=True, eq=False, repr=False)
class CostNumbers(Shown):
    """One cost set with every number, its unit and its source."""

    set: CostSet

    def blocks(self) -> Iterator[Block]:
        rows = [
            (f"{section}.{event}", text.cost(cost), text.source(cost), cost.low.terms or cost.high.terms)
            for section in ("energy", "time", "power", "memory")
            for event, cost in getattr(self.set, section).items()
        ]
        title = f"{self.set.name}: {self.set.title}, as of {self.set.date}"
        yield table(title, ("cost", "value", "source", "conditions"), rows, left=4)
        for key, reference in sorted(self.set.sources.items()):
            yield f"{key}: {reference}"
        for note in self.set.notes:
            yield f"note: {note}"

    def to_dict(self) -> dict[str, Any]:
        return {
            f"{section}.{event}": {"value": text.cost(cost), "source": text.source(cost)}
            for section in ("energy", "time", "power", "memory")
            for event, cost in getattr(self.set, section).items()
        }


def costs(name: str | None = None) -> CostSets | CostNumbers:
    """The cost sets, or one in full. name: one of them, or the path of a .toml file."""
    return CostNumbers(load_costs(name)) if name is not None else CostSets(tuple(map(load_costs, list_costs())))
