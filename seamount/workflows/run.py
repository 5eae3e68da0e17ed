"""Data through a backend, batch by batch; what has finished is kept when the rest fails or is interrupted.

The one loop in which commands run an integer program.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seamount.backends.lava.run import LavaBackend
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import InputCode, Samples, count, encode, predictions, some
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.execution import Backend, EventCounts, Trace, join_counts
from seamount.compiler.program.program import Program
from seamount.workflows.rungs import Answers, Tick

SIMULATED, PER_GRAPH = 500, 100
"""Samples handed over at once: to a simulator; to Lava for each process, since a graph takes a second to start."""
OPTIONS = {
    "processes": "--processes",
    "time_limit_s": "--time-limit",
    "keep": "--keep",
    "interpreter": "--lava-python",
}


@dataclass(frozen=True)
class LavaOptions:
    """What the user said of how Lava shall run, by the names of LavaBackend; None: nothing."""

    processes: int | None = None
    time_limit_s: float | None = None
    keep: Path | None = None
    interpreter: Path | None = None

    def applied(self, engine: Backend) -> Backend:
        """The backend with these options. Raises InputError when there are any and it is not Lava."""
        said = {k: v for k, v in vars(self).items() if v is not None}
        if isinstance(engine, LavaBackend):
            return replace(engine, **said)
        if said:
            options = ", ".join(OPTIONS[k] for k in said)
            raise InputError(Problem(options, f"not for the backend {engine.name}", "add --backend lava"))
        return engine


@dataclass
class Batches:
    """Runs samples x, (N, ...) or by input, in batches. traces: of the batches that have finished, in order."""

    engine: Backend
    program: Program
    codes: Sequence[InputCode]
    steps: int
    size: int | None = None
    traces: list[Trace] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Samples that have finished."""
        return sum(t.counts.samples for t in self.traces)

    def run(self, x: Samples, tick: Tick) -> CheckFailed | KeyboardInterrupt | None:
        """Run everything; what stopped it early, once a batch has finished. Before that, the error is raised."""
        lava = isinstance(self.engine, LavaBackend)
        size = self.size or (PER_GRAPH * getattr(self.engine, "processes", 1) if lava else SIMULATED)
        samples = count(x)
        engine = replace(self.engine, begin=time.monotonic()) if isinstance(self.engine, LavaBackend) else self.engine
        try:
            for start in range(0, samples, size):
                part = encode(self.codes, some(x, slice(start, start + size)), self.steps)

                def report(done: int, _: int, start: int = start) -> None:
                    tick(start + done, samples)

                self.traces.append(engine.run(self.program, part, progress=report if lava else None))
                tick(self.done, samples)
        except (CheckFailed, KeyboardInterrupt) as stopped:
            if not self.traces:
                raise
            return stopped
        return None


@dataclass(frozen=True, eq=False)
class Executed:
    """The integer program on samples: what it answered, and its exact counts."""

    answers: Answers
    counts: EventCounts
    readout: Mapping[str, NDArray[np.int64]]

    @property
    def synops_per_sample(self) -> float:
        return sum(self.counts.synop_totals.values()) / self.counts.samples


def neuron_updates(artifact: Artifact, steps: int, samples: int) -> int:
    """Neuron updates of a run, by which a backend is chosen (backends/registry.py)."""
    return sum(p.size for p in artifact.program.populations) * steps * samples


def gathered(artifact: Artifact, traces: Sequence[Trace], seconds: float) -> Executed:
    """The traces of all batches as one."""
    counts = join_counts([t.counts for t in traces])
    readout = {name: np.concatenate([t.readout[name] for t in traces]) for name in traces[0].readout}
    firing = {p.name for p in artifact.program.populations if p.fires}
    spikes = sum(n for name, n in counts.spike_totals.items() if name in firing)
    output = artifact.outputs[0]
    found = predictions(readout[output.readout], output.rule)
    return Executed(Answers(found, spikes / counts.samples, seconds), counts, readout)


def executed(artifact: Artifact, engine: Backend, x: Samples, steps: int, tick: Tick) -> Executed:
    """Run an artifact on all samples. What stops it is raised."""
    batches = Batches(engine, artifact.program, artifact.inputs, steps)
    begin = time.perf_counter()
    stopped = batches.run(x, tick)
    if stopped is not None:
        raise stopped
    return gathered(artifact, batches.traces, time.perf_counter() - begin)
