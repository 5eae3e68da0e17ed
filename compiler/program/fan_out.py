"""How many synapses a message reaches, and how many synaptic events reach each neuron.

Borders of convolutions are left out; stored weights of value 0 count. Runs on Python 3.10 with numpy alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Conv, Dense, Program, Projection, Sparse, as_chw


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
