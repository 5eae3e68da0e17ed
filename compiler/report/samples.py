"""Recorded samples for the report: which neurons are shown, their spikes and membranes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import BY_VALUE, Task, scores
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.kept_run import Run
from seamount.compiler.program.program import VTH_SHIFT, Population, Program
from seamount.compiler.report.accuracy import class_names
from seamount.compiler.report.contents import Membrane, Raster, Sample
from seamount.compiler.report.excerpt import SAMPLES, Windows

ROWS = 480
"""Rows of one sample's raster, shared by its populations; more neurons are thinned out evenly."""
FEWEST, MOST = 8, 96
"""Rows of one population."""
POPULATIONS = 24
"""Populations drawn; the first ones, where there are more."""
BARS = 64
"""Outputs of a sample that are drawn."""
MARKS = 72_000
"""Entries of all rasters together: rows times columns times samples."""
TRACES = 12
"""Membranes drawn where no neurons were asked for."""
Chosen = tuple[Population, int, str]
"""Population, flat index of the neuron, why it was chosen."""


_DIGITS = 18
"""Longest number that is looked at."""


def neurons_named(program: Program, words: Sequence[str]) -> list[Chosen]:
    """Neurons as the user names them, POPULATION:INDEX. Raises InputError for each that there is not."""
    known = {p.name: p for p in program.populations}
    chosen, problems = [], []
    for word in words:
        name, _, number = word.rpartition(":")
        if name not in known:
            problems.append(
                Problem(f"--neuron {word}", "names no population", f"one of {', '.join(known)}, then :INDEX")
            )
        elif not (number.isdecimal() and len(number) <= _DIGITS and int(number) < known[name].size):
            limit = f"0 to {known[name].size - 1}, flattened"
            problems.append(Problem(f"--neuron {word}", f"'{number}' is no neuron of it", "choose another", limit))
        else:
            chosen.append((known[name], int(number), "as asked"))
    if problems:
        raise InputError(problems)
    return chosen


def neurons_to_show(run: Run) -> list[Chosen]:
    """Of each population the most active neuron and one of middle activity among those that fired."""
    firing = [p for p in run.artifact.program.populations if p.fires]
    chosen: list[Chosen] = []
    for p in firing:
        sent = run.counts.sent[p.name]
        order = np.argsort(-sent, kind="stable")
        active = int(np.sum(sent > 0))
        if active:
            chosen.append((p, int(order[0]), "most active"))
        if active > 2:
            chosen.append((p, int(order[active // 2]), "of middle activity"))
    return chosen[:TRACES]


def recorded_samples(run: Run, chosen: list[Chosen], over: Windows) -> tuple[Sample, ...]:
    """The first recorded samples, always with the same neurons."""
    names, code = class_names(run), run.artifact.outputs[0]
    values = scores(code, run.readout[code.readout], run.counts.steps)
    size = int(np.prod(values.shape[code.lead :], dtype=np.int64))
    outputs = names if len(names) == size else tuple(map(str, range(size)))
    shown_samples = min(run.recording.samples, SAMPLES)
    rows = _rows(run.artifact.program, MARKS // max(1, over.count * shown_samples))
    samples = []
    for k in range(shown_samples):
        t = _last_labelled(run, k)
        shown = _judged(run, k, t, names)
        flat = np.ravel(values[k][t])
        found = tuple((outputs[i], round(float(flat[i]), 6)) for i in _bars(run, flat, shown))
        rasters = tuple(_raster(run, k, name, n, over) for name, n in rows)
        membranes = tuple(_membrane(run, k, c, over) for c in [*chosen, *_outputs(run, shown)])
        samples.append(Sample(k, shown.label, shown.answer, shown.right, found, rasters, membranes))
    return tuple(samples)


@dataclass(frozen=True)
class _Judged:
    """What was right and what was answered in one sample, in words; the outputs of both where they are classes."""

    answer: str
    label: str | None = None
    right: bool | None = None
    outputs: tuple[int, ...] = ()


def _judged(run: Run, k: int, t: Any, names: tuple[str, ...]) -> _Judged:
    task = run.artifact.outputs[0].task
    answer = run.predictions[k][t]
    label = None if run.labels is None else run.labels[k][t]
    if np.size(answer) > 1:
        if task in BY_VALUE:
            return _Judged(f"{np.size(answer)} values")
        right = None if label is None else f"{np.mean(answer == label):.1%} of the pixels are right"
        return _Judged(f"{np.size(answer)} pixels", right)
    if task in BY_VALUE:
        return _Judged(f"{np.ravel(answer)[0]:.4g}", None if label is None else f"{np.ravel(label)[0]:.4g}")
    given, wanted = int(answer), None if label is None else int(label)
    outputs = (given,) if task is Task.CLASSES else ()
    if wanted is None:
        return _Judged(names[given], outputs=outputs)
    return _Judged(names[given], names[wanted], given == wanted, (*outputs, wanted) if outputs else ())


def _last_labelled(run: Run, k: int) -> Any:
    """Index of what is shown of a sample: everything, or with an answer per step the last step that has a label."""
    if run.artifact.outputs[0].lead == 1:
        return ()
    if run.labels is None or run.labels.ndim > 2:
        return run.counts.steps - 1
    known = np.flatnonzero(run.labels[k] >= 0)
    return int(known[-1]) if known.size else run.counts.steps - 1


def _outputs(run: Run, judged: _Judged) -> list[Chosen]:
    """Where a membrane that never fires is read, those of the answer and of the label."""
    program = run.artifact.program
    read = next(r for r in program.readouts if r.name == run.artifact.outputs[0].readout)
    population = program.population(read.population)
    if population.fires or not judged.outputs:
        return []
    answer, label = judged.outputs[0], judged.outputs[-1]
    wrong = [] if label == answer else [(population, label, "output of the right class")]
    return [(population, answer, "output of the answer given"), *wrong]


def _bars(run: Run, flat: NDArray[np.float64], judged: _Judged) -> list[int]:
    """Outputs drawn: all, else the first ones, of classes the largest with those of the answer and the label."""
    if flat.size <= BARS:
        return list(range(flat.size))
    if run.artifact.outputs[0].task is not Task.CLASSES:
        return list(range(BARS))
    largest = np.argsort(-flat, kind="stable")[:BARS]
    return sorted({int(k) for k in largest} | set(judged.outputs))


def _rows(program: Program, most: int) -> list[tuple[str, int]]:
    """(input or firing population, rows it gets). most: rows that may be drawn."""
    sizes = {i.name: int(np.prod(i.shape, dtype=np.int64)) for i in program.inputs}
    sizes |= {p.name: p.size for p in program.populations if p.fires}
    shown = list(sizes.items())[:POPULATIONS]
    room = min(ROWS, most) // max(1, len(shown))
    each = max(1, min(MOST, max(FEWEST, room) if most >= ROWS else room))
    return [(name, min(size, each)) for name, size in shown]


def _raster(run: Run, k: int, name: str, rows: int, over: Windows) -> Raster:
    recording: Any = run.recording.spikes if name in run.recording.spikes else run.recording.messages
    series = recording[name][k].reshape(run.counts.steps, -1)
    neurons = np.linspace(0, series.shape[1] - 1, rows).round().astype(np.int64)
    sent = over.sums((series[:, neurons] != 0).astype(np.int64))
    at, places = np.nonzero(sent)
    events = tuple((int(row), int(t)) for row, t in zip(places, at, strict=True))
    per_step = tuple(int(n) for n in sent.sum(axis=1))
    return Raster(name, tuple(int(n) for n in neurons), int(series.shape[1]), events, per_step)


def _membrane(run: Run, k: int, chosen: Chosen, over: Windows) -> Membrane:
    p, neuron, why = chosen
    v = run.recording.v[p.name][k].reshape(run.counts.steps, -1)[over.ends, neuron]
    fired = over.sums(run.recording.spikes[p.name][k].reshape(run.counts.steps, -1)[:, neuron].astype(np.int64))
    index = tuple(int(i) for i in np.unravel_index(neuron, p.shape))
    threshold = None if p.vth is None else int(np.broadcast_to(p.vth, p.shape)[index]) << VTH_SHIFT
    return Membrane(
        p.name, neuron, index, why, tuple(int(x) for x in v), tuple(int(t) for t in np.flatnonzero(fired)), threshold
    )
