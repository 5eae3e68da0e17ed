"""Which edges of a cycle carry the previous step's value; NIR does not say, and a discrete network needs it.

A connection between two neuron layers is a feedback when every path from the inputs to its source passes through
its target (the target dominates the source). If the net without its feedbacks has no cycle left, this choice is the
only one that any order of evaluation can make (a reducible flow graph: Hecht and Ullman, SIAM J. Comput. 1(2),
1972); otherwise the file is ambiguous and the user is asked. The delay sits on the edge that leaves the neuron, so
that the bias of a recurrent layer acts from the first step on.
"""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import nir

from seamount.compiler.ir.graph import Edge
from seamount.compiler.ir.notes import Recurrent
from seamount.frontends.nir.flatten import Net
from seamount.frontends.nir.log import Log
from seamount.frontends.nir.schema import STATEFUL

_ROOT = ""
"""Stands before all inputs; no node has an empty name."""
_BIAS_FREE = (nir.Linear, nir.Scale, nir.SumPool2d, nir.AvgPool2d, nir.Flatten)


def close_cycles(net: Net, log: Log) -> frozenset[str]:
    """Put delay 1 on feedback edges, in place; the nodes that lie on any cycle.

    Refuses, into the log: cycles through no neuron, feedbacks that the file does not single out.
    """
    whole = _flow(net, delayed=True)
    cyclic = frozenset(n for part in _parts(whole) for n in part)
    stateless = whole.subgraph([n for n in whole if not _is_neuron(net, n)])
    for part in _parts(stateless):
        log.refuse(_cycle(stateless, part), "is a cycle through no neuron", "put a neuron layer into it")
    if not cyclic or log.problems:
        return cyclic
    feedback = _Feedback(net, log)
    for neuron in [n for n in net.nodes if _is_neuron(net, n)]:
        for edge in net.out_of(neuron):
            feedback.delay(neuron, edge)
    rest = _flow(net, delayed=False)
    for part in _parts(rest):
        log.refuse(
            _cycle(rest, part),
            "is a cycle, and the file does not say which of its connections lags one step",
            "put a nir.Delay of one dt on the edge that carries the previous step's value",
        )
    return cyclic


def _is_neuron(net: Net, name: str) -> bool:
    return type(net.nodes[name]).__name__ in STATEFUL


def _flow(net: Net, delayed: bool) -> nx.DiGraph:
    flow = nx.DiGraph()
    flow.add_nodes_from(net.nodes)
    flow.add_edges_from((e.source, e.target) for e in net.edges if delayed or e.delay == 0)
    return flow


def _parts(flow: nx.DiGraph) -> list[set[str]]:
    """Strongly connected components that contain a cycle, in a fixed order."""
    parts = [p for p in nx.strongly_connected_components(flow) if len(p) > 1 or flow.has_edge(*(list(p) * 2))]
    return sorted(parts, key=min)


def _cycle(flow: nx.DiGraph, part: set[str]) -> str:
    steps = nx.find_cycle(flow.subgraph(sorted(part)))
    return "nodes " + " -> ".join(f"'{a}'" for a, _ in [*steps, steps[0]])


class _Feedback:
    """Finds feedback connections and delays them."""

    def __init__(self, net: Net, log: Log) -> None:
        self.net, self.log = net, log
        self._component: dict[str, int] = {}
        for k, part in enumerate(_parts(_flow(net, delayed=False))):
            self._component |= dict.fromkeys(part, k)
        self._dominators = self._neuron_dominators()

    def delay(self, neuron: str, edge: Edge) -> None:
        """Delay `edge`, which carries what `neuron` sent, if all it leads to is feedback; else look further on."""
        if edge.delay:
            return
        ends = self._ends(edge.target)
        back = {n for n in ends if self._is_back(neuron, n)}
        if not back:
            return
        if back == ends and not self._waits(edge.target):
            self.net.put(edge, replace(edge, delay=1))
            self.log.note(Recurrent(edge.source, edge.target))
        elif isinstance(self.net.nodes[edge.target], _BIAS_FREE) and len(self.net.into(edge.target)) == 1:
            for further in self.net.out_of(edge.target):
                self.delay(neuron, further)
        else:
            self.log.refuse(
                f"node '{edge.target}'",
                f"takes part in a feedback of '{neuron}' and in a connection that is none",
                "use one layer for the feedback and another for the rest",
            )

    def _waits(self, name: str) -> bool:
        """Whether a path from `name` through stateless nodes comes to an edge that is delayed already."""
        seen, waiting = {name}, [name]
        while waiting:
            here = waiting.pop()
            if _is_neuron(self.net, here):
                continue
            for e in self.net.out_of(here):
                if e.delay:
                    return True
                if e.target not in seen:
                    seen.add(e.target)
                    waiting.append(e.target)
        return False

    def _is_back(self, source: str, target: str) -> bool:
        """Whether the target dominates the source, on a cycle that no delay breaks yet."""
        same = self._component.get(source, -1) == self._component.get(target, -2)
        return same and target in self._dominators.get(source, ())

    def _ends(self, name: str, delayed: bool = False) -> set[str]:
        """Neurons and outputs where a path from `name` through stateless nodes ends."""
        ends, seen, waiting = set(), {name}, [name]
        while waiting:
            here = waiting.pop()
            if _is_neuron(self.net, here) or isinstance(self.net.nodes[here], nir.Output):
                ends.add(here)
                continue
            for e in self.net.out_of(here):
                if e.target not in seen and (delayed or e.delay == 0):
                    seen.add(e.target)
                    waiting.append(e.target)
        return ends

    def _neuron_dominators(self) -> dict[str, set[str]]:
        """Neuron -> the neurons that every path from the inputs to it passes through, itself included."""
        flow = nx.DiGraph()
        for name, node in self.net.nodes.items():
            if isinstance(node, nir.Input):
                flow.add_edge(_ROOT, name)
            if isinstance(node, nir.Input) or _is_neuron(self.net, name):
                for e in self.net.out_of(name):
                    flow.add_edges_from((name, end) for end in self._ends(e.target, delayed=True))
        above = dict(nx.immediate_dominators(flow, _ROOT)) if _ROOT in flow else {}
        dominators: dict[str, set[str]] = {}
        for name in above:
            chain, here = set(), name
            while here and here not in chain:
                chain.add(here)
                here = above.get(here)
            dominators[name] = chain
        return dominators
