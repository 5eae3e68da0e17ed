"""The fast simulator: the same integers as reference.py, in local time, many samples at once.

Local step t of a population sees what a source sent at its own step t - lag (docs/semantics.md, time). Layers are
therefore run one after the other over all steps; only populations on a common cycle advance step by step.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.simulator.batch import REGISTERS, Batch, BatchPlan
from seamount.backends.threads import threads_at_hand
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import (
    EventCounts,
    Progress,
    Trace,
    check_request,
    combine,
    join_counts,
    readout_shape,
)
from seamount.compiler.program.program import Program
from seamount.compiler.program.verify import check

BATCH_ELEMENTS = 2**21
"""Neurons x steps x samples of a batch: the spikes of a batch take this many bytes."""
BATCH_ELEMENTS_CYCLIC = 2**23
"""The same where populations go step by step, and more samples make up for shorter arrays."""


@dataclass(frozen=True)
class VectorizedSimulator:
    """Runs a program batch by batch, one batch per thread at a time.

    batch_size: samples per batch; None chooses by the program's size. threads: None takes the cores at hand.
    Memory grows with batch_size x threads, not with the number of samples, apart from what is recorded.
    """

    batch_size: int | None = None
    threads: int | None = None
    name: str = "vectorized"

    def run(
        self,
        program: Program,
        messages: Mapping[str, NDArray[np.integer]],
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace:
        """Trace of the messages. Raises InputError for the request; what `check` raises for the program."""
        check(program)
        samples, steps = check_request(program, messages, record)
        plan = BatchPlan(program, steps, record)
        results = _Results(program, samples, steps, record)
        size = self.samples_per_batch(plan)
        starts = range(0, samples, size)
        pool = ThreadPoolExecutor(min(threads_at_hand(self.threads), len(starts)))
        try:
            batches = [
                pool.submit(_run, plan, {name: x[i : i + size] for name, x in messages.items()}, results, i)
                for i in starts
            ]
            for i, batch in zip(starts, batches, strict=True):
                results.counts.append(batch.result())
                if progress is not None:
                    progress(min(i + size, samples), samples)
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or an interrupt, start no further batch
        return results.trace()

    def samples_per_batch(self, plan: BatchPlan) -> int:
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(Problem("batch size", f"is {self.batch_size}", "give at least 1, or none at all"))
        budget = BATCH_ELEMENTS_CYCLIC if plan.cyclic else BATCH_ELEMENTS
        neurons = sum(p.size for p in plan.program.populations)
        return self.batch_size or max(1, budget // (neurons * plan.steps))


def _run(plan: BatchPlan, messages: Mapping[str, NDArray[np.integer]], results: _Results, first: int) -> EventCounts:
    """Run one batch, put its results in place, and return its counts."""
    batch = Batch(plan, messages)
    batch.run()
    results.keep(batch, first)
    return batch.counts()


class _Results:
    """What is known of the run so far; batches fill disjoint samples."""

    def __init__(self, program: Program, samples: int, steps: int, record: frozenset[str]) -> None:
        self.program = program
        self.counts: list[EventCounts] = []
        self.recorded: dict[tuple[str, str], NDArray[Any]] = {
            (p.name, REGISTERS[what]): np.empty((samples, steps, *p.shape), np.int8 if what == "spikes" else np.int32)
            for what in sorted(record)
            for p in program.populations
        }
        self.readout = {r.name: np.empty(readout_shape(program, r, samples, steps), np.int64) for r in program.readouts}

    def keep(self, batch: Batch, first: int) -> None:
        """Put what one batch read and recorded in place, `first` being the place of its first sample."""
        here = slice(first, first + batch.size)
        for key, kept in self.recorded.items():
            kept[here] = batch.series(*key)
        for r in self.program.readouts:
            series = batch.series(r.population, r.register).astype(np.int64)
            self.readout[r.name][here] = combine(r, series)

    def trace(self) -> Trace:
        kept = {
            what: {name: x for (name, register), x in self.recorded.items() if register == letter}
            for what, letter in REGISTERS.items()
        }
        return Trace(join_counts(self.counts), self.readout, **kept)
