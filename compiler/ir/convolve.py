"""Two convolutions, one after the other, as one larger convolution."""

from __future__ import annotations

import numpy as np

from seamount.compiler.ir.ops import Array, Conv, Pool, Shape, freeze
from seamount.compiler.ir.shapes import size


def pool_as_conv(pool: Pool, channels: int) -> Conv:
    """Pooling as a depthwise convolution."""
    weight = np.ones((channels, 1, *pool.kernel)) / (size(pool.kernel) if pool.mean else 1)
    return Conv(freeze(weight), None, pool.stride, pool.padding, (1,) * len(pool.kernel), channels)


def convolved(second: Conv, first: Conv, source: Shape, middle: Shape) -> Conv | None:
    """x -> second(first(x)) without biases, e.g. 3x3 after a 2x2 mean = 6x6 of stride 2 with w/4.

    Output i of `second` sees outputs j = i*s2 + t*d2 - p2 of `first`, and those see inputs j*s1 + k*d1 - p1. So
    strides multiply and tap (t, k) moves to t*d2*s1 + k*d1. None where that is not exact: where `second` pads and a
    window outside the first map would still touch the image, or where groups do not nest.
    """
    matched = _matched(second, first)
    if matched is None or not _padding_is_silent(second, first, source, middle):
        return None
    after, before, groups = matched
    space2, space1 = second.weight.shape[2:], first.weight.shape[2:]
    geometry = tuple(zip(space2, second.dilation, first.stride, space1, first.dilation, strict=True))
    reach = tuple((k2 - 1) * d2 * s1 + (k1 - 1) * d1 + 1 for k2, d2, s1, k1, d1 in geometry)
    kernel = np.zeros((len(after), before.shape[1], *reach))
    right = before.reshape(groups, len(before) // groups, -1)
    for tap in np.ndindex(*space2):
        left = after[(slice(None), slice(None), *tap)].reshape(groups, -1, after.shape[1])
        begins = tuple(t * d2 * s1 for t, (_, d2, s1, _, _) in zip(tap, geometry, strict=True))
        at = tuple(slice(b, b + (k1 - 1) * d1 + 1, d1) for b, (_, _, _, k1, d1) in zip(begins, geometry, strict=True))
        kernel[(slice(None), slice(None), *at)] += np.matmul(left, right).reshape(-1, *before.shape[1:])
    stride = tuple(a * b for a, b in zip(second.stride, first.stride, strict=True))
    padding = tuple(p * s + q for p, s, q in zip(second.padding, first.stride, first.padding, strict=True))
    return Conv(freeze(kernel), None, stride, padding, (1,) * len(space1), groups)


def _padding_is_silent(second: Conv, first: Conv, source: Shape, middle: Shape) -> bool:
    """Whether windows of `first` that `second` takes for zero padding lie outside the image altogether.

    The next window after the last begins at middle * stride - pad. Where that is beyond the image, the number of
    windows gives span <= stride + pad, so that the one before the first ends before the image.
    """
    axes = zip(second.padding, middle[1:], first.stride, first.padding, source[1:], strict=True)
    return all(not p or m * stride - pad >= n for p, m, stride, pad, n in axes)


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
