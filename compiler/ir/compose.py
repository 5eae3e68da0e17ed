"""Composition of two linear operations into one, keeping convolutions where that is exact."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.ir.convolve import convolved, pool_as_conv
from seamount.compiler.ir.linear import apply, as_synapses, without_bias
from seamount.compiler.ir.ops import Affine, Array, Conv, Op, Pool, Reshape, Scale, Shape, Sparse, freeze
from seamount.compiler.ir.shapes import output_shape, size

Index: TypeAlias = NDArray[np.int64]

SLICE = 2**22
"""Products held at a time when synapses are absorbed by a dense layer: 32 MiB of float64."""


def compose(second: Op, first: Op | None, source: Shape) -> Op:
    """The op x -> second(first(x)) for x of shape `source`, without biases; `first` None is the identity.

    Convolutions and pooling become one convolution where zero padding and groups allow it; with a dense layer on
    either side the result is dense; everything else becomes explicit synapses, which is always exact.
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
        return pool_as_conv(op, source[0])
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
    if isinstance(first, Reshape) and (first.shape == source or isinstance(second, Affine)):
        return second
    if isinstance(second, Scale):
        return _scaled_rows(second, first, middle)
    if isinstance(first, Affine):
        return _after_dense(second, first, middle)
    if isinstance(second, Conv) and isinstance(first, Scale):
        return _scaled_channels(second, first, source)
    after, before = _as_conv(second, middle), _as_conv(first, source)
    if after is not None and before is not None and after.weight.ndim == before.weight.ndim:
        return convolved(after, before, source, middle)
    return None


def _as_conv(op: Op, source: Shape) -> Conv | None:
    """Convolutions, and pooling over all axes but the first, as a convolution."""
    if isinstance(op, Pool) and len(source) == len(op.kernel) + 1:
        return pool_as_conv(op, source[0])
    return op if isinstance(op, Conv) else None


def _reshaped(first: Op, shape: Shape) -> Op | None:
    if isinstance(first, Reshape):
        return Reshape(shape)
    if isinstance(first, Affine):
        return replace(first, bias=None, shape=shape)
    if isinstance(first, Sparse):
        return replace(first, bias=None, shape=shape)
    return None


def _per_channel(op: Scale, shape: Shape) -> Array | None:
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


def _after_dense(second: Op, first: Affine, middle: Shape) -> Affine:
    """Any linear op after a dense layer is dense: it acts on each column of the weights."""
    columns = apply(without_bias(second), first.weight.T.reshape(-1, *middle))
    shape = columns.shape[1:] if columns.ndim > 2 else None
    return Affine(freeze(columns.reshape(len(columns), -1).T), shape=shape)


def _absorb(second: Affine, first: Op, source: Shape) -> Array:
    """Dense weights of a dense layer after any linear op, a slice of its synapses at a time."""
    rows, cols, values = as_synapses(first, source)
    weight = np.zeros((size(source), second.weight.shape[0]))
    step = max(1, SLICE // second.weight.shape[0])
    for i in range(0, len(rows), step):
        part = slice(i, i + step)
        np.add.at(weight, cols[part], second.weight.T[rows[part]] * values[part, None])
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


def _merged(rows: Index, cols: Index, values: Array, source: Shape, target: Shape) -> Sparse:
    """Synapse lists sorted by (row, col), equal pairs added, zero weights dropped."""
    key = rows.astype(np.int64) * size(source) + cols
    unique, inverse = np.unique(key, return_inverse=True)
    total = np.bincount(inverse, weights=values, minlength=len(unique))
    keep = total != 0
    r, c = np.divmod(unique[keep], size(source))
    return Sparse(r, c, freeze(total[keep]), source, target)
