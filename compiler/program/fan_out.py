"""How many synapses a message reaches, and how many synaptic events reach each neuron.

Borders of convolutions are left out; stored weights of value 0 count. Runs on Python 3.10 with numpy alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Connection, Conv, Dense, Program, Projection, Shape, Sparse, Wide, as_chw


def fan_out(program: Program, projection: Projection) -> NDArray[np.int64]:
    """Stored synapses per source neuron, flattened; convolutions without those that fall outside the border."""
    connection = projection.connection
    n_in = int(np.prod(program.shapes[projection.source], dtype=np.int64))
    if isinstance(connection, Dense):
        return np.full(n_in, connection.weight.shape[0], np.int64)
    if isinstance(connection, Sparse):
        return np.bincount(connection.cols, minlength=n_in).astype(np.int64)
    c, h, w = as_chw(program.shapes[projection.source])
    _, h_out, w_out = as_chw(program.shapes[projection.target])
    rows = _taps_per_position(connection, 0, h, h_out)
    columns = _taps_per_position(connection, 1, w, w_out)
    per_channel = connection.weight.shape[0] // connection.groups
    return np.tile(per_channel * (rows[:, None] * columns).reshape(-1), c)


def _taps_per_position(conv: Conv, axis: int, size: int, out: int) -> NDArray[np.int64]:
    """How often a position along one axis is seen by some tap of some output."""
    tap = np.arange(conv.weight.shape[2 + axis])[:, None] * conv.dilation[axis]
    position = (np.arange(out)[None, :] * conv.stride[axis] - conv.padding[axis] + tap).reshape(-1)
    inside = position[(position >= 0) & (position < size)]
    return np.bincount(inside, minlength=size).astype(np.int64)


def events_per_target(program: Program, projection: Projection, sent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Synaptic events per target neuron (flattened) when each source neuron sends `sent` messages, (n_source,)."""
    connection = projection.connection
    n_out = int(np.prod(program.shapes[projection.target], dtype=np.int64))
    if isinstance(connection, Dense):
        return np.full(n_out, sent.sum(), np.int64)
    if isinstance(connection, Sparse):
        total = np.zeros(n_out, np.int64)
        np.add.at(total, connection.rows, sent[connection.cols])
        return total
    c, h, w = as_chw(program.shapes[projection.source])
    c_out, h_out, w_out = as_chw(program.shapes[projection.target])
    (s_h, s_w), (p_h, p_w), (d_h, d_w) = connection.stride, connection.padding, connection.dilation
    k_h, k_w = connection.weight.shape[2:]
    groups = sent.reshape(connection.groups, c // connection.groups, h, w).sum(axis=1)
    padded = np.pad(groups, ((0, 0), (p_h, p_h), (p_w, p_w)))
    out = np.zeros((connection.groups, h_out, w_out), np.int64)
    for i, j in np.ndindex(k_h, k_w):
        rows = slice(i * d_h, i * d_h + (h_out - 1) * s_h + 1, s_h)
        columns = slice(j * d_w, j * d_w + (w_out - 1) * s_w + 1, s_w)
        out += padded[:, rows, columns]
    return np.repeat(out, c_out // connection.groups, axis=0).reshape(-1)


def index_of(neuron: int, shape: Shape) -> Shape:
    """Position of a flattened neuron in its population."""
    return tuple(int(i) for i in np.unravel_index(neuron, shape))


def synapses_into(
    projection: Projection, source: Shape, target: Shape, neuron: int
) -> tuple[Wide, Wide, tuple[Shape, ...]]:
    """(source neurons, weights, places in the weight array) of the stored synapses that end at one neuron."""
    connection = projection.connection
    if isinstance(connection, Dense):
        weight = connection.weight[neuron].astype(np.int64)
        return np.arange(weight.size, dtype=np.int64), weight, tuple((neuron, k) for k in range(weight.size))
    if isinstance(connection, Sparse):
        chosen = np.flatnonzero(connection.rows == neuron)
        pre, weight = connection.cols[chosen].astype(np.int64), connection.weight[chosen].astype(np.int64)
        return pre, weight, tuple((int(k),) for k in chosen)
    return _conv_into(connection, as_chw(source), as_chw(target), neuron)


def _conv_into(conv: Conv, source: Shape, target: Shape, neuron: int) -> tuple[Wide, Wide, tuple[Shape, ...]]:
    channels_out, (_, height, width) = conv.weight.shape[0], source
    o, i, j = index_of(neuron, target)
    c, kh, kw = (x.reshape(-1) for x in np.indices(conv.weight.shape[1:], np.int64))
    channel = (o // (channels_out // conv.groups)) * conv.weight.shape[1] + c
    y = i * conv.stride[0] - conv.padding[0] + kh * conv.dilation[0]
    x = j * conv.stride[1] - conv.padding[1] + kw * conv.dilation[1]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    pre = ((channel * height + y) * width + x)[inside]
    weight = conv.weight[o].reshape(-1).astype(np.int64)[inside]
    taps = zip(c[inside].tolist(), kh[inside].tolist(), kw[inside].tolist(), strict=True)
    return pre, weight, tuple((o, *tap) for tap in taps)


def synapse_count(connection: Connection, source: Shape, target: Shape) -> int:
    """Pairs of neurons that are joined, borders of convolutions left out."""
    if isinstance(connection, Dense | Sparse):
        return int(connection.weight.size)
    pairs = int(np.prod(connection.weight.shape[:2]))
    for axis, (size, out) in enumerate(zip(as_chw(source)[1:], as_chw(target)[1:], strict=True)):
        taps = np.arange(connection.weight.shape[2 + axis]) * connection.dilation[axis]
        read = np.arange(out)[:, None] * connection.stride[axis] - connection.padding[axis] + taps
        pairs *= int(np.sum((read >= 0) & (read < size)))
    return pairs
