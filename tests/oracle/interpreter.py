"""What a NIR graph means, written from docs/model-file.md alone and sharing no code with the compiler.

One sample, one step, one node at a time, in float64; obvious rather than fast. A graph may hold other graphs.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np

Array = Any
Conventions = dict[str, Any]
"""As the field `meaning` of a model file: {"default": {...}, "nodes": {NODE: {...}}}."""

_FIRING = ("Threshold", "IF", "LIF", "CubaLIF")
_READ = ("I", "LI", "CubaLI")
_BIAS_FREE = ("Linear", "Scale", "SumPool2d", "AvgPool2d", "Flatten")


@dataclass(eq=False)
class Trace:
    """spikes, membranes (before the reset) by node and series, outputs by port; all (N, T, *shape) but outputs."""

    spikes: dict[str, Array] = field(default_factory=dict)
    membranes: dict[str, Array] = field(default_factory=dict)
    series: dict[str, Array] = field(default_factory=dict)
    outputs: dict[str, Array] = field(default_factory=dict)


def run(graph: nir.NIRGraph, meaning: Conventions, data: dict[str, Array]) -> Trace:
    """Interpret a graph on data: input -> (N, T, *shape)."""
    nodes, edges = flat(graph)
    conventions = {name: {**meaning["default"], **meaning.get("nodes", {}).get(name, {})} for name in nodes}
    lagging = feedback(nodes, edges, conventions)
    samples, steps = next(iter(data.values())).shape[:2]
    ran = [
        Sample(nodes, edges, conventions, lagging).run({name: x[n] for name, x in data.items()}, steps)
        for n in range(samples)
    ]
    trace = Trace()
    for part in ("spikes", "membranes", "series"):
        for name in getattr(ran[0], part):
            getattr(trace, part)[name] = np.array([getattr(one, part)[name] for one in ran])
    for name, series in trace.series.items():
        trace.outputs[name] = combined(conventions[name]["readout"], series)
    return trace


def combined(rule: str, series: Array) -> Array:
    """The readout rule over the steps of (N, T, *shape)."""
    by_rule = {
        "sum": lambda: series.sum(axis=1),
        "mean": lambda: series.sum(axis=1) / series.shape[1],
        "max": lambda: series.max(axis=1),
        "last": lambda: series[:, -1],
        "each": lambda: series,
    }
    return by_rule[rule]()


# structure


def kind(node: nir.NIRNode) -> str:
    return type(node).__name__


def flat(graph: nir.NIRGraph, prefix: str = "") -> tuple[dict[str, nir.NIRNode], list[tuple[str, str]]]:
    """Nodes by path and edges between them; the ports of inner graphs stay as nodes that pass on what arrives."""
    nodes: dict[str, nir.NIRNode] = {}
    edges = []
    entry, exit_ = {}, {}
    for name, node in graph.nodes.items():
        if kind(node) != "NIRGraph":
            nodes[prefix + name] = node
            entry[name] = exit_[name] = prefix + name
            continue
        inner, inner_edges = flat(node, f"{prefix}{name}.")
        nodes |= inner
        edges += inner_edges
        (entry[name],) = (f"{prefix}{name}.{n}" for n, port in node.nodes.items() if kind(port) == "Input")
        (exit_[name],) = (f"{prefix}{name}.{n}" for n, port in node.nodes.items() if kind(port) == "Output")
    edges += [(exit_[a], entry[b]) for a, b in graph.edges]
    return nodes, edges


def is_neuron(node: nir.NIRNode) -> bool:
    return kind(node) in _FIRING or kind(node) in _READ


def whole_steps(node: nir.NIRNode, conventions: Conventions) -> int:
    return round(float(np.ravel(node.delay)[0]) / conventions["dt"])


def feedback(
    nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]], conventions: dict[str, Conventions]
) -> set[tuple[str, str]]:
    """The edges that lag one step, because they close a cycle that no Delay opens."""

    def after(name: str) -> list[str]:
        return [b for a, b in edges if a == name]

    def waits(name: str) -> bool:
        return kind(nodes[name]) == "Delay" and whole_steps(nodes[name], conventions[name]) > 0

    def reached(starts: list[str], without: str | None = None, at_once: bool = False) -> set[str]:
        """Everything behind the starts; at_once: in the same step."""
        seen: set[str] = set()
        waiting = [n for n in starts if n != without]
        while waiting:
            here = waiting.pop()
            if here in seen or (at_once and waits(here)):
                continue
            seen.add(here)
            waiting += [n for n in after(here) if n != without]
        return seen

    def ends(name: str) -> set[str]:
        """Neurons, outputs and delays at the end of paths without them from here."""
        if is_neuron(nodes[name]) or waits(name) or not after(name):
            return {name}
        return set().union(*(ends(n) for n in after(name)))

    inputs = [n for n, node in nodes.items() if kind(node) == "Input" and not any(b == n for _, b in edges)]

    def is_back(source: str, target: str) -> bool:
        on_cycle = source in reached([target], at_once=True)
        return is_neuron(nodes[target]) and on_cycle and (source == target or source not in reached(inputs, target))

    found = set()

    def look(neuron: str, edge: tuple[str, str]) -> None:
        behind = ends(edge[1])
        back = {n for n in behind if is_back(neuron, n)}
        if back and back == behind:
            found.add(edge)
        elif back:
            here = nodes[edge[1]]
            passes = kind(here) in _BIAS_FREE or kind(here) in ("Input", "Output", "Delay")
            assert passes and sum(b == edge[1] for _, b in edges) == 1
            for further in after(edge[1]):
                look(neuron, (edge[1], further))

    for name, node in nodes.items():
        if is_neuron(node):
            for target in after(name):
                look(name, (name, target))
    return found


# one sample


class Sample:
    """State of all neurons, of delays and of edges that lag, from step to step."""

    def __init__(
        self,
        nodes: dict[str, nir.NIRNode],
        edges: list[tuple[str, str]],
        conventions: dict[str, Conventions],
        lagging: set[tuple[str, str]],
    ) -> None:
        self.nodes, self.edges, self.conventions, self.lagging = nodes, edges, conventions, lagging
        self.sent: dict[str, list[Array]] = {name: [] for name in nodes}
        self.state: dict[str, dict[str, Array]] = {name: {} for name in nodes}
        self.shapes = self._shapes()
        self.trace = Trace()

    def run(self, data: dict[str, Array], steps: int) -> Trace:
        for t in range(steps):
            for name in self.nodes:
                self.value(name, t, data)
        for part in ("spikes", "membranes", "series"):
            held = getattr(self.trace, part)
            for name in held:
                held[name] = np.array(held[name])
        return self.trace

    def value(self, name: str, t: int, data: dict[str, Array]) -> Array:
        """What a node sends in step t; its sources are asked first."""
        if len(self.sent[name]) > t:
            return self.sent[name][t]
        node = self.nodes[name]
        if kind(node) == "Delay":
            late = whole_steps(node, self.conventions[name])
            answer = self.arriving(name, t - late, data) if t >= late else np.zeros(self.shapes[name])
        elif name in data:
            answer = np.array(data[name][t], dtype=np.float64)
        else:
            answer = self.respond(name, node, self.arriving(name, t, data))
        self.sent[name].append(answer)
        return answer

    def arriving(self, name: str, t: int, data: dict[str, Array]) -> Array:
        total = 0.0
        for source, target in self.edges:
            if target != name:
                continue
            step = t - 1 if (source, target) in self.lagging else t
            total = total + (self.value(source, step, data) if step >= 0 else np.zeros(self.shapes[source]))
        return total

    def respond(self, name: str, node: nir.NIRNode, x: Array) -> Array:
        if kind(node) == "Output":
            if not any(a == name for a, _ in self.edges):
                self.trace.series.setdefault(name, []).append(x)
            return x
        if kind(node) == "Input":
            return x
        if is_neuron(node):
            return self.neuron(name, node, x)
        return stateless(node, x)

    def neuron(self, name: str, node: nir.NIRNode, x: Array) -> Array:
        c, state = self.conventions[name], self.state[name]
        v = x if kind(node) == "Threshold" else membrane(node, c, state, x)
        self.trace.membranes.setdefault(name, []).append(v)
        if kind(node) in _READ:
            state["v"] = v
            return v
        level = node.threshold if kind(node) == "Threshold" else node.v_threshold
        s = np.where(v >= level if c["compare"] == "ge" else v > level, 1.0, 0.0)
        self.trace.spikes.setdefault(name, []).append(s)
        if kind(node) != "Threshold":
            state["fired"] = s
            state["v"] = v
            if c["timing"] == "immediate":
                state["v"] = reset(node, c, v, s)
            state["v"] = np.maximum(state["v"], float(c.get("v_min", -math.inf)))
        return s

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """What each node sends has which shape: zeros are sent through until nothing is unknown."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, node in self.nodes.items():
            if kind(node) == "Input" and not any(b == name for _, b in self.edges):
                shapes[name] = tuple(int(n) for n in node.input_type["input"])
        while len(shapes) < len(self.nodes):
            before = len(shapes)
            for source, target in self.edges:
                if target not in shapes and source in shapes:
                    node = self.nodes[target]
                    same = is_neuron(node) or kind(node) in ("Input", "Output", "Delay")
                    zeros = np.zeros(shapes[source])
                    shapes[target] = shapes[source] if same else np.shape(stateless(node, zeros))
            assert len(shapes) > before
        return shapes


def share(tau: Array, c: Conventions) -> Array:
    """k = 1 - beta."""
    return c["dt"] / tau if c["integrate"] == "euler" else 1 - np.exp(-c["dt"] / tau)


def membrane(node: nir.NIRNode, c: Conventions, state: dict[str, Array], x: Array) -> Array:
    """v after the update and before it is compared."""
    resets = hasattr(node, "v_reset")
    v_reset = node.v_reset if resets and node.v_reset is not None else 0.0
    if "v" not in state:
        leak = getattr(node, "v_leak", v_reset)
        state["v"] = np.zeros_like(x) + {"zero": 0.0, "leak": leak, "reset": v_reset}[c["start"]]
        state["i"] = state["fired"] = np.zeros_like(x)
    late = resets and c["timing"] == "next"
    v = state["v"]
    if late and c["reset"] == "zero":
        v = reset(node, c, v, state["fired"])
    if kind(node) in ("I", "IF"):
        v = v + node.r * c["dt"] * x
    elif kind(node) in ("LI", "LIF"):
        k = share(node.tau, c)
        v = (1 - k) * v + k * (node.v_leak + node.r * x)
    else:
        k_s = share(node.tau_syn, c)
        state["i"] = (1 - k_s) * state["i"] + k_s * node.w_in * x
        k = share(node.tau_mem, c)
        v = (1 - k) * v + k * (node.v_leak + node.r * state["i"])
    return reset(node, c, v, state["fired"]) if late and c["reset"] == "subtract" else v


def reset(node: nir.NIRNode, c: Conventions, v: Array, s: Array) -> Array:
    if c["reset"] == "zero":
        return np.where(s == 1, 0.0 if node.v_reset is None else node.v_reset, v)
    return v - s * node.v_threshold if c["reset"] == "subtract" else v


# nodes without state


def stateless(node: nir.NIRNode, x: Array) -> Array:
    if kind(node) in ("Affine", "Linear"):
        y = np.zeros(node.weight.shape[:-1])
        for at in np.ndindex(*y.shape):
            y[at] = sum(w * v for w, v in zip(node.weight[at], x[at[:-1]], strict=True))
        return y + node.bias if kind(node) == "Affine" else y
    if kind(node) == "Scale":
        return node.scale * x
    if kind(node) == "Flatten":
        return merged(x, int(node.start_dim), int(node.end_dim))
    if kind(node) in ("Conv1d", "Conv2d"):
        return convolution(node, x)
    assert kind(node) in ("SumPool2d", "AvgPool2d"), kind(node)
    return pooled(node, x)


def merged(x: Array, start: int, end: int) -> Array:
    start, end = start % x.ndim, end % x.ndim
    return x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])


def per_axis(value: Any, rank: int) -> list[int]:
    numbers = [int(n) for n in np.ravel(value)]
    return numbers * rank if len(numbers) == 1 else numbers


def convolution(node: nir.NIRNode, x: Array) -> Array:
    rank = node.weight.ndim - 2
    kernel = node.weight.shape[2:]
    stride, dilation = per_axis(node.stride, rank), per_axis(node.dilation, rank)
    if isinstance(node.padding, str):
        total = [d * (k - 1) if node.padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
        sides = [(n // 2, n - n // 2) for n in total]
    else:
        sides = [(n, n) for n in per_axis(node.padding, rank)]
    x = np.pad(x, [(0, 0), *sides])
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    space = [(n - r) // s + 1 for n, r, s in zip(x.shape[1:], reach, stride, strict=True)]
    out, per_group = node.weight.shape[:2]
    y = np.zeros((out, *space))
    for o in range(out):
        first = o // (out // int(node.groups)) * per_group
        for at in itertools.product(*map(range, space)):
            window = tuple(slice(a * s, a * s + r, d) for a, s, r, d in zip(at, stride, reach, dilation, strict=True))
            y[(o, *at)] = np.sum(node.weight[o] * x[(slice(first, first + per_group), *window)]) + node.bias[o]
    return y


def pooled(node: nir.NIRNode, x: Array) -> Array:
    kernel, stride, padding = (per_axis(v, 2) for v in (node.kernel_size, node.stride, node.padding))
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(n, n) for n in padding])
    space = [(n - k) // s + 1 for n, k, s in zip(x.shape[-2:], kernel, stride, strict=True)]
    y = np.zeros((*x.shape[:-2], *space))
    for i, j in itertools.product(*map(range, space)):
        top, left = i * stride[0], j * stride[1]
        y[..., i, j] = x[..., top : top + kernel[0], left : left + kernel[1]].sum(axis=(-2, -1))
    return y / (kernel[0] * kernel[1]) if kind(node) == "AvgPool2d" else y
