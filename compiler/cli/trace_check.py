"""A trace recorded elsewhere against an artifact: the rows of a table, and the first divergence explained."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import load_artifact
from seamount.compiler.cli.diff_command import extent, sent_to
from seamount.compiler.execution import RECORDS
from seamount.compiler.program.program import Population
from seamount.compiler.program.verify import check as check_program
from seamount.compiler.report.divergence import Divergence, explain
from seamount.compiler.report.recorded import read_record
from seamount.compiler.report.side import Compared, Side, compare

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
