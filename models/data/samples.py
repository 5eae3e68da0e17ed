"""Labelled samples, and what must hold for every set of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem, raise_all


@dataclass(frozen=True, eq=False)
class Data:
    """N labelled samples.

    x         float32: (N, *shape) where encoding is "constant" (shown unchanged in each step), (N, T, *shape)
              where it is "sequence"; either where it is None (the model decides)
    y         int64 (N,), from 0
    low, high range that x lies in; images have 0 and 1, other data their own extremes
    classes   names of the classes, may be empty
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    encoding: Literal["constant", "sequence"] | None
    low: float
    high: float
    classes: tuple[str, ...] = ()


def check(data: Data, where: str) -> None:
    """Raise InputError with everything that is wrong: counts, shape, values, labels."""
    problems = []
    if data.x.ndim < 2:
        found = f"x has shape {data.x.shape}"
        problems.append(Problem(where, found, "give x as (N, *shape) or (N, T, *shape)"))
    if data.y.ndim != 1:
        problems.append(Problem(where, f"y has shape {data.y.shape}", "give one class number per sample, (N,)"))
    if data.x.ndim and data.y.ndim and len(data.x) != len(data.y):
        found = f"{len(data.x)} samples but {len(data.y)} labels"
        problems.append(Problem(where, found, "give one label per sample, in the same order"))
    if data.x.size == 0:
        problems.append(Problem(where, f"holds no values, x has shape {data.x.shape}", "give at least one sample"))
    bad = data.x.size - int(np.count_nonzero(np.isfinite(data.x)))
    if bad:
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(data.x))[0])
        found = f"{bad} values of x are NaN or infinite, the first at {first}"
        problems.append(Problem(where, found, "remove or replace them"))
    if data.y.size and int(data.y.min()) < 0:
        problems.append(Problem(where, f"label {int(data.y.min())} in y", "number the classes from 0"))
    if data.classes and data.y.size and int(data.y.max()) >= len(data.classes):
        found = f"label {int(data.y.max())} but {len(data.classes)} classes"
        problems.append(Problem(where, found, "number the classes from 0"))
    raise_all(InputError, problems)
