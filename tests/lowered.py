"""The float meaning of a quantized graph against its integers, with a rigorous bound for the integer rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.execution import Trace
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.interpreter import Kind, Values, interpret
from seamount.compiler.ir.ops import Input, IntLIF
from seamount.compiler.program.bounds import current_bounds
from seamount.compiler.program.program import V_MAX, Program

SLACK = 1e-6
"""Rounding of the float run itself, relative to the largest register."""


def messages_of(graph: Graph, x: dict[str, Values]) -> dict[str, Any]:
    """The integers that the host sends for x."""
    out = {}
    for node in graph.inputs:
        op = node.op
        assert isinstance(op, Input) and op.unit is not None
        out[node.name] = np.rint(np.clip(x[node.name], op.low, op.high) / op.unit).astype(np.int32)
    return out


def is_tame(program: Program, trace: Trace) -> bool:
    """Whether no current wraps, whatever the messages, and no membrane saturated in this run."""
    wraps = any(int(before.max(initial=0)) >= 2**23 for before, _ in current_bounds(program).values())
    return not wraps and all(int(np.abs(v).max(initial=0)) < V_MAX // 2 for v in trace.v.values())


class _Registers:
    """u and v' of the float run in units of the integer registers, and how far the integers may lie from them."""

    def __init__(self, graph: Graph) -> None:
        self.u: dict[str, Values] = {}
        self.values: dict[tuple[str, str], list[Values]] = {}
        self.graph = graph

    def watch(self, node: Node, kind: Kind, t: int, value: Values) -> None:
        op = node.op
        if not isinstance(op, IntLIF) or kind == "out":
            return
        unit = 64 * op.scale
        if kind == "in":
            kept = (4095 - op.du) / 4096
            self.u[node.name] = kept * self.u.get(node.name, 0.0) + value * unit
            self.values.setdefault((node.name, "u"), []).append(self.u[node.name])
        else:
            self.values.setdefault((node.name, "v"), []).append(value * unit)

    def series(self, name: str, register: str) -> Values:
        return np.stack(self.values[name, register], axis=1)


def rounding(op: IntLIF, steps: int) -> tuple[Values, Values]:
    """Largest distance of the registers u and v from the float run, per step.

    Division by 4096 toward zero moves u by less than 1 where it has memory, and v by less than 1 where it leaks;
    both decay afterwards. Everything else is exact: sums, bias (its exponent is not negative), reset, clamp.
    """
    du, dv = op.du.astype(np.float64), op.dv.astype(np.float64)
    u, v = np.zeros(np.broadcast_shapes(du.shape, dv.shape)), np.zeros(np.broadcast_shapes(du.shape, dv.shape))
    errors = []
    for _ in range(steps):
        u = (4095 - du) / 4096 * u + (du < 4095)
        v = (4096 - dv) / 4096 * v + u + (dv > 0)
        errors.append((u, v))
    return np.stack([e[0] for e in errors]), np.stack([e[1] for e in errors])


def assert_lowered(graph: Graph, program: Program, x: dict[str, Values]) -> bool:
    """Registers and spikes of the program are those of the quantized graph, step by step, sample by sample.

    The float run is given the integers' spikes, so that each neuron sees the very same input; a message that came one
    step early or late, or crossed into another sample, would show at once. False where registers overflow.
    """
    trace = ReferenceSimulator().run(program, messages_of(graph, x), record=frozenset({"spikes", "u", "v"}))
    if not is_tame(program, trace):
        return False
    seen = _Registers(graph)
    forced = {n: s for n, s in trace.spikes.items() if program.population(n).fires}
    run = interpret(graph, x, record={"spikes", "margin", "v"}, forced=forced, watch=seen.watch)
    steps = next(iter(x.values())).shape[1]
    for node in graph.nodes:
        if not isinstance(node.op, IntLIF):
            continue
        name, op = node.name, node.op
        eu, ev = (e.reshape(steps, *(e.shape[1:] or (1,) * len(node.shape or ()))) for e in rounding(op, steps))
        u, v = seen.series(name, "u"), seen.series(name, "v")
        slack = SLACK * max(1.0, float(np.abs(v).max(initial=0)))
        assert np.all(np.abs(trace.u[name] - u) <= eu + slack), f"u of {name}"
        after = np.where(trace.spikes[name] == 1, 0 if op.reset == "zero" else v - op.reset_by, v)
        assert np.all(np.abs(trace.v[name] - np.maximum(after, op.v_min)) <= ev + slack), f"v of {name}"
        if op.vth is not None:
            margin = run.margin[name] * 64 * op.scale
            clear = np.abs(margin) > ev + slack
            assert np.all(run.spikes[name][clear] == trace.spikes[name][clear]), f"spikes of {name}"
    _assert_readouts(graph, program, run.outputs, trace, steps)
    return True


def _assert_readouts(graph: Graph, program: Program, outputs: Any, trace: Trace, steps: int) -> None:
    for r in program.readouts:
        op = graph[r.population].op
        assert isinstance(op, IntLIF)
        integers = trace.readout[r.name] / (steps if r.rule == "mean" else 1)
        if r.register == "s":
            np.testing.assert_array_equal(integers, outputs[r.name], err_msg=r.name)
        else:
            wanted = outputs[r.name] * 64 * op.scale
            error = rounding(op, steps)[1].sum() + SLACK * max(1.0, float(np.abs(wanted).max(initial=0)))
            assert np.all(np.abs(integers - wanted) <= error), f"readout {r.name}"
