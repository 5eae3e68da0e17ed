"""Pools, transposed convolutions, and two convolutions one after the other, as one convolution."""

from __future__ import annotations

from math import gcd

import numpy as np

from seamount.compiler.ir.ops import Array, Conv, Pool, Shape, freeze
from seamount.compiler.ir.shapes import size
from seamount.compiler.windows import Window


def pool_as_conv(pool: Pool, channels: int) -> Conv:
    """Pooling as a depthwise convolution."""
    weight = np.ones((channels, 1, *pool.kernel)) / (size(pool.kernel) if pool.mean else 1)
    return Conv(freeze(weight), None, pool.stride, pool.padding, (1,) * len(pool.kernel), channels)


def transposed(
    weight: Array,
    bias: Array | None,
    stride: Shape,
    padding: Shape,
    output_padding: Shape,
    dilation: Shape,
    groups: int,
) -> Conv:
    """A transposed convolution, as PyTorch defines it, as a convolution of its input with zeros in between.

    weight (C_in, C_out / groups, *kernel). Input i reaches output i*s + k*d - p through tap k, so output o sees it
    through the turned kernel's tap k' = K-1-k where o + k'*d - (d(K-1) - p) = i*s. Where p is larger than d(K-1), taps
    of 0 around the kernel keep the padding from being negative.
    """
    rank = weight.ndim - 2
    parts = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).swapaxes(1, 2)
    kernel = np.flip(parts.reshape(-1, *parts.shape[2:]), tuple(range(2, 2 + rank)))
    reach = [d * (k - 1) - p for k, d, p in zip(weight.shape[2:], dilation, padding, strict=True)]
    more = [max(0, -(r // d)) for r, d in zip(reach, dilation, strict=True)]
    kernel = np.pad(kernel, [(0, 0), (0, 0), *((n, n) for n in more)])
    outside = tuple(r + n * d for r, n, d in zip(reach, more, dilation, strict=True))
    ones = (1,) * rank
    return Conv(freeze(kernel), bias, ones, outside, dilation, groups, None, stride, output_padding)


def convolved(second: Conv, first: Conv, source: Shape, middle: Shape) -> Conv | None:
    """x -> second(first(x)) without biases, e.g. 3x3 after a 2x2 mean = 6x6 of stride 2 with w/4, and 3x3 after
    doubling each pixel = 4x4 with an input dilation of 2.

    Output i of `second` sees the outputs j of `first` with j*u2 = i*s2 + t*d2 - p2, and those see the inputs m with
    m*u1 = j*s1 + k*d1 - p1. So m*u1*u2 = i*s2*s1 + t*d2*s1 + k*d1*u2 - p2*s1 - p1*u2: strides and input dilations
    multiply. None where that is not exact: where s1 and u2 share a factor, so that it has solutions without a j; where
    a window outside the first map, which `second` takes for zeros, would still touch the image; where groups do not
    nest.
    """
    matched = _matched(second, first)
    axes = zip(second.windows, first.windows, source[1:], middle[1:], second.output_padding, strict=True)
    if matched is None or not all(_composes(*axis) for axis in axes):
        return None
    after, before, groups = matched
    space2, space1 = second.weight.shape[2:], first.weight.shape[2:]
    steps2 = tuple(w2.dilation * w1.stride for w2, w1 in zip(second.windows, first.windows, strict=True))
    steps1 = tuple(w1.dilation * w2.input_dilation for w2, w1 in zip(second.windows, first.windows, strict=True))
    taps = zip(space2, steps2, space1, steps1, strict=True)
    kernel = np.zeros((len(after), before.shape[1], *((k2 - 1) * a + (k1 - 1) * b + 1 for k2, a, k1, b in taps)))
    right = before.reshape(groups, len(before) // groups, -1)
    for tap in np.ndindex(*space2):
        left = after[(slice(None), slice(None), *tap)].reshape(groups, -1, after.shape[1])
        begins = [t * step for t, step in zip(tap, steps2, strict=True)]
        at = (slice(b, b + (k - 1) * d + 1, d) for b, k, d in zip(begins, space1, steps1, strict=True))
        kernel[(slice(None), slice(None), *at)] += np.matmul(left, right).reshape(-1, *before.shape[1:])
    both = tuple(zip(second.windows, first.windows, strict=True))
    padding = tuple(w2.padding * w1.stride + w1.padding * w2.input_dilation for w2, w1 in both)
    spread = tuple(w2.input_dilation * w1.input_dilation for w2, w1 in both)
    ends = zip(second.output_padding, first.output_padding, second.input_dilation, strict=True)
    stride = tuple(w2.stride * w1.stride for w2, w1 in both)
    ones, more = (1,) * len(space1), tuple(b + a * u for b, a, u in ends)
    return Conv(freeze(kernel), None, stride, padding, ones, groups, None, spread, more)


def _composes(second: Window, first: Window, source: int, middle: int, more: int) -> bool:
    """Whether one axis of two convolutions is that of one: see `convolved`."""
    if gcd(first.stride, second.input_dilation) > 1:
        return False
    if not second.padding and not more:
        return True
    j, exists = second.places(second.outputs(middle, more))
    beyond = np.unique(j[exists & ((j < 0) | (j >= middle))])
    at = beyond[:, None] * first.stride + np.arange(first.kernel) * first.dilation - first.padding
    image, rest = np.divmod(at, first.input_dilation)
    return not np.any((rest == 0) & (image >= 0) & (image < source))


def _matched(second: Conv, first: Conv) -> tuple[Array, Array, int] | None:
    """The weights of both with the same number of groups, the smaller one, or None when one is no multiple."""
    a, b = second.groups, first.groups
    if a % b == 0:
        return _coarser(second.weight, a, b), first.weight, b
    if b % a == 0:
        return second.weight, _coarser(first.weight, b, a), a
    return None


def _coarser(weight: Array, groups: int, into: int) -> Array:
    """The same convolution with fewer groups: weights of 0 between what were different groups."""
    share = groups // into
    if share == 1:
        return weight
    out, per = weight.shape[:2]
    wide = np.zeros((out, per * share, *weight.shape[2:]))
    rows = np.arange(out)
    member = rows // (out // groups) % share
    for c in range(per):
        wide[rows, member * per + c] = weight[:, c]
    return wide
