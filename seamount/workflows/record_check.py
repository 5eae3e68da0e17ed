"""A trace recorded elsewhere against an artifact, population by population."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import Samples
from seamount.compiler.diff import divergence_text
from seamount.compiler.diff.divergence import Divergence, explain
from seamount.compiler.diff.side import Compared, Side, compare
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.execution import RECORDS
from seamount.compiler.program.program import Population
from seamount.compiler.program.verify import check as check_program
from seamount.results.blocks import Block, Shown, table
from seamount.workflows.artifact import load_artifact
from seamount.workflows.data import Data, labelled
from seamount.workflows.ladder import inexact
from seamount.workflows.nir_data import read_recording
from seamount.workflows.recordings import extent, named, sent_to
from seamount.workflows.requirements import judge, parse_requirements
from seamount.workflows.rungs import Form, Rung

COLUMNS = ("population", "spikes", "recorded", "correlation", "entries", "differing", "first at")
"""Of the table of a recording: spikes in the program and in the record, the correlation of spikes per neuron and
sample, entries of s, u and v compared, how many of them differ, and where the first one is."""


@dataclass(frozen=True)
class LayerRecord:
    """One population in the program and in a record.

    spikes: in the program; recorded: in the record, None where its spikes are not recorded. entries: compared, None
    where nothing of the population is recorded; differing: of them. correlation: Pearson's, of spikes per neuron and
    sample; None where a side is constant or not recorded. first: (sample, step) of the first difference.
    v_correlation: Pearson's, of all membranes, where the record has them in another unit than the register's.
    """

    population: str
    spikes: int
    recorded: int | None
    correlation: float | None
    entries: int | None
    differing: int
    first: tuple[int, int] | None
    v_correlation: float | None = None

    def row(self) -> tuple[str, ...]:
        """Cells under COLUMNS."""
        if self.entries is None:
            return self.population, f"{self.spikes:,}", "not recorded", "", "", "", ""
        recorded = "" if self.recorded is None else f"{self.recorded:,}"
        correlation = "" if self.correlation is None else f"{self.correlation:.4f}"
        where = "" if self.first is None else f"sample {self.first[0]}, step {self.first[1]}"
        return (
            self.population,
            f"{self.spikes:,}",
            recorded,
            correlation,
            f"{self.entries:,}",
            f"{self.differing:,}",
            where,
        )


@dataclass(frozen=True, eq=False, repr=False)
class RecordCheck(Shown):
    """A trace recorded elsewhere against an artifact, population by population."""

    checked: str
    trace: str
    layers: tuple[LayerRecord, ...]
    divergence: Divergence | None
    required: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether every recorded entry agrees, and requirements hold."""
        return not self.problems

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The recording as a rung of the check ladder."""
        return (_rung(self.layers),)

    def raise_if_failed(self) -> None:
        """Raise CheckFailed with every problem."""
        if self.problems:
            raise CheckFailed(self.problems)

    def blocks(self) -> Iterator[Block]:
        yield table(f"{self.checked} against {self.trace}", COLUMNS, [layer.row() for layer in self.layers])
        for layer in self.layers:
            if layer.v_correlation is not None:
                yield (
                    f"{layer.population}: v is recorded in a unit of its own, not compared by entry; "
                    f"correlation with the register {layer.v_correlation:.4f}"
                )

    def to_dict(self) -> dict[str, Any]:
        return {
            "rungs": [r.as_json() for r in self.rungs],
            "checked": self.checked,
            "populations": [asdict(layer) for layer in self.layers],
            "accuracy_drop": None,
            "required": list(self.required),
            "failed": [str(p) for p in self.problems],
        }


def check_recording(
    artifact: Any,
    trace: str | os.PathLike[str],
    data: Data | None = None,
    *,
    silicon: bool = False,
    require: Sequence[str] = (),
) -> RecordCheck:
    """Compare an artifact with a trace recorded elsewhere (.npz, .csv, or NIR's data format).

    The program is run on the messages in the record; where it has none, on `data`, by default the artifact's test
    vectors.
    silicon: v reads 128 at a spike in the record. require: as for `check`.
    Raises InputError for an artifact or a record that cannot be used; differences are in `.problems`.

    Example:
        print(seamount.check_recording("net.seamount", "board.npz", silicon=True))
    """
    required = parse_requirements(require)
    name, loaded = named(artifact, "artifact")
    if loaded is None and not Path(name).is_dir():
        found = "is a model; a recording is compared with an artifact"
        raise InputError(Problem(name, found, "compile it first, and give the folder"))
    loaded = load_artifact(name) if loaded is None else loaded
    x = None if data is None else labelled(data, loaded.steps).x
    layers, divergence = compared_with(loaded, name, Path(trace), silicon, x)
    rungs = (_rung(layers),)
    problems = (
        *inexact(rungs, "" if divergence is None else divergence_text.text(divergence)),
        *judge(required, rungs),
    )
    return RecordCheck(name, os.fspath(trace), layers, divergence, tuple(map(str, required)), problems)


def _rung(layers: tuple[LayerRecord, ...]) -> Rung:
    compared, differing = (
        sum(n or 0 for n in counts) for counts in zip(*((r.entries, r.differing) for r in layers), strict=True)
    )
    return Rung(Form.TRACE, 0, exact_with=Form.INTEGER, differing=differing, compared=compared)


def compared_with(
    artifact: Artifact, name: str, trace: Path, silicon: bool = False, x: Samples | None = None
) -> tuple[tuple[LayerRecord, ...], Divergence | None]:
    """A row per population, and the first divergence; None when every recorded entry agrees."""
    program = artifact.program
    check_program(program)
    sent = sent_to(artifact, name, x, None, None)
    record = read_recording(trace, artifact, *extent(sent))
    sent = record.messages or {k: x[: record.samples, : record.steps] for k, x in sent.items()}
    run = load_backend("vectorized").run(program, sent, record=RECORDS)
    a = Side.of_run(name, program, sent, run)
    b = record.side(program, sent, silicon)
    compared = compare(a, b)
    rows = tuple(_layer(p, a, b, compared, record.other_v) for p in program.populations)
    return rows, explain(a, b, compared)


def _layer(
    p: Population, a: Side, b: Side, compared: tuple[Compared, ...], other_v: Mapping[str, NDArray[np.float64]]
) -> LayerRecord:
    own = [c for c in compared if c.layer == p.name]
    spikes = int(a.spikes[p.name].sum())
    similar = _correlation([np.ravel(a.v[p.name]), np.ravel(other_v[p.name])]) if p.name in other_v else None
    if not own:
        return LayerRecord(p.name, spikes, None, None, None, 0, None, similar)
    places = [c.first for c in own if c.first is not None]
    first = min(places, key=lambda place: place.at, default=None)
    counts = [side.spikes[p.name].sum(axis=1).reshape(-1) for side in (a, b) if p.name in side.spikes]
    return LayerRecord(
        p.name, spikes, int(counts[1].sum()) if len(counts) == 2 else None, _correlation(counts),
        sum(c.entries for c in own), sum(c.differing for c in own),
        None if first is None else (first.sample, first.step), similar,
    )  # fmt: skip


def _correlation(counts: list[NDArray[Any]]) -> float | None:
    """Pearson's correlation; None where one side is constant, or not recorded."""
    if len(counts) < 2 or any(np.ptp(x) == 0 for x in counts):
        return None
    return float(np.corrcoef(counts[0], counts[1])[0, 1])
