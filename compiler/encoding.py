"""Between real data and integer messages: what the host does before and after the chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem

Values = NDArray[Any]


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


@dataclass(frozen=True)
class OutputCode:
    """What a readout's integers mean: value = integer * unit, divided by the steps when the rule is mean."""

    readout: str
    unit: float
    rule: Literal["sum", "mean", "max", "last"]


def messages(code: InputCode, x: Values, steps: int) -> NDArray[np.int32]:
    """Samples to (N, steps, *shape) integers.

    x: (N, *shape) for constant encoding, (N, T, *shape) with T >= steps for sequences (the first `steps` are used).
    Raises InputError when shape, range or kind do not fit.
    """
    problems = list(_faults(code, x, steps))
    if problems:
        raise InputError(problems)
    payload = np.rint(np.clip(x, code.low, code.high) / code.unit).astype(np.int32)
    if code.encoding == "constant":
        return np.repeat(payload[:, None], steps, axis=1)
    return np.ascontiguousarray(payload[:, :steps])


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


def clipped(code: InputCode, x: Values) -> int:
    """How many values lie outside [low, high] and are clipped."""
    return int(np.sum((x < code.low) | (x > code.high)))


def scores(code: OutputCode, integers: NDArray[np.int64], steps: int) -> NDArray[np.float64]:
    """Integers of a readout back to the units of the trained network."""
    return np.asarray(integers * (code.unit / (steps if code.rule == "mean" else 1)), np.float64)


def predictions(integers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the largest readout per sample; the first one on ties."""
    return np.asarray(np.argmax(integers.reshape(len(integers), -1), axis=1), np.int64)


def code_from(tree: Mapping[str, Any]) -> InputCode:
    """An InputCode from a manifest entry."""
    return InputCode(**{**tree, "shape": tuple(tree["shape"])})
