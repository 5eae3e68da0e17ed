"""Slow float semantics, written from the docstrings of compiler/ir/ops.py with loops over single numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import (
    LI,
    LIF,
    Affine,
    BatchNorm,
    Conv,
    Input,
    Op,
    Output,
    Pool,
    Reshape,
    Scale,
    Shape,
    Sparse,
)


def linear(op: Op, x: Any) -> Any:
    """op(x) of one sample x, (shape) to (shape)."""
    if isinstance(op, Affine):
        flat = x.ravel()
        y = [sum(w * v for w, v in zip(row, flat, strict=True)) for row in op.weight.tolist()]
        y = [v + (0 if op.bias is None else float(op.bias[i])) for i, v in enumerate(y)]
        return np.array(y).reshape(op.shape or (len(y),))
    if isinstance(op, Sparse):
        y = np.zeros(op.shape).ravel()
        for r, c, v in zip(op.rows, op.cols, op.values, strict=True):
            y[r] += v * x.ravel()[c]
        return y.reshape(op.shape) + (0 if op.bias is None else op.bias)
    if isinstance(op, Conv):
        return convolution(op, x)
    if isinstance(op, Pool):
        return pooling(op, x)
    if isinstance(op, Scale):
        return x * op.scale
    if isinstance(op, BatchNorm):
        return np.stack([op.scale[c] * x[c] + op.shift[c] for c in range(len(x))])
    assert isinstance(op, Reshape)
    return x.reshape(op.shape)


def convolution(op: Conv, x: Any) -> Any:
    kernel = op.weight.shape[2:]
    spread = [(n - 1) * u + 1 for n, u in zip(x.shape[1:], op.input_dilation, strict=True)]
    sizes = [n + m for n, m in zip(spread, op.output_padding, strict=True)]
    space = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(sizes, kernel, op.stride, op.padding, op.dilation, strict=True)
    ]
    per_group = len(op.weight) // op.groups
    y = np.zeros((len(op.weight), *space))
    for o, *at in itertools.product(range(len(op.weight)), *map(range, space)):
        total = 0.0 if op.bias is None else float(op.bias[o])
        for c, *tap in itertools.product(range(op.weight.shape[1]), *map(range, kernel)):
            where = [
                i * s - p + k * d for i, s, p, k, d in zip(at, op.stride, op.padding, tap, op.dilation, strict=True)
            ]
            if all(0 <= w < n and w % u == 0 for w, n, u in zip(where, spread, op.input_dilation, strict=True)):
                channel = (o // per_group) * op.weight.shape[1] + c
                source = tuple(w // u for w, u in zip(where, op.input_dilation, strict=True))
                total += float(op.weight[(o, c, *tap)]) * float(x[(channel, *source)])
        y[(o, *at)] = total
    return y


def pooling(op: Pool, x: Any) -> Any:
    rank = len(op.kernel)
    lead, sizes = x.shape[:-rank], x.shape[-rank:]
    space = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(sizes, op.kernel, op.stride, op.padding, strict=True)]
    y = np.zeros((*lead, *space))
    for at in np.ndindex(*lead, *space):
        total = 0.0
        for tap in np.ndindex(*op.kernel):
            where = [i * s - p + k for i, s, p, k in zip(at[len(lead) :], op.stride, op.padding, tap, strict=True)]
            if all(0 <= w < n for w, n in zip(where, sizes, strict=True)):
                total += float(x[(*at[: len(lead)], *where)])
        y[at] = total / np.prod(op.kernel) if op.mean else total
    return y


def network(graph: Graph, x: dict[str, Any]) -> dict[str, Any]:
    """What every node sends, name -> (N, T, *shape); a memory of all past steps, nothing vectorized over them."""
    samples, steps = next(iter(x.values())).shape[:2]
    sent: dict[str, Any] = {n.name: np.zeros((samples, steps, *(n.shape or ()))) for n in graph.nodes}
    for sample in range(samples):
        state: dict[str, Any] = {}
        for t in range(steps):
            for node in graph.order:
                if isinstance(node.op, Input):
                    sent[node.name][sample, t] = x[node.name][sample, t]
                    continue
                arriving = None
                for e in graph.into(node.name):
                    value = sent[e.source][sample, t - e.delay] if t >= e.delay else np.zeros(graph[e.source].shape)
                    arriving = value if arriving is None else arriving + value
                sent[node.name][sample, t] = respond(node.op, node.shape, arriving, state.setdefault(node.name, {}))
    return sent


def respond(op: Op, shape: Shape, x: Any, state: dict[Any, Any]) -> Any:
    if isinstance(op, Output):
        return x
    if not isinstance(op, (LIF, LI)):
        return linear(op, x)
    out = np.zeros(shape)
    for i in np.ndindex(*shape):
        out[i] = neuron(op, shape, i, float(x[i]), state)
    return out


def neuron(op: LIF | LI, shape: Shape, i: tuple[int, ...], x: float, state: dict[Any, Any]) -> float:
    p = {k: float(np.broadcast_to(v, shape)[i]) for k, v in vars(op).items() if isinstance(v, np.ndarray)}
    u, v = state.get(i, (0.0, p["v_init"]))
    u = p["alpha"] * u + x
    v = p["beta"] * v + p["gain"] * u + p["bias"]
    if isinstance(op, LI):
        state[i] = (u, v)
        return v
    fires = v >= p["threshold"] if op.compare == "ge" else v > p["threshold"]
    if fires:
        v = p["v_reset"] if op.reset == "zero" else v - p["reset_by"]
    state[i] = (u, max(v, op.v_min))
    return float(fires)
