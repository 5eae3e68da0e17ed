"""Data through a backend, batch by batch; what has finished is kept when the rest fails or is interrupted.

The one loop in which the API and commands run an integer program.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.lava.run import LavaBackend
from seamount.backends.registry import load_backend, suited_backend
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import Samples, clipped, encode, some, unused_steps
from seamount.compiler.codes import count as samples_of
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.execution import RECORDS, Backend, Trace, join_counts
from seamount.compiler.program.verify import check as check_program
from seamount.models.data.batches import as_labels, as_samples, batches, is_array
from seamount.progress import Progress, Tick, watched
from seamount.workflows.data import GIVEN, DataSource, described
from seamount.workflows.labels import Labels, read_labels
from seamount.workflows.lengths import by_length
from seamount.workflows.run import Run, Stopped

SIMULATED, PER_GRAPH = 500, 100
"""Samples handed over at once: to a simulator; to Lava for each process, since a graph takes a second to start."""


FIRST = 16
"""Samples of a stream that a run holds on to, so that it can be saved with a recording."""


def run(
    artifact: Artifact,
    x: Any,
    y: Any = None,
    *,
    steps: int | None = None,
    batch_size: int | None = None,
    backend: str | Backend = "auto",
    record: Collection[str] = (),
    source: DataSource | None = None,
    lengths: Any = None,
    progress: Progress = None,
) -> Run:
    """Run an artifact on samples; `seamount.Artifact.run` has the arguments.

    A run that fails or is interrupted after its first batch comes back with what has finished, and `stopped`.
    Raises InputError for data that do not fit, CheckFailed where the backend fails at once.
    """
    if lengths is not None:
        options = {"batch_size": batch_size, "backend": backend, "record": record, "source": source}
        return by_length(run, artifact, x, y, lengths, steps, {**options, "progress": progress})
    wrong = sorted(set(record) - RECORDS)
    if wrong:
        raise InputError(Problem(f"record '{wrong[0]}'", "cannot be recorded", "ask for spikes, u or v"))
    check_program(artifact.program)
    steps = steps or artifact.steps
    total = _count(x)
    if isinstance(backend, str):
        updates = neuron_updates(artifact, steps, total if total is not None else batch_size or SIMULATED)
        backend = load_backend(suited_backend(updates) if backend == "auto" else backend)
    if isinstance(backend, LavaBackend):
        backend = replace(backend, begin=time.monotonic())
    whole = _whole(x)
    answers = None if y is None else read_labels(artifact, as_labels(y, "y"))
    made = _Runner(artifact, backend, steps, frozenset(record), total, whole, answers)
    size = batch_size or usual_batch(backend)
    with watched(progress, f"run on {backend.name}") as tick:
        made.run(x if answers is None else (x, answers), size, tick)
    return made.result(source or DataSource(GIVEN))


def usual_batch(backend: Backend) -> int:
    """Samples handed over at once unless asked otherwise."""
    return PER_GRAPH * backend.processes if isinstance(backend, LavaBackend) else SIMULATED


def neuron_updates(artifact: Artifact, steps: int, samples: int) -> int:
    """Neuron updates of a run, by which a backend is chosen (backends/registry.py)."""
    return sum(p.size for p in artifact.program.populations) * steps * samples


def _count(x: Any) -> int | None:
    """Samples in all, where that is known before."""
    if isinstance(x, Mapping):
        return len(next(iter(x.values()), ()))
    counted = getattr(x, "dataset", x)
    if isinstance(counted, list | tuple) or not hasattr(counted, "__len__"):
        return None
    return len(counted)


def _whole(x: Any) -> Samples | None:
    """The samples themselves where they were given as arrays."""
    return as_samples(x) if isinstance(x, Mapping) or is_array(x) else None


class _Runner:
    """Runs batches and keeps what has finished."""

    def __init__(
        self, artifact: Artifact, engine: Backend, steps: int, record: frozenset[str], total: int | None,
        whole: Samples | None, answers: Labels | None,
    ) -> None:  # fmt: skip
        self.artifact, self.engine, self.steps, self.record, self.total = artifact, engine, steps, record, total
        self.whole, self.answers = whole, answers
        self.traces: list[Trace] = []
        self.labels: list[Labels] = []
        self.first: list[Samples] = []
        self.outside = self.done = self.unused = 0
        self.seconds = 0.0
        self.stopped: Stopped | None = None
        self.digest = hashlib.sha256()

    def run(self, data: Any, size: int, tick: Tick) -> None:
        """Run everything. What stops it is kept once a batch has finished; before that it is raised."""
        try:
            for part, labels in batches(data, size):
                begin = time.perf_counter()
                self._batch(part, read_labels(self.artifact, labels), tick)
                self.seconds += time.perf_counter() - begin
        except (CheckFailed, KeyboardInterrupt) as stopped:
            if not self.traces:
                raise
            self.stopped = stopped
        if not self.traces:
            raise InputError(Problem("data", "holds no samples", "give at least one"))

    def _batch(self, part: Samples, labels: Labels | None, tick: Tick) -> None:
        if self.traces and (labels is None) != (not self.labels):
            raise InputError(Problem("data", "some batches have labels and others have none", "give all or none"))
        sent = encode(self.artifact.inputs, part, self.steps)
        outside, start = clipped(self.artifact.inputs, part), self.done
        if labels is not None and len(labels) != samples_of(part):
            found = f"{samples_of(part)} samples but {len(labels)} labels"
            raise InputError(Problem("data", found, "give one label per sample, in the same order"))

        def report(done: int, _: int) -> None:
            tick(start + done, self.total or start + done)

        lava = isinstance(self.engine, LavaBackend)
        trace = self.engine.run(self.artifact.program, sent, record=self.record, progress=report if lava else None)
        self.traces.append(trace)
        self.done += trace.counts.samples
        self.outside += outside
        self.unused = max(self.unused, unused_steps(self.artifact.inputs, part, self.steps))
        if labels is not None:
            self.labels.append(labels)
        if self.whole is None:
            self._remember(part)
        tick(self.done, self.total or self.done)

    def _remember(self, part: Samples) -> None:
        held = sum(map(samples_of, self.first))
        if held < FIRST:
            self.first.append(some(part, slice(FIRST - held)))
        for array in part.values() if isinstance(part, Mapping) else (part,):
            self.digest.update(np.ascontiguousarray(array).tobytes())

    def result(self, source: DataSource) -> Run:
        """Everything that has finished as one run."""
        counts = join_counts([t.counts for t in self.traces])
        labels: Any = np.concatenate(self.labels) if self.labels else None
        x = self.whole if self.whole is not None else joined(self.first)
        if self.whole is None:
            facts: dict[str, Any] = {"name": source.name, "split": source.split, "limit": None, "seed": None}
            facts["digest"] = f"sha256:{self.digest.hexdigest()}"
        else:
            facts = described(source, x, self.answers)
        total = self.total if self.total is not None else self.done
        return Run(
            self.artifact, counts, _joined("readout", self.traces), labels, _joined("spikes", self.traces),
            _joined("u", self.traces), _joined("v", self.traces), self.engine.name, self.seconds, self.outside,
            total - self.done, self.stopped, x, facts, self.unused,
        )  # fmt: skip


def _joined(kind: str, traces: list[Trace]) -> dict[str, NDArray[Any]]:
    parts = [getattr(trace, kind) for trace in traces]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def joined(parts: list[Samples]) -> Samples:
    """Samples of several batches as one."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {k: np.concatenate([p[k] for p in parts if isinstance(p, Mapping)]) for k in first}
    return np.concatenate([p for p in parts if not isinstance(p, Mapping)])
