"""Labelled samples by name: the one door to data for training, running and checking.

`load("digits")`, `load("fashion-mnist", "train")`, `load("mine.npz")` or `load("package.module:function")`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from seamount.compiler.errors import InputError, Problem
from seamount.models.data import cifar, digits, event_camera, recorded, user_data
from seamount.models.data.quadrants import quadrants
from seamount.models.data.samples import Data, UserData, check, check_user_data

_Loader = Callable[[Path, str, int | None], Data]
_IN_FOLDER: dict[str, tuple[tuple[str, ...], _Loader]] = {
    "fashion-mnist": (("fashion-mnist",), recorded.fashion_mnist),
    "mnist": (("mnist",), recorded.mnist),
    "cifar10": (("cifar10", "cifar-10-batches-bin", "cifar-10-batches-py"), cifar.cifar10),
    "cifar100": (("cifar100", "cifar-100-binary", "cifar-100-python"), cifar.cifar100),
    "braille": (("braille",), recorded.braille),
    "braille-7": (("braille",), recorded.braille_seven),
    "ecg": (("qtdb-ecg",), recorded.ecg),
}
"""Name -> names that its folder may have, ours and those that archives unpack to; its loader."""
_RECORDINGS: dict[str, tuple[tuple[str, ...], Callable[[Path, str, int | None, int | None], Data]]] = {
    "nmnist": (("nmnist", "NMNIST"), event_camera.nmnist),
    "dvs-gesture": (("dvs-gesture", "DVSGesture"), event_camera.dvs_gesture),
    "cifar10-dvs": (("cifar10-dvs", "CIFAR10DVS"), event_camera.cifar10_dvs),
}
"""The same for recordings in a file each, of which no more are read than are asked for."""
_BUILT_IN = {"digits": digits.images, "digits-rows": digits.rows, "digits-scattered": digits.scattered}
_IN_QUADRANTS = {f"{name}-quadrants": name for name in ("digits", "mnist", "fashion-mnist", "cifar10")}
NAMES = (*_BUILT_IN, *_IN_FOLDER, *_RECORDINGS, *_IN_QUADRANTS)
"""Names that `load` knows besides .npz files and module:function."""
SPLITS = ("train", "test")
BINNED = ("braille", "braille-7", *_RECORDINGS)
"""Event recordings, which `load` counts in as many time bins as it is asked for."""


def takes_steps(name: str) -> bool:
    """Whether `load` may be asked for a number of time bins: event recordings, and functions, which may return some."""
    return name in BINNED or (":" in name and not name.endswith(".npz"))


def load(
    name: str,
    split: str = "test",
    root: Path | str | None = None,
    limit: int | None = None,
    steps: int | None = None,
) -> Data:
    """The samples of one split, at most the first `limit`.

    name   one of NAMES; a path that ends in .npz; or module:function, called as function() or, if it has a
           parameter of that name, function(split=split), to return (x, y) or a data set of recordings, such as
           tonic's. An .npz file is one split by itself.
    root   the data folder; without it SEAMOUNT_DATA, else the user's: $XDG_DATA_HOME/seamount/data, by default
           ~/.local/share/seamount/data
    steps  time bins of event recordings (default 4, braille: 13); not for other data

    Raises InputError when a name, file, folder or package is missing or the content cannot be used, and for samples
    of several inputs.
    """
    data = load_inputs(name, split, root, limit, steps)
    if isinstance(data, UserData):
        data = _classified(data, f"data '{name}'")
        check(data, f"data '{name}'")
    return data


def _classified(data: UserData, where: str) -> Data:
    """Samples of a user as those of one input with a class each, as training needs them."""
    if isinstance(data.x, Mapping):
        found = f"holds samples of several inputs ({', '.join(data.x)}), and one is needed here"
        raise InputError(Problem(where, found, "give x and y, one array each"))
    if data.lengths is not None:
        raise InputError(Problem(where, "holds samples of different lengths", "give samples of one length"))
    y = data.y
    if y is None:
        raise InputError(Problem(where, "has no 'y', only x", "give class numbers 0, 1, 2, ... as y"))
    if y.dtype.kind in "US":
        raise InputError(Problem(where, f"y has type {y.dtype}", "give class numbers 0, 1, 2, ..."))
    if not np.array_equal(y, np.rint(y)):
        raise InputError(Problem(where, "y holds fractions or NaN", "give class numbers 0, 1, 2, ..."))
    finite = data.x[np.isfinite(data.x)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return Data(data.x, y.astype(np.int64), None, low, high)


def load_inputs(
    name: str,
    split: str = "test",
    root: Path | str | None = None,
    limit: int | None = None,
    steps: int | None = None,
) -> Data | UserData:
    """As `load`, for networks of several inputs too: users' own samples may be given by input."""
    problems = []
    if split not in SPLITS:
        problems.append(Problem(f"split '{split}'", "is unknown", "use train or test"))
    if limit is not None and limit < 1:
        problems.append(Problem("limit", f"is {limit}", "ask for at least one sample"))
    if steps is not None and not takes_steps(name):
        problems.append(Problem("steps", f"'{name}' is not an event recording", "omit steps"))
    if steps is not None and steps < 1:
        problems.append(Problem("steps", f"is {steps}", "ask for at least one step"))
    if problems:
        raise InputError(problems)
    data = _find(name, split, root, steps, limit)
    if isinstance(data, UserData):
        check_user_data(data, f"data '{name}'")
        return data if limit is None else data.part(slice(limit))
    check(data, f"data '{name}'")
    if limit is None or limit >= len(data.y):
        return data
    return Data(data.x[:limit], data.y[:limit], data.encoding, data.low, data.high, data.classes)


def _find(name: str, split: str, root: Path | str | None, steps: int | None, limit: int | None) -> Data | UserData:
    if name in _IN_QUADRANTS:
        whole = _find(_IN_QUADRANTS[name], split, root, steps, limit)
        assert isinstance(whole, Data)
        return quadrants(whole, f"data '{name}'")
    if name in _BUILT_IN:
        return _BUILT_IN[name](split)
    if name in _IN_FOLDER:
        folders, loader = _IN_FOLDER[name]
        return loader(data_folder(root, *folders), split, steps)
    if name in _RECORDINGS:
        folders, read = _RECORDINGS[name]
        return read(data_folder(root, *folders), split, steps, limit)
    if name.endswith(".npz"):
        return user_data.from_npz(Path(name))
    if ":" in name:
        return user_data.from_function(name, split, steps, limit)
    raise InputError(
        Problem(
            f"data '{name}'",
            "is neither a known name, an .npz file nor module:function",
            f"known names: {', '.join(NAMES)}",
        )
    )


def user_folder() -> Path:
    """Where a user's data sets lie unless SEAMOUNT_DATA says otherwise (XDG base directories)."""
    share = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(share) / "seamount" / "data"


def data_folder(root: Path | str | None, *names: str) -> Path:
    """The folder of one data set below the data folder, the first that is there of those it may be called.

    Raises InputError naming the places tried.
    """
    folder = Path(root or os.environ.get("SEAMOUNT_DATA") or user_folder())
    places = [folder / name for name in names]
    for place in places:
        if place.is_dir():
            return place
    remedy = f"give the folder that holds {names[0]}/ as data folder, or set SEAMOUNT_DATA to it"
    found = f"no folder {', '.join(dict.fromkeys(map(str, places)))}"
    raise InputError(Problem(f"data '{names[0]}'", found, remedy))


__all__ = ["BINNED", "NAMES", "SPLITS", "Data", "data_folder", "load", "load_inputs", "takes_steps", "user_folder"]
