"""The 8 x 8 handwritten digits of scikit-learn with a fixed split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem
from seamount.models.data.samples import Data

TEST = 360
"""Test samples; the other 1437 train."""
_SPLIT_SEED = 20_240


def images(split: str) -> Data:
    """x (N, 1, 8, 8), pixels / 16 in [0, 1], constant. Raises InputError without scikit-learn."""
    x, y = _load(split)
    return Data(x[:, None], y, "constant", 0.0, 1.0, tuple("0123456789"))


def rows(split: str) -> Data:
    """The same images as sequences of rows: x (N, T = 8, 8), top row first."""
    x, y = _load(split)
    return Data(x, y, "sequence", 0.0, 1.0, tuple("0123456789"))


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
