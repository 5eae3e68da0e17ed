"""Samples in whatever form a training script has them: arrays, tensors, data sets, loaders, iterables of batches.

Nothing here imports torch: tensors, data sets and loaders are known by what they can do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem
from seamount.models.data.foreign import items, user_code

Values = NDArray[Any]
Part: TypeAlias = "tuple[Values | dict[str, Values], Values | None]"
"""Samples of one batch, by input where there are several, and their labels if they have any."""

_WAYS = "give an array or tensor (N, ...), a mapping of them by input, a torch Dataset or DataLoader, or batches (x, y)"
_CORRECT = "correct the code that makes the samples"


def is_array(x: object) -> bool:
    """Whether x is an array or tensor: it has a shape and a type of numbers."""
    return hasattr(x, "shape") and hasattr(x, "dtype") and not isinstance(x, type)


def as_array(x: Any, where: str) -> Values:
    """x as a numpy array, from any device. Raises InputError for what is none."""
    if callable(getattr(x, "detach", None)):
        x = x.detach()
        if getattr(x, "is_sparse", False):
            x = x.to_dense()
        x = x.cpu()
        x = (x.float() if str(x.dtype) == "torch.bfloat16" else x).resolve_neg().numpy()
    try:
        found = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise InputError(Problem(where, f"cannot be made an array: {error}", "give samples of one shape")) from None
    if found.dtype.kind not in "biuf":
        raise InputError(Problem(where, f"has dtype {found.dtype}", "give real numbers"))
    return found


def as_labels(y: Any, where: str) -> Values:
    """As `as_array`; text is left as it is, for a model that names its classes."""
    if not callable(getattr(y, "detach", None)):
        found = np.asarray(y)
        if found.dtype.kind in "US" or (found.dtype.kind == "O" and all(isinstance(v, str) for v in found.flat)):
            return found.astype(str)
    return as_array(y, where)


def as_samples(x: Any, where: str = "x") -> Values | dict[str, Values]:
    """Samples of one input as an array, of several as arrays by input."""
    if isinstance(x, Mapping):
        return {str(name): as_array(value, f"{where}['{name}']") for name, value in x.items()}
    return as_array(x, where)


def batches(data: Any, size: int, where: str = "data") -> Iterator[Part]:
    """Data batch by batch: arrays are cut, data sets stacked `size` samples at a time, batches taken as they come.

    data: an array or tensor (N, ...); a mapping of them by input; a pair (x, y) of such; a map-style data set of
    samples or pairs (sample, label); a loader or another iterable of batches x or (x, y).
    Raises InputError for anything else, for batches that cannot be made arrays, and for what the user's code raises.
    """
    if is_array(data) or isinstance(data, Mapping):
        yield from _cut(as_samples(data), None, size)
    elif is_pair(data):
        yield from _cut(as_samples(data[0]), as_labels(data[1], "y"), size)
    elif _is_dataset(data):
        yield from _stacked(data, size, where)
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes):
        for k, batch in enumerate(items(data, where, _CORRECT)):
            yield _batch(batch, f"batch {k}")
    else:
        raise InputError(Problem("data", f"is a {type(data).__name__}", _WAYS))


def is_pair(data: object) -> bool:
    """Whether data is (x, y), and not a tuple of batches: x an array or mapping, y an array of labels."""
    if not isinstance(data, tuple) or len(data) != 2:
        return False
    x, y = data
    labels = is_array(y) or (isinstance(y, list) and all(isinstance(v, int | float | str | np.number) for v in y))
    return (is_array(x) or isinstance(x, Mapping)) and labels


def _is_dataset(data: Any) -> bool:
    """A map-style data set: it has items and a length, and is neither a plain sequence of batches nor a loader."""
    items = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    return items and not isinstance(data, list | tuple | str | bytes) and not hasattr(data, "batch_sampler")


def _cut(x: Values | dict[str, Values], y: Values | None, size: int) -> Iterator[Part]:
    count = len(next(iter(x.values()))) if isinstance(x, dict) else len(x) if x.ndim else 0
    if y is not None and len(y) != count:
        found = f"{count} samples but {len(y)} labels"
        raise InputError(Problem("data", found, "give one label per sample, in the same order"))
    for start in range(0, count, size):
        cut = slice(start, start + size)
        part = {k: v[cut] for k, v in x.items()} if isinstance(x, dict) else x[cut]
        yield part, None if y is None else y[cut]


def _batch(batch: Any, where: str) -> Part:
    if is_array(batch) or isinstance(batch, Mapping):
        return as_samples(batch, where), None
    if isinstance(batch, list | tuple) and len(batch) == 2:
        return as_samples(batch[0], f"{where}, x"), as_labels(batch[1], f"{where}, y")
    if isinstance(batch, list | tuple) and len(batch) == 1:
        return as_samples(batch[0], f"{where}, x"), None
    raise InputError(Problem(where, f"is a {type(batch).__name__}", "give batches x or (x, y)"))


def _stacked(data: Any, size: int, whose: str) -> Iterator[Part]:
    with user_code(whose, _CORRECT):
        count = len(data)
    for start in range(0, count, size):
        with user_code(whose, _CORRECT):
            taken = [data[i] for i in range(start, min(start + size, count))]
        paired = all(isinstance(item, list | tuple) and len(item) == 2 for item in taken)
        alone = all(isinstance(item, list | tuple) and len(item) == 1 for item in taken)
        samples = [item[0] for item in taken] if paired or alone else taken
        where = f"samples {start} to {start + len(taken) - 1}"
        labels = as_labels([_scalar(item[1]) for item in taken], f"{where}, labels") if paired else None
        yield _stack(samples, where), labels


def _stack(samples: list[Any], where: str) -> Values | dict[str, Values]:
    if isinstance(samples[0], Mapping):
        return {str(k): as_array([as_array(s[k], where) for s in samples], where) for k in samples[0]}
    return as_array([as_array(s, where) for s in samples], where)


def _scalar(label: Any) -> Any:
    return as_array(label, "label") if is_array(label) else label


def gathered(data: Any, where: str = "data") -> Part:
    """All batches as one. Raises InputError as `batches` does, and where only some batches have labels."""
    parts = list(batches(data, 4096, where))
    if not parts:
        raise InputError(Problem(where, "holds no samples", "give at least one"))
    labelled = [y for _, y in parts if y is not None]
    if labelled and len(labelled) < len(parts):
        raise InputError(Problem(where, "some batches have labels and others have none", "give all or none"))
    first = parts[0][0]
    try:
        x: Values | dict[str, Values]
        if isinstance(first, dict):
            x = {name: np.concatenate([part[name] for part, _ in parts if isinstance(part, dict)]) for name in first}
        else:
            x = np.concatenate([part for part, _ in parts if not isinstance(part, dict)])
        return x, np.concatenate(labelled) if labelled else None
    except (ValueError, KeyError) as error:
        found = f"batches do not fit together: {error}"
        raise InputError(Problem(where, found, "give every batch the same inputs and shapes")) from None
