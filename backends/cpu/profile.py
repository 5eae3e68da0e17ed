"""Where the time of the engine `cpu` goes: per population, on one thread, by the processor's time stamps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.backends.cpu.kernel import stamp
from seamount.backends.cpu.run import Job, planned
from seamount.backends.cpu.tables import PHASES
from seamount.compiler.execution import EventCounts, check_request, join_counts
from seamount.compiler.program.program import Program


@dataclass(frozen=True)
class Profile:
    """Seconds of one thread. populations: name -> phase (tables.PHASES) -> seconds; what is missing to `total` is the
    packing of the inputs and all that is done in Python."""

    total: float
    populations: Mapping[str, Mapping[str, float]]
    counts: EventCounts


def profile(program: Program, messages: Mapping[str, NDArray[np.integer]]) -> Profile:
    """Run the messages once to warm up and once timed. Raises as `CpuEngine.run` does."""
    plan = planned(program)
    samples, steps = check_request(program, messages, frozenset())
    Job(plan, messages, samples, steps, frozenset()).run(0, 1)
    ticks = np.zeros((len(plan.order), len(PHASES)), np.int64)
    begin, first = time.perf_counter(), stamp()
    job = Job(plan, messages, samples, steps, frozenset(), ticks)
    size = job.samples_at_a_time(1)
    counts = [job.run(i, min(i + size, samples)) for i in range(0, samples, size)]
    total, passed = time.perf_counter() - begin, stamp() - first
    seconds = {
        name: {phase: float(n) * total / passed for phase, n in zip(PHASES, row, strict=True)}
        for name, row in zip(plan.order, ticks, strict=True)
    }
    return Profile(total, seconds, join_counts(counts))
