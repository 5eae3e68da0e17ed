"""A user's own samples: an .npz file with x, and y where it is known, or a function that returns them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem
from seamount.models.data.batches import gathered, is_array
from seamount.models.data.events import Recording, Sensor, frames
from seamount.models.data.foreign import user_code
from seamount.models.data.readers import names_in_npz, read_npz
from seamount.models.data.samples import Data, UserData

LABELS, LENGTHS = "y", "lengths"
"""What an .npz file may hold beside x."""
PREFIX = "x_"
"""In an .npz file, x_NAME holds the samples of the input NAME."""


def from_npz(path: Path) -> UserData:
    """x (N, *shape) or (N, T, *shape), and y, one entry per sample, from an .npz file; y may be missing.

    For a network with several inputs x_NAME for each instead of x. lengths (N,): the steps of each sample where x is
    padded.
    """
    names = names_in_npz(path)
    ports = [] if "x" in names else [n for n in names if n.startswith(PREFIX)]
    more = [name for name in (LABELS, LENGTHS) if name in names or (name == LABELS and not {"x", *ports} & {*names})]
    arrays = read_npz(path, dict.fromkeys((*(ports or ["x"]), *more)), texts={LABELS})
    x = {n.removeprefix(PREFIX): arrays[n] for n in ports} if ports else arrays["x"]
    return _given(x, arrays.get(LABELS), arrays.get(LENGTHS), str(path))


def from_function(name: str, split: str, steps: int | None = None, limit: int | None = None) -> Data | UserData:
    """What `module:function` returns; modules beside the working directory are found too.

    That is a pair (x, y), with x by input where the network has several; a data set, loader or iterable of batches, as
    `batches.batches` takes them; or a data set of recordings as tonic's are,
    with `sensor_size` (width, height, polarities), a length, and items (events, label): the first `limit` are counted
    in `steps` time bins, as `events.frames` does.
    The function is the user's own code and is run. What it raises is reported as InputError.
    """
    module_name, _, function_name = name.partition(":")
    function = _resolve(name, module_name, function_name)
    where = f"data '{name}'"
    with user_code(where, "correct the function"):
        takes_split = "split" in inspect.signature(function).parameters
        result = function(split=split) if takes_split else function()
    if hasattr(result, "sensor_size"):
        return _counted(result, name, steps, limit)
    x, y = _pair(result, name)
    labels, where = None if y is None else _array("y", y, name), f"data '{name}'"
    if isinstance(x, Mapping):
        return _given({str(k): _array(f"x of '{k}'", v, name) for k, v in x.items()}, labels, None, where)
    if isinstance(x, list | tuple) and all(np.ndim(one) > 1 for one in x) and len(set(map(len, x))) > 1:
        padded, lengths = _padded([_array("x", one, name) for one in x], where)
        return _given(padded, labels, lengths, where)
    return _given(_array("x", x, name), labels, None, where)


def _pair(result: Any, name: str) -> tuple[Any, Any]:
    """(x, y), or all that a data set, a loader or an iterable of batches holds."""
    where = f"data '{name}'"
    if isinstance(result, list | tuple) and len(result) == 2:
        return result[0], result[1]
    iterated = hasattr(result, "__getitem__") and hasattr(result, "__len__")
    if is_array(result) or isinstance(result, Mapping | str | bytes) or not (iterated or isinstance(result, Iterable)):
        raise InputError(Problem(where, f"returned {type(result).__name__}, not a pair", "return (x, y)"))
    return gathered(result, where)


def _counted(dataset: Any, name: str, steps: int | None, limit: int | None) -> Data:
    """A data set of recordings as frames of event counts."""
    where = f"data '{name}'"
    size = dataset.sensor_size
    if not (
        isinstance(size, tuple | list)
        and len(size) == 3
        and all(isinstance(n, int | np.integer) and n > 0 for n in size)
    ):
        found = f"its sensor_size is {size!r}"
        raise InputError(Problem(where, found, "give (width, height, polarities), three numbers"))
    count = len(dataset) if limit is None else min(limit, len(dataset))

    def recordings() -> Iterator[Recording]:
        for i in range(count):
            with user_code(where, "items must be pairs of events and class number", f"sample {i}"):
                events, label = dataset[i]
                one = Recording(np.asarray(events), int(label), f"{where}, sample {i}")
            yield one

    return frames(recordings(), count, Sensor(*size), steps)


def _array(key: str, values: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:
        found = f"{key} cannot be made an array: {error}"
        raise InputError(Problem(f"data '{name}'", found, "give samples of one shape")) from None


def _resolve(name: str, module_name: str, function_name: str) -> Callable[..., Any]:
    where, here = f"data '{name}'", str(Path.cwd())
    if not module_name or not function_name:
        raise InputError(Problem(where, "is not module:function", "write package.module:function"))
    sys.path.insert(0, here)
    try:
        with user_code(where, "correct the module", f"importing {module_name}"):
            try:
                module = import_module(module_name)
            except ModuleNotFoundError as error:
                found = f"there is no module '{error.name}'"
                raise InputError(Problem(where, found, "install it, or run beside it")) from None
    finally:
        if here in sys.path:
            sys.path.remove(here)
    function = getattr(module, function_name, None)
    if not callable(function):
        found = f"module {module_name} has no function '{function_name}'"
        raise InputError(Problem(where, found, "name a function of it"))
    return function  # type: ignore[no-any-return]


def _padded(sequences: list[NDArray[Any]], where: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Sequences (T, *shape) of different lengths as one array with zeros behind them, and their lengths."""
    shapes = {one.shape[1:] for one in sequences}
    if len(shapes) > 1 or min(one.ndim for one in sequences) < 1:
        found = f"x holds samples of shapes {', '.join(sorted({str(one.shape) for one in sequences}))}"
        raise InputError(Problem(where, found, "give samples that differ in their steps, the first axis, alone"))
    lengths = np.array([len(one) for one in sequences], np.int64)
    padded = np.zeros((len(sequences), int(lengths.max()), *shapes.pop()), np.result_type(*sequences))
    for row, one in zip(padded, sequences, strict=True):
        row[: len(one)] = one
    return padded, lengths


def _given(
    x: NDArray[Any] | Mapping[str, NDArray[Any]], y: NDArray[Any] | None, lengths: NDArray[Any] | None, where: str
) -> UserData:
    """Samples and labels of any width."""
    if isinstance(x, Mapping) and not x:
        raise InputError(Problem(where, "x holds no input", "give an array for each input of the network"))
    parts = x if isinstance(x, Mapping) else {"x": x}
    problems = [
        Problem(where, f"{key} has type {array.dtype}", "give real numbers")
        for key, array, kinds in (*((key, one, "biuf") for key, one in parts.items()), ("y", y, "biufUS"))
        if array is not None and array.dtype.kind not in kinds
    ]
    if lengths is not None:
        problems += _length_faults(parts, lengths, where)
    if problems:
        raise InputError(problems)
    with np.errstate(over="ignore"):  # what exceeds float32 becomes infinite, and is refused as such
        values = {key: one.astype(np.float32) for key, one in parts.items()}
    labels = y.astype(np.int64) if y is not None and y.dtype.kind in "biu" else y
    counted = None if lengths is None else lengths.astype(np.int64)
    return UserData(values if isinstance(x, Mapping) else values["x"], labels, counted)


def _length_faults(parts: Mapping[str, NDArray[Any]], lengths: NDArray[Any], where: str) -> Iterator[Problem]:
    for key, x in parts.items():
        most = x.shape[1] if x.ndim > 2 else 0
        if lengths.dtype.kind not in "iu" or lengths.shape != x.shape[:1]:
            found = f"lengths are {lengths.dtype} of shape {lengths.shape} for {len(x)} samples"
            yield Problem(where, found, "give the steps of each sample, (N,) whole numbers")
        elif lengths.size and not 1 <= lengths.min() <= lengths.max() <= most:
            found = f"lengths of {lengths.min()} to {lengths.max()} steps, but {key} has shape {x.shape}"
            yield Problem(where, found, "give lengths of 1 to T, with x of (N, T, *shape)")
