"""CIFAR-10 and CIFAR-100 from their original binary files, and CIFAR-10 from the data folder's own form.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. In the binary version an image is one record:
its label or labels, a byte each, then 1024 red, 1024 green and 1024 blue bytes, row by row. The Python version holds
pickles, which run code when they are read; it is refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.models.data.readers import read_bytes, read_npz
from seamount.models.data.samples import Data

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
MAX_BYTES = 2**28
"""Largest file that is read; the largest original has 153,700,000 bytes."""


def cifar10(folder: Path, split: str, steps: int | None) -> Data:
    """x (N, 3, 32, 32), pixels / 255; 50,000 + 10,000 in the original files, all of which must be there."""
    if (folder / f"cifar10-{split}.npz").exists():
        return _from_residual(folder / f"cifar10-{split}.npz")
    names = ("test_batch.bin",) if split == "test" else tuple(f"data_batch_{k}.bin" for k in range(1, 6))
    labels, pixels = _records(folder, "cifar-10-batches-bin", names, ("label",), 10)
    return _images(pixels, labels[:, 0], CLASSES)


def cifar100(folder: Path, split: str, steps: int | None) -> Data:
    """x (N, 3, 32, 32), pixels / 255, and the fine label; 50,000 + 10,000.

    Names of the classes are those of fine_label_names.txt beside the files, or else their numbers.
    """
    labels, pixels = _records(folder, "cifar-100-binary", (f"{split}.bin",), ("coarse label", "fine label"), 100)
    return _images(pixels, labels[:, 1], _fine_names(_place(folder, "cifar-100-binary") / "fine_label_names.txt"))


def _place(folder: Path, archive: str) -> Path:
    """Where the files are: in the folder that the archive unpacks to, or in the data set's folder itself."""
    return folder / archive if (folder / archive).is_dir() else folder


def _records(
    folder: Path, archive: str, names: tuple[str, ...], labels: tuple[str, ...], classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(N, labels) and (N, 3, 32, 32) of all files, in order. Raises InputError with the faults of all."""
    place, size = _place(folder, archive), len(labels) + PIXELS
    problems: list[Problem] = []
    parts = []
    if not any((place / name).exists() for name in names):
        raise InputError(_absent(place, archive, names[0]))
    for name in names:
        try:
            raw = read_bytes(place / name, MAX_BYTES)
        except InputError as error:
            problems += error.problems
            continue
        if not raw or len(raw) % size:
            found = f"has {len(raw):,} bytes, which is no whole number of images of {size:,}"
            problems.append(Problem(str(place / name), found, "fetch it again, the binary version"))
            continue
        part = np.frombuffer(raw, np.uint8).reshape(-1, size)
        last = part[:, len(labels) - 1]
        if int(last.max()) >= classes:
            found = f"image {int(np.argmax(last >= classes))} has the {labels[-1]} {int(last[last >= classes][0])}"
            problems.append(Problem(str(place / name), found, "fetch it again, the binary version", f"{classes - 1}"))
        parts.append(part)
    raise_all(InputError, problems)
    records = np.concatenate(parts)
    return records[:, : len(labels)], records[:, len(labels) :].reshape(-1, *SHAPE)


def _absent(place: Path, archive: str, name: str) -> Problem:
    """What stands in place of the binary files."""
    python = archive.replace("-bin", "-py") if archive.endswith("-bin") else archive.replace("-binary", "-python")
    remedy = f"fetch the binary version and unpack it here, to {archive}/"
    for folder in (place, place / python):
        for pickled in ("data_batch_1", "test_batch", "train", "test"):
            if (folder / pickled).is_file():
                found = "is the Python version, whose pickles run code when they are read"
                return Problem(str(folder / pickled), found, remedy)
    return Problem(str(place / name), "does not exist", remedy)


def _fine_names(path: Path) -> tuple[str, ...]:
    """100 names from a text file, one a line; their numbers without it."""
    if not path.exists():
        return tuple(map(str, range(100)))
    names = tuple(read_bytes(path, 2**16).decode("utf-8", "replace").split())
    if len(names) != 100:
        raise InputError(Problem(str(path), f"has {len(names)} names", "fetch it again, or remove it", "100"))
    return names


def _from_residual(path: Path) -> Data:
    """The data folder's files, which hold a prediction residual (its README)."""
    arrays = read_npz(path, {"residual": 4, "labels": 1})
    residual = arrays["residual"]
    if residual.dtype != np.uint8 or residual.shape[1:] != SHAPE:
        found = f"residual is {residual.dtype} of shape {residual.shape}"
        raise InputError(Problem(str(path), found, "use the file with uint8 (N, 3, 32, 32)"))
    # The residual is modulo 256: uint8 sums wrap as intended.
    z = np.cumsum(np.cumsum(residual, axis=2, dtype=np.uint8), axis=3, dtype=np.uint8)
    pixels = np.stack([z[:, 0] + z[:, 1], z[:, 0], z[:, 0] + z[:, 2]], axis=1)
    return _images(pixels, arrays["labels"], CLASSES)


def _images(pixels: NDArray[np.uint8], labels: NDArray[np.generic], classes: tuple[str, ...]) -> Data:
    x = pixels.astype(np.float32)
    x /= 255
    return Data(x, labels.astype(np.int64), "constant", 0.0, 1.0, classes)
