"""What a backend takes and gives: integer messages in, traces and event counts out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Program, Readout

IntArray = NDArray[np.int64]
Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


@dataclass(frozen=True, eq=False)
class EventCounts:
    """Exact counts of a run, summed over samples and steps of each population's window.

    spikes: population or input port -> messages other than 0 that it sent.
    synops: projection -> synaptic events delivered: messages times stored synapses (borders left out).
    updates: population -> neuron updates (neurons x steps x samples).
    """

    samples: int
    steps: int
    spikes: Mapping[str, int]
    synops: Mapping[str, int]
    updates: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Trace:
    """Result of a run, in the time of the trained network: index t of a population is its own step t.

    readout: readout name -> (N, *shape) int64 (rule "mean" holds the sum; divide by `steps`).
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


def combine(readout: Readout, series: IntArray) -> IntArray:
    """Apply a readout rule to (N, T, *shape); the mean is left as a sum, so that it stays an integer."""
    if readout.rule == "last":
        return series[:, -1]
    if readout.rule == "max":
        return np.asarray(series.max(axis=1))
    return np.asarray(series.sum(axis=1, dtype=np.int64))
