"""What the linear operations compute, on batches, and their form as explicit synapses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.ir.ops import Affine, Array, BatchNorm, Conv, Op, Pool, Reshape, Scale, Shape, Sparse
from seamount.compiler.ir.shapes import output_shape, size

Values: TypeAlias = NDArray[Any]
Synapses: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], Array]
"""(rows, cols, values) over flattened output and input."""


def apply(op: Op, x: Values) -> Values:
    """op(x) with bias for a linear op and x of shape (N, *shape), in the dtype of x."""
    if isinstance(op, Affine):
        y: Values = x.reshape(len(x), -1) @ op.weight.T.astype(x.dtype)
        if op.bias is not None:
            y = y + op.bias.astype(x.dtype)
        return y.reshape(len(x), *op.shape) if op.shape else y
    if isinstance(op, Conv):
        return _conv(op, x)
    if isinstance(op, Sparse):
        return _sparse(op, x)
    if isinstance(op, Scale):
        return np.asarray(x * op.scale.astype(x.dtype))
    if isinstance(op, BatchNorm):
        tail = (-1,) + (1,) * (x.ndim - 2)
        return np.asarray(x * op.scale.astype(x.dtype).reshape(tail) + op.shift.astype(x.dtype).reshape(tail))
    if isinstance(op, Pool):
        return _pool(op, x)
    if isinstance(op, Reshape):
        return x.reshape(len(x), *op.shape)
    raise TypeError(f"{type(op).__name__} is not linear")


def without_bias(op: Op) -> Op:
    """The same linear map with its constant part removed."""
    if isinstance(op, (Affine, Conv, Sparse)):
        return replace(op, bias=None)
    if isinstance(op, BatchNorm):
        return replace(op, shift=np.zeros_like(op.shift))
    return op


def _pad(x: Values, padding: Shape) -> Values:
    if not any(padding):
        return x
    lead = [(0, 0)] * (x.ndim - len(padding))
    return np.pad(x, lead + [(p, p) for p in padding])


def _spread(x: Values, dilation: Shape, more: Shape) -> Values:
    """x with zeros between neighbours along the last axes, and `more` of them at the end."""
    if set(dilation) <= {1} and not any(more):
        return x
    rank = len(dilation)
    sizes = [(n - 1) * u + 1 + m for n, u, m in zip(x.shape[-rank:], dilation, more, strict=True)]
    spread = np.zeros((*x.shape[:-rank], *sizes), x.dtype)
    ends = [s - m for s, m in zip(sizes, more, strict=True)]
    every: Any = (..., *(slice(0, e, u) for e, u in zip(ends, dilation, strict=True)))
    spread[every] = x
    return spread


def _conv(op: Conv, x: Values) -> Values:
    rank = op.weight.ndim - 2
    axes = tuple(range(2, 2 + rank))
    spans = tuple(d * (k - 1) + 1 for k, d in zip(op.weight.shape[2:], op.dilation, strict=True))
    spread = _pad(_spread(x, op.input_dilation, op.output_padding), op.padding)
    windows = np.lib.stride_tricks.sliding_window_view(spread, spans, axis=axes)
    at = tuple(slice(None, None, s) for s in op.stride)
    taps = tuple(slice(None, None, d) for d in op.dilation)
    windows = windows[(slice(None), slice(None), *at, *taps)]
    out_per, in_per = op.weight.shape[0] // op.groups, op.weight.shape[1]
    parts = []
    for g in range(op.groups):
        part = windows[:, g * in_per : (g + 1) * in_per]
        kernel = op.weight[g * out_per : (g + 1) * out_per].astype(x.dtype)
        contract = (1, *range(2 + rank, 2 + 2 * rank))
        y = np.tensordot(part, kernel, axes=(contract, (1, *range(2, 2 + rank))))
        parts.append(np.moveaxis(y, -1, 1))
    y = np.concatenate(parts, axis=1)
    if op.bias is not None:
        y = y + op.bias.astype(x.dtype).reshape((-1,) + (1,) * rank)
    return np.ascontiguousarray(y)


def _pool(op: Pool, x: Values) -> Values:
    rank = len(op.kernel)
    axes = tuple(range(x.ndim - rank, x.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(_pad(x, op.padding), op.kernel, axis=axes)
    at = tuple(slice(None, None, s) for s in op.stride)
    lead = (slice(None),) * (x.ndim - rank)
    y: Values = windows[(*lead, *at)].sum(axis=tuple(range(-rank, 0)))
    return y / size(op.kernel) if op.mean else y


def _sparse(op: Sparse, x: Values) -> Values:
    flat = x.reshape(len(x), -1)
    y = np.zeros((len(x), size(op.shape)), x.dtype)
    order = np.argsort(op.rows, kind="stable")
    rows, cols, values = op.rows[order], op.cols[order], op.values[order].astype(x.dtype)
    if len(rows):
        targets, starts = np.unique(rows, return_index=True)
        for k in range(0, len(x), 64):
            y[k : k + 64, targets] = np.add.reduceat(flat[k : k + 64, cols] * values, starts, axis=1)
    y = y.reshape(len(x), *op.shape)
    return y if op.bias is None else y + np.broadcast_to(op.bias, op.shape).astype(x.dtype)


def as_synapses(op: Op, source: Shape) -> Synapses:
    """Every synapse of a linear op on inputs of shape `source`, zero weights of borders left out; no bias."""
    if isinstance(op, Affine):
        rows, cols = np.divmod(np.arange(op.weight.size, dtype=np.int64), op.weight.shape[1])
        return rows, cols, op.weight.reshape(-1)
    if isinstance(op, Sparse):
        return op.rows, op.cols, op.values
    n = np.arange(size(source), dtype=np.int64)
    if isinstance(op, (Scale, BatchNorm)):
        scale = op.scale if isinstance(op, Scale) else op.scale.reshape((-1,) + (1,) * (len(source) - 1))
        return n, n, np.broadcast_to(scale, source).reshape(-1).astype(np.float64)
    if isinstance(op, Reshape):
        return n, n, np.ones(len(n))
    return _window_synapses(op, source)


def _window_synapses(op: Op, source: Shape) -> Synapses:
    """Synapses of Conv and Pool: which inputs each window position sees, one kernel tap at a time."""
    target = output_shape(op, source)
    if isinstance(op, Pool):
        channels = size(source[: -len(op.kernel)])
        weight = np.ones((channels, 1, *op.kernel)) / (size(op.kernel) if op.mean else 1)
        ones = (1,) * len(op.kernel)
        op = Conv(weight, None, op.stride, op.padding, ones, groups=channels)
    assert isinstance(op, Conv)
    rank = op.weight.ndim - 2
    space_in, space_out = source[-rank:], target[-rank:]
    out_per, in_per = op.weight.shape[0] // op.groups, op.weight.shape[1]
    axes = [w.seen(n, out) for w, n, out in zip(op.windows, space_in, space_out, strict=True)]
    position = np.indices(space_out).reshape(rank, -1)
    flat_out = np.ravel_multi_index(tuple(position), space_out)
    o = np.arange(op.weight.shape[0], dtype=np.int64)[:, None]
    c = np.arange(in_per, dtype=np.int64)[None, :]
    channel = (o // out_per) * in_per + c
    rows, cols, values = [], [], []
    for tap in np.ndindex(*op.weight.shape[2:]):
        under = [(place[p, k], there[p, k]) for (place, there), p, k in zip(axes, position, tap, strict=True)]
        at = np.stack([place for place, _ in under])
        inside: NDArray[np.bool_] = np.all([there for _, there in under], axis=0)
        flat_in = np.ravel_multi_index(tuple(at[:, inside]), space_in)
        shape = (*channel.shape, len(flat_in))
        post = o[..., None] * size(space_out) + np.asarray(flat_out, np.int64)[inside]
        rows.append(np.broadcast_to(post, shape).reshape(-1))
        cols.append((channel[..., None] * size(space_in) + flat_in).reshape(-1))
        values.append(np.broadcast_to(op.weight[(slice(None), slice(None), *tap)][..., None], shape).reshape(-1))
    return np.concatenate(rows), np.concatenate(cols), np.concatenate(values)
