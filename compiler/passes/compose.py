"""Composition of two linear operations into one, keeping convolutions where that is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seamount.compiler.ir.linear import as_synapses
from seamount.compiler.ir.ops import Affine, Conv, Op, Pool, Reshape, Scale, Shape, Sparse, freeze
from seamount.compiler.ir.shapes import output_shape, size


def compose(second: Op, first: Op | None, source: Shape) -> Op:
    """The op x -> second(first(x)) for x of shape `source`, without biases; `first` None is the identity.

    Convolution with pooling on either side stays a convolution when zero padding allows it; a dense layer stays
    dense; everything else becomes explicit synapses, which is always exact.
    """
    if first is None:
        return second
    middle = output_shape(first, source)
    target = output_shape(second, middle)
    merged = _analytic(second, first, source)
    if merged is not None and output_shape(merged, source) == target:
        return merged
    if isinstance(second, Affine):
        return Affine(freeze(_absorb(second, first, source)), shape=second.shape)
    return _product(second, first, source, middle, target)


def identity(shape: Shape) -> Op:
    """One synapse of weight 1 per neuron, as a depthwise 1x1 convolution where the shape has one."""
    rank = len(shape) - 1
    if rank in (1, 2):
        ones = (1,) * rank
        return Conv(freeze(np.ones((shape[0], 1, *ones))), None, ones, (0,) * rank, ones, shape[0])
    index = np.arange(size(shape), dtype=np.int64)
    return Sparse(index, index, freeze(np.ones(size(shape))), shape, shape)


def as_sparse(op: Op, source: Shape) -> Sparse:
    """Any linear op as explicit synapses, without its bias; pairs sorted and unique."""
    rows, cols, values = as_synapses(op, source)
    target = output_shape(op, source)
    return _merged(rows, cols, values, source, target)


def as_connection(op: Op, source: Shape, target: Shape) -> Affine | Conv | Sparse:
    """A linear op in one of the three forms a projection can have."""
    if isinstance(op, Pool) and len(source) == len(op.kernel) + 1:
        return _pool_as_conv(op, source[0])
    if isinstance(op, Scale) and len(source) in (2, 3) and _per_channel(op, source) is not None:
        merged = compose(op, identity(source), source)
        if isinstance(merged, Conv):
            return merged
    if isinstance(op, Conv) and output_shape(op, source) == target:
        return op
    if isinstance(op, Affine):
        return replace(op, shape=target if target != (op.weight.shape[0],) else None)
    return replace(as_sparse(op, source), shape=target)


def _analytic(second: Op, first: Op, source: Shape) -> Op | None:
    middle = output_shape(first, source)
    if isinstance(second, Reshape):
        return _reshaped(first, second.shape)
    if isinstance(first, Reshape) and first.shape == source:
        return second
    if isinstance(second, Scale):
        return _scaled_rows(second, first, middle)
    if isinstance(second, Conv) and isinstance(first, Scale):
        return _scaled_channels(second, first, source)
    if isinstance(second, Pool) and isinstance(first, Conv) and not any(second.padding):
        return (
            _conv_then_window(_pool_as_conv(second, middle[0]), first)
            if len(second.kernel) == first.weight.ndim - 2
            else None
        )
    if isinstance(second, Conv) and isinstance(first, Pool) and len(source) == len(first.kernel) + 1:
        return _pool_then_conv(second, first, source, middle)
    return None


def _reshaped(first: Op, shape: Shape) -> Op | None:
    if isinstance(first, Reshape):
        return Reshape(shape)
    if isinstance(first, Affine):
        return replace(first, bias=None, shape=shape)
    if isinstance(first, Sparse):
        return replace(first, bias=None, shape=shape)
    return None


def _per_channel(op: Scale, shape: Shape) -> np.ndarray | None:  # type: ignore[type-arg]
    """The scale as one number per channel, or None when it varies within a channel."""
    full = np.broadcast_to(op.scale, shape).reshape(shape[0], -1)
    return full[:, 0] if np.all(full == full[:, :1]) else None


def _scaled_rows(second: Scale, first: Op, middle: Shape) -> Op | None:
    full = np.broadcast_to(second.scale, middle)
    if isinstance(first, Affine):
        return replace(first, weight=freeze(first.weight * full.reshape(-1, 1)), bias=None)
    if isinstance(first, Sparse):
        return replace(first, values=freeze(first.values * full.reshape(-1)[first.rows]), bias=None)
    if isinstance(first, Scale):
        return Scale(freeze(first.scale * second.scale))
    channel = _per_channel(second, middle)
    if isinstance(first, Conv) and channel is not None:
        tail = (-1,) + (1,) * (first.weight.ndim - 1)
        return replace(first, weight=freeze(first.weight * channel.reshape(tail)), bias=None)
    return None


def _scaled_channels(second: Conv, first: Scale, source: Shape) -> Op | None:
    channel = _per_channel(first, source)
    if channel is None:
        return None
    per_group = channel.reshape(second.groups, -1)
    out_per = second.weight.shape[0] // second.groups
    scale = np.repeat(per_group, out_per, axis=0)
    return replace(
        second,
        weight=freeze(second.weight * scale.reshape(*scale.shape, *(1,) * (second.weight.ndim - 2))),
        bias=None,
    )


def _pool_as_conv(pool: Pool, channels: int) -> Conv:
    weight = np.ones((channels, 1, *pool.kernel)) / (size(pool.kernel) if pool.mean else 1)
    return Conv(freeze(weight), None, pool.stride, pool.padding, (1,) * len(pool.kernel), channels)


def _conv_then_window(window: Conv, conv: Conv) -> Conv:
    """Depthwise window (no padding) after a convolution: one larger kernel, strides multiply.

    Output i of the window sees conv outputs i*s_w + m, and those see inputs (i*s_w + m)*s + k*d - p.
    """
    space = conv.weight.shape[2:]
    reach = tuple(
        (kw - 1) * s + (k - 1) * d + 1
        for kw, s, k, d in zip(window.weight.shape[2:], conv.stride, space, conv.dilation, strict=True)
    )
    kernel = np.zeros((*conv.weight.shape[:2], *reach))
    for m in np.ndindex(*window.weight.shape[2:]):
        at = tuple(
            slice(i * s, i * s + (k - 1) * d + 1, d)
            for i, s, k, d in zip(m, conv.stride, space, conv.dilation, strict=True)
        )
        share = window.weight[(slice(None), 0, *m)].reshape((-1,) + (1,) * (conv.weight.ndim - 1))
        kernel[(slice(None), slice(None), *at)] += conv.weight * share
    stride = tuple(a * b for a, b in zip(conv.stride, window.stride, strict=True))
    return Conv(freeze(kernel), None, stride, conv.padding, (1,) * len(space), conv.groups)


def _pool_then_conv(conv: Conv, pool: Pool, source: Shape, middle: Shape) -> Conv | None:
    """Convolution after pooling: one larger kernel, e.g. 3x3 after 2x2 mean = 6x6 of stride 2 with w/4.

    Exact only where positions outside the pooled map lie outside the image too: None otherwise.
    """
    for n, pooled, k, s, pad, p in zip(
        source[1:], middle[1:], pool.kernel, pool.stride, pool.padding, conv.padding, strict=True
    ):
        if p and (k > s + pad or pooled * s - pad < n):
            return None
    space = conv.weight.shape[2:]
    reach = tuple(
        (k - 1) * d * s + kp for k, d, s, kp in zip(space, conv.dilation, pool.stride, pool.kernel, strict=True)
    )
    kernel = np.zeros((*conv.weight.shape[:2], *reach))
    share = 1 / size(pool.kernel) if pool.mean else 1.0
    for tap in np.ndindex(*space):
        at = tuple(
            slice(t * d * s, t * d * s + kp)
            for t, d, s, kp in zip(tap, conv.dilation, pool.stride, pool.kernel, strict=True)
        )
        value = conv.weight[(slice(None), slice(None), *tap)] * share
        kernel[(slice(None), slice(None), *at)] += value.reshape(*value.shape, *(1,) * len(space))
    stride = tuple(a * b for a, b in zip(conv.stride, pool.stride, strict=True))
    padding = tuple(p * s + q for p, s, q in zip(conv.padding, pool.stride, pool.padding, strict=True))
    return Conv(freeze(kernel), None, stride, padding, (1,) * len(space), conv.groups)


def _absorb(second: Affine, first: Op, source: Shape) -> np.ndarray:  # type: ignore[type-arg]
    """Dense weights of a dense layer after any linear op."""
    rows, cols, values = as_synapses(first, source)
    weight = np.zeros((size(source), second.weight.shape[0]))
    np.add.at(weight, cols, second.weight.T[rows] * values[:, None])
    return np.ascontiguousarray(weight.T)


def _product(second: Op, first: Op, source: Shape, middle: Shape, target: Shape) -> Sparse:
    """Product of two synapse lists: join on the middle index."""
    a, b = as_sparse(first, source), as_sparse(second, middle)
    starts = np.searchsorted(a.rows, b.cols, side="left")
    counts = np.searchsorted(a.rows, b.cols, side="right") - starts
    left = np.repeat(np.arange(len(b.rows)), counts)
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    right = np.repeat(starts, counts) + offset
    return _merged(b.rows[left], a.cols[right], b.values[left] * a.values[right], source, target)


def _merged(rows: np.ndarray, cols: np.ndarray, values: np.ndarray, source: Shape, target: Shape) -> Sparse:  # type: ignore[type-arg]
    """Synapse lists sorted by (row, col), equal pairs added, zero weights dropped."""
    key = rows.astype(np.int64) * size(source) + cols
    unique, inverse = np.unique(key, return_inverse=True)
    total = np.bincount(inverse, weights=values, minlength=len(unique))
    keep = total != 0
    r, c = np.divmod(unique[keep], size(source))
    return Sparse(r, c, freeze(total[keep]), source, target)
