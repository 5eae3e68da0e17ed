"""seamount energy: what a run costs, with the source of every number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from seamount.backends.registry import (
    list_costs,
    load_backend,
    load_costs,
    suited_backend,
)
from seamount.cli import options as o
from seamount.cli.console import out, progress, table
from seamount.compiler.artifact import Artifact, load_artifact
from seamount.compiler.energy import text as text
from seamount.compiler.energy.ann import FORMATS, Format
from seamount.compiler.energy.assessment import Assessment, tree
from seamount.compiler.energy.price import Costs, Line
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import EventCounts
from seamount.compiler.files import write_json
from seamount.compiler.kept_run import RUN_FILE, load_run
from seamount.compiler.program.verify import check as check_program
from seamount.workflows.load import load_data
from seamount.workflows.price import assessed, chip_of, first_of
from seamount.workflows.run import executed, neuron_updates

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME", help="A cost set from 'seamount costs', or a .toml file. Repeatable."),
]
SystemName = Annotated[
    str | None, typer.Option("--system", metavar="NAME", help="Place it on a board or rack; default: on one chip.")
]
Ann = Annotated[str, typer.Option("--ann", metavar="FORMAT", help=f"Show its lines too: {', '.join(FORMATS)}.")]


def energy(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders that 'seamount run -o' wrote; or artifacts, with --data."),
    ],
    sets: Sets = None,
    ann: Ann = "",
    system: SystemName = None,
    data: o.DataName = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Energy and time of a run as intervals, line by line with sources, beside the equivalent ANN.

    Without --set: the costs of the chip it was compiled for, and 45 nm with memory, which also prices the ANN.
    Several runs are put side by side.
    """
    form = _format(ann)
    found = []
    for source in sources:
        artifact, counts = _run(source, data, split, steps, limit, seed, data_folder, quiet)
        found.append((source, chip_of(artifact), assessed(artifact, counts, sets, system)))
    if not quiet and len(found) == 1:
        for one in found[0][2]:
            _show(one, form)
    elif not quiet:
        _side_by_side([(source, several) for source, _, several in found], form or FORMATS[0])
    if json is not None:
        trees = [{"chip": chip, "sets": [tree(one) for one in several]} for _, chip, several in found]
        named = [{"run": str(source), **kept} for (source, _, _), kept in zip(found, trees, strict=True)]
        write_json(json, trees[0] if len(found) == 1 else {"runs": named})


def _run(
    source: Path, data: str | None, split: str, steps: int | None, limit: int | None, seed: int | None,
    data_folder: Path | None, quiet: bool,
) -> tuple[Artifact, EventCounts]:  # fmt: skip
    """An artifact and what it did: read from a run, or run now."""
    if (source / RUN_FILE).is_file():
        if data is not None:
            raise InputError(Problem("--data", f"{source} is a run and has its counts already", "leave it out"))
        run = load_run(source)
        return run.artifact, run.counts
    artifact = load_artifact(source)
    if data is None:
        remedy = "give --data, or a folder that 'seamount run -o' wrote"
        raise InputError(Problem(str(source), "is an artifact, which has not run", remedy))
    return artifact, _counted(artifact, data, split, steps, limit, seed, data_folder, quiet)


def costs(name: Annotated[str | None, typer.Argument(help="One set, in full.")] = None) -> None:
    """List the cost sets, or one with every number, its unit and its source."""
    if name is None:
        known = [(c.name, c.title, c.chip or "any", c.date) for c in map(load_costs, list_costs())]
        table("cost sets", ("name", "what", "chip", "date"), known, left=4)
        return
    found = load_costs(name)
    rows = [
        (f"{section}.{event}", text.cost(cost), text.source(cost), cost.low.terms or cost.high.terms)
        for section in ("energy", "time", "power", "memory")
        for event, cost in getattr(found, section).items()
    ]
    table(f"{found.name}: {found.title}, as of {found.date}", ("cost", "value", "source", "conditions"), rows, left=4)
    for key, reference in sorted(found.sources.items()):
        out.print(f"{key}: {reference}", markup=False, soft_wrap=True)
    for note in found.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)


def _format(name: str) -> Format | None:
    for form in FORMATS:
        if form == name:
            return form
    if name:
        raise InputError(Problem(f"--ann {name}", "is no format", f"one of {', '.join(FORMATS)}"))
    return None


def _counted(
    artifact: Artifact, data: str, split: str, steps: int | None, limit: int | None, seed: int | None,
    data_folder: Path | None, quiet: bool,
) -> EventCounts:  # fmt: skip
    """Counts of an artifact on data."""
    check_program(artifact.program)
    wanted = steps or artifact.steps
    samples = load_data(data, split, data_folder, limit, seed, wanted)
    engine = load_backend(suited_backend(neuron_updates(artifact, wanted, len(samples.y))))
    with progress(f"run on {engine.name}", quiet) as tick:
        return executed(artifact, engine, samples.x, wanted, tick).counts


# as text


def _show(found: Assessment, form: Format | None) -> None:
    run = found.run
    title = f"{run.costs.name}: {run.costs.title}; per inference, {run.samples} samples, T = {run.steps}"
    _lines(title, run.lines)
    if form is not None:
        _lines(
            f"the {form} ANN, {found.twins[form].passes} pass{'es' * (found.twins[form].passes > 1)}",
            found.twins[form].lines,
        )
    for name, value in _totals(run).items():
        out.print(f"{name}: {value}", markup=False, soft_wrap=True)
    for name, twin in found.twins.items():
        rest = f" ({first_of(twin.energy.missing)})" if twin.energy.missing else ""
        out.print(f"ANN {name}, {twin.macs:,} MACs: {text.energy(twin.energy)}{rest}", markup=False, soft_wrap=True)
    chosen = form or FORMATS[0]
    for line in (text.verdict(found.comparisons[chosen], chosen), text.crossing(found.comparisons[chosen])):
        if line:
            out.print(line, markup=False, soft_wrap=True)
    missing = run.energy.missing + (() if run.delay is None else run.delay.inference_ns.missing)
    for what in dict.fromkeys(missing):
        out.print(f"unknown: {what}", markup=False, soft_wrap=True)
    for note in run.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    for key, reference in sorted(run.costs.sources.items()):
        out.print(f"source {key}: {reference}", markup=False, soft_wrap=True)
    out.print()


def _side_by_side(runs: list[tuple[Path, list[Assessment]]], form: Format) -> None:
    rows = []
    for source, several in runs:
        for one in several:
            when, static = one.run.delay, one.run.static
            rows.append(
                (source.name, one.run.costs.name, f"{one.comparisons[form].rate:.3g}", text.energy(one.run.dynamic),
                 "" if static is None else text.energy(static.energy),
                 "" if when is None else text.time(when.inference_ns),
                 text.energy(one.twins[form].energy), one.comparisons[form].verdict)
            )  # fmt: skip
    columns = ("run", "set", "spike rate", "dynamic", "static", "time", f"{form} ANN", "verdict")
    table("energy and time per inference", columns, rows, left=2)


def _lines(title: str, lines: tuple[Line, ...]) -> None:
    rows = []
    for line in lines:
        count = line.count.number
        shown = "unknown" if count is None else text.span(count, "")
        rows.append(
            (line.count.event, line.count.where, shown, text.cost(line.cost), text.source(line.cost),
             text.energy(line.energy))
        )  # fmt: skip
    table(title, ("event", "where", "count", "cost each", "source", "energy"), rows, left=2)


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
