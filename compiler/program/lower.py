"""Quantized graph to program: where floating point ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from seamount.compiler.analysis.delays import Path, Timing, paths, timing
from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import Affine, Conv, Input, IntLIF, Output, Sparse
from seamount.compiler.program import program as p
from seamount.compiler.program.verify import check


def lower(graph: Graph, delay_max: int, slow_down: int = 1) -> p.Program:
    """The integer program of a quantized graph. slow_down: steps of the chip for each step of the graph.

    Offsets and delays follow from analysis/delays.py. Raises CompileError when a path would need a longer delay
    than the chip has, or a loop is longer than its lag; ContractError when the result breaks the program's rules.
    """
    when = timing(graph, slow_down, delay_max)
    raise_all(CompileError, _long_delays(graph, when, delay_max))
    program = p.Program(
        inputs=tuple(_port(n) for n in graph.inputs),
        populations=tuple(_population(n, when) for n in graph.order if isinstance(n.op, IntLIF)),
        projections=tuple(_projection(graph, path, when) for path in paths(graph)),
        readouts=tuple(_readout(graph, n) for n in graph.outputs),
        steps=graph.steps,
        slow_down=slow_down,
    )
    check(program)
    return program


def _long_delays(graph: Graph, when: Timing, delay_max: int) -> list[Problem]:
    return [
        Problem(
            graph[name].where,
            f"needs a delay of {delay} steps so that its path meets the longer one beside it",
            "run balance-delays, which puts relays on it",
            f"{delay_max} steps",
        )
        for name, delay in when.delays.items()
        if delay > delay_max
    ]


def _port(node: Node) -> p.InputPort:
    op = node.op
    assert isinstance(op, Input)
    if op.coding == "spikes":
        return p.InputPort(node.name, op.shape, graded=False)
    unit = op.unit or 1.0
    return p.InputPort(node.name, op.shape, True, round(op.low / unit), round(op.high / unit))


def _population(node: Node, when: Timing) -> p.Population:
    op, shape = node.op, node.shape or ()
    assert isinstance(op, IntLIF)

    def spread(value: Any) -> Any:
        array = np.asarray(value, np.int32)
        return array if array.ndim == 0 else np.ascontiguousarray(np.broadcast_to(array, shape))

    return p.Population(
        name=node.name,
        shape=shape,
        du=spread(op.du),
        dv=spread(op.dv),
        vth=None if op.vth is None else spread(op.vth),
        bias_mant=spread(op.bias_mant),
        bias_exp=op.bias_exp,
        reset=op.reset,
        reset_by=int(op.reset_by) if np.ndim(op.reset_by) == 0 else spread(op.reset_by),
        v_init=spread(op.v_init),
        v_min=op.v_min,
        most=op.most,
        guarded=op.guarded,
        offset=when.offsets[node.name],
    )


def _projection(graph: Graph, path: Path, when: Timing) -> p.Projection:
    op: Any = graph[path.weights].op
    return p.Projection(
        name=path.weights,
        source=path.source,
        target=path.target,
        connection=_connection(op),
        weight_exp=op.format.exponent,
        bits=op.format.bits,
        sign_mode=op.format.sign_mode,
        delay=when.delays[path.weights],
        lag=path.lag,
    )


def _connection(op: Affine | Conv | Sparse) -> p.Connection:
    def codes(value: Any) -> Any:
        return np.ascontiguousarray(value, dtype=np.int32)

    if isinstance(op, Affine):
        return p.Dense(codes(op.weight))
    if isinstance(op, Sparse):
        return p.Sparse(codes(op.rows), codes(op.cols), codes(op.values))
    if op.weight.ndim == 4:
        s, q, d, u = op.stride, op.padding, op.dilation, op.input_dilation
        return p.Conv(codes(op.weight), (s[0], s[1]), (q[0], q[1]), (d[0], d[1]), op.groups, (u[0], u[1]))
    one = codes(op.weight[:, :, None, :])
    s, q, d, u = op.stride, op.padding, op.dilation, op.input_dilation
    return p.Conv(one, (1, s[0]), (0, q[0]), (1, d[0]), op.groups, (1, u[0]))


def _readout(graph: Graph, node: Node) -> p.Readout:
    op = node.op
    assert isinstance(op, Output)
    source = graph[graph.into(node.name)[0].source]
    assert isinstance(source.op, IntLIF)
    return p.Readout(node.name, source.name, "s" if source.op.vth is not None else "v", op.rule)
