"""A trace recorded elsewhere against an artifact: the rows of a table, and the first divergence explained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import Artifact, load_artifact
from seamount.compiler.codes import Samples, encode
from seamount.compiler.diff.divergence import Divergence, explain
from seamount.compiler.diff.recording import read_record
from seamount.compiler.diff.side import Compared, Side, compare
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import RECORDS
from seamount.compiler.program.program import Population
from seamount.compiler.program.verify import check as check_program

COLUMNS = ("population", "spikes", "recorded", "correlation", "entries", "differing", "first at")
"""Of the rows of `check_trace`: spikes in the program and in the record, the correlation of spikes per neuron and
sample, entries of s, u and v compared, how many of them differ, and where the first one is."""
TraceRow = tuple[str, str, str, str, str, str, str]


def check_trace(artifact: Path, trace: Path, silicon: bool = False) -> tuple[list[TraceRow], Divergence | None]:
    """Rows under COLUMNS, one per population, and the first divergence; None when every recorded entry agrees.

    The program is run on the messages in the record, or on the artifact's test vectors when the record has none.
    silicon: v reads 128 at a spike in the record. Raises InputError for an artifact or a record that cannot be used.
    """
    loaded = load_artifact(artifact)
    program = loaded.program
    check_program(program)
    sent = sent_to(loaded, artifact, None, None, None)
    record = read_record(trace, program, *extent(sent))
    sent = record.messages or {k: x[: record.samples, : record.steps] for k, x in sent.items()}
    run = load_backend("vectorized").run(program, sent, record=RECORDS)
    a = Side.of_run(str(artifact), program, sent, run)
    b = record.side(program, sent, silicon)
    compared = compare(a, b)
    return [_row(p, a, b, compared) for p in program.populations], explain(a, b, compared)


def _row(p: Population, a: Side, b: Side, compared: tuple[Compared, ...]) -> TraceRow:
    own = [c for c in compared if c.layer == p.name]
    if not own:
        return p.name, f"{int(a.spikes[p.name].sum()):,}", "not recorded", "", "", "", ""
    entries, differing = sum(c.entries for c in own), sum(c.differing for c in own)
    places = [c.first for c in own if c.first is not None]
    first = min(places, key=lambda place: place.at, default=None)
    counts = [side.spikes[p.name].sum(axis=1).reshape(-1) for side in (a, b) if p.name in side.spikes]
    recorded = f"{int(counts[1].sum()):,}" if len(counts) == 2 else ""
    where = "" if first is None else f"sample {first.sample}, step {first.step}"
    correlation = _correlation(counts)
    return p.name, f"{int(counts[0].sum()):,}", recorded, correlation, f"{entries:,}", f"{differing:,}", where


def _correlation(counts: list[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> str:
    """Pearson's correlation of spike counts; empty where one side is constant, or not recorded."""
    if len(counts) < 2 or any(np.ptp(x) == 0 for x in counts):
        return ""
    return f"{float(np.corrcoef(counts[0], counts[1])[0, 1]):.4f}"


Messages = Mapping[str, NDArray[np.integer]]


def sent_to(artifact: Artifact, path: Path, x: Samples | None, steps: int | None, limit: int | None) -> Messages:
    """Messages of the samples x, or those of the artifact's test vectors; at most so many steps and samples."""
    if x is not None:
        return encode(artifact.inputs, x, steps or artifact.steps)
    vectors = artifact.vectors.messages
    if not vectors:
        raise InputError(Problem(str(path), "has no test vectors", "give --data, or compile again"))
    held = extent(vectors)[1]
    if steps is not None and steps > held:
        raise InputError(Problem("--steps", f"the test vectors last {held} steps", "give --data, or fewer steps"))
    return {name: values[:limit, :steps] for name, values in vectors.items()}


def extent(sent: Messages) -> tuple[int, int]:
    """(samples, steps) of messages."""
    shape = next(iter(sent.values())).shape
    return shape[0], shape[1]
