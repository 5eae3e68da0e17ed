"""Samples of different lengths: each runs its own, and the results are one run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import BY_VALUE, OutputCode, Samples, some
from seamount.compiler.codes import count as samples_of
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import EventCounts, join_counts
from seamount.models.data.batches import as_array, as_labels, as_samples, is_array
from seamount.workflows.data import GIVEN, DataSource, described
from seamount.workflows.run import Run

Group = tuple[NDArray[np.int64], Run]
"""Places of samples of one length, and their run."""


def by_length(
    run: Callable[..., Run], artifact: Artifact, x: Any, y: Any, lengths: Any, steps: int | None,
    options: Mapping[str, Any],
) -> Run:  # fmt: skip
    """Run each sample for its own length, or for `steps` where that is given.

    Raises InputError for lengths that do not belong to the samples, or are shorter than `steps`.
    """
    if not isinstance(x, Mapping) and not is_array(x):
        raise InputError(Problem("lengths", "are for arrays", "give x as an array (N, T, *shape), padded"))
    samples, lasting = as_samples(x), as_array(lengths, "lengths")
    _check(artifact, samples, lasting, steps)
    labels = None if y is None else as_labels(y, "y")
    if steps is not None:
        made = run(artifact, samples, labels, steps=steps, **options)
        return replace(made, unused_steps=int(lasting.max()) - steps)
    lasting = lasting.astype(np.int64)
    if labels is not None and labels.ndim > 1 and artifact.outputs[0].lead == 2:
        labels = _within(artifact.outputs[0], labels, lasting)
    groups: list[Group] = []
    for length in np.unique(lasting):
        places = np.flatnonzero(lasting == length)
        own = None if labels is None else labels[places]
        made = run(artifact, _cut(artifact, some(samples, places), int(length)), own, steps=int(length), **options)
        groups.append((places, made))
        if made.stopped is not None:
            raise made.stopped
    facts = described(options.get("source") or DataSource(GIVEN), samples, labels)
    return _joined(groups, lasting, samples, facts)


def _check(artifact: Artifact, x: Samples, lengths: NDArray[Any], steps: int | None) -> None:
    problems = []
    most = min((v.shape[1] if v.ndim > 1 else 0) for v in (x.values() if isinstance(x, Mapping) else (x,)))
    if any(code.encoding == "constant" for code in artifact.inputs):
        problems.append(Problem("lengths", "the network is shown a sample unchanged at each step", "omit lengths"))
    elif lengths.dtype.kind not in "iu" or lengths.shape != (samples_of(x),):
        found = f"are {lengths.dtype} of shape {lengths.shape} for {samples_of(x)} samples"
        problems.append(Problem("lengths", found, "give the steps of each sample, (N,) whole numbers"))
    elif not 1 <= int(lengths.min()) <= int(lengths.max()) <= most:
        found = f"are {lengths.min()} to {lengths.max()}, but the samples hold {most} steps"
        problems.append(Problem("lengths", found, "give lengths of 1 to T"))
    elif steps is not None and int(lengths.min()) < steps:
        found = f"a sample lasts {lengths.min()} steps"
        problems.append(Problem("data", found, "give longer samples or fewer --steps", f"{steps}"))
    if problems:
        raise InputError(problems)


def _within(output: OutputCode, labels: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[Any]:
    """Labels per step, without those behind the end of each sample."""
    if output.task in BY_VALUE:
        raise InputError(
            Problem("lengths", "real values per step have no mark for steps without one", "give --steps N")
        )
    behind = np.arange(labels.shape[1]) >= lengths[:, None]
    return np.where(behind.reshape(*behind.shape, *(1,) * (labels.ndim - 2)), -1, labels)


def _cut(artifact: Artifact, x: Samples, steps: int) -> Samples:
    return {k: v[:, :steps] for k, v in x.items()} if isinstance(x, Mapping) else x[:, :steps]


def _joined(groups: list[Group], lengths: NDArray[np.int64], x: Samples, facts: Mapping[str, Any]) -> Run:
    """The groups as one run of the longest length, each sample in its place."""
    runs, first = [made for _, made in groups], groups[-1][1]
    n, steps = len(lengths), int(lengths.max())
    timed = {c.readout: c.lead == 2 for c in first.artifact.outputs}
    readout = {
        k: _placed([(p, made.readout[k]) for p, made in groups], n, steps if each else None)
        for k, each in timed.items()
    }
    recorded = [
        {k: _placed([(p, getattr(made, kind)[k]) for p, made in groups], n, steps) for k in getattr(first, kind)}
        for kind in ("spikes", "u", "v")
    ]
    labels = None if first.labels is None else _placed([(p, made.labels) for p, made in groups], n, None)
    return replace(
        first, counts=join_counts([_padded(made.counts, steps) for made in runs]), readout=readout, labels=labels,
        spikes=recorded[0], u=recorded[1], v=recorded[2], seconds=sum(made.seconds for made in runs),
        clipped=sum(made.clipped for made in runs), x=x, data=facts, lengths=lengths,
    )  # fmt: skip


def _placed(parts: list[tuple[NDArray[np.int64], Any]], n: int, steps: int | None) -> NDArray[Any]:
    """Arrays of groups as one of all samples; with `steps`, the second axis is padded with zeros to that length."""
    _, last = parts[-1]
    shape = (n, *last.shape[1:]) if steps is None else (n, steps, *last.shape[2:])
    whole = np.zeros(shape, last.dtype)
    for places, part in parts:
        if steps is None:
            whole[places] = part
        else:
            whole[places, : part.shape[1]] = part
    return whole


def _padded(counts: EventCounts, steps: int) -> EventCounts:
    """Counts of a shorter run as of one in whose later steps nothing happens."""
    spikes, synops = (
        {k: np.pad(v, (0, steps - len(v))) for k, v in kind.items()} for kind in (counts.spikes, counts.synops)
    )
    return replace(counts, steps=steps, spikes=spikes, synops=synops)
