"""The data of the mechanism tests: small, split anew for each seed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from seamount.models.data import datasets
from seamount.models.recipes.training import Samples

SHAPES = {"digits": (1, 8, 8), "fashion": (1, 28, 28), "nmnist": (2, 34, 34)}
LAYERS = {
    "digits": "16C3-AP2-32C3-AP2-32C3",
    "fashion": "16C5/2-32C3-AP2-32C3",
    "nmnist": "16C5/2-32C3-AP2-32C3",
}
"""The network of each data set (networks/stages.py)."""
CLIP = 3.0
"""Events counted per pixel and bin of N-MNIST; more are cut off, and counts are divided by it."""


@lru_cache(maxsize=4)
def _all(name: str, root: Path | None, split: str) -> tuple[np.ndarray, np.ndarray]:
    data = datasets.load(name, split, root, steps=4 if name == "nmnist" else None)
    return data.x, data.y


def digits(train: int, seed: int, name: str = "digits") -> tuple[Samples, Samples]:
    """`train` of the 1,797 digits, the rest for testing; name: "digits" or "digits-quadrants"."""
    parts = [_all(name, None, s) for s in ("train", "test")]
    x, y = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    return _cut(x, y, train, seed, constant=True)


def nmnist(train: int, seed: int, root: Path | None = None) -> tuple[Samples, Samples]:
    """`train` of the 880 recordings, the rest for testing; four equal bins, counts clipped and scaled to 0..1."""
    parts = [_all("nmnist", root, s) for s in ("train", "test")]
    x, y = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    return _cut(np.minimum(x, CLIP) / np.float32(CLIP), y, train, seed, constant=False)


def fashion(train: int, seed: int, root: Path | None = None) -> tuple[Samples, Samples]:
    """`train` random training images, the first 5,000 test images."""
    x, y = _all("fashion-mnist", root, "train")
    chosen, _ = _cut(x, y, train, seed, constant=True)
    x, y = _all("fashion-mnist", root, "test")
    return chosen, Samples(torch.from_numpy(x[:5000]), torch.from_numpy(y[:5000]), True)


def _cut(x: np.ndarray, y: np.ndarray, train: int, seed: int, constant: bool) -> tuple[Samples, Samples]:
    # RandomState: numpy promises that its stream never changes.
    order = np.random.RandomState(seed).permutation(len(y))
    parts = (order[:train], order[train:])
    a, b = (Samples(torch.from_numpy(x[p].astype(np.float32)), torch.from_numpy(y[p]), constant) for p in parts)
    return a, b
