"""The float meaning of a graph, step by step: the yardstick every pass and frontend is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.linear import apply
from seamount.compiler.ir.ops import LI, LIF, Input, Output, Rule
from seamount.compiler.ir.quantized import dequantized

Values: TypeAlias = NDArray[Any]
Kind = Literal["in", "out", "v"]
Watch: TypeAlias = Callable[[Node, Kind, int, Values], None]
"""Called with (node, kind, step, value): "in" the summed input, "out" what it sends, "v" v' before the reset."""


@dataclass(frozen=True, eq=False)
class Run:
    """Result of interpreting N samples of T steps.

    outputs: output name -> (N, *shape), combined by the output's rule.
    series: output name -> (N, T, *shape), what arrived at each step.
    spikes: firing node -> (N, T, *shape) uint8, what the interpreter computed (also where forced).
    margin: firing node -> (N, T, *shape), v' - threshold; only with record "margin".
    v: LI node -> (N, T, *shape).
    """

    outputs: Mapping[str, Values]
    series: Mapping[str, Values]
    spikes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    margin: Mapping[str, Values] = field(default_factory=dict)
    v: Mapping[str, Values] = field(default_factory=dict)


def interpret(
    graph: Graph,
    x: Values | Mapping[str, Values],
    *,
    record: frozenset[str] | set[str] = frozenset({"spikes"}),
    forced: Mapping[str, Values] | None = None,
    watch: Watch | None = None,
    dtype: Any = np.float64,
) -> Run:
    """Run a graph with known shapes on x: input name -> (N, T, *shape), or one array for a single input.

    record: any of "spikes", "margin", "v". forced: neuron node -> (N, T, *shape) spikes that replace the computed
    ones downstream and in the neuron's own reset (teacher forcing). Quantized graphs run with their rounded
    parameters. Raises InputError when x does not fit the inputs.
    """
    inputs = _check_inputs(graph, x)
    samples, steps = next(iter(inputs.values())).shape[:2]
    machine = _Machine(graph, samples, dict(forced or {}), watch, dtype)
    kept: dict[tuple[str, str], list[Values]] = {}
    for t in range(steps):
        for key, value in machine.step(t, inputs).items():
            if key[0] == "series" or key[0] in record:
                kept.setdefault(key, []).append(value)

    def collect(kind: str) -> dict[str, Values]:
        return {name: np.stack(values, axis=1) for (k, name), values in kept.items() if k == kind}

    series = collect("series")
    outputs = {n.name: reduce_steps(n.op.rule, series[n.name]) for n in graph.outputs if isinstance(n.op, Output)}
    return Run(outputs, series, collect("spikes"), collect("margin"), collect("v"))


def reduce_steps(rule: Rule, series: Values) -> Values:
    """Combine (N, T, *shape) over T; "each" leaves it."""
    if rule == "each":
        return series
    if rule == "last":
        return series[:, -1]
    if rule == "max":
        return np.asarray(series.max(axis=1))
    return np.asarray(series.sum(axis=1) if rule == "sum" else series.mean(axis=1))


def _check_inputs(graph: Graph, x: Values | Mapping[str, Values]) -> dict[str, Values]:
    given = dict(x) if isinstance(x, Mapping) else {graph.inputs[0].name: x}
    problems = []
    for node in graph.inputs:
        assert isinstance(node.op, Input)
        if node.name not in given:
            problems.append(Problem(f"input '{node.name}'", "no data given", "give an array for every input"))
        elif given[node.name].shape[2:] != node.op.shape:
            found = f"data of shape {given[node.name].shape}"
            problems.append(Problem(f"input '{node.name}'", found, "reshape the data", f"(N, T, *{node.op.shape})"))
    sizes = {given[n.name].shape[:2] for n in graph.inputs if n.name in given}
    if len(sizes) > 1:
        found = f"samples and steps of {', '.join(map(str, sorted(sizes)))}"
        problems.append(Problem("inputs", found, "give every input the same number of both"))
    if problems:
        raise InputError(problems)
    return {n.name: given[n.name] for n in graph.inputs}


class _Machine:
    """State of all neurons and of delayed edges; one call of step per time step."""

    def __init__(self, graph: Graph, samples: int, forced: dict[str, Values], watch: Watch | None, dtype: Any) -> None:
        self.graph, self.samples, self.forced, self.watch, self.dtype = graph, samples, forced, watch, dtype
        self.ops = {n.name: dequantized(n.op) for n in graph.nodes}
        self.state: dict[str, tuple[Values, Values]] = {}
        for node in graph.nodes:
            op = self.ops[node.name]
            if isinstance(op, (LIF, LI)):
                shape = (samples, *self._shape(node))
                v = np.broadcast_to(op.v_init, shape).astype(dtype)
                self.state[node.name] = (np.zeros(shape, dtype), v)
        self.past: dict[str, list[Values]] = {e.source: [] for e in graph.edges if e.delay}
        self.reach = {s: max(e.delay for e in graph.out_of(s)) for s in self.past}

    @staticmethod
    def _shape(node: Node) -> tuple[int, ...]:
        if node.shape is None:
            raise InputError(Problem(node.where, "its shape is not known", "run infer_shapes first"))
        return node.shape

    def step(self, t: int, inputs: Mapping[str, Values]) -> dict[tuple[str, str], Values]:
        now: dict[str, Values] = {}
        kept: dict[tuple[str, str], Values] = {}
        for node in self.graph.order:
            op = self.ops[node.name]
            if isinstance(op, Input):
                value = self._message(op, inputs[node.name][:, t].astype(self.dtype))
            else:
                value = self._arriving(node, now)
                self._tell(node, "in", t, value)
            if isinstance(op, (LIF, LI)):
                value = self._neuron(node, op, t, value, kept)
            elif isinstance(op, Output):
                kept["series", node.name] = value
            elif not isinstance(op, Input):
                value = apply(op, value)
            now[node.name] = value
            self._tell(node, "out", t, value)
        for source, values in self.past.items():
            values.insert(0, now[source])
            del values[self.reach[source] :]
        return kept

    def _tell(self, node: Node, kind: Kind, t: int, value: Values) -> None:
        if self.watch is not None:
            self.watch(node, kind, t, value)

    @staticmethod
    def _message(op: Input, x: Values) -> Values:
        if op.unit is None:
            return x
        payload = np.rint(np.clip(x, op.low, op.high) / op.unit)
        return np.asarray(payload * op.unit, x.dtype)

    def _arriving(self, node: Node, now: Mapping[str, Values]) -> Values:
        total: Values | None = None
        value: Values
        for e in self.graph.into(node.name):
            if e.delay == 0:
                value = now[e.source]
            elif len(self.past[e.source]) >= e.delay:
                value = self.past[e.source][e.delay - 1]
            else:
                value = np.zeros((self.samples, *self._shape(self.graph[e.source])), self.dtype)
            total = value if total is None else total + value
        if total is None:
            return np.zeros((self.samples, *self._shape(node)), self.dtype)
        return total

    def _neuron(self, node: Node, op: LIF | LI, t: int, x: Values, kept: dict[tuple[str, str], Values]) -> Values:
        u, v = self.state[node.name]
        before = v
        u = op.alpha.astype(self.dtype) * u + x
        v = op.beta.astype(self.dtype) * v + op.gain.astype(self.dtype) * u + op.bias.astype(self.dtype)
        self._tell(node, "v", t, v)
        if isinstance(op, LI):
            self.state[node.name] = (u, v)
            kept["v", node.name] = v
            return np.asarray(v)
        threshold = op.threshold.astype(self.dtype)
        by = op.reset_by.astype(self.dtype)
        level = np.where(before > threshold, threshold + by, threshold) if op.guarded else threshold
        if op.most > 1:  # the last level that v has passed, or the first
            passed = np.floor((v - threshold) / by) + 1 if op.compare == "ge" else np.ceil((v - threshold) / by)
            sent = np.clip(passed, 0, op.most)
            level = threshold + by * np.clip(np.rint((v - threshold) / by), 0, op.most - 1)
        else:
            sent = v >= level if op.compare == "ge" else v > level
        kept["spikes", node.name] = sent.astype(np.uint8)
        kept["margin", node.name] = v - level
        if node.name in self.forced:
            sent = self.forced[node.name][:, t]
        after = op.v_reset if op.reset == "zero" else v - sent * by
        s = np.asarray(sent != 0)
        v = np.maximum(np.where(s, after, v), op.v_min).astype(self.dtype)
        self.state[node.name] = (u, v)
        return np.asarray(sent, self.dtype)
