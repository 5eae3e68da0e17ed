"""A float graph back to NIR, with the conventions that say what NIR cannot: what `from_nir` reads as the same graph.

Time constants follow from tau = dt / (1 - beta) and tau_syn = dt / (1 - alpha) (integrate=euler), gains from r. A bias
of a neuron without synaptic memory goes into a layer in front of it, else into v_leak. A neuron that fires in every
step to carry a bias (passes/fold_linear.py) becomes that bias again. A start value other than 0 moves the reset.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import nir
import numpy as np

from seamount.compiler.errors import ImportRefused, Problem, raise_all
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import LI, LIF, Affine, Array, Conv, Input, Linear, Output, Sparse, freeze
from seamount.compiler.ir.shapes import size
from seamount.frontends.conventions import Conventions, Meaning

NO_LEAK = 1 - 0.25 / 4096
"""A leak so small that it rounds to none, for a neuron with synaptic memory, for which NIR has no integrator."""
DT = 1e-3


@dataclass
class _Writer:
    graph: Graph
    dt: float
    nodes: dict[str, nir.NIRNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    special: dict[str, Conventions] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    biases: dict[str, Array] = field(default_factory=dict)
    """Layer of weights -> bias of the neurons behind it that it carries."""
    entries: dict[str, str] = field(default_factory=dict)
    """Node -> the node through which it is reached, where it takes another shape than is sent."""


def to_nir(graph: Graph, meaning: Meaning) -> tuple[nir.NIRGraph, Meaning]:
    """A canonical graph (linear ops folded, thresholds and gains 1) as NIR, and its conventions.

    meaning: how the network is driven: encoding, and the step dt where it is known. Raises ImportRefused with
    everything that NIR has no form for.
    """
    w = _Writer(graph, float(meaning.default.dt or DT))
    tonic = {n.name for n in graph.nodes if isinstance(n.op, LIF) and not graph.into(n.name)}
    carried = {e.target for name in tonic for e in graph.out_of(name)}
    for node in graph.nodes:
        if isinstance(node.op, (LIF, LI)) and node.name not in tonic:
            _neuron(w, node, carried)
    for node in graph.nodes:
        if node.name not in tonic | carried | set(w.nodes):
            _other(w, node)
    raise_all(ImportRefused, w.problems)
    for edge in graph.edges:
        if not {edge.source, edge.target} & (tonic | carried):
            _connect(w, edge.source, w.entries.get(edge.target, edge.target), edge.delay)
    ordered = {n.name: w.nodes[n.name] for n in graph.nodes if n.name in w.nodes}
    default = _default(graph, meaning, w.dt)
    nodes = {}
    for name, own in w.special.items():
        differing = {k: v for k, v in own.known().items() if v != getattr(default, k)}
        if differing:
            nodes[name] = Conventions(**differing)
    made = nir.NIRGraph({**ordered, **w.nodes}, w.edges, type_check=False)
    return made, Meaning(default=default, nodes=nodes, sources=dict.fromkeys(default.known(), "model file"))


def _default(graph: Graph, meaning: Meaning, dt: float) -> Conventions:
    first, last = graph.inputs[0].op, graph.outputs[0].op
    assert isinstance(first, Input) and isinstance(last, Output)
    return Conventions(
        dt=dt, integrate="euler", reset="zero", timing="immediate", compare="gt", spikes="single", start="zero",
        v_min=float("-inf"), encoding=meaning.default.encoding, steps=graph.steps, readout=last.rule,
    ).over(_span(first))  # fmt: skip


def _span(op: Input) -> Conventions:
    return Conventions(coding=op.coding, low=float(op.low), high=float(op.high))


def _connect(w: _Writer, source: str, target: str, delay: int) -> None:
    if delay:
        name, k = f"{source}.delay", 1
        while name in w.nodes:
            name, k = f"{source}.delay_{k}", k + 1
        shape = w.graph[source].shape or ()
        w.nodes[name] = nir.Delay(np.full(shape, delay * w.dt, np.float64))
        w.edges.append((source, name))
        source = name
    w.edges.append((source, target))


def _other(w: _Writer, node: Node) -> None:
    op, shape = node.op, node.shape or ()
    if isinstance(op, Input):
        w.nodes[node.name] = nir.Input({"input": np.array(shape)})
        w.special[node.name] = _span(op)
    elif isinstance(op, Output):
        w.nodes[node.name] = nir.Output({"output": np.array(shape)})
        w.special[node.name] = Conventions(readout=op.rule)
    elif isinstance(op, (Affine, Conv, Sparse)):
        _linear(w, node, op)
    else:
        found = f"is a {type(op).__name__}, which a canonical graph does not hold"
        w.problems.append(Problem(node.where, found, "report this as a bug"))


def _linear(w: _Writer, node: Node, op: Linear) -> None:
    carried = w.biases.get(node.name)
    if isinstance(op, Conv) and (set(op.input_dilation) | {1}) != {1}:
        found = "is a transposed convolution behind folded layers"
        w.problems.append(Problem(node.where, found, "keep the network as it was trained"))
        return
    if isinstance(op, Conv):
        bias = freeze(np.zeros(len(op.weight)) if carried is None else carried.reshape(len(op.weight), -1)[:, 0])
        kind: Any = nir.Conv1d if op.weight.ndim == 3 else nir.Conv2d
        before = w.graph[w.graph.into(node.name)[0].source].shape or ()
        given = before[1] if op.weight.ndim == 3 else (before[1], before[2])
        axes = (op.stride, op.padding, op.dilation)
        numbers: Any = tuple(axis[0] for axis in axes) if op.weight.ndim == 3 else axes
        w.nodes[node.name] = kind(given, np.array(op.weight), *numbers, op.groups, np.array(bias))
        return
    source = w.graph[w.graph.into(node.name)[0].source].shape or ()
    shape = node.shape or ()
    if isinstance(op, Sparse):
        if shape == source and _is_diagonal(op):
            w.nodes[node.name] = nir.Scale(np.array(op.values).reshape(shape))
        else:
            found = "is explicit synapses, for which NIR has no form"
            remedy = "give neurons behind a convolution one threshold and gain per channel, or use a full matrix"
            w.problems.append(Problem(node.where, found, remedy))
        return
    if len(source) > 1:
        first = f"{node.name}.flat"
        w.nodes[first] = nir.Flatten({"input": np.array(source)}, 0, -1)
        w.edges.append((first, node.name))
        w.entries[node.name] = first
    if len(shape) > 1:
        found = f"gives shape {shape}, and a matrix of NIR gives one axis"
        w.problems.append(Problem(node.where, found, "keep the untuned network"))
    bias = freeze(np.zeros(size(shape)) if carried is None else carried.reshape(-1))
    w.nodes[node.name] = nir.Affine(np.array(op.weight), np.array(bias))


def _is_diagonal(op: Sparse) -> bool:
    """Whether each neuron reads the one at its own place, and no other."""
    every = np.arange(size(op.shape))
    return bool(np.array_equal(op.rows, every) and np.array_equal(op.cols, every) and np.all(op.values != 0))


def _neuron(w: _Writer, node: Node, tonic: set[str]) -> None:
    """A neuron layer, and the biases that layers in front of it carry. tonic: weights of neurons that always fire."""
    op: Any = node.op
    memory, fires = bool(np.any(op.alpha != 0)), isinstance(op, LIF)
    current = _current_bias(w, node, tonic)
    if current is not None and not memory:  # it is a constant of the membrane then
        op, current = replace(op, bias=freeze(op.bias + current)), None
    integrates = not memory and bool(np.all(op.beta == 1))
    beta = op.beta if integrates else np.where(op.beta == 1, NO_LEAK, op.beta)
    said, shift, start = _start(w, node, op)
    leak = start if not fires else np.zeros(())
    bias = op.bias + (1 - beta) * (shift - leak)
    if np.any(bias != 0) and (memory or not _carry(w, node, bias, tonic)):
        if integrates or np.any(leak != 0):
            w.problems.append(Problem(node.where, _UNCARRIED, _PER_CHANNEL))
            return
        leak = bias / (1 - beta)
    if current is not None and not _carry(w, node, current, tonic):
        w.problems.append(Problem(node.where, _UNCARRIED, _PER_CHANNEL))
    fields: dict[str, Any] = {"r": np.full((), 1 / w.dt)}
    if not integrates:
        fields = {"tau_mem" if memory else "tau": w.dt / (1 - beta), "r": 1 / (1 - beta), "v_leak": leak}
    if memory:
        fields |= {"tau_syn": w.dt / (1 - op.alpha), "w_in": 1 / (1 - op.alpha)}
    if fires:
        fields |= {"v_threshold": op.threshold + shift, "v_reset": shift if op.reset == "zero" else start}
    wide = {k: np.array(np.broadcast_to(v, node.shape or ()), np.float64) for k, v in fields.items()}
    w.nodes[node.name] = _KINDS[fires, memory, integrates](**wide)
    w.special[node.name] = _clamped(said, op, shift) if fires else said


_UNCARRIED = "has a bias per neuron, and no layer in front of it that could carry it"
_PER_CHANNEL = "give the convolution one bias per channel"
_KINDS: dict[tuple[bool, bool, bool], Any] = {
    (True, False, False): nir.LIF,
    (True, False, True): nir.IF,
    (True, True, False): nir.CubaLIF,
    (False, False, False): nir.LI,
    (False, False, True): nir.I,
    (False, True, False): nir.CubaLI,
}
"""(fires, has synaptic memory, has neither memory nor leak) -> NIR's type."""


def _start(w: _Writer, node: Node, op: LIF | LI) -> tuple[Conventions, Array, Array]:
    """(conventions, by how much the membrane is shifted, what is left of the start value).

    With w = v - c a membrane that resets to 0 and starts at v_init is one that resets to c = -v_init and starts at 0.
    """
    start, none = np.asarray(op.v_init), np.zeros(())
    if isinstance(op, LI):
        return Conventions(start="leak") if np.any(start != 0) else Conventions(), none, start
    said = _firing_conventions(w, node, op)
    if op.reset == "zero":
        return said, -start, none
    return Conventions(start="reset").over(said) if np.any(start != 0) else said, none, start


def _clamped(said: Conventions, op: LIF, shift: Array) -> Conventions:
    if not np.isfinite(op.v_min):
        return said
    return Conventions(v_min=float(op.v_min + shift.reshape(-1)[0])).over(said)


def _firing_conventions(w: _Writer, node: Node, op: LIF) -> Conventions:
    """compare, and how a spike resets: zero, subtract (at once, or inside the next update), none."""
    said = Conventions(compare=op.compare)
    if op.reset == "zero":
        return said
    taken = op.reset_by / op.threshold
    if np.all(taken == 0):
        return Conventions(reset="none").over(said)
    if np.allclose(taken, 1, rtol=1e-9, atol=0):
        return Conventions(reset="subtract").over(said)
    if np.all(op.beta > 0) and np.allclose(taken * op.beta, 1, rtol=1e-9, atol=0):
        return Conventions(reset="subtract", timing="next").over(said)
    found = f"a spike takes {float(np.max(taken)):.4g} thresholds, and NIR knows 0, 1 and 1 / beta"
    w.problems.append(Problem(node.where, found, "train with a reset that subtracts the threshold"))
    return said


def _current_bias(w: _Writer, node: Node, tonic: set[str]) -> Array | None:
    """What neurons that always fire send to the layer in every step."""
    found: list[Any] = [w.graph[e.source].op for e in w.graph.into(node.name) if e.source in tonic]
    if not found:
        return None
    return freeze(np.sum([op.weight[:, 0].reshape(node.shape or ()) for op in found], axis=0))


def _carry(w: _Writer, node: Node, bias: Array, tonic: set[str]) -> bool:
    """Give a bias of the layer to one of the layers of weights in front of it; False where none can hold it."""
    wide = np.array(np.broadcast_to(bias, node.shape or ()), np.float64)
    channels = wide.reshape(len(wide), -1)
    even = bool(np.all(channels == channels[:, :1]))
    edges = [e for e in w.graph.into(node.name) if e.source not in tonic and e.delay == 0]
    able = [e.source for e in edges if isinstance(w.graph[e.source].op, Affine)]
    able += [e.source for e in edges if isinstance(w.graph[e.source].op, Conv)] if even else []
    if not able:
        return False
    w.biases[able[0]] = wide
    return True
