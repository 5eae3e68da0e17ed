"""Inputs of the benchmark: real data, turned into spikes where the network takes spikes. Fixed seeds, so the same
arrays on every call."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seamount.models.data.datasets import load

Array = NDArray[np.float32]
SEED = 7


def samples(source: str, split: str, steps: int, limit: int | None = None) -> tuple[Array, NDArray[np.int64]]:
    """(x, y): x (N, T, *shape) of 0 and 1, or images (N, *shape) in [0, 1] for "cifar10".

    "mnist-spikes": each pixel fires in each step with its brightness as probability. "nmnist": whether a pixel had an
    event in the bin. "ecg": recordings cut into windows of `steps`, what is left over is not used; y (N, T), NO_LABEL
    where a step has none.
    """
    if source == "mnist-spikes":
        x, y = images("mnist", split)
        return spikes(x[:limit], steps, SEED), y[:limit]
    if source == "cifar10":
        x, y = images("cifar10", split)
        return x[:limit], y[:limit]
    if source == "ecg":
        data = load(source, split)
        count = data.x.shape[1] // steps
        x = data.x[:, : count * steps].reshape(-1, steps, *data.x.shape[2:])
        return x[:limit], data.y[:, : count * steps].reshape(-1, steps)[:limit]
    data = load(source, split, steps=steps)
    return np.minimum(data.x[:limit], 1), data.y[:limit]


def spikes(x: Array, steps: int, seed: int) -> Array:
    """Bernoulli spikes (N, steps, *shape) of images (N, *shape)."""
    drawn = np.random.default_rng(seed).random((len(x), steps, *x.shape[1:]), np.float32)
    return (drawn < x[:, None]).astype(np.float32)


@lru_cache(maxsize=4)
def images(name: str, split: str) -> tuple[Array, NDArray[np.int64]]:
    """A data set of still images in [0, 1]."""
    data = load(name, split)
    return data.x, data.y
