"""Recordings of event cameras in the files they are published in, read by tonic (Lenz et al., neuromorphs/tonic).

Read from disk only: tonic's own data set classes fetch what is missing, so its readers are called, not those. Of tonic
1.7.0 the readers of N-MNIST and of AEDAT 4 are used. Its readers of AEDAT 2 and 3 (read_dvs_128, read_dvs_ibm) raise
"too many values to unpack" on any file, so the original .aedat recordings of DVS128 Gesture are not read; the form that
tonic publishes, cut into one array per gesture, is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem
from seamount.models.data.cifar import CLASSES
from seamount.models.data.events import Recording, Sensor, frames
from seamount.models.data.readers import read_npy, size_within
from seamount.models.data.recorded import DIGITS, NMNIST_US
from seamount.models.data.recorded import nmnist as packed_nmnist
from seamount.models.data.samples import Data

GESTURES = (
    "hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counterclockwise",
    "left arm clockwise", "left arm counterclockwise", "arm roll", "air drums", "air guitar", "other gestures",
)  # fmt: skip
TEST_EVERY = 10
"""CIFAR10-DVS has no split of its own: every tenth recording of a class is for testing, the first included."""
_HEADER = 2**16
"""Bytes in which the description of an AEDAT 4 file must end."""
_File = tuple[Path, int]
"""A recording's file and its class."""
MAX_BYTES = 2**28
"""Largest recording that is read; those of the three data sets have a few megabytes at most."""


def nmnist(folder: Path, split: str, steps: int | None, limit: int | None) -> Data:
    """x (N, T, 2, 34, 34): events per pixel and polarity (OFF, ON) in T equal time bins; 60,000 + 10,000.

    From nmnist-train.npz and nmnist-test.npz where they are there, else from the original files, Train and Test with a
    folder per digit, in the order of their names. Orchard et al. 2015, doi:10.3389/fnins.2015.00437.
    """
    place = folder / split.capitalize()
    if (folder / f"nmnist-{split}.npz").exists() or not place.is_dir():
        return packed_nmnist(folder, split, steps)
    files = [(path, int(path.parent.name)) for path in place.glob("[0-9]/*.bin")]
    files.sort(key=lambda file: (file[0].name, file[1]))
    files = _first(files, limit, place, "*.bin in folders 0 to 9")
    return frames(_recordings(files, _read_nmnist), len(files), Sensor(34, 34), steps, DIGITS, NMNIST_US)


def dvs_gesture(folder: Path, split: str, steps: int | None, limit: int | None) -> Data:
    """x (N, T, 2, 64, 64): 2 x 2 pixels of the camera added up, T equal bins of each recording's own time; 11 classes.

    From tonic's form of DVS128 Gesture (Amir et al., CVPR 2017): ibmGestureTrain and ibmGestureTest, in them a folder
    per user and lighting, in it N.npy for gesture N, with columns x, y, polarity and milliseconds.
    """
    place = folder / f"ibmGesture{split.capitalize()}"
    files = [(path, int(path.stem)) for path in sorted(place.glob("*/*.npy")) if path.stem.isdigit()]
    files = _first(files, limit, place, "N.npy in a folder per user")
    return frames(_recordings(files, _read_gesture), len(files), Sensor(128, 128, merge=2), steps, GESTURES)


def cifar10_dvs(folder: Path, split: str, steps: int | None, limit: int | None) -> Data:
    """x (N, T, 2, 64, 64): 2 x 2 pixels of the camera added up, T equal bins of each recording's own time; 10 classes.

    From a folder of .aedat4 files per class, by number (Li et al. 2017, doi:10.3389/fnins.2017.00309, as tonic
    publishes it).
    """
    files: list[_File] = []
    for label, name in enumerate(CLASSES):
        for i, path in enumerate(sorted(folder.glob(f"{name}/*.aedat4"), key=_number)):
            if (i % TEST_EVERY == 0) == (split == "test"):
                files.append((path, label))
    files.sort(key=lambda file: (_number(file[0]), file[1]))
    files = _first(files, limit, folder, "*.aedat4 in a folder per class")
    return frames(_recordings(files, _read_aedat4), len(files), Sensor(128, 128, merge=2), steps, CLASSES)


def _number(path: Path) -> tuple[int, str]:
    """The last number in a file's name, to sort by."""
    found = re.findall(r"\d+", path.stem)
    return (int(found[-1]) if found else 0, path.name)


def _first(files: list[_File], limit: int | None, place: Path, layout: str) -> list[_File]:
    """The first `limit` files. Raises InputError when there is none."""
    if not files:
        raise InputError(Problem(str(place), f"holds no {layout}", "unpack the data set there, with its folders"))
    return files[:limit]


def _recordings(files: Iterable[_File], read: Callable[[Path], NDArray[Any]]) -> Iterator[Recording]:
    return (Recording(read(path), label, str(path)) for path, label in files)


def _read_nmnist(path: Path) -> NDArray[Any]:
    """40 bits per event: x, y, polarity and 23 bits of microseconds."""
    size = size_within(path, MAX_BYTES)
    if size % 5:
        found = f"has {size:,} bytes, which is no whole number of events of 5"
        raise InputError(Problem(str(path), found, "fetch it again"))
    fields = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    return _by_tonic(path, lambda tonic: tonic.read_mnist_file(str(path), dtype=fields))


def _read_aedat4(path: Path) -> NDArray[Any]:
    size_within(path, MAX_BYTES)
    with path.open("rb") as file:
        begin = file.read(_HEADER)
    text = begin[begin.find(b"<dv") : begin.find(b"</dv>")]
    if not begin.startswith(b"#!AER-DAT4.0\r\n") or not text or not text.isascii():
        # The decoder (aedat 2.3.0) aborts the whole process over letters outside ASCII in the description.
        found = "does not begin as AEDAT 4.0 with a description of its streams in ASCII"
        raise InputError(Problem(str(path), found, "fetch it again"))
    events = _by_tonic(path, lambda tonic: tonic.read_aedat4(str(path)))
    events.dtype.names = ("t", "x", "y", "p")  # of the decoder: t, x, y, on
    return events


def _read_gesture(path: Path) -> NDArray[Any]:
    size_within(path, MAX_BYTES)
    rows = read_npy(path, axes=2)
    if rows.shape[1] != 4:
        raise InputError(
            Problem(str(path), f"has {rows.shape[1]} columns", "use tonic's file: x, y, polarity, ms", "4")
        )
    events = np.empty(len(rows), [(name, rows.dtype) for name in ("x", "y", "p", "t")])
    for name, column in zip(("x", "y", "p", "t"), rows.T, strict=True):
        events[name] = column
    return events


def _by_tonic(path: Path, read: Callable[[ModuleType], NDArray[Any]]) -> NDArray[Any]:
    """What tonic reads. Raises InputError without it, and for what its readers cannot take."""
    try:
        from tonic import io

        return read(io)
    except ModuleNotFoundError as error:
        found = f"needs the Python package '{error.name}', which is not installed"
        raise InputError(Problem(str(path), found, "pip install 'seamount[events]'")) from None
    except BaseException as error:  # its readers raise whatever numpy raises, the decoder panics outside Exception
        if isinstance(error, KeyboardInterrupt | MemoryError):
            raise
        found = f"cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise InputError(Problem(str(path), found, "fetch it again")) from None
