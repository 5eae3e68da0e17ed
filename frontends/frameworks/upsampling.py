"""Layers of torch.nn that enlarge: transposed convolutions; copies of pixels, which are transposed convolutions too.

A transposed convolution has one kernel per pair of channels, as a convolution has. Repeating each pixel f times is one
per channel with a kernel of f ones and stride f; a pixel shuffle one whose kernels hold a single one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate

from seamount.compiler.errors import Problem
from seamount.compiler.ir.ops import Shape
from seamount.frontends.frameworks.parts import Part, array, refusal, single
from seamount.frontends.nir.transposed import transposed_node

_NEAREST = ("nearest", "nearest-exact")


def _transposed(name: str, module: nn.ConvTranspose1d | nn.ConvTranspose2d, shape: Shape) -> Part:
    rank = module.weight.ndim - 2
    if len(shape) != rank + 1:
        remedy = 'give the sample a channel axis; if the first axis is time, it is encoding="sequence"'
        raise refusal(name, f"a {rank}-D transposed convolution on shape {shape}", remedy)
    bias = None if module.bias is None else array(module.bias)
    axes = {k: tuple(getattr(module, k)) for k in ("stride", "padding", "output_padding", "dilation")}
    return single(name, transposed_node(array(module.weight), bias, shape, module.groups, **axes))


def _upsample(name: str, module: nn.Upsample, shape: Shape) -> Part:
    space = shape[1:]
    if len(space) not in (1, 2):
        raise refusal(name, f"upsamples shape {shape}", "give it (channels, length) or (channels, height, width)")
    maps = _sources(module, space)
    factors = tuple(len(m) // n for m, n in zip(maps, space, strict=True))
    if any(not np.array_equal(m, np.repeat(np.arange(n), f)) for m, n, f in zip(maps, space, factors, strict=True)):
        found = f"makes {tuple(map(len, maps))} of {space}, so that pixels are not repeated equally often"
        remedy = "use a whole factor, a ConvTranspose layer, or to make it smaller a pool or a strided convolution"
        raise refusal(name, found, remedy)
    return single(name, transposed_node(np.ones((shape[0], 1, *factors)), None, shape, shape[0], stride=factors))


def _sources(module: nn.Upsample, space: Shape) -> list[np.ndarray[Any, Any]]:
    """Of each axis, which input each output is a copy of, as PyTorch itself rounds it."""
    found = []
    for axis, n in enumerate(space):
        probe = torch.arange(n, dtype=torch.float64).reshape([-1 if k == axis else 1 for k in range(len(space))])
        options: Any = (module.size, module.scale_factor, module.mode, None, module.recompute_scale_factor)
        result = interpolate(probe.expand(1, 1, *space), *options)[0, 0]
        along = result.movedim(axis, 0).reshape(result.shape[axis], -1)
        found.append(along[:, 0].numpy().astype(np.int64))
    return found


def _shuffle(name: str, module: nn.PixelShuffle, shape: Shape) -> Part:
    """Channel c r^2 + i r + j at (y, x) becomes channel c at (y r + i, x r + j)."""
    r = module.upscale_factor
    if len(shape) != 3:
        raise refusal(name, f"shuffles shape {shape}", "give it (channels, height, width)")
    weight = np.zeros((shape[0], 1, r, r))
    for k, (i, j) in enumerate(product(range(r), range(r))):
        weight[k :: r * r, 0, i, j] = 1
    return single(name, transposed_node(weight, None, shape, shape[0] // (r * r), stride=(r, r)))


UPSAMPLING: dict[type, Callable[[str, Any, Shape], Part]] = {
    nn.ConvTranspose1d: _transposed,
    nn.ConvTranspose2d: _transposed,
    nn.Upsample: _upsample,
    nn.PixelShuffle: _shuffle,
}
"""torch.nn class -> writer."""


def upsampling_objections(where: str, module: nn.Module) -> list[Problem]:
    """What speaks against an enlarging layer before it is run."""
    if isinstance(module, nn.Upsample) and module.mode not in _NEAREST:
        found = f"interpolates between pixels (mode={module.mode!r}), clamped at the borders"
        remedy = (
            'use mode="nearest", or a ConvTranspose2d with fixed weights, which is bilinear inside the image, and '
            "train again"
        )
        return [Problem(where, found, remedy)]
    return []


def fitted(module: nn.Module, before: Shape, after: Shape) -> nn.Module:
    """The layer with the output padding that a call with an output_size chose."""
    if not isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d)) or len(before) != len(after):
        return module
    axes = zip(
        before[1:], after[1:], module.kernel_size, module.stride, module.padding, module.dilation, strict=True
    )  # fmt: skip
    padding = tuple(m - ((n - 1) * s - 2 * int(p) + d * (k - 1) + 1) for n, m, k, s, p, d in axes)
    if padding == tuple(module.output_padding):
        return module
    chosen = copy.copy(module)
    chosen.output_padding = padding
    return chosen
