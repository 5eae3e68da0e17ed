"""How good answers are, by the task of the output: accuracy, overlap of classes, error of real values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import BY_VALUE, OutputCode, Task, check_form, predictions, scores, share_right
from seamount.compiler.errors import InputError, Problem

Values = NDArray[Any]
TRAINED_ON = "use the data the model was trained on"


@dataclass(frozen=True)
class Measures:
    """Answers against labels; what the task does not have is None.

    accuracy: share of right answers (of pixels, where each has one). iou: intersection over union of a class, averaged
    over the classes that labels or answers hold. rms: root of the mean squared error, in units of the trained network.
    correlation: Pearson's; None where a side is constant. r2: 1 - squared error / variance of the labels.
    """

    accuracy: float | None = None
    iou: float | None = None
    rms: float | None = None
    correlation: float | None = None
    r2: float | None = None

    def known(self) -> dict[str, float]:
        """What was measured, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Likeness:
    """Answers of two forms of a network. same: share of equal answers; for real values instead rms, the root of the
    mean squared difference, and Pearson's correlation."""

    same: float | None = None
    rms: float | None = None
    correlation: float | None = None

    def known(self) -> dict[str, float]:
        """What was compared, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def answers(code: OutputCode, values: Values) -> Values:
    """What an output answers. values: integers or units of the trained network, (N, *shape) or (N, T, *shape).

    Classes: (N,) or (N, T); per pixel (N, [T,] *pixels); real values as they are.
    """
    lead = code.lead
    if code.task is Task.POPULATION:
        grouped = values.reshape(*values.shape[:lead], code.groups, -1).sum(axis=-1)
        return predictions(grouped, code.rule)
    if code.task is Task.PIXELS:
        return np.asarray(np.argmax(values, axis=lead), np.int64)
    if code.task in BY_VALUE:
        return np.asarray(values, np.float64)
    return predictions(values, code.rule)


def values_of(code: OutputCode, readout: Mapping[str, Values], steps: int) -> Values:
    """What `answers` takes of a run's readouts: integers where they suffice, else in units of the trained network."""
    integers = readout[code.readout]
    return scores(code, integers, steps) if code.task in BY_VALUE else integers


def classes_of(code: OutputCode, shape: tuple[int, ...]) -> int:
    """Classes that an output of this shape tells apart."""
    if code.task is Task.POPULATION:
        return code.groups
    return shape[0] if code.task is Task.PIXELS else int(np.prod(shape, dtype=np.int64))


def labels_of(code: OutputCode, shape: tuple[int, ...], y: Values) -> Values | None:
    """Labels as the task has them: class numbers as int64, real values as float64 in the form of the output.

    shape: of the output. None for a task without labels. Raises InputError for labels that the output cannot be.
    """
    if code.task is Task.NONE:
        return None
    if code.task is Task.VALUES:
        return _targets(code, shape, y)
    labels = whole(y)
    if code.task is Task.PIXELS:
        if labels.ndim != code.lead + len(shape) - 1 or labels.shape[code.lead :] != shape[1:]:
            wanted = f"(N, {'T, ' if code.lead == 2 else ''}*{shape[1:]})"
            _refuse(f"y has shape {y.shape}, but the network answers for each pixel", wanted)
    else:
        if y.ndim not in (1, 2):
            remedy = "give a label per sample (N,), or per step (N, T)"
            raise InputError(Problem("data", f"y has shape {y.shape}", remedy))
        check_form(code.lead, labels)
    if code.lead == 1 and code.task is not Task.PIXELS and labels.size and int(labels.min()) < 0:
        raise InputError(Problem("data", f"label {int(labels.min())} in y", "number the classes from 0"))
    classes = classes_of(code, shape)
    if labels.size and int(np.max(labels)) >= classes:
        outputs = "outputs" if code.task is Task.CLASSES else "classes"
        _refuse(f"label {int(np.max(labels))}, but the network has {classes} {outputs}")
    return labels


def whole(y: Values) -> NDArray[np.int64]:
    """Class numbers as int64. Raises InputError for fractions and NaN."""
    labels = y.astype(np.int64) if np.all(np.isfinite(y)) else np.full(y.shape, -1, np.int64)
    if y.dtype.kind == "f" and not np.array_equal(labels, y):
        raise InputError(Problem("data", "y holds fractions or NaN", "give class numbers 0, 1, 2, ..."))
    return labels


def _targets(code: OutputCode, shape: tuple[int, ...], y: Values) -> NDArray[np.float64]:
    if not np.all(np.isfinite(y)):
        raise InputError(Problem("data", "y holds NaN or infinity", "give finite values"))
    size = int(np.prod(shape, dtype=np.int64))
    if y.ndim < code.lead or y.size != size * int(np.prod(y.shape[: code.lead], dtype=np.int64)):
        wanted = f"(N, {'T, ' if code.lead == 2 else ''}*{shape})"
        _refuse(f"y has shape {y.shape}, but the network answers with real values of shape {shape}", wanted)
    return np.asarray(y, np.float64).reshape(*y.shape[: code.lead], *shape)


def _refuse(found: str, limit: str = "") -> NoReturn:
    raise InputError(Problem("data", found, TRAINED_ON, limit))


def measured(code: OutputCode, found: Values, labels: Values | None) -> Measures:
    """Answers against labels as `answers` and `labels_of` give them. Labels may last longer than the answers.

    Raises InputError where no answer has a label.
    """
    if labels is None or code.task is Task.NONE:
        return Measures()
    if code.lead == 2:
        labels = labels[:, : found.shape[1]]
    if code.task is Task.VALUES:
        return _of_values(found, labels)
    if code.task is not Task.PIXELS:
        return Measures(accuracy=share_right(found, labels))
    known = labels >= 0
    if not known.any():
        raise InputError(Problem("data", "no pixel that was run has a label", "run more samples or steps"))
    right, answered = labels[known], found[known]
    overlaps = []
    for k in np.union1d(right, answered):
        either = np.sum((right == k) | (answered == k))
        overlaps.append(float(np.sum((right == k) & (answered == k)) / either))
    return Measures(accuracy=float(np.mean(right == answered)), iou=float(np.mean(overlaps)))


def _of_values(found: Values, labels: Values) -> Measures:
    error = float(np.mean((found - labels) ** 2))
    spread = float(np.var(labels))
    return Measures(
        rms=float(np.sqrt(error)), correlation=correlation(found, labels), r2=1 - error / spread if spread else None
    )


def correlation(a: Values, b: Values) -> float | None:
    """Pearson's correlation over all entries; None where a side is constant."""
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a.reshape(-1), b.reshape(-1))[0, 1])


def likeness(code: OutputCode, a: Values, b: Values) -> Likeness:
    """Answers of one form of the network against those of another."""
    if code.task in BY_VALUE:
        return Likeness(rms=float(np.sqrt(np.mean((a - b) ** 2))), correlation=correlation(a, b))
    return Likeness(same=float(np.mean(a == b)))
