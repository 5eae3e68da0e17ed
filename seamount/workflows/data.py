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
    """Samples x, by input where there are several, with labels y if there are any, and where they are from.

    y: class numbers, real values or text, one entry per sample. lengths: (N,), the steps of each where they differ.
    """

    x: Samples
    y: Values | None
    source: DataSource
    lengths: NDArray[np.int64] | None = None

    @property
    def samples(self) -> int:
        return samples_of(self.x)


Data = str | os.PathLike[str] | DataSource | Any
"""What calls take as `data`: a name, a DataSource, (x, y), or anything that `Artifact.run` takes."""

GIVEN = "given in Python"
"""Name of samples that were handed over as arrays."""


def load_data(source: DataSource, steps: int | None = None) -> Labelled:
    """Samples, with labels where there are any; with `seed`, a random choice of `limit` of them in their order.

    steps: time bins of event recordings. Raises InputError with everything that is wrong.
    """
    from seamount.models.data.datasets import load_inputs, takes_steps

    name, limit, seed = source.name, source.limit, source.seed
    if seed is not None and seed < 0:
        raise InputError(Problem("seed", f"is {seed}", "give a whole number of at least 0"))
    binned = steps if takes_steps(name) else None
    data = load_inputs(name, source.split, source.folder, limit if seed is None else None, binned)
    found = Labelled(data.x, data.y, source, getattr(data, "lengths", None))
    if seed is None or limit is None or limit >= found.samples:
        return found
    chosen = np.sort(np.random.default_rng(seed).choice(found.samples, limit, replace=False))
    y, lengths = (None if one is None else one[chosen] for one in (found.y, found.lengths))
    return Labelled(some(found.x, chosen), y, source, lengths)


def labelled(data: Data, steps: int | None = None) -> Labelled:
    """Samples, with labels where there are any, from a name or from what was given. Raises InputError."""
    if isinstance(data, Labelled):
        return data
    if isinstance(data, str | os.PathLike):
        data = DataSource(os.fspath(data))
    if isinstance(data, DataSource):
        return load_data(data, steps)
    from seamount.models.data.batches import gathered

    x, y = gathered(data)
    return Labelled(x, y, DataSource(GIVEN))


def of_one_length(data: Labelled, steps: int, stated: bool) -> Samples:
    """The samples, for what runs all of them equally long.

    stated: whether the caller chose `steps`. Raises InputError for lengths that differ where it did not, and for
    samples that are shorter.
    """
    if data.lengths is None:
        return data.x
    shortest, longest = int(data.lengths.min()), int(data.lengths.max())
    if (shortest < longest and not stated) or shortest < steps:
        found = f"the samples last {shortest} to {longest} steps, and here all must run equally long"
        raise InputError(Problem("data", found, f"give --steps N, with N of {shortest} at most"))
    return data.x


def described(source: DataSource, x: Samples, y: Values | None) -> dict[str, Any]:
    """What run.json says of the data: the name without its folder, and a digest of what was used."""
    digest = hashlib.sha256()
    answers = np.zeros(0, np.int64) if y is None else y
    for array in (*(x.values() if isinstance(x, Mapping) else (x,)), answers):
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
