"""A user's own samples: an .npz file with x and y, or a function that returns them."""

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
from seamount.models.data.samples import Data, PortData

PREFIX = "x_"
"""In an .npz file, x_NAME holds the samples of the input NAME."""


def from_npz(path: Path) -> Data | PortData:
    """x (N, *shape) or (N, T, *shape) and y (N,), or a label per step (N, T), from an .npz file.

    For a network with several inputs x_NAME for each instead of x.
    """
    names = names_in_npz(path)
    ports = [] if "x" in names else [n for n in names if n.startswith(PREFIX)]
    arrays = read_npz(path, dict.fromkeys((*(ports or ["x"]), "y")))
    if ports:
        return _ports({n.removeprefix(PREFIX): arrays[n] for n in ports}, arrays["y"], str(path))
    return _data(arrays["x"], arrays["y"], str(path))


def from_function(name: str, split: str, steps: int | None = None, limit: int | None = None) -> Data | PortData:
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
    labels = _array("y", y, name)
    if isinstance(x, Mapping):
        return _ports({str(k): _array(f"x of '{k}'", v, name) for k, v in x.items()}, labels, where)
    return _data(_array("x", x, name), labels, where)


def _pair(result: Any, name: str) -> tuple[Any, Any]:
    """(x, y), or all that a data set, a loader or an iterable of batches holds."""
    where = f"data '{name}'"
    if isinstance(result, list | tuple) and len(result) == 2:
        return result[0], result[1]
    iterated = hasattr(result, "__getitem__") and hasattr(result, "__len__")
    if is_array(result) or isinstance(result, Mapping | str | bytes) or not (iterated or isinstance(result, Iterable)):
        raise InputError(Problem(where, f"returned {type(result).__name__}, not a pair", "return (x, y)"))
    x, y = gathered(result, where)
    if y is None:
        found = f"returned {type(result).__name__} without labels"
        raise InputError(Problem(where, found, "return (x, y), or a data set or batches of pairs"))
    return x, y


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


def _ports(x: Mapping[str, NDArray[Any]], y: NDArray[Any], where: str) -> PortData:
    """Samples by input."""
    if not x:
        raise InputError(Problem(where, "x holds no input", "give an array for each input of the network"))
    parts = {name: _data(array, y, f"{where}, input '{name}'") for name, array in x.items()}
    return PortData({name: part.x for name, part in parts.items()}, next(iter(parts.values())).y)


def _data(x: NDArray[Any], y: NDArray[Any], where: str) -> Data:
    """Numbers of any width to Data; labels must be whole numbers."""
    problems = []
    for key, array in (("x", x), ("y", y)):
        if array.dtype.kind not in "biuf":
            problems.append(Problem(where, f"{key} has type {array.dtype}", "give real numbers"))
    if problems:
        raise InputError(problems)
    labels = y.astype(np.int64) if np.all(np.isfinite(y)) else np.full(y.shape, -1, np.int64)
    if y.dtype.kind == "f" and not np.array_equal(labels, y):
        raise InputError(Problem(where, "y holds fractions or NaN", "give class numbers 0, 1, 2, ..."))
    with np.errstate(over="ignore"):  # what exceeds float32 becomes infinite, and is refused as such
        values = x.astype(np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return Data(values, labels, None, low, high)
