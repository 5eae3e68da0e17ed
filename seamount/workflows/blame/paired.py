"""Differences between two forms of a network on the same samples, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import BY_VALUE, OutputCode, Task

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Mean over samples of what one form has more than another, and half the width of its 95 % interval."""

    mean: float
    half_width: float
    samples: int

    @property
    def certain(self) -> bool:
        """Whether the interval excludes 0."""
        return abs(self.mean) > self.half_width

    def as_json(self) -> dict[str, Any]:
        """As files hold it."""
        return {"mean": self.mean, "half_width": self.half_width, "samples": self.samples}


def scores_of(output: OutputCode, found: NDArray[Any], wanted: NDArray[Any]) -> Scores:
    """How good each sample's answer is: 100 or 0, the percentage of its steps or pixels that are right, or minus the
    root of its mean squared error in units of the trained network. wanted: labels, negative where there are none."""
    n = len(found)
    if output.task in BY_VALUE:
        wanted = wanted[:, : found.shape[1]] if output.lead == 2 else wanted
        return np.asarray(-np.sqrt(np.mean((found - wanted).reshape(n, -1) ** 2, axis=1)), np.float64)
    if output.lead == 2 and output.task is not Task.PIXELS:
        wanted = wanted[:, None] if wanted.ndim == 1 else wanted[:, : found.shape[1]]
    wanted = np.broadcast_to(wanted, found.shape).reshape(n, -1)
    known = wanted >= 0
    right = ((found.reshape(n, -1) == wanted) & known).sum(axis=1)
    return np.asarray(100 * right / np.maximum(known.sum(axis=1), 1), np.float64)


def paired(more: Scores, less: Scores, by_value: bool) -> Difference:
    """Of classes as if each of the four outcomes had been seen half a time more, so that no difference on few samples
    is not certainty (Agresti and Min, "Simple improved confidence intervals for comparing matched proportions",
    Statistics in Medicine 24, 2005)."""
    d, n = more - less, len(more)
    added, each = (0.0, 0) if by_value else (100.0**2, 2)
    total = n + each
    variance = max((float(np.sum(d * d)) + added) / total - (float(np.sum(d)) / total) ** 2, 0.0)
    return Difference(float(np.mean(d)), 1.96 * float(np.sqrt(variance / total)), n)
