"""The 8 x 8 handwritten digits of scikit-learn with a fixed split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem
from seamount.models.data.samples import Data

TEST = 360
"""Test samples; the other 1437 train."""
_SPLIT_SEED = 20_240
CANVASES = {"train": 2000, "test": 200}
NOISE = 0.25
"""Of each pixel, uniform from 0; what is darker than that in a digit counts as background."""


def images(split: str) -> Data:
    """x (N, 1, 8, 8), pixels / 16 in [0, 1], constant. Raises InputError without scikit-learn."""
    x, y = _load(split)
    return Data(x[:, None], y, "constant", 0.0, 1.0, tuple("0123456789"))


def rows(split: str) -> Data:
    """The same images as sequences of rows: x (N, T = 8, 8), top row first."""
    x, y = _load(split)
    return Data(x, y, "sequence", 0.0, 1.0, tuple("0123456789"))


def scattered(split: str) -> Data:
    """Three digits on a canvas, and noise: x (N, 1, 24, 24) in [0, 1], constant; y (N, 24, 24), what each pixel shows:
    0 for nothing, else 1 + the digit. 2,000 canvases of the training digits, 200 of the test digits."""
    images, digits = _load(split)
    draw = np.random.RandomState(_SPLIT_SEED + (split == "test"))
    count = CANVASES[split]
    x = draw.uniform(0, NOISE, (count, 1, 24, 24)).astype(np.float32)
    y = np.zeros((count, 24, 24), np.int64)
    for canvas, labels in zip(x[:, 0], y, strict=True):
        for cell in draw.permutation(4)[:3]:
            chosen = draw.randint(len(images))
            top, left = 12 * (cell // 2) + draw.randint(5), 12 * (cell % 2) + draw.randint(5)
            place = slice(top, top + 8), slice(left, left + 8)
            canvas[place] = np.maximum(canvas[place], images[chosen])
            labels[place] = np.where(images[chosen] > NOISE, digits[chosen] + 1, 0)
    return Data(x, y, "constant", 0.0, 1.0, ("background", *"0123456789"))


def _load(split: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        found = "needs scikit-learn, which is not installed"
        raise InputError(Problem("data 'digits'", found, "pip install 'seamount[data]'")) from None
    raw = load_digits()
    x = np.asarray(raw.images, np.float32) / np.float32(16)
    y = np.asarray(raw.target, np.int64)
    # RandomState, not default_rng: numpy promises that its stream never changes.
    order = np.random.RandomState(_SPLIT_SEED).permutation(len(y))
    chosen = order[:TEST] if split == "test" else order[TEST:]
    return np.ascontiguousarray(x[chosen]), y[chosen]
