"""What a backend takes and gives: integer messages in, traces and event counts out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.program.program import InputPort, Program, Readout

IntArray = NDArray[np.int64]
Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""
RECORDS = frozenset({"spikes", "u", "v"})
"""What a backend can be asked to keep in full."""


@dataclass(frozen=True, eq=False)
class EventCounts:
    """Exact counts of a run, summed over its samples, within each population's window.

    spikes: population or input port -> (T,) messages other than 0 that it sent in each of its own steps.
    synops: projection -> (T,) synaptic events delivered, by the source's own step: messages times stored synapses
        (borders left out).
    sent: population or input port -> (n,) messages other than 0 of each neuron (flattened), over all steps.
    updates: population -> neuron updates (neurons x steps x samples).
    """

    samples: int
    steps: int
    spikes: Mapping[str, IntArray]
    synops: Mapping[str, IntArray]
    sent: Mapping[str, IntArray]
    updates: Mapping[str, int]

    @cached_property
    def spike_totals(self) -> dict[str, int]:
        """Population or input port -> messages over all steps and samples."""
        return {name: int(n.sum()) for name, n in self.spikes.items()}

    @cached_property
    def synop_totals(self) -> dict[str, int]:
        """Projection -> synaptic events over all steps and samples."""
        return {name: int(n.sum()) for name, n in self.synops.items()}

    def differences(self, other: EventCounts) -> list[str]:
        """What differs, by the names of the fields and entries; empty when all counts are equal."""
        found = [k for k in ("samples", "steps", "updates") if getattr(self, k) != getattr(other, k)]
        for kind in ARRAYS:
            mine, theirs = getattr(self, kind), getattr(other, kind)
            found += [
                f"{kind} {name}"
                for name in sorted(mine.keys() | theirs.keys())
                if name not in mine or name not in theirs or not np.array_equal(mine[name], theirs[name])
            ]
        return found


ARRAYS = ("spikes", "synops", "sent")
"""Fields of EventCounts that hold arrays."""


def join_counts(parts: Sequence[EventCounts]) -> EventCounts:
    """Counts of runs of one program over the same number of steps, as of one run over all samples."""
    first = parts[0]
    spikes, synops, sent = (
        {name: np.sum([getattr(p, kind)[name] for p in parts], axis=0) for name in getattr(first, kind)}
        for kind in ARRAYS
    )
    updates = {name: sum(p.updates[name] for p in parts) for name in first.updates}
    return EventCounts(sum(p.samples for p in parts), first.steps, spikes, synops, sent, updates)


@dataclass(frozen=True, eq=False)
class Trace:
    """Result of a run, in the time of the trained network: index t of a population is its own step t.

    readout: readout name -> (N, *shape) int64 (rule "mean" holds the sum; divide by `steps`);
        (N, T, *shape) for the rule "each".
    spikes, u, v: population -> (N, T, *shape), only where recording was asked for. At a spike v is what the
    register holds after the reset.
    """

    counts: EventCounts
    readout: Mapping[str, IntArray]
    spikes: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    u: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    v: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)


class Backend(Protocol):
    """Runs a program.

    messages: input port -> (N, T, *shape) integers. record: which of "spikes", "u", "v" to keep in full.
    """

    name: str

    def run(
        self,
        program: Program,
        messages: Mapping[str, NDArray[np.integer]],
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace: ...


def readout_shape(program: Program, readout: Readout, samples: int, steps: int) -> tuple[int, ...]:
    """Shape of what `combine` gives: (N, *shape), or (N, T, *shape) for the rule "each"."""
    lead = (samples, steps) if readout.rule == "each" else (samples,)
    return (*lead, *program.shapes[readout.population])


def combine(readout: Readout, series: IntArray) -> IntArray:
    """Apply a readout rule to (N, T, *shape); the mean is left as a sum, so that it stays an integer."""
    if readout.rule == "each":
        return series
    if readout.rule == "last":
        return series[:, -1]
    if readout.rule == "max":
        return np.asarray(series.max(axis=1))
    return np.asarray(series.sum(axis=1, dtype=np.int64))


def check_request(
    program: Program, messages: Mapping[str, NDArray[np.integer]], record: frozenset[str]
) -> tuple[int, int]:
    """(samples, steps) of a run. Raises InputError with everything that does not fit the program's input ports."""
    ports = {port.name: port for port in program.inputs}
    problems = [
        Problem(f"messages '{name}'", "no input port has this name", f"name one of: {', '.join(ports)}")
        for name in messages
        if name not in ports
    ]
    for name in sorted(record - RECORDS):
        problems.append(Problem(f"record '{name}'", "cannot be recorded", "ask for spikes, u or v"))
    sizes: dict[tuple[int, int], str] = {}
    for port in program.inputs:
        values = messages.get(port.name)
        found = "are missing" if values is None else _fault(port, values)
        if values is None or found:
            problems.append(Problem(f"messages '{port.name}'", found, "give one array per input port"))
        else:
            sizes.setdefault((values.shape[0], values.shape[1]), port.name)
    if len(sizes) > 1:
        found = ", ".join(f"'{name}' has N, T = {n}, {t}" for (n, t), name in sizes.items())
        problems.append(Problem("messages", found, "give every port the same samples and steps"))
    if problems:
        raise InputError(problems)
    return next(iter(sizes))


def _fault(port: InputPort, values: NDArray[np.integer]) -> str:
    """What is wrong with the messages of one port; empty when nothing is."""
    if values.ndim != len(port.shape) + 2 or values.shape[2:] != port.shape:
        return f"have shape {values.shape}, expected (N, T, {', '.join(map(str, port.shape))})"
    if 0 in values.shape[:2]:
        return f"have shape {values.shape}: no sample or no step"
    if values.dtype.kind not in "iub":
        return f"are of type {values.dtype}, expected integers"
    low, high = (port.low, port.high) if port.graded else (0, 1)
    smallest, largest = int(values.min()), int(values.max())
    if smallest < low or largest > high:
        return f"reach from {smallest} to {largest}, the port takes {low} to {high}"
    return ""
