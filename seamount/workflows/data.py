"""Samples as the API and commands take them: data sets by name, files, arrays, tensors, loaders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import Samples, some
from seamount.compiler.codes import count as samples_of
from seamount.compiler.errors import InputError, Problem

Values = NDArray[Any]


@dataclass(frozen=True)
class DataSource:
    """Samples by name, and which of them: the arguments that calls and commands share.

    name: a data set, a .npz file or module:function. split: "test" or "train". limit: at most so many samples, the
    first ones, or with `seed` a random choice. folder: where data sets lie; None for the usual places.
    """

    name: str
    split: str = "test"
    limit: int | None = None
    seed: int | None = None
    folder: Path | None = None


@dataclass(frozen=True, eq=False)
class Labelled:
    """Samples x, by input where there are several, with labels y, and where they are from."""

    x: Samples
    y: NDArray[np.int64]
    source: DataSource

    @property
    def samples(self) -> int:
        return samples_of(self.x)


Data = str | os.PathLike[str] | DataSource | Any
"""What calls take as `data`: a name, a DataSource, (x, y), or anything that `Artifact.run` takes."""

GIVEN = "given in Python"
"""Name of samples that were handed over as arrays."""


def load_data(source: DataSource, steps: int | None = None) -> Labelled:
    """Labelled samples; with `seed`, a random choice of `limit` of them in their order.

    steps: time bins of event recordings. Raises InputError with everything that is wrong.
    """
    from seamount.models.data.datasets import load_inputs, takes_steps

    name, limit, seed = source.name, source.limit, source.seed
    if seed is not None and seed < 0:
        raise InputError(Problem("seed", f"is {seed}", "give a whole number of at least 0"))
    binned = steps if takes_steps(name) else None
    data = load_inputs(name, source.split, source.folder, limit if seed is None else None, binned)
    if seed is None or limit is None or limit >= len(data.y):
        return Labelled(data.x, data.y, source)
    chosen = np.sort(np.random.default_rng(seed).choice(len(data.y), limit, replace=False))
    return Labelled(some(data.x, chosen), data.y[chosen], source)


def labelled(data: Data, steps: int | None = None) -> Labelled:
    """Samples with labels, from a name or from what was given. Raises InputError, also where labels are missing."""
    if isinstance(data, Labelled):
        return data
    if isinstance(data, str | os.PathLike):
        data = DataSource(os.fspath(data))
    if isinstance(data, DataSource):
        return load_data(data, steps)
    from seamount.models.data.batches import gathered

    x, y = gathered(data)
    if y is None:
        raise InputError(Problem("data", "has no labels", "give a pair (x, y), or a loader of such batches"))
    return Labelled(x, class_numbers(y), DataSource(GIVEN))


def class_numbers(y: Values) -> NDArray[np.int64]:
    """Labels as int64. Raises InputError for fractions, NaN and negative labels of samples."""
    whole = y.astype(np.int64) if np.all(np.isfinite(y)) else np.full(y.shape, -1, np.int64)
    if y.dtype.kind == "f" and not np.array_equal(whole, y):
        raise InputError(Problem("data", "y holds fractions or NaN", "give class numbers 0, 1, 2, ..."))
    if y.ndim not in (1, 2):
        raise InputError(Problem("data", f"y has shape {y.shape}", "give a label per sample (N,), or per step (N, T)"))
    if y.ndim == 1 and whole.size and int(whole.min()) < 0:
        raise InputError(Problem("data", f"label {int(whole.min())} in y", "number the classes from 0"))
    return whole


def described(source: DataSource, x: Samples, y: NDArray[Any]) -> dict[str, Any]:
    """What run.json says of the data: the name without its folder, and a digest of what was used."""
    digest = hashlib.sha256()
    for array in (*(x.values() if isinstance(x, Mapping) else (x,)), y):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    name = Path(source.name).name if source.name.endswith(".npz") else source.name
    return {
        "name": name,
        "split": source.split,
        "limit": source.limit,
        "seed": source.seed,
        "digest": f"sha256:{digest.hexdigest()}",
    }
