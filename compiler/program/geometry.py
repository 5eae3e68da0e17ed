"""Whether a connection fits the shapes at its two ends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seamount.compiler.program.program import Connection, Conv, Dense, Shape, Sparse, as_chw

Fault = tuple[str, str]
"""(what was found, what the limit is)."""


def connection_faults(connection: Connection, source: Shape, target: Shape) -> Iterator[Fault]:
    """Faults in the shape of the weights."""
    n_out, n_in = int(np.prod(target, dtype=np.int64)), int(np.prod(source, dtype=np.int64))
    if isinstance(connection, Dense):
        if connection.weight.shape != (n_out, n_in):
            yield f"has weights of shape {connection.weight.shape}", f"(targets, sources) = {(n_out, n_in)}"
    elif isinstance(connection, Sparse):
        shapes = {connection.rows.shape, connection.cols.shape, connection.weight.shape}
        if len(shapes) > 1 or connection.weight.ndim != 1:
            yield f"has rows, cols and weights of shapes {shapes}", "three arrays of one length"
    else:
        yield from _conv_faults(connection, source, target)


def index_faults(connection: Connection, source: Shape, target: Shape) -> Iterator[Fault]:
    """Faults in the indices of sparse synapses."""
    if not isinstance(connection, Sparse) or connection.rows.shape != connection.cols.shape:
        return
    n_out, n_in = int(np.prod(target, dtype=np.int64)), int(np.prod(source, dtype=np.int64))
    rows, cols = connection.rows.astype(np.int64), connection.cols.astype(np.int64)
    outside = (rows < 0) | (rows >= n_out) | (cols < 0) | (cols >= n_in)
    if outside.any():
        yield f"{int(outside.sum())} synapses lie outside its populations", f"{n_out} targets, {n_in} sources"
        return
    repeated = rows.size - np.unique(rows * n_in + cols).size
    if repeated:
        yield f"{repeated} synapses repeat a pair of neurons", "each pair at most once"


def _conv_faults(conv: Conv, source: Shape, target: Shape) -> Iterator[Fault]:
    if len(source) not in (2, 3) or len(target) not in (2, 3) or conv.weight.ndim != 4:
        found = f"convolves {source} to {target} with weights of shape {conv.weight.shape}"
        yield found, "(C, H, W) or (C, L) shapes, (C_out, C_in/groups, K_h, K_w) weights"
        return
    pairs = (conv.stride, conv.padding, conv.dilation, conv.input_dilation)
    least = min((*conv.stride, *conv.dilation, *conv.input_dilation, conv.groups), default=0)
    if any(len(x) != 2 for x in pairs) or least < 1 or min(conv.padding) < 0:
        found = (
            f"has stride {conv.stride}, padding {conv.padding}, dilation {conv.dilation}, groups {conv.groups}, "
            f"input dilation {conv.input_dilation}"
        )
        yield found, "two numbers each; stride, dilations and groups >= 1, padding >= 0"
        return
    (channels, *size), c_out = as_chw(source), conv.weight.shape[0]
    if channels != conv.weight.shape[1] * conv.groups or c_out % conv.groups:
        found = f"has weights of shape {conv.weight.shape} in {conv.groups} groups on {channels} channels"
        yield found, "C_in = weight.shape[1] * groups, C_out a multiple of groups"
    expected = (c_out, *(window.outputs(n) for window, n in zip(conv.windows, size, strict=True)))
    ends = as_chw(target)
    beyond = [n - m for n, m in zip(ends[1:], expected[1:], strict=True)]
    most = [max(u, d) - 1 if u > 1 else 0 for u, d in zip(conv.input_dilation, conv.dilation, strict=True)]
    if ends[0] != c_out or min(ends) < 1 or any(not 0 <= b <= m for b, m in zip(beyond, most, strict=True)):
        more = f", and up to {most} more" if any(most) else ""
        yield f"ends at shape {target}", f"{expected} by its geometry{more}"
