"""Recorded data sets in a data folder, one function each: (folder, split, steps) -> Data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem
from seamount.models.data.events import MAX_VALUES
from seamount.models.data.readers import read_idx, read_npz
from seamount.models.data.samples import NO_LABEL, Data

FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
DIGITS = tuple("0123456789")
BRAILLE_CLASSES = ("Space", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
NMNIST_US = 336_041
"""Length of an N-MNIST recording taken as a whole, microseconds; the last event seen is at 336,040."""
BRAILLE_US = 1_300_001
"""The same for the Braille recordings; the last event is at 1,300,000."""
BRAILLE_TEST_EVERY = 5
"""The Braille file has no split of its own: every fifth sample is for testing."""
BRAILLE_SEVEN = (0, 1, 5, 9, 15, 21, 25)
"""Space, A, E, I, O, U and Y, the letters of the shorter task (Mueller-Cleve et al., 2022)."""
ECG_CLASSES = ("P", "PQ", "QR", "RS", "ST", "TP")
ECG_UNLABELLED = 255


def fashion_mnist(folder: Path, split: str, steps: int | None) -> Data:
    """x (N, 1, 28, 28), pixels / 255; 60,000 + 10,000. Xiao, Rasul, Vollgraf, arXiv:1708.07747."""
    return _grey_images(folder, split, FASHION)


def mnist(folder: Path, split: str, steps: int | None) -> Data:
    """x (N, 1, 28, 28), pixels / 255; 60,000 + 10,000. LeCun and Cortes."""
    return _grey_images(folder, split, DIGITS)


def _grey_images(folder: Path, split: str, classes: tuple[str, ...]) -> Data:
    stem = "t10k" if split == "test" else "train"
    pixels = read_idx(folder / f"{stem}-images-idx3-ubyte.gz", axes=3)
    labels = read_idx(folder / f"{stem}-labels-idx1-ubyte.gz", axes=1)
    x = pixels[:, None].astype(np.float32)
    x /= 255
    return Data(x, labels.astype(np.int64), "constant", 0.0, 1.0, classes)


def nmnist(folder: Path, split: str, steps: int | None) -> Data:
    """x (N, T, 2, 34, 34): events per pixel and polarity (OFF, ON) in T equal time bins; 800 + 80."""
    path = folder / f"nmnist-{split}.npz"
    a = _events(path, ("t", "x", "y", "p"))
    for key, size in (("x", 34), ("y", 34), ("p", 2)):
        _below(path, key, a[key], size)
    place = (a["p"].astype(np.int64) * 34 + a["y"]) * 34 + a["x"]
    x = _bin(path, a, place, (2, 34, 34), steps or 4, NMNIST_US)
    return Data(x, a["labels"].astype(np.int64), "sequence", 0.0, float(x.max()), DIGITS)


def braille(folder: Path, split: str, steps: int | None) -> Data:
    """x (N, T, 24): events per taxel and polarity (channel 2 * taxel + ON) in T equal bins; 3456 + 864."""
    path = folder / "braille-letters-th10.npz"
    a = _events(path, ("t", "taxel", "p"))
    _below(path, "taxel", a["taxel"], 12)
    _below(path, "p", a["p"], 2)
    x = _bin(path, a, a["taxel"].astype(np.int64) * 2 + a["p"], (24,), steps or 13, BRAILLE_US)
    chosen = np.arange(len(x)) % BRAILLE_TEST_EVERY == 0
    chosen = chosen if split == "test" else ~chosen
    x = x[chosen]
    high = float(x.max()) if x.size else 0.0
    return Data(x, a["labels"][chosen].astype(np.int64), "sequence", 0.0, high, BRAILLE_CLASSES)


def braille_seven(folder: Path, split: str, steps: int | None) -> Data:
    """The samples of `braille` with one of seven letters, numbered anew: Space, A, E, I, O, U, Y."""
    data = braille(folder, split, steps)
    chosen = np.isin(data.y, BRAILLE_SEVEN)
    y = np.searchsorted(BRAILLE_SEVEN, data.y[chosen])
    classes = tuple(BRAILLE_CLASSES[i] for i in BRAILLE_SEVEN)
    return replace(data, x=data.x[chosen], y=y.astype(np.int64), classes=classes)


def ecg(folder: Path, split: str, steps: int | None) -> Data:
    """x (N, 1301, 4): leads 0 and 1, rising and falling, as spikes; y (N, 1301), a part of the heart beat per step.

    495 + 113 stretches of the QT Database at 250 Hz (Laguna et al. 1997), as Yin, Corradi and Bohte encoded them
    (doi:10.1038/s42256-021-00397-w). y is NO_LABEL where the file has none. Their end marker, -1 in the last step
    of channel 0, is read as no spike.
    """
    path = folder / f"qtdb-ecg-{split}.npz"
    a = read_npz(path, {"spikes": 3, "labels": 2})
    x, y = a["spikes"].astype(np.float32), a["labels"].astype(np.int64)
    if x.shape[2] != 4 or y.shape != x.shape[:2]:
        found = f"spikes have shape {x.shape}, labels {y.shape}"
        raise InputError(Problem(str(path), found, "use the file with (N, T, 4) and (N, T)"))
    x[:, -1, 0] = np.maximum(x[:, -1, 0], 0)
    _below(path, "spikes", x, 2)
    y[y == ECG_UNLABELLED] = NO_LABEL
    return Data(x, y, "sequence", 0.0, 1.0, ECG_CLASSES)


def _events(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Event arrays of equal length, `offsets` that cut them into samples, `labels`."""
    a = read_npz(path, {**dict.fromkeys(keys, 1), "offsets": 1, "labels": 1})
    count, offsets = len(a[keys[0]]), a["offsets"].astype(np.int64)
    problems = [
        Problem(str(path), f"'{k}' has {len(a[k])} events, '{keys[0]}' has {count}", "use the original file")
        for k in keys
        if len(a[k]) != count
    ]
    if len(offsets) != len(a["labels"]) + 1:
        found = f"{len(offsets)} offsets for {len(a['labels'])} labels"
        problems.append(Problem(str(path), found, "offsets must have one entry more than labels"))
    elif offsets[0] != 0 or offsets[-1] != count or bool(np.any(np.diff(offsets) < 0)):
        found = f"offsets run from {offsets[0]} to {offsets[-1]} over {count} events, or fall"
        problems.append(Problem(str(path), found, "offsets must rise from 0 to the number of events"))
    if problems:
        raise InputError(problems)
    return a


def _below(path: Path, key: str, values: NDArray[Any], size: int) -> None:
    if values.size and (int(values.max()) >= size or int(values.min()) < 0):
        found = f"'{key}' holds {int(values.max() if values.max() >= size else values.min())}"
        raise InputError(Problem(str(path), found, f"values must lie in 0..{size - 1}"))


def _bin(
    path: Path,
    a: dict[str, NDArray[Any]],
    place: NDArray[np.int64],
    shape: tuple[int, ...],
    steps: int,
    length_us: int,
) -> NDArray[np.float32]:
    """Count events: (samples, steps, *shape); bin = floor(t * steps / length)."""
    _below(path, "t", a["t"], length_us)
    offsets = a["offsets"].astype(np.int64)
    samples, size = len(offsets) - 1, int(np.prod(shape))
    if samples * steps * size > MAX_VALUES:
        found = f"{steps} steps would make {samples * steps * size:.2g} values"
        raise InputError(Problem(str(path), found, "ask for fewer steps", f"{MAX_VALUES} values"))
    sample = np.repeat(np.arange(samples, dtype=np.int64), np.diff(offsets))
    step = a["t"].astype(np.int64) * steps // length_us
    counts = np.bincount((sample * steps + step) * size + place, minlength=samples * steps * size)
    return counts.astype(np.float32).reshape(samples, steps, *shape)
