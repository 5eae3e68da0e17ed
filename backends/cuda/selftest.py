"""A test on this machine, before the first run, that PyTorch's products are exact where they may be used.

Extreme values are tried: sums of exactly 2**24 - 1 and back, and the ends of int8. What fails is said and not used.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from seamount.backends.simulator.kernels import FLOAT32_EXACT

MOST = FLOAT32_EXACT // 255
"""Weights of 255 whose sum is 2**24 - 1."""


@cache
def exact_products(device: torch.device) -> frozenset[str]:
    """Which kernels for matrix products are exact on the device; float64 is taken for granted only after its test."""
    found = {name for name, works in (("int8", _int8), ("float32", _float32), ("float64", _float64)) if works(device)}
    if "float64" not in found:
        raise RuntimeError(f"{device}: float64 products are not exact")
    missing = {"int8", "float32"} - found
    if missing:
        warnings.warn(f"{device}: {', '.join(sorted(missing))} products are not exact here; not used", stacklevel=2)
    return frozenset(found)


def _weights() -> NDArray[np.int64]:
    """Rows that sum up to 2**24 - 1, to its negative, and to 0 past both; and random ones."""
    rng = np.random.default_rng(0)
    up = np.full(MOST, 255)
    back = np.concatenate([up[: MOST // 2], -up[MOST // 2 :]])
    mixed = rng.integers(-255, 256, MOST)
    return np.stack([up, -up, back, mixed, *([np.roll(mixed, 7)] * 4)]).astype(np.int64)


def _compares(device: torch.device, dtype: torch.dtype) -> bool:
    weight = _weights()
    s = np.ones((17, MOST), np.int64)
    s[1:] = np.random.default_rng(1).integers(0, 2, (16, MOST))
    expected = s @ weight.T
    x, w = (torch.from_numpy(a).to(device, dtype) for a in (s, weight))
    product = torch.matmul(x, w.T).double().cpu().numpy()
    channels = MOST // 9
    kernel, image = (a[:, : channels * 9].reshape(-1, channels, 3, 3) for a in (weight, s))
    convolved = torch.nn.functional.conv2d(
        torch.from_numpy(image).to(device, dtype), torch.from_numpy(kernel).to(device, dtype)
    )
    wanted = image.reshape(17, -1) @ kernel.reshape(8, -1).T
    return bool((product == expected).all()) and bool((convolved.double().cpu().numpy()[..., 0, 0] == wanted).all())


def _float32(device: torch.device) -> bool:
    return _compares(device, torch.float32)


def _float64(device: torch.device) -> bool:
    return _compares(device, torch.float64)


def _int8(device: torch.device) -> bool:
    rng = np.random.default_rng(2)
    s, w = rng.integers(0, 2, (40, 4096)).astype(np.int8), rng.integers(-128, 128, (4096, 64)).astype(np.int8)
    s[0], w[:, 0], w[:, 1] = 1, 127, -128
    try:
        found = torch._int_mm(torch.from_numpy(s).to(device), torch.from_numpy(w).to(device)).cpu().numpy()
    except (RuntimeError, AttributeError):  # the build or the device has no such product
        return False
    return bool((found == s.astype(np.int64) @ w.astype(np.int64)).all())
