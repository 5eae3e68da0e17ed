"""Pooling layers of torch.nn to NIR nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
from torch import nn

from seamount.compiler.errors import ImportRefused, Problem
from seamount.compiler.ir.ops import Shape
from seamount.frontends.frameworks.parts import Part, chain, single


def _pair(n: Any) -> tuple[int, int]:
    return (int(n[0]), int(n[1])) if isinstance(n, (tuple, list)) else (int(n), int(n))


def _check_window(name: str, module: Any, shape: Shape, kernel: tuple[int, ...], stride: tuple[int, ...]) -> None:
    """Refuse ceil mode where it makes a difference."""
    pad = np.broadcast_to(np.ravel(getattr(module, "padding", 0)), (len(kernel),))
    for n, k, s, p in zip(shape[-len(kernel) :], kernel, stride, pad, strict=True):
        if module.ceil_mode and (n + 2 * p - k) % s:
            raise ImportRefused(
                Problem(
                    f"layer '{name}'",
                    f"ceil_mode=True adds a partial window: {n} entries, kernel {k}, stride {s}",
                    "use ceil_mode=False, or pad so that the windows fit",
                )
            )


def _avg2d(name: str, module: nn.AvgPool2d, shape: Shape) -> Part:
    kernel, stride, padding = _pair(module.kernel_size), _pair(module.stride), _pair(module.padding)
    _check_window(name, module, shape, kernel, stride)
    window = np.array(kernel), np.array(stride), np.array(padding)
    if module.divisor_override:
        inner = f"{name}.sum"
        positions = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(shape[-2:], kernel, stride, padding, strict=True)]
        scale = np.full((*shape[:-2], *positions), 1 / module.divisor_override, np.float64)
        return chain((inner, nir.SumPool2d(*window)), (name, nir.Scale(scale)))
    return single(name, nir.AvgPool2d(*window))


def _sum2d(name: str, module: nn.LPPool2d, shape: Shape) -> Part:
    kernel = _pair(module.kernel_size)
    stride = _pair(module.stride if module.stride is not None else module.kernel_size)
    _check_window(name, module, shape, kernel, stride)
    return single(name, nir.SumPool2d(np.array(kernel), np.array(stride), np.array((0, 0))))


def _avg1d(name: str, module: nn.AvgPool1d, shape: Shape) -> Part:
    """NIR has no 1-D pool: a convolution per channel with equal weights; of (N, features), a Linear."""
    kernel, stride, padding = (int(np.ravel(n)[0]) for n in (module.kernel_size, module.stride, module.padding))
    _check_window(name, module, shape, (kernel,), (stride,))
    if len(shape) == 1:
        return single(name, nir.Linear(_windows(shape[0], kernel, stride, padding) / kernel))
    if len(shape) != 2:
        raise ImportRefused(
            Problem(f"layer '{name}'", f"pools one axis of shape {shape}", "give it (channels, length)")
        )
    channels = shape[0]
    weight = np.full((channels, 1, kernel), 1 / kernel, np.float64)
    return single(name, nir.Conv1d(shape[-1], weight, stride, padding, 1, channels, np.zeros(channels)))


def _windows(size: int, kernel: int, stride: int, padding: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """1 where a window (row) holds an entry (column)."""
    starts = np.arange((size + 2 * padding - kernel) // stride + 1) * stride - padding
    entries = np.arange(size)
    return ((entries >= starts[:, None]) & (entries < starts[:, None] + kernel)).astype(np.float64)


def _adaptive2d(name: str, module: nn.AdaptiveAvgPool2d, shape: Shape) -> Part:
    """Windows are equal when the output size divides the input size."""
    size = module.output_size
    wanted = size if isinstance(size, (tuple, list)) else (size, size)
    out = [n if w is None else int(w) for n, w in zip(shape[-2:], wanted, strict=True)]
    if any(n % w for n, w in zip(shape[-2:], out, strict=True)):
        raise ImportRefused(
            Problem(
                f"layer '{name}'",
                f"adaptive pooling of {tuple(shape[-2:])} to {tuple(out)} has windows of unequal size",
                "choose an output size that divides the input size, or use AvgPool2d",
            )
        )
    kernel = np.array([n // w for n, w in zip(shape[-2:], out, strict=True)])
    return single(name, nir.AvgPool2d(kernel, kernel.copy(), np.zeros(2, int)))


def _adaptive1d(name: str, module: nn.AdaptiveAvgPool1d, shape: Shape) -> Part:
    """Windows are equal when the output size divides the input size."""
    wanted = int(np.ravel(module.output_size)[0])
    if shape[-1] % wanted:
        found = f"adaptive pooling of {shape[-1]} to {wanted} has windows of unequal size"
        raise ImportRefused(Problem(f"layer '{name}'", found, "choose an output size that divides the input size"))
    return _avg1d(name, nn.AvgPool1d(shape[-1] // wanted), shape)


def _max2d(name: str, module: nn.MaxPool2d, shape: Shape) -> Part:
    """The maximum of spikes is whether there is any: their sum, compared with 1/2 by neurons that keep nothing.

    NIR has no maximum. Exact for spikes only, which to_nir checks.
    """
    kernel, stride, padding = _pair(module.kernel_size), _pair(module.stride), _pair(module.padding)
    _check_window(name, module, shape, kernel, stride)
    inner = f"{name}.sum"
    positions = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(shape[-2:], kernel, stride, padding, strict=True)]
    half = np.full((*shape[:-2], *positions), 0.5, np.float64)
    return chain(
        (inner, nir.SumPool2d(np.array(kernel), np.array(stride), np.array(padding))), (name, nir.Threshold(half))
    )


POOLS: dict[type, Callable[[str, Any, Shape], Part]] = {
    nn.AvgPool1d: _avg1d,
    nn.AvgPool2d: _avg2d,
    nn.LPPool2d: _sum2d,
    nn.AdaptiveAvgPool1d: _adaptive1d,
    nn.AdaptiveAvgPool2d: _adaptive2d,
    nn.MaxPool2d: _max2d,
}
"""torch.nn class -> writer. LPPool2d with norm_type=1 is the sum pool of norse's NIR import."""


def pool_objections(where: str, module: nn.Module) -> list[Problem]:
    """What speaks against a pooling layer before it is run."""
    problems = []
    if isinstance(module, nn.MaxPool2d) and (_pair(module.dilation) != (1, 1) or module.return_indices):
        found = "has a dilation or returns indices"
        problems.append(Problem(where, found, "use windows without gaps, and their maxima alone"))
    if isinstance(module, nn.LPPool2d) and module.norm_type != 1:
        found = f"a pool with norm_type={module.norm_type} is not linear"
        problems.append(Problem(where, found, "use norm_type=1 (a sum) or AvgPool2d"))
    if isinstance(module, (nn.AvgPool1d, nn.AvgPool2d)):
        padded = np.any(np.ravel(module.padding))
        if padded and not module.count_include_pad:
            found = "divides by the entries inside the image only (count_include_pad=False)"
            problems.append(Problem(where, found, "use count_include_pad=True or no padding"))
    return problems
