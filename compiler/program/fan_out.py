"""How many synapses a message reaches, and how many synaptic events reach each neuron.

Borders of convolutions are left out; stored weights of value 0 count. Runs on Python 3.10 with numpy alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Connection, Conv, Dense, Program, Projection, Shape, Sparse, Wide, as_chw
from seamount.compiler.windows import Window


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
    rows = _taps_per_position(connection.windows[0], h, h_out)
    columns = _taps_per_position(connection.windows[1], w, w_out)
    per_channel = connection.weight.shape[0] // connection.groups
    return np.tile(per_channel * (rows[:, None] * columns).reshape(-1), c)


def _taps_per_position(window: Window, size: int, out: int) -> NDArray[np.int64]:
    """How often a position along one axis is seen by some tap of some output."""
    place, inside = window.seen(size, out)
    return np.bincount(place[inside], minlength=size).astype(np.int64)


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
    groups = sent.reshape(connection.groups, c // connection.groups, h, w).sum(axis=1).astype(np.float64)
    rows, columns = (_times_seen(*axis) for axis in zip(connection.windows, (h, w), (h_out, w_out), strict=True))
    out = np.rint(rows @ groups @ columns.T).astype(np.int64)  # exact below 2**53
    return np.repeat(out, c_out // connection.groups, axis=0).reshape(-1)


def _times_seen(window: Window, size: int, out: int) -> NDArray[np.float64]:
    """(out, size): how many taps of an output see an input, along one axis."""
    place, inside = window.seen(size, out)
    times = np.zeros((out, size), np.float64)
    np.add.at(times, (np.nonzero(inside)[0], place[inside]), 1)
    return times


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
    rows, columns = conv.windows
    (seen_rows, in_rows), (seen_columns, in_columns) = rows.seen(height, i + 1), columns.seen(width, j + 1)
    y, x = seen_rows[i, kh], seen_columns[j, kw]
    inside = in_rows[i, kh] & in_columns[j, kw]
    pre = ((channel * height + y) * width + x)[inside]
    weight = conv.weight[o].reshape(-1).astype(np.int64)[inside]
    taps = zip(c[inside].tolist(), kh[inside].tolist(), kw[inside].tolist(), strict=True)
    return pre, weight, tuple((o, *tap) for tap in taps)


def synapse_count(connection: Connection, source: Shape, target: Shape) -> int:
    """Pairs of neurons that are joined, borders of convolutions left out."""
    if isinstance(connection, Dense | Sparse):
        return int(connection.weight.size)
    pairs = int(np.prod(connection.weight.shape[:2]))
    for window, size, out in zip(connection.windows, as_chw(source)[1:], as_chw(target)[1:], strict=True):
        pairs *= int(window.seen(size, out)[1].sum())
    return pairs
