"""Rows of the layer tables: shapes, registers, activity, proof verdicts; weights, bits, synaptic operations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.kept_run import Run
from seamount.compiler.program.fan_out import synapse_count
from seamount.compiler.program.program import Connection, Conv, Dense, InputPort, Population
from seamount.compiler.ranges.proof import PopulationRange, Ranges
from seamount.compiler.report.contents import PopulationRow, ProjectionRow
from seamount.compiler.report.excerpt import Windows


def population_rows(run: Run, ranges: Ranges, over: Windows) -> tuple[PopulationRow, ...]:
    """Inputs, then populations in update order."""
    program = run.artifact.program
    inputs = [_input_row(run, port, over) for port in program.inputs]
    return (*inputs, *(_row(run, p, ranges.populations[p.name], over) for p in program.populations))


def _input_row(run: Run, port: InputPort, over: Windows) -> PopulationRow:
    kind = f"input, graded {port.low}..{port.high}" if port.graded else "input, spikes"
    return PopulationRow(
        port.name, kind, port.shape, int(np.prod(port.shape, dtype=np.int64)), "", "", "", "",
        *_activity(run, port.name, over), None, "",
    )  # fmt: skip


def _row(run: Run, p: Population, proof: PopulationRange, over: Windows) -> PopulationRow:
    kind = "neurons" if p.fires else "readout, never fires"
    threshold = "none" if p.vth is None else _span(p.vth)
    reset = "" if p.vth is None else "to zero" if p.reset == "zero" else f"minus {_span(np.asarray(p.reset_by))}"
    return PopulationRow(
        p.name, kind, p.shape, p.size, _span(p.du), _span(p.dv), threshold, reset,
        *_activity(run, p.name, over), proof.proven, _verdict(proof),
    )  # fmt: skip


def _verdict(proof: PopulationRange) -> str:
    """In few words; the proof covers all inputs and samples of any length, certain is said of the program's own."""
    if proof.proven:
        return "proven: none"
    found = []
    for register, way in (("u", "wrap"), ("v", "saturate")):
        n, always = int(proof.overflows(register).sum()), int(proof.certain(register).sum())
        if n:
            found.append(f"{register} of {n:,} neurons could {way}" + (f" (of {always:,} always)" if always else ""))
    return "not proven: " + ", ".join(found)


def _activity(run: Run, name: str, over: Windows) -> tuple[float, float, int, int, tuple[float, ...]]:
    """Messages per sample, rate per neuron and step, silent neurons, neurons that always fire, messages per step."""
    counts = run.counts
    sent, possible = counts.sent[name], counts.samples * counts.steps
    per_step = _per_step(counts.spikes[name], counts.samples, over)
    total = counts.spike_totals[name]
    silent, always = int(np.sum(sent == 0)), int(np.sum(sent == possible))
    return total / counts.samples, total / (possible * max(1, len(sent))), silent, always, per_step


def _per_step(series: NDArray[np.int64], samples: int, over: Windows) -> tuple[float, ...]:
    return tuple(float(n) / samples for n in over.means(series))


def _span(value: NDArray[np.int32]) -> str:
    low, high = int(np.min(value)), int(np.max(value))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def projection_rows(run: Run, over: Windows) -> tuple[ProjectionRow, ...]:
    """In the order of the program."""
    program, n = run.artifact.program, run.counts.samples
    stated = {row.layer: row for row in run.artifact.manifest.layers}
    return tuple(
        ProjectionRow(
            q.name, q.source, q.target, _kind(q.connection), int(q.connection.weight.size),
            synapse_count(q.connection, program.shapes[q.source], program.shapes[q.target]),
            q.bits, q.sign_mode, q.weight_exp, q.delay + q.lag,
            stated[q.name].error if q.name in stated else None, stated[q.name].clipped if q.name in stated else None,
            run.counts.synop_totals[q.name] / n, _per_step(run.counts.synops[q.name], n, over),
        )
        for q in program.projections
    )  # fmt: skip


def _kind(connection: Connection) -> str:
    if isinstance(connection, Conv):
        kernel = "x".join(map(str, connection.weight.shape[2:]))
        kind = "convolution" if connection.input_dilation == (1, 1) else "transposed convolution"
        return f"{kind} {kernel}" + (f", {connection.groups} groups" if connection.groups > 1 else "")
    return "dense" if isinstance(connection, Dense) else "sparse"
