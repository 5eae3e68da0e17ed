"""Warnings and notes: what a reader should know before trusting or using the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from seamount.compiler.ir.notes import Note, ProofChanges, WeightsVanish
from seamount.compiler.kept_run import Run
from seamount.compiler.program.needs import chip_needs
from seamount.compiler.report.contents import PopulationRow, ProjectionRow, Remark

FEW_SAMPLES = 200
"""Fewer leave an interval of several points."""
SILENT = 0.5
"""A warning is given for populations of which more neurons than this share sent nothing."""


_REMEDIES: dict[type[Note], str] = {
    WeightsVanish: "look for outliers among the weights: clip them and train on, or give the layer more bits",
    ProofChanges: "clamp v from below, or compile without --prove",
}
"""Notes of the compiler -> what helps."""


def remarks(
    run: Run,
    populations: tuple[PopulationRow, ...],
    projections: tuple[ProjectionRow, ...],
) -> Iterator[Remark]:
    """Warnings first, then notes, each in the order of the network."""
    found = _all(run, populations, projections)
    yield from sorted(found, key=lambda r: r.kind != "warning")


def _all(
    run: Run,
    populations: tuple[PopulationRow, ...],
    projections: tuple[ProjectionRow, ...],
) -> Iterator[Remark]:
    yield from _of_the_run(run)
    yield from _of_accuracy(run)
    for p in populations:
        yield from _of_population(p)
    for q in projections:
        if q.clipped:
            text = f"{q.clipped:,} of {q.weights:,} weights lie beyond the integer grid and take its largest value"
            yield Remark("warning", q.name, text, "calibrate on more data, or give the layer more bits")
    for need in chip_needs(run.artifact.program):
        yield Remark("warning", need.where, f"on a chip it needs {need.what}")
    for note in run.artifact.manifest.notes:
        kind: Literal["warning", "note"] = "warning" if note.is_warning else "note"
        yield Remark(kind, "compiler", str(note), _REMEDIES.get(type(note), ""))


def _of_the_run(run: Run) -> Iterator[Remark]:
    summary, n = run.summary, run.counts.samples
    if summary.unfinished:
        text = f"the run stopped early: {summary.unfinished:,} samples are missing from every number"
        yield Remark("warning", "run", text, "run again to the end")
    if summary.clipped_inputs:
        clipped = summary.clipped_inputs
        text = f"{clipped:,} input values lay outside the range the model was saved with; were clipped"
        yield Remark("warning", "data", text, "scale the data as in training")
    if summary.unused_steps:
        steps = run.counts.steps
        text = f"the samples last {steps + summary.unused_steps} steps, of which the first {steps} were run"
        yield Remark("note", "data", text, "run with --steps N for N of them")
    if run.accuracy is not None and n < FEW_SAMPLES:
        text = f"{n} samples: the accuracy is known only within the interval given"
        yield Remark("warning", "data", text, "run more samples")
    if run.counts.steps != run.artifact.steps:
        text = f"run with T = {run.counts.steps}, compiled for T = {run.artifact.steps}: no stored accuracy compares"
        yield Remark("warning", "run", text)


def _of_accuracy(run: Run) -> Iterator[Remark]:
    for r in run.rungs:
        if r.differing:
            yield Remark("warning", r.name, f"must be exact, but {r.exact}", "report it with the model file")


def _of_population(p: PopulationRow) -> Iterator[Remark]:
    if p.proven is False:
        remedy = "'seamount ranges ARTIFACT' names neurons, bounds and the smallest change against it"
        yield Remark("warning", p.name, f"overflow is {p.proof}", remedy)
    if p.kind == "neurons" and p.silent > SILENT * p.neurons:
        text = f"{p.silent:,} of {p.neurons:,} neurons never fired on this data"
        yield Remark("warning", p.name, text, "they cost memory; prune them, or train with a rate penalty")
    if p.kind == "neurons" and p.always:
        text = f"{p.always:,} of {p.neurons:,} neurons fired in every step: they carry no information on this data"
        yield Remark("note", p.name, text)
