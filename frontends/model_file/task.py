"""What the output of a saved network answers: as stated, or as it is certain; and the labels that fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import Task, certain_task, task_faults
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.ir.ops import Rule
from seamount.frontends.model_file.model import Ports

Labels = NDArray[np.int64] | NDArray[np.float64]


def answered(
    task: Task | str | None,
    outputs: Ports,
    rules: Mapping[str, Rule],
    labels: NDArray[Any] | None,
    classes: Sequence[str],
) -> tuple[Task, Labels | None]:
    """The task, and labels in its form: class numbers as int64, real values as float64 in the form of the output.

    outputs: (N, *out), or (N, T, *out) with an answer per step. Raises InputError where they do not fit.
    """
    lead = 2 if next(iter(rules.values())) == "each" else 1
    stated = None if task is None else _stated(task)
    if isinstance(outputs, Mapping):
        chosen = stated or Task.CLASSES
        return chosen, None if labels is None else _class_numbers(labels, lead, ())
    shape = outputs.shape[lead:]
    chosen = stated or certain_task(shape, len(classes), labels, lead)
    faults = task_faults(chosen, shape, len(classes))
    if faults:
        words = ", ".join(f'"{t.value}"' for t in Task)
        remedy = f"correct `classes`, or state the task, one of {words}"
        raise InputError([Problem("save(task=)" if stated else "save(classes=)", found, remedy) for found in faults])
    if labels is None or chosen is Task.NONE:
        return chosen, None
    if chosen is Task.VALUES:
        return chosen, _real_values(labels, outputs.shape)
    return chosen, _class_numbers(labels, lead, shape[1:] if chosen is Task.PIXELS else ())


def _stated(task: Task | str) -> Task:
    words = {t.value: t for t in Task}
    value = task.value if isinstance(task, Task) else task
    if value not in words:
        raise InputError(Problem("save(task=)", f"{task!r}", f"use one of {', '.join(map(repr, words))}"))
    return words[value]


def _real_values(labels: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if labels.size != int(np.prod(shape, dtype=np.int64)):
        raise InputError(_misfit(labels, "give real values in the form of the output", str(shape)))
    values = labels.astype(np.float64).reshape(shape)
    if not np.isfinite(values).all():
        raise InputError(Problem("save(labels=)", "holds NaN or infinity", "give finite values"))
    return values


def _class_numbers(labels: NDArray[Any], lead: int, pixels: tuple[int, ...]) -> NDArray[np.int64]:
    per = "pixel" if pixels else "step" if lead > 1 else "sample"
    if labels.shape[lead:] != pixels or labels.dtype.kind not in "iub":
        raise InputError(_misfit(labels, f"give one class number per {per}"))
    return labels.astype(np.int64)


def _misfit(labels: NDArray[Any], remedy: str, limit: str = "") -> Problem:
    found = f"{labels.dtype} of shape {labels.shape} for {len(labels)} samples"
    return Problem("save(labels=)", found, remedy, limit)
