"""The sample that `save` is given: its arrays, how it is driven, what its values are; everything checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.compiler.ir.ops import Coding
from seamount.frontends.tracing.driving import INPUT

Encoding = Literal["constant", "sequence"]
MAX_SAMPLES = 256
_RULES = ("sum", "mean", "max", "last", "each")
Bad = Callable[[str, str, str], None]
"""Takes an argument of save, what was found, and the remedy."""


@dataclass(frozen=True)
class Span:
    """What the values of an input are: spikes, or real numbers in a range."""

    coding: Coding
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Sample:
    """The checked arguments of save that concern the sample.

    x, spans: by input; one input alone is named "input".
    """

    x: Mapping[str, NDArray[np.float32]]
    steps: int
    constant: bool
    spans: Mapping[str, Span]
    labels: NDArray[Any] | None

    @classmethod
    def read(
        cls, sample: Any, steps: Any, encoding: Any, readout: Any, labels: Any, accuracy: Any, coding: Any, span: Any
    ) -> Sample:
        """Raise InputError with everything that is wrong."""
        problems: list[Problem] = []

        def bad(where: str, found: str, remedy: str) -> None:
            problems.append(Problem(f"save({where}=)", found, remedy))

        given = dict(sample) if isinstance(sample, Mapping) and sample else {INPUT: sample}
        x = {str(name): _array(_argument("sample", given, name), one, bad) for name, one in given.items()}
        constant = (encoding or ("sequence" if steps is None else "constant")) == "constant"
        if encoding not in (None, "constant", "sequence"):
            bad("encoding", f"{encoding!r}", 'use "constant" or "sequence"')
        for rule in readout.values() if isinstance(readout, Mapping) else (readout,):
            if rule not in _RULES:
                bad("readout", f"{rule!r}", 'use "sum", "mean", "max", "last" or "each"')
        lasting = _check_shapes(x, given, steps, constant, bad)
        if accuracy is not None and not 0 <= float(accuracy) <= 1:
            bad("accuracy", f"{accuracy}", "give a fraction between 0 and 1")
        spans = {}
        for name, one in x.items():
            spans[name] = _span(one, _of(coding, name), _of(span, name), partial(_bad_of, bad, given, name))
        first = next(iter(x.values()))
        rule = next(iter(readout.values()), None) if isinstance(readout, Mapping) else readout
        answers = (lasting,) if rule == "each" else ()
        numbers = _labels(labels, (len(first) if first.ndim else 0, *answers), bad)
        raise_all(InputError, problems)
        return cls(x, lasting, constant, spans, numbers)


def _bad_of(bad: Bad, given: Mapping[str, Any], name: str, word: str, found: str, remedy: str) -> None:
    bad(_argument(word, given, name), found, remedy)


def _argument(word: str, given: Mapping[str, Any], name: str) -> str:
    """How a message calls an argument of one input: by itself where there is one, else with the input's name."""
    return word if INPUT in given else f"{word}[{name!r}]"


def _of(value: Any, name: str) -> Any:
    """What an argument says of one input."""
    return value.get(name) if isinstance(value, Mapping) else value


def _check_shapes(x: Mapping[str, NDArray[Any]], given: Mapping[str, Any], steps: Any, constant: bool, bad: Bad) -> int:
    """The steps of a sample, after checking what the arrays say of samples and steps."""
    form = "(N, *shape)" if constant else "(N, T, *shape)"
    for name, one in x.items():
        where = _argument("sample", given, name)
        if one.ndim < (2 if constant else 3):
            bad(where, f"shape {one.shape}", f"give {form}, with N samples on axis 0")
        elif not 1 <= len(one) <= MAX_SAMPLES or one.size == 0:
            bad(where, f"shape {one.shape}", f"give between 1 and {MAX_SAMPLES} samples; 8 to 32 are usual")
    lead = 1 if constant else 2
    if len({one.shape[:lead] for one in x.values()}) > 1:
        shapes = " and ".join(f"'{name}' {one.shape}" for name, one in x.items())
        bad("sample", f"its inputs have shapes {shapes}", f"give all the same {'samples' if constant else 'N and T'}")
    first = next(iter(x.values()))
    length = first.shape[1] if first.ndim > 1 else 0
    if constant and steps is None:
        bad("steps", "is missing", "say for how many steps a frame is shown")
    elif steps is not None and (isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1):
        bad("steps", f"{steps!r}", "give a whole number of at least 1")
        return 0
    elif not constant and steps is not None and first.ndim > 2 and length != steps:
        bad("steps", f"{steps}, but the sample (N, T, *shape) has T = {length}", "leave steps out")
    return int(steps or 0) if constant else length


def _array(where: str, sample: Any, bad: Bad) -> NDArray[np.float32]:
    """The sample as contiguous float32."""
    value = sample.detach().cpu().numpy() if isinstance(sample, torch.Tensor) else np.asarray(sample)
    if value.dtype.kind not in "fiub":
        bad(where, f"dtype {value.dtype}", "give numbers")
        return np.zeros((1, 1, 1), np.float32)
    result = np.ascontiguousarray(value, dtype=np.float32)
    if not np.isfinite(result).all():
        bad(where, "holds NaN or infinity", "give finite inputs")
    return result


def _span(x: NDArray[np.float32], coding: Any, span: Any, bad: Bad) -> Span:
    """Coding and range of one input."""
    binary = bool(np.isin(x, (0.0, 1.0)).all())
    kind = coding or ("spikes" if binary and span is None else "graded")
    if kind not in ("spikes", "graded"):
        bad("coding", f"{coding!r}", 'use "spikes" or "graded"')
    if kind == "spikes":
        if not binary:
            bad("coding", '"spikes", but the sample holds values other than 0 and 1', 'use coding="graded"')
        return Span("spikes", 0.0, 1.0)
    smallest, largest = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    if span is None:
        if smallest < 0 or largest > 1:
            found = f"is missing, and the sample spans [{smallest:g}, {largest:g}]"
            bad("input_range", found, "give the lowest and highest value an input can take")
        return Span("graded", 0.0, 1.0)
    low, high = (float(v) for v in span)
    if not (np.isfinite([low, high]).all() and low < high):
        bad("input_range", f"({low:g}, {high:g})", "give two numbers, the lower first")
    elif smallest < low or largest > high:
        bad("input_range", f"({low:g}, {high:g}), but the sample spans [{smallest:g}, {largest:g}]", "widen the range")
    return Span("graded", low, high)


def _labels(labels: Any, shape: tuple[int, ...], bad: Bad) -> NDArray[Any] | None:
    """Labels for each answer, as given; what they must be beyond that, the task says."""
    if labels is None:
        return None
    value = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if value.shape[: len(shape)] != shape or value.dtype.kind not in "iubf":
        per, samples = "step" if len(shape) > 1 else "sample", shape[0]
        bad("labels", f"{value.dtype} of shape {value.shape} for {samples} samples", f"give one class number per {per}")
        return None
    return value
