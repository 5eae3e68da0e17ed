"""Runs that are kept: a RUN folder from what a command has just computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import Samples, encode, some
from seamount.compiler.codes import count as samples_of
from seamount.compiler.errors import CheckFailed, Problem
from seamount.compiler.execution import EventCounts
from seamount.compiler.kept_run import Data, KeptLayer, KeptRung, Recording, Run, Summary, save_run
from seamount.compiler.measures import answers, values_of

RECORDER = "vectorized"
"""What records; whichever backend ran, it must give the same readouts."""
RECORD = 3
"""Samples recorded unless asked otherwise."""
RECORD_BYTES = 256 * 2**20
"""A recording takes at most this much memory; fewer samples are kept of a larger network, with a note."""


def keep_run(
    folder: str | os.PathLike[str],
    artifact: Artifact,
    counts: EventCounts,
    readout: Mapping[str, NDArray[np.int64]],
    x: Samples,
    labels: NDArray[np.int64] | NDArray[np.float64] | None,
    summary: Mapping[str, Any],
    *,
    record: int = RECORD,
    rungs: Sequence[Mapping[str, Any]] = (),
    layers: Sequence[Mapping[str, Any]] = (),
    overwrite: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> Run:
    """Record the first samples and write the run. x: the samples that were run, or the first ones of them.

    note: called with what a user should know.

    Raises CheckFailed when the recording's readouts are not those of the run, InputError as save_run does.
    """
    recording = recorded(artifact, counts, readout, x, record, note)
    output = artifact.outputs[0]
    given = labels if labels is None or output.lead == 1 else labels[:, : counts.steps]
    about = Summary(**{**summary, "data": Data(**summary["data"])})
    kept = tuple(KeptRung(**rung) for rung in rungs), tuple(KeptLayer(**layer) for layer in layers)
    found = answers(output, values_of(output, readout, counts.steps))
    run = Run(artifact, counts, given, found, readout, recording, about, *kept)
    save_run(run, Path(folder), overwrite)
    return run


def recorded(
    artifact: Artifact,
    counts: EventCounts,
    readout: Mapping[str, NDArray[np.int64]],
    x: Samples,
    record: int,
    note: Callable[[str], None],
) -> Recording:
    """Messages, spikes and v of the first `record` samples, or of as many as memory allows. Raises CheckFailed when
    they lead to other readouts than the run's."""
    there = min(record, counts.samples, samples_of(x))
    count = min(there, _affordable(artifact, counts.steps))
    if count < there:
        note(f"{count} samples are recorded, not {record}: more would take over {RECORD_BYTES >> 20} MiB")
    return _record(artifact, some(x, slice(count)), counts.steps, readout) if count else Recording({}, {}, {})


def _affordable(artifact: Artifact, steps: int) -> int:
    """Samples whose spikes, u and v fit in RECORD_BYTES."""
    per_neuron_and_step = 9
    neurons = sum(p.size for p in artifact.program.populations)
    return RECORD_BYTES // max(1, neurons * steps * per_neuron_and_step)


def _record(artifact: Artifact, x: Samples, steps: int, readout: Mapping[str, NDArray[np.int64]]) -> Recording:
    sent = encode(artifact.inputs, x, steps)
    trace = load_backend(RECORDER).run(artifact.program, sent, record=frozenset({"spikes", "v"}))
    for name, found in trace.readout.items():
        if not np.array_equal(found, readout[name][: samples_of(x)]):
            said = f"readout '{name}' of the run differs from the {RECORDER} simulator's"
            raise CheckFailed(Problem("recording", said, "find where with 'seamount diff'", "equal, bit for bit"))
    return Recording(sent, trace.spikes, trace.v)
