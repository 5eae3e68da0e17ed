"""Between real data and integer messages: what the host does before and after the chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem

Values = NDArray[Any]
Samples: TypeAlias = Values | Mapping[str, Values]
"""Samples of the only input, or by input where there are several."""


MESSAGE_MAX = 127
"""Largest message of a population: recordings keep it in 8 bits."""
MAX_MESSAGES = 2**32
"""Messages of one input that are handed over at once, 16 GiB of them."""


@dataclass(frozen=True)
class InputCode:
    """How data become messages of one input port: payload = round(clip(x, low, high) / unit).

    encoding "constant": a sample has `shape` and is sent unchanged at each step; "sequence": (T, *shape).
    """

    port: str
    shape: tuple[int, ...]
    coding: Literal["spikes", "graded"]
    unit: float
    low: float
    high: float
    encoding: Literal["constant", "sequence"]


class Task(Enum):
    """What the values of an output answer, by which they are judged.

    With the rule "each" there is such an answer per step.
    """

    CLASSES = "classes"
    """The class of the largest output."""
    POPULATION = "population"
    """The class whose group of neighbouring outputs has the largest sum."""
    VALUES = "values"
    """Real numbers: a regression."""
    PIXELS = "pixels"
    """A class per pixel: the largest of the channels, which are the first axis."""
    NONE = "none"
    """Nothing that labels could be given for."""


BY_VALUE = frozenset({Task.VALUES, Task.NONE})
"""Tasks whose answers are the values themselves."""


def certain_task(shape: tuple[int, ...], classes: int, labels: Values | None = None, lead: int = 1) -> Task:
    """The task of an output that nobody stated: what its shape, the class names and labels leave no doubt of.

    lead: axes of the labels before those of the output. A single output has no largest one, so it is a real value.
    """
    size = int(np.prod(shape, dtype=np.int64))
    if size == 1 or (labels is not None and labels.shape[lead:] == shape and np.any(labels != np.rint(labels))):
        return Task.VALUES
    if labels is not None and len(shape) > 1 and labels.shape[lead:] == shape[1:]:
        return Task.PIXELS
    return Task.POPULATION if 1 < classes < size and size % classes == 0 else Task.CLASSES


def task_faults(task: Task, shape: tuple[int, ...], classes: int) -> list[str]:
    """Why an output of this shape cannot have the task, with so many named classes (0: none are named)."""
    size = int(np.prod(shape, dtype=np.int64))
    if task is Task.POPULATION and not (1 < classes < size and size % classes == 0):
        return [
            f"a population code needs class names whose number divides the outputs: {classes} names, {size} outputs"
        ]
    if task is Task.PIXELS and (len(shape) < 2 or shape[0] < 2 or classes not in (0, shape[0])):
        named = f" and {classes} class names" if classes else ""
        return [f"classes per pixel need an output (classes, *pixels), but there are outputs of shape {shape}{named}"]
    if task is Task.CLASSES and classes not in (0, size):
        return [f"{classes} class names for {size} outputs"]
    return []


@dataclass(frozen=True)
class OutputCode:
    """What a readout's integers mean: value = integer * unit, divided by the steps when the rule is mean.

    The rule "each" gives a value per step, (N, T, *shape) instead of (N, *shape). groups: classes of a population code,
    0 for other tasks.
    """

    readout: str
    unit: float
    rule: Literal["sum", "mean", "max", "last", "each"]
    task: Task = Task.CLASSES
    groups: int = 0

    @property
    def lead(self) -> int:
        """Axes before those of the output: samples, and steps where each has an answer."""
        return 2 if self.rule == "each" else 1


def unused_steps(codes: Sequence[InputCode], x: Samples, steps: int) -> int:
    """Steps of the samples beyond those that are run; 0 where a sample is shown unchanged."""
    given = by_input([code.port for code in codes], x)
    lasting = [given[c.port].shape[1] for c in codes if c.encoding == "sequence" and given[c.port].ndim > 1]
    return max(0, max(lasting, default=0) - steps)


def messages(code: InputCode, x: Values, steps: int) -> NDArray[np.int32]:
    """Samples to (N, steps, *shape) integers.

    x: (N, *shape) for constant encoding, (N, T, *shape) with T >= steps for sequences (the first `steps` are used).
    Raises InputError when shape, range or kind do not fit.
    """
    problems = list(_faults(code, x, steps))
    wanted = len(x) * steps * int(np.prod(code.shape, dtype=np.int64)) if x.ndim else 0
    if not problems and code.encoding == "constant" and wanted > MAX_MESSAGES:
        found = f"makes {wanted} messages in {steps} steps"
        problems = [
            Problem(f"data for input '{code.port}'", found, "ask for fewer steps or samples", f"{MAX_MESSAGES}")
        ]
    if problems:
        raise InputError(problems)
    payload = payloads(code, x).astype(np.int32)
    if code.encoding == "constant":
        return np.repeat(payload[:, None], steps, axis=1)
    return np.ascontiguousarray(payload[:, :steps])


def payloads(code: InputCode, x: Values) -> NDArray[np.floating[Any]]:
    """Values as the whole numbers that are sent for them; of any shape."""
    return np.asarray(np.rint(np.clip(x, code.low, code.high) / code.unit))


def encode(codes: Sequence[InputCode], x: Samples, steps: int) -> dict[str, NDArray[np.int32]]:
    """The messages of every input port. Raises InputError as `messages`, and for inputs without samples."""
    given = by_input([code.port for code in codes], x)
    return {code.port: messages(code, given[code.port], steps) for code in codes}


def by_input(ports: Sequence[str], x: Samples) -> dict[str, Values]:
    """Samples by input. Raises InputError when one has none, or samples belong to none."""
    names = ", ".join(ports)
    if not isinstance(x, Mapping):
        if len(ports) != 1:
            found = f"is one array, but the network has {len(ports)} inputs ({names})"
            raise InputError(Problem("data", found, "give an array for each input: x_NAME in an .npz file"))
        return {ports[0]: x}
    problems = [Problem(f"data for input '{p}'", "is missing", f"inputs: {names}") for p in ports if p not in x]
    problems += [Problem(f"data '{k}'", "belongs to no input", f"inputs: {names}") for k in x if k not in ports]
    lengths = {k: len(v) for k, v in x.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{n} samples of '{k}'" for k, n in lengths.items())
        problems.append(Problem("data", found, "give every input the same samples"))
    if problems:
        raise InputError(problems)
    return dict(x)


def count(x: Samples) -> int:
    """How many samples there are."""
    return len(next(iter(x.values()))) if isinstance(x, Mapping) else len(x)


def some(x: Samples, part: slice | NDArray[np.integer[Any]]) -> Samples:
    """A part of the samples of every input."""
    return {k: v[part] for k, v in x.items()} if isinstance(x, Mapping) else x[part]


def _faults(code: InputCode, x: Values, steps: int) -> list[Problem]:
    where = f"data for input '{code.port}'"
    lead = 1 if code.encoding == "constant" else 2
    wanted = f"(N, {'T, ' if lead == 2 else ''}*{code.shape}) for {code.encoding} encoding"
    if x.dtype.kind not in "fiub":
        return [Problem(where, f"has dtype {x.dtype}", "give real numbers")]
    if x.shape[lead:] != code.shape:
        return [Problem(where, f"has shape {x.shape}", "reshape the data", wanted)]
    if lead == 2 and x.shape[1] < steps:
        return [Problem(where, f"lasts {x.shape[1]} steps", "give longer samples or fewer --steps", f"{steps}")]
    if not np.all(np.isfinite(x)):
        return [Problem(where, "has NaN or infinite values", "clean the data")]
    if code.coding == "spikes" and not np.all((x == 0) | (x == 1)):
        found = f"has values other than 0 and 1 (range {x.min():g}..{x.max():g})"
        return [Problem(where, found, "save the model with coding='graded', or binarise the data")]
    return []


def clipped(codes: Sequence[InputCode], x: Samples) -> int:
    """How many values lie outside the [low, high] of their input and are clipped."""
    given = by_input([code.port for code in codes], x)
    return sum(int(np.sum((given[c.port] < c.low) | (given[c.port] > c.high))) for c in codes)


def scores(code: OutputCode, integers: NDArray[np.int64], steps: int | NDArray[np.int64]) -> NDArray[np.float64]:
    """Integers of a readout back to the units of the trained network. steps: of all samples, or (N,) of each."""
    lasting = steps if isinstance(steps, int) else steps.reshape(-1, *(1,) * (integers.ndim - 1))
    return np.asarray(integers * (code.unit / (lasting if code.rule == "mean" else 1)), np.float64)


def predictions(readout: Values, rule: str) -> NDArray[np.int64]:
    """Index of the largest readout, the first one on ties: per sample, (N,), or (N, T) for the rule "each"."""
    lead = 2 if rule == "each" else 1
    return np.asarray(np.argmax(readout.reshape(*readout.shape[:lead], -1), axis=-1), np.int64)


def share_right(answers: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Share of the labels that the answers hit; steps with a negative label have none and do not count.

    answers, labels: (N,), or (N, T) for an answer per step, where labels may last longer. Raises InputError.
    """
    check_form(answers.ndim, labels)
    if answers.ndim == 2:
        labels = labels[:, : answers.shape[1]]
    known = labels >= 0
    if not known.any():
        raise InputError(Problem("data", "no step that was run has a label", "run more samples or steps"))
    return float(np.mean(answers[known] == labels[known]))


def check_form(answers: int, labels: NDArray[np.int64]) -> None:
    """Raise InputError unless there is a label per answer. answers: 1 for one per sample, 2 for one per step."""
    if answers != labels.ndim:
        per = {1: "sample", 2: "step"}
        found = f"there is a label per {per[labels.ndim]}, but the network answers once per {per[answers]}"
        raise InputError(Problem("data", found, "use the data the model was trained on"))
