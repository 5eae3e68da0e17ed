"""Labelled samples, and what must hold for every set of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem, raise_all

NO_LABEL = -1
"""Stands in y at steps that have no label; they count neither as right nor as wrong."""


@dataclass(frozen=True, eq=False)
class Data:
    """N labelled samples.

    x         float32: (N, *shape) where encoding is "constant" (shown unchanged in each step), (N, T, *shape)
              where it is "sequence"; either where it is None (the model decides)
    y         int64, from 0: (N,), a class per sample; or (N, T), a class per step or NO_LABEL
    low, high range that x lies in; images have 0 and 1, other data their own extremes
    classes   names of the classes, may be empty
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    encoding: Literal["constant", "sequence"] | None
    low: float
    high: float
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PortData:
    """N labelled samples of a network with several inputs: x by the name of the input; each array, and y, as in Data.

    What is constant and what a sequence, the model decides.
    """

    x: Mapping[str, NDArray[np.float32]]
    y: NDArray[np.int64]


def check(data: Data | PortData, where: str) -> None:
    """Raise InputError with everything that is wrong: counts, shape, values, labels."""
    if isinstance(data, PortData):
        for name, x in data.x.items():
            check(Data(x, data.y, None, 0.0, 0.0), f"{where}, input '{name}'")
        return
    problems = []
    if data.x.ndim < 2:
        found = f"x has shape {data.x.shape}"
        problems.append(Problem(where, found, "give x as (N, *shape) or (N, T, *shape)"))
    per_step = data.x.ndim > 2 and data.encoding != "constant" and data.y.shape == data.x.shape[:2]
    if data.y.ndim != 1 and not per_step:
        remedy = "give one class number per sample, (N,), or per step of x, (N, T)"
        problems.append(Problem(where, f"y has shape {data.y.shape}", remedy))
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
    least = NO_LABEL if data.y.ndim == 2 else 0
    if data.y.size and int(data.y.min()) < least:
        problems.append(Problem(where, f"label {int(data.y.min())} in y", "number the classes from 0"))
    if data.classes and data.y.size and int(data.y.max()) >= len(data.classes):
        found = f"label {int(data.y.max())} but {len(data.classes)} classes"
        problems.append(Problem(where, found, "number the classes from 0"))
    raise_all(InputError, problems)
