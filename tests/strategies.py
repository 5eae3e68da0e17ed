"""Random float graphs and samples for hypothesis.

    @given(cases())                                  any graph that the canonical pipeline takes
    @given(cases(allow=FEATURES - {"recurrent"}))    without loops
    @given(cases(force=frozenset({"norm"})))         BatchNorm in many positions

Structure is drawn by hypothesis, so that it shrinks; arrays come from a drawn seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from seamount.compiler.ir.graph import Edge, Graph, Node
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
    freeze,
)
from seamount.compiler.ir.shapes import output_shape, size

LINEAR = frozenset({"affine", "conv", "norm", "pool", "scale", "reshape", "sparse"})
FEATURES = LINEAR | {
    "inputs",      # a second input
    "graded",      # real-valued inputs
    "memory",      # synaptic memory, alpha > 0
    "bias",        # biases of layers and neurons
    "ge",          # v >= threshold
    "subtract",    # reset by subtraction
    "v_reset", "v_init", "v_min", "gain",
    "spread",      # parameters per channel or per neuron
    "residual",    # sums in front of neurons and layers
    "shared",      # an end of a chain that others read as well
    "recurrent",   # loops with a delay
    "delay",       # delayed edges that close no loop
    "readout",     # LI in front of outputs
}  # fmt: skip
TRANSPOSED = frozenset({"transposed"})
"""Zeros between the inputs of convolutions; drawn only where it is asked for."""


@dataclass
class Draft:
    """The graph under construction; shapes of all nodes are known from the start."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    allow: frozenset[str]
    force: frozenset[str]
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.draw(st.integers(0, 2**32 - 1)))

    def wants(self, feature: str) -> bool:
        if feature in self.force:
            return True
        return feature in self.allow and bool(self.draw(st.booleans()))

    def integer(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def pick(self, choices: list[Any]) -> Any:
        return self.draw(st.sampled_from(choices))

    # structure

    def graph(self, layers: int) -> Graph:
        for i in range(2 if self.wants("inputs") else 1):
            graded = self.wants("graded")
            low, high = self.pick([(0.0, 1.0), (-1.0, 1.0), (-2.0, 0.5), (0.5, 3.0)]) if graded else (0.0, 1.0)
            shape = self.shape()
            self.add(f"x{i}", Input(shape, "graded" if graded else "spikes", low, high), shape, [])
        for i in range(self.integer(1, layers)):
            self.layer(i)
        if self.wants("inputs") and not any(e.source == "x1" for e in self.edges) and len(self.inputs) > 1:
            self.layer(layers, first=self.inputs[1])
        for i in range(self.integer(1, 2)):
            self.output(i)
        return Graph(tuple(self.nodes), tuple(self.edges), steps=self.integer(1, 6))

    @property
    def inputs(self) -> list[Node]:
        return [n for n in self.nodes if isinstance(n.op, Input)]

    def shape(self) -> Shape:
        rank = self.integer(1, 3)
        top = {1: 8, 2: 8, 3: 6}[rank]
        return tuple(self.integer(1, 4 if i == 0 and rank > 1 else top) for i in range(rank))

    def add(self, name: str, op: Op, shape: Shape, sources: list[Node], delay: int = 0) -> Node:
        node = Node(name, op, (), shape)
        self.nodes.append(node)
        self.edges += [Edge(s.name, name, delay) for s in dict.fromkeys(sources)]
        return node

    def sources(self) -> list[Node]:
        """What a layer may read, latest first: no readouts, no outputs."""
        return [n for n in self.nodes if not isinstance(n.op, (LI, Output))][::-1]

    def layer(self, i: int, first: Node | None = None) -> None:
        """A chain of linear ops and a neuron layer, perhaps with a sum in front and a loop around it."""
        source = first or self.pick(self.sources()[:3])
        ends = [self.chain(source, f"l{i}")]
        if self.wants("residual"):
            ends += self.partners(ends[0], f"l{i}")
        neuron = self.add(f"n{i}", self.lif(ends[0].shape), ends[0].shape, ends)
        if self.wants("recurrent"):
            self.loop(neuron)

    def chain(self, source: Node, stem: str) -> Node:
        """One to three linear ops; an edge of the chain may be delayed where no bias lies before it."""
        node = source
        for k in range(self.integer(1, 3)):
            sources = [node]
            if k and self.wants("residual"):
                sources += self.partners(node, f"{stem}p{k}")
            # A layer before a delay must have no bias; neurons and inputs have none.
            free = all(isinstance(s.op, (Input, LIF)) for s in sources)
            delay = self.integer(1, 2) if free and self.wants("delay") else 0
            op = self.linear(node.shape)
            node = self.add(f"{stem}{'abc'[k]}", op, output_shape(op, node.shape), sources, delay)
        return node

    def partners(self, node: Node, stem: str) -> list[Node]:
        """Another node of the same shape, or one made so by a dense layer."""
        others = [n for n in self.sources() if n is not node]
        same = [n for n in others if n.shape == node.shape]
        if same and self.draw(st.booleans()):
            return [self.pick(same)]
        if not others:
            return []
        other = self.pick(others)
        op = self.affine(other.shape, node.shape)
        return [self.add(f"{stem}side", op, node.shape, [other])]

    def loop(self, neuron: Node) -> None:
        """Recurrent weights with a delay of one step, or unweighted self-inhibition by a scale."""
        if self.draw(st.booleans()):
            op: Op = replace(self.affine(neuron.shape, neuron.shape), bias=None)
        else:
            op = Scale(freeze(-0.3))
        name = f"{neuron.name}loop"
        self.add(name, op, neuron.shape, [neuron], delay=1)
        self.edges.append(Edge(name, neuron.name))

    def output(self, i: int) -> None:
        """An output fed by a neuron layer, a linear op, a sum, or a readout layer."""
        kind = self.pick(["neuron", "linear", "sum", "readout"])
        neurons = [n for n in self.nodes if isinstance(n.op, LIF)]
        if kind == "neuron":
            ends = [self.pick(neurons[::-1])]
        else:
            ends = [self.chain(self.pick(neurons[::-1]), f"y{i}l")]
            if kind == "sum":
                ends += self.partners(ends[0], f"y{i}l")
        shape = ends[0].shape
        if kind == "readout" and self.wants("readout"):
            ends = [self.add(f"r{i}", self.li(shape), shape, ends)]
        self.add(f"y{i}", Output(self.pick(["sum", "mean", "max", "last"])), shape, ends)

    # linear ops

    def linear(self, shape: Shape) -> Op:
        kinds = [k for k in sorted(LINEAR & self.allow) if len(shape) > 1 or k not in ("conv", "pool")]
        forced = [k for k in kinds if k in self.force]
        kind = self.pick(forced) if forced and self.draw(st.booleans()) else self.pick(kinds or ["affine"])
        if kind == "affine":
            return self.affine(shape, self.shape())
        return getattr(self, kind)(shape)

    def normal(self, shape: Shape, fan_in: int) -> Any:
        return freeze(self.rng.normal(0, 1.2 / np.sqrt(fan_in), shape))

    def bias(self, shape: Shape) -> Any:
        return freeze(self.rng.uniform(-0.3, 0.4, shape)) if self.wants("bias") else None

    def affine(self, source: Shape, target: Shape) -> Affine:
        n = size(target)
        shape = None if target == (n,) else target
        return Affine(self.normal((n, size(source)), size(source)), self.bias((n,)), shape)

    def conv(self, shape: Shape) -> Conv:
        groups = self.pick([g for g in (1, 2, 3, 4) if shape[0] % g == 0])
        out = groups * self.integer(1, 2)
        axes = [self.axis(n) for n in shape[1:]]
        kernel, stride, padding, dilation = zip(*axes, strict=True)
        weight = self.normal((out, shape[0] // groups, *kernel), shape[0] // groups * size(kernel))
        if "transposed" not in self.force or max(shape[1:]) > 6:
            return Conv(weight, self.bias((out,)), stride, padding, dilation, groups)
        spread = tuple(self.integer(1, 3) for _ in kernel)
        more = tuple(self.integer(0, u - 1) for u in spread)
        return Conv(weight, self.bias((out,)), stride, padding, dilation, groups, None, spread, more)

    def axis(self, n: int) -> tuple[int, int, int, int]:
        """(kernel, stride, padding, dilation) of a window that fits."""
        kernel, stride, padding, dilation = (self.integer(*r) for r in ((1, 3), (1, 3), (0, 2), (1, 2)))
        if dilation * (kernel - 1) + 1 > n + 2 * padding:
            return 1, stride, padding, dilation
        return kernel, stride, padding, dilation

    def pool(self, shape: Shape) -> Pool:
        axes = []
        for n in shape[1:]:
            kernel, stride, padding = (self.integer(*r) for r in ((1, 3), (1, 3), (0, 1)))
            axes.append((kernel if kernel <= n + 2 * padding else 1, stride, padding))
        kernel, stride, padding = zip(*axes, strict=True)
        return Pool(kernel, stride, padding, bool(self.draw(st.booleans())))

    def norm(self, shape: Shape) -> BatchNorm:
        shift = self.rng.uniform(-0.3, 0.3, shape[0]) if self.wants("bias") else np.zeros(shape[0])
        return BatchNorm(freeze(self.rng.uniform(0.5, 1.8, shape[0]) * self.rng.choice([-1, 1, 1])), freeze(shift))

    def scale(self, shape: Shape) -> Scale:
        return Scale(freeze(self.spread(shape, 0.5, 1.5)))

    def reshape(self, shape: Shape) -> Reshape:
        whole = [(size(shape),), (1, size(shape)), (size(shape), 1, 1)]
        return Reshape(self.pick([*whole, (shape[0], size(shape[1:])), (1, *shape)[-3:] if len(shape) < 3 else shape]))

    def sparse(self, shape: Shape) -> Sparse:
        target = self.shape()
        mask = self.rng.random((size(target), size(shape))) < 0.4
        rows, cols = (i.astype(np.int64) for i in np.nonzero(mask))
        bias = self.bias(target)
        return Sparse(rows, cols, self.normal(rows.shape, max(1, 2 * size(shape) // 5)), shape, target, bias)

    # neurons

    def spread(self, shape: Shape, low: float, high: float) -> Any:
        """One number, one per channel, or one per neuron."""
        kind = self.pick(["channel", "neuron"]) if self.wants("spread") else "layer"
        wide = {"layer": (), "channel": (shape[0],) + (1,) * (len(shape) - 1), "neuron": shape}[kind]
        return self.rng.uniform(low, high, wide)

    def lif(self, shape: Shape) -> LIF:
        threshold = self.spread(shape, 0.5, 1.5)
        subtract = self.wants("subtract")
        v_min = -float(self.rng.uniform(0.1, 1)) if self.wants("v_min") else -np.inf
        if np.isfinite(v_min):
            threshold = np.asarray(threshold.reshape(-1)[0])
        v_reset = np.asarray(self.rng.uniform(-0.5, 0.2)) if self.wants("v_reset") and not subtract else np.zeros(())
        v_init = np.zeros(())
        if self.wants("v_init"):
            v_init = np.asarray(self.rng.uniform(-0.4, 0.4)) if np.isfinite(v_min) else self.spread(shape, -0.4, 0.4)
        return LIF(
            alpha=freeze(self.spread(shape, 0.05, 0.9) if self.wants("memory") else 0.0),
            beta=freeze(self.pick([np.ones(()), self.spread(shape, 0.1, 0.98), np.zeros(())])),
            gain=freeze(self.spread(shape, 0.5, 1.5) if self.wants("gain") else 1.0),
            bias=freeze(self.spread(shape, -0.1, 0.3) if self.wants("bias") else 0.0),
            threshold=freeze(threshold),
            v_reset=freeze(v_reset),
            v_init=freeze(v_reset if self.draw(st.booleans()) else v_init),
            reset_by=freeze(threshold * self.pick([1.0, 0.9]) if subtract else 0.0),
            v_min=v_min,
            reset="subtract" if subtract else "zero",
            compare="ge" if self.wants("ge") else "gt",
        )

    def li(self, shape: Shape) -> LI:
        return LI(
            alpha=freeze(self.spread(shape, 0.05, 0.9) if self.wants("memory") else 0.0),
            beta=freeze(self.pick([np.ones(()), self.spread(shape, 0.1, 0.98)])),
            gain=freeze(self.spread(shape, 0.5, 1.5) if self.wants("gain") else 1.0),
            bias=freeze(self.spread(shape, -0.1, 0.3) if self.wants("bias") else 0.0),
            v_init=freeze(self.spread(shape, -0.4, 0.4) if self.wants("v_init") else 0.0),
        )


@st.composite
def graphs(draw: Any, allow: frozenset[str] = FEATURES, force: frozenset[str] = frozenset(), layers: int = 3) -> Graph:
    """A graph with known shapes, with features from `allow`, all of `force` among them."""
    allow |= force & TRANSPOSED
    assert force <= allow <= FEATURES | TRANSPOSED, (force - allow, allow - FEATURES)
    return Draft(draw, allow, force).graph(layers)


def samples_for(graph: Graph, seed: int, samples: int, steps: int) -> dict[str, Any]:
    """Random data for every input, (N, T, *shape): spikes, or values that fill the range of a graded input."""
    rng = np.random.default_rng(seed)
    out = {}
    for node in graph.inputs:
        op = node.op
        assert isinstance(op, Input)
        shape = (samples, steps, *op.shape)
        out[node.name] = (
            (rng.random(shape) < 0.5).astype(np.float64)
            if op.coding == "spikes"
            else rng.uniform(op.low, op.high, shape)
        )
    return out


@st.composite
def cases(
    draw: Any, allow: frozenset[str] = FEATURES, force: frozenset[str] = frozenset(), layers: int = 3
) -> tuple[Graph, dict[str, Any]]:
    """A graph and data for it: 1..3 samples of 1, 2 or 5 steps."""
    graph = draw(graphs(allow, force, layers))
    seed = draw(st.integers(0, 2**32 - 1))
    return graph, samples_for(graph, seed, draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 5])))
