"""Pass fold-linear: one bias-free linear op between any two neuron layers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import networkx as nx
import numpy as np

from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.compose import as_connection, compose, identity
from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.linear import apply, without_bias
from seamount.compiler.ir.ops import LI, LIF, Affine, Array, Input, Op, Output, Shape, freeze, is_neuron
from seamount.compiler.ir.properties import LINEAR_FOLDED, NO_BATCHNORM, SHAPES_KNOWN
from seamount.compiler.passes.base import Pass


@dataclass(frozen=True)
class Term:
    """A path of linear ops from a neuron layer or input: its composed op (None: identity) and delay."""

    source: str
    delay: int
    op: Op | None
    path: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Flow:
    """What arrives at a place: a sum of terms and of constants. biases: first step -> what acts from it on, none 0."""

    terms: tuple[Term, ...]
    biases: dict[int, Array]


@dataclass(frozen=True)
class FoldLinear(Pass):
    """Compose all linear ops between two neuron layers into one; move biases into the neurons.

    b_membrane = gain * b       for a neuron without synaptic memory (alpha = 0)

    Folds:   pooling, scales, reshapes, stacked linear ops, sums and branches of them.
    Adds:    for a biased layer in front of a neuron with synaptic memory a tonic neuron, which spikes in every
             step, with the bias as its weights (a constant current is no constant of the membrane); the same for a
             bias that is delayed, as behind recurrent weights, and so is absent in the first steps; for an output fed
             by linear ops a readout without memory (LI with beta = 0); weights of 1 on a bare connection.
    Refuses: a readout whose membrane is sent on (CompileError).
    Error:   rounding only; 1e-9 relative in the test.
    """

    name = "fold-linear"
    requires = frozenset({SHAPES_KNOWN, NO_BATCHNORM})
    ensures = frozenset({LINEAR_FOLDED})

    def __call__(self, graph: Graph) -> Graph:
        if not LINEAR_FOLDED.violations(graph):
            return graph
        flows, problems = _flows(graph)
        raise_all(CompileError, problems)
        builder = _Builder(graph, flows)
        for node in graph.nodes:
            builder.add(node)
        return replace(graph, nodes=tuple(builder.nodes), edges=tuple(builder.edges))


def _flows(graph: Graph) -> tuple[dict[str, Flow], list[Problem]]:
    """For every linear op what it sends, for every neuron and output what it receives."""
    sent: dict[str, Flow] = {}
    received: dict[str, Flow] = {}
    problems: list[Problem] = []
    linear = list(_linear_order(graph))
    sinks = [n for n in graph.nodes if is_neuron(n.op) or isinstance(n.op, Output)]
    for node in (*linear, *sinks):
        terms: list[Term] = []
        biases: dict[int, Array] = {}
        for edge in graph.into(node.name):
            if edge.source in sent:
                flow = sent[edge.source]
                terms += [replace(t, delay=t.delay + edge.delay) for t in flow.terms]
                for first, bias in flow.biases.items():
                    biases[first + edge.delay] = bias + biases.get(first + edge.delay, 0.0)
            else:
                problems += _sent_on(graph, edge)
                terms.append(Term(edge.source, edge.delay, None))
        if node in sinks:
            received[node.name] = Flow(tuple(terms), biases)
        else:
            sent[node.name] = _through(graph, node, Flow(tuple(terms), biases))
    return received, problems


def _sent_on(graph: Graph, edge: Edge) -> list[Problem]:
    """A readout may only be read, by an output that reads nothing else."""
    source = graph[edge.source]
    alone = isinstance(graph[edge.target].op, Output) and graph.into(edge.target) == (Edge(edge.source, edge.target),)
    if alone or not isinstance(source.op, LI):
        return []
    found = f"its membrane is sent on to '{edge.target}', and a chip sends spikes alone"
    return [Problem(source.where, found, "read it with an output of its own, or let the layer spike")]


def _linear_order(graph: Graph) -> list[Node]:
    """Linear ops, each after the linear ops that feed it (delayed or not)."""
    names = {n.name for n in graph.nodes if not (is_neuron(n.op) or isinstance(n.op, (Input, Output)))}
    flow = nx.DiGraph()
    flow.add_nodes_from(n.name for n in graph.nodes if n.name in names)
    flow.add_edges_from((e.source, e.target) for e in graph.edges if e.source in names and e.target in names)
    try:
        return [graph[name] for name in nx.topological_sort(flow)]
    except nx.NetworkXUnfeasible:
        cycle = [e[0] for e in nx.find_cycle(flow)]
        found = f"a cycle without a neuron: {' -> '.join(cycle)}"
        raise CompileError(Problem("graph", found, "put a neuron layer into the loop")) from None


def _in_shape(graph: Graph, node: Node) -> Shape:
    into = graph.into(node.name)
    return (graph[into[0].source].shape if into else node.shape) or ()


def _through(graph: Graph, node: Node, flow: Flow) -> Flow:
    bare = without_bias(node.op)
    terms = []
    for t in flow.terms:
        source = graph[t.source].shape or ()
        terms.append(replace(t, op=compose(bare, t.op, source), path=(*t.path, node)))
    none = np.zeros((1, *_in_shape(graph, node)))
    biases = {first: apply(bare, bias[None])[0] for first, bias in flow.biases.items()}
    biases[0] = apply(node.op, flow.biases.get(0, none[0])[None])[0]
    return Flow(tuple(terms), {first: bias for first, bias in biases.items() if np.any(bias != 0)})


class _Builder:
    """Collects the nodes and edges of the folded graph."""

    def __init__(self, graph: Graph, flows: dict[str, Flow]) -> None:
        self.graph, self.flows = graph, flows
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.taken = {n.name for n in graph.nodes if is_neuron(n.op) or isinstance(n.op, (Input, Output))}

    def add(self, node: Node) -> None:
        if isinstance(node.op, Input):
            self.nodes.append(node)
        elif isinstance(node.op, Output):
            self._output(node)
        elif isinstance(node.op, (LIF, LI)):
            self._sink(node, self.flows[node.name])

    def _output(self, node: Node) -> None:
        flow = self.flows[node.name]
        direct = [t for t in flow.terms if t.op is None and is_neuron(self.graph[t.source].op) and not t.delay]
        if len(direct) == len(flow.terms) == 1:
            self.edges.append(Edge(direct[0].source, node.name))
        else:
            zero, one = freeze(0.0), freeze(1.0)
            name = self._name(f"{node.name}_readout")
            reader = Node(name, LI(zero, zero, one, zero, zero), (node.name,), node.shape)
            self._sink(reader, flow)
            self.edges.append(Edge(name, node.name))
        self.nodes.append(node)

    def _sink(self, node: Node, flow: Flow) -> None:
        op = node.op
        assert isinstance(op, (LIF, LI))
        for term in flow.terms:
            self._term(node, term)
        biases = dict(flow.biases)
        if 0 in biases and not np.any(op.alpha != 0):
            total = op.bias + op.gain * biases.pop(0)
            node = replace(node, op=replace(op, bias=freeze(_compact(total))))
        if biases:
            self._tonic(node, biases)
        self.nodes.append(node)

    def _term(self, node: Node, term: Term) -> None:
        source = self.graph[term.source].shape or ()
        target = node.shape or ()
        op = as_connection(term.op, source, target) if term.op is not None else identity(source)
        weighted = [n for n in term.path if hasattr(n.op, "weight") or hasattr(n.op, "values")]
        stem = (weighted or term.path)[-1].name if term.path else f"{term.source}_{node.name}"
        origin = tuple(dict.fromkeys(o for n in term.path for o in (n.name, *n.origin)))
        name = self._name(stem)
        self.nodes.append(Node(name, op, origin, node.shape))
        self.edges += [Edge(term.source, name, term.delay), Edge(name, node.name)]

    def _tonic(self, node: Node, biases: dict[int, Array]) -> None:
        """A neuron that spikes in every step from the first on, weighted with each bias and as late as it."""
        zero, one = freeze(0.0), freeze(1.0)
        tonic = self._name(f"{node.name}_tonic")
        always = LIF(zero, zero, one, freeze([2.0]), one, zero, zero, one)
        self.nodes.append(Node(tonic, always, (node.name,), (1,)))
        for first, bias in sorted(biases.items()):
            weights = self._name(f"{node.name}_bias")
            shape = node.shape if node.shape != (bias.size,) else None
            op = Affine(freeze(np.broadcast_to(bias, node.shape or ()).reshape(-1, 1)), shape=shape)
            self.nodes.append(Node(weights, op, (node.name,), node.shape))
            self.edges += [Edge(tonic, weights, first), Edge(weights, node.name)]

    def _name(self, stem: str) -> str:
        name, k = stem, 1
        while name in self.taken:
            name, k = f"{stem}_{k}", k + 1
        self.taken.add(name)
        return name


def _compact(array: Array) -> Array:
    """0-d when all entries are equal."""
    return array.reshape(-1)[0] if np.all(array == array.reshape(-1)[0]) else array
