"""Does the imported graph, interpreted in float, reproduce what the framework did?

The graph runs on the golden inputs with teacher forcing: each layer receives, and is reset by, the framework's own
spikes, so that one rounding difference does not spread. Then every layer's own spikes are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import CheckFailed, ContractError, Problem
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.interpreter import Run, interpret
from seamount.compiler.ir.ops import LIF
from seamount.frontends.model_file.model import ModelFile, by_port

TIE = 1e-5
"""A membrane closer to the threshold than this, relative to max(1, |threshold|, largest |v| of the layer), may fall
to either side: training computes in 32-bit floats, whose sums differ by their order."""

BATCH = 16
"""Samples interpreted at a time, to bound the memory of recorded membranes."""

READOUT = 1e-4
"""Largest difference of a readout, relative to the largest output."""


@dataclass(frozen=True)
class LayerCheck:
    """Spikes of one layer: compared entries, rounding ties, real differences."""

    compared: int
    ties: int
    differing: int

    def plus(self, other: LayerCheck) -> LayerCheck:
        """Both together."""
        return LayerCheck(self.compared + other.compared, self.ties + other.ties, self.differing + other.differing)


@dataclass(frozen=True, eq=False)
class SelfCheck:
    """Result of a self-check; `problems` holds the first difference of each kind."""

    layers: Mapping[str, LayerCheck]
    readout_error: float
    problems: tuple[Problem, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether the graph does what the framework did."""
        return not self.problems

    @property
    def compared(self) -> int:
        """Spikes compared, silent ones included."""
        return sum(c.compared for c in self.layers.values())

    @property
    def ties(self) -> int:
        """Spikes that differ because the membrane stood on the threshold to rounding."""
        return sum(c.ties for c in self.layers.values())

    @property
    def differing(self) -> int:
        """Spikes that really differ."""
        return sum(c.differing for c in self.layers.values())

    def raise_if_failed(self) -> None:
        """Raise CheckFailed with the first differences."""
        if self.problems:
            raise CheckFailed(self.problems)


def self_check(model: ModelFile, graph: Graph | None = None) -> SelfCheck:
    """Compare a model file's graph (or another graph made from it) with its golden trace."""
    graph = graph if graph is not None else model.graph()
    nodes = {name: _firing(graph, name) for name in model.golden.spikes}
    layers = dict.fromkeys(nodes, LayerCheck(0, 0, 0))
    found: list[_First] = []
    inputs = by_port(model.inputs(), [n.name for n in graph.inputs])
    series: dict[str, list[NDArray[np.float64]]] = {n.name: [] for n in graph.outputs}
    for start in range(0, model.golden.samples, BATCH):
        part = slice(start, start + BATCH)
        forced = {nodes[name].name: spikes[part] for name, spikes in model.golden.spikes.items()}
        fed = {name: x[part] for name, x in inputs.items()}
        run = interpret(graph, fed, record={"spikes", "margin"}, forced=forced)
        for name, node in nodes.items():
            layer, first = _compare(node, forced[node.name], run, start)
            layers[name] = layers[name].plus(layer)
            found += [first] if first is not None else []
        for name, parts in series.items():
            parts.append(run.series[name])
    problems = [_spike_problem(found, layers, nodes)] if found else []
    wanted, largest = by_port(model.golden.series, list(series)), 0.0
    for name, parts in series.items():
        where = "" if len(series) == 1 else f" '{name}'"
        error, readout = _compare_readout(wanted.get(name, np.zeros(0, np.float32)), np.concatenate(parts), where)
        largest, problems = max(largest, error), problems + readout
    return SelfCheck(layers, largest, tuple(problems))


def _firing(graph: Graph, name: str) -> Node:
    """The graph's node of a firing NIR node."""
    for node in graph.nodes:
        if isinstance(node.op, LIF) and (node.name == name or name in node.origin):
            return node
    raise ContractError(Problem(f"NIR node '{name}'", "has no firing node in the graph", "report this as a bug"))


@dataclass(frozen=True, eq=False)
class _First:
    """The first real difference of a layer."""

    node: Node
    step: int
    sample: int
    neuron: tuple[int, ...]
    wanted: int
    v: float
    threshold: float


def _compare(node: Node, golden: NDArray[np.uint8], run: Run, start: int) -> tuple[LayerCheck, _First | None]:
    """One layer on one batch of samples; `start` is the number of the first."""
    assert isinstance(node.op, LIF)
    computed, margin = run.spikes[node.name], run.margin[node.name]
    threshold = np.broadcast_to(node.op.threshold, margin.shape)
    differs = computed != golden
    scale = max(1.0, float(np.abs(threshold).max()), float(np.abs(margin + threshold).max()))
    tie = differs & (np.abs(margin) <= TIE * scale)
    real = differs & ~tie
    layer = LayerCheck(int(golden.size), int(tie.sum()), int(real.sum()))
    if not layer.differing:
        return layer, None
    step = int(np.argmax(real.any(axis=(0, *range(2, real.ndim)))))
    sample, *neuron = (int(i) for i in np.argwhere(real[:, step])[0])
    at = (sample, step, *neuron)
    v = float(margin[at] + threshold[at])
    return layer, _First(node, step, start + sample, tuple(neuron), int(golden[at]), v, float(threshold[at]))


def _spike_problem(found: list[_First], layers: Mapping[str, LayerCheck], nodes: Mapping[str, Node]) -> Problem:
    first = min(found, key=lambda f: f.step)
    name = next(k for k, n in nodes.items() if n is first.node)
    other = {0: "silent", 1: "a spike"}
    where = f"step {first.step}, layer '{name}', neuron {first.neuron}, sample {first.sample}"
    text = (
        f"the framework has {other[first.wanted]}, the graph {other[1 - first.wanted]}: v' = {first.v:.7g}, threshold "
        f"{first.threshold:.7g}, margin {first.v - first.threshold:.3g}; {layers[name].differing} of "
        f"{layers[name].compared} entries of this layer differ"
    )
    remedy = (
        "the graph would not compute what was trained, so it is not saved; check that the module computes the same "
        "at every call, and report it as a bug with the layer if it does"
    )
    return Problem(where, text, remedy, f"|margin| <= {TIE:g} relative counts as a rounding tie")


def _compare_readout(
    golden: NDArray[np.float32], computed: NDArray[np.float64], name: str
) -> tuple[float, list[Problem]]:
    """Largest difference of the series of the output `name` relative to its largest value."""
    if computed.shape != golden.shape:
        found = f"the graph's output has shape {computed.shape[2:]}, the framework's {golden.shape[2:]}"
        return float("inf"), [Problem(f"output{name}", found, "check what the module returns")]
    difference = np.abs(computed - golden)
    largest = float(np.abs(golden).max())
    error = float(difference.max()) / largest if largest > 0 else float(difference.max())
    if error <= READOUT:
        return error, []
    step = int(np.argmax((difference > READOUT * largest).any(axis=(0, *range(2, difference.ndim)))))
    sample, *rest = (int(i) for i in np.argwhere(difference[:, step] > READOUT * largest)[0])
    at = (sample, step, *rest)
    found = f"the framework has {golden[at]:.7g}, the graph {computed[at]:.7g}"
    where = f"step {step}, output{name} {tuple(rest)}, sample {sample}"
    return error, [
        Problem(where, found, "the output is not what was trained, so it is not saved", f"{READOUT:g} relative")
    ]
