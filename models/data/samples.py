"""Labelled samples, and what must hold for every set of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
    y         int64, from 0: (N,), a class per sample; (N, T), a class per step or NO_LABEL; or (N, H, W), a class per
              pixel of constant images
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
class UserData:
    """N samples of a user, whose meaning the model decides.

    x: as in Data, by the name of the input where there are several. y: what each sample should be answered, one entry
    each: class numbers, real values or text; None where nobody says. lengths: (N,), the steps of each sample where
    they differ and x is padded.
    """

    x: NDArray[np.float32] | Mapping[str, NDArray[np.float32]]
    y: NDArray[Any] | None
    lengths: NDArray[np.int64] | None = None

    @property
    def samples(self) -> int:
        """N."""
        return len(next(iter(self.x.values()))) if isinstance(self.x, Mapping) else len(self.x)

    def part(self, chosen: slice | NDArray[np.integer[Any]]) -> UserData:
        """Some of the samples."""
        x = {k: v[chosen] for k, v in self.x.items()} if isinstance(self.x, Mapping) else self.x[chosen]
        y, lengths = (None if a is None else a[chosen] for a in (self.y, self.lengths))
        return UserData(x, y, lengths)


def check_user_data(data: UserData, where: str) -> None:
    """Raise InputError with everything that is wrong with samples, as far as it does not depend on the model."""
    problems: list[Problem] = []
    parts = data.x if isinstance(data.x, Mapping) else {"": data.x}
    for name, x in parts.items():
        at = f"{where}, input '{name}'" if name else where
        problems += _sample_faults(x, at)
        if data.y is not None and x.ndim:
            problems += _label_faults(x, data.y, at)
    raise_all(InputError, problems)


def _label_faults(x: NDArray[Any], y: NDArray[Any], where: str) -> Iterator[Problem]:
    """What is wrong with labels whatever the task is."""
    if not y.ndim:
        remedy = "give one class number per sample, (N,), or per step of x, (N, T)"
        yield Problem(where, f"y has shape {y.shape}", remedy)
    elif len(x) != len(y):
        yield Problem(where, f"{len(x)} samples but {len(y)} labels", "give one label per sample, in the same order")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        yield Problem(where, "y holds fractions or NaN", "give class numbers 0, 1, 2, ...")
    if y.ndim == 1 and y.size and y.dtype.kind in "iu" and int(y.min()) < 0:
        yield Problem(where, f"label {int(y.min())} in y", "number the classes from 0")


def _sample_faults(x: NDArray[Any], where: str) -> Iterator[Problem]:
    if x.ndim < 2:
        yield Problem(where, f"x has shape {x.shape}", "give x as (N, *shape) or (N, T, *shape)")
    if x.size == 0:
        yield Problem(where, f"holds no values, x has shape {x.shape}", "give at least one sample")
    bad = x.size - int(np.count_nonzero(np.isfinite(x)))
    if bad:
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        found = f"{bad} values of x are NaN or infinite, the first at {first}"
        yield Problem(where, found, "remove or replace them")


def check(data: Data, where: str) -> None:
    """Raise InputError with everything that is wrong: counts, shape, values, labels."""
    problems: list[Problem] = []
    problems += _sample_faults(data.x, where)
    per_step = data.x.ndim > 2 and data.encoding != "constant" and data.y.shape == data.x.shape[:2]
    per_pixel = data.x.ndim > 3 and data.encoding == "constant" and data.y.shape == (len(data.x), *data.x.shape[2:])
    if data.y.ndim != 1 and not per_step and not per_pixel:
        remedy = "give one class number per sample, (N,), per step of x, (N, T), or per pixel of constant images"
        problems.append(Problem(where, f"y has shape {data.y.shape}", remedy))
    if data.x.ndim and data.y.ndim and len(data.x) != len(data.y):
        found = f"{len(data.x)} samples but {len(data.y)} labels"
        problems.append(Problem(where, found, "give one label per sample, in the same order"))
    least = NO_LABEL if data.y.ndim == 2 else 0
    if data.y.size and int(data.y.min()) < least:
        problems.append(Problem(where, f"label {int(data.y.min())} in y", "number the classes from 0"))
    if data.classes and data.y.size and int(data.y.max()) >= len(data.classes):
        found = f"label {int(data.y.max())} but {len(data.classes)} classes"
        problems.append(Problem(where, found, "number the classes from 0"))
    raise_all(InputError, problems)
