"""Nested NIR graphs to one flat net: names prefixed `outer.inner`, inner ports and Delay nodes turned into edges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import nir

from seamount.compiler.errors import ImportRefused, Problem, raise_all
from seamount.compiler.ir.graph import Edge
from seamount.frontends.nir.schema import LAYOUTS

_DEPTH = 32
_NODES, _EDGES = 100_000, 1_000_000
"""Far above any network that fits a board; they bound the time a hostile file can take."""


@dataclass
class Net:
    """Nodes by path, in the order of the graph; edges with their delay in steps."""

    nodes: dict[str, nir.NIRNode] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    _ends: tuple[object, int, dict[str, list[Edge]], dict[str, list[Edge]]] = (None, 0, {}, {})

    def into(self, name: str) -> list[Edge]:
        return list(self._by_end()[0].get(name, ()))

    def out_of(self, name: str) -> list[Edge]:
        return list(self._by_end()[1].get(name, ()))

    def put(self, edge: Edge, other: Edge) -> None:
        """Another edge in the place of one."""
        self.edges[self.edges.index(edge)] = other
        self._ends = (None, 0, {}, {})

    def _by_end(self) -> tuple[dict[str, list[Edge]], dict[str, list[Edge]]]:
        """Edges by target and by source, sorted out again when the list is another one or has grown."""
        held, count, into, out_of = self._ends
        if held is not self.edges or count != len(self.edges):
            into, out_of = defaultdict(list), defaultdict(list)
            for e in self.edges:
                into[e.target].append(e)
                out_of[e.source].append(e)
            self._ends = (self.edges, len(self.edges), into, out_of)
        return into, out_of


def flatten(graph: nir.NIRGraph) -> Net:
    """The net of a graph and all graphs in it.

    Raises ImportRefused with all structural faults: names that clash, unknown or repeated edges, unknown node
    types, nested graphs with several ports that an edge cannot address, ports used backwards.
    """
    work = _Flattening()
    work.add(graph, "", 0)
    if len(work.net.nodes) > _NODES or len(work.net.edges) > _EDGES:
        found = f"has {len(work.net.nodes)} nodes and {len(work.net.edges)} edges"
        work.problems.append(Problem("the graph", found, "simplify it", f"{_NODES} nodes, {_EDGES} edges"))
    raise_all(ImportRefused, work.problems)
    for port in work.ports:
        bypass(work.net, port, 0)
    return work.net


def bypass(net: Net, name: str, delay: int) -> None:
    """Remove a node, joining its incoming with its outgoing edges; delays add. Raises ImportRefused."""
    incoming, outgoing = net.into(name), net.out_of(name)
    where = f"node '{name}'"
    if any(e.source == name for e in incoming):
        found = "feeds itself without a neuron between"
        raise ImportRefused(Problem(where, found, "put a neuron into the cycle"))
    joined = [Edge(a.source, b.target, a.delay + b.delay + delay) for a in incoming for b in outgoing]
    kept = [e for e in net.edges if name not in (e.source, e.target)]
    twice = sorted(e for e, n in Counter(kept + joined).items() if n > 1)
    if twice:
        found = f"two paths with equal delay lead from '{twice[0].source}' to '{twice[0].target}' and nothing between"
        raise ImportRefused(Problem(where, found, "use one connection and a Scale of 2"))
    if len(kept) + len(joined) > _EDGES:
        raise ImportRefused(Problem(where, f"the network has more than {_EDGES} edges", "simplify the graph"))
    net.edges = kept + joined
    del net.nodes[name]


class _Flattening:
    def __init__(self) -> None:
        self.net = Net()
        self.ports: list[str] = []
        self.problems: list[Problem] = []

    def _problem(self, where: str, found: str, remedy: str) -> None:
        self.problems.append(Problem(where, found, remedy))

    def add(self, graph: nir.NIRGraph, prefix: str, depth: int) -> None:
        where = f"graph '{prefix[:-1]}'" if prefix else "the graph"
        if depth > _DEPTH:
            self._problem(where, f"graphs are nested more than {_DEPTH} deep", "flatten the network")
            return
        for key, node in graph.nodes.items():
            name = f"{prefix}{key}"
            if not isinstance(key, str) or not key or name in self.net.nodes:
                self._problem(f"node '{name}'", "the name is empty or used twice", "give each node its own name")
            elif isinstance(node, nir.NIRGraph):
                self.add(node, f"{name}.", depth + 1)
            elif type(node).__name__ not in LAYOUTS:
                found = f"unknown type {type(node).__name__}"
                self._problem(f"node '{name}'", found, f"known types: {', '.join(sorted(LAYOUTS))}, NIRGraph")
            else:
                self.net.nodes[name] = node
                if prefix and isinstance(node, (nir.Input, nir.Output)):
                    self.ports.append(name)
        self._connect(graph, prefix, where)

    def _connect(self, graph: nir.NIRGraph, prefix: str, where: str) -> None:
        seen: set[Edge] = set()
        for source, target in graph.edges:
            absent = [n for n in (source, target) if n not in graph.nodes]
            if absent:
                found = f"edge '{source}' -> '{target}' names a node that does not exist: '{absent[0]}'"
                self._problem(where, found, "export the network again")
                continue
            tail = self._end(graph.nodes[source], f"{prefix}{source}", nir.Output, "leave")
            head = self._end(graph.nodes[target], f"{prefix}{target}", nir.Input, "enter")
            if tail is None or head is None:
                continue
            edge = Edge(tail, head)
            if edge in seen:
                self._problem(
                    where, f"the edge '{source}' -> '{target}' occurs twice", "use it once, with a Scale of 2"
                )
            elif isinstance(graph.nodes[target], nir.Input) or isinstance(graph.nodes[source], nir.Output):
                found = f"edge '{source}' -> '{target}' runs into an Input or out of an Output"
                self._problem(where, found, "turn the edge around")
            else:
                seen.add(edge)
                self.net.edges.append(edge)

    def _end(self, node: nir.NIRNode, name: str, port: type, verb: str) -> str | None:
        """The flat node where an edge at `node` starts or ends."""
        if not isinstance(node, nir.NIRGraph):
            return name
        ports = _ports(node, port)
        if len(ports) == 1:
            return f"{name}.{ports[0]}"
        found = f"has {len(ports)} {port.__name__} nodes, so that an edge cannot {verb} it"
        self._problem(f"graph '{name}'", found, "give a nested graph one Input and one Output")
        return None


def _ports(graph: nir.NIRGraph, kind: type) -> list[str]:
    return [k for k, n in graph.nodes.items() if isinstance(n, kind)]


def cut_off(net: Net) -> list[tuple[str, str]]:
    """(node, why) for every node on no path from an Input to an Output, and for ports that an exporter invented."""
    inputs = [k for k, n in net.nodes.items() if isinstance(n, nir.Input)]
    outputs = [k for k, n in net.nodes.items() if isinstance(n, nir.Output)]
    forward = _reach(inputs, [(e.source, e.target) for e in net.edges])
    backward = _reach(outputs, [(e.target, e.source) for e in net.edges])
    found = []
    for ports, stem in ((inputs, "input"), (outputs, "output")):
        for name in ports if len(ports) > 1 else ():
            node = name.removeprefix(f"{stem}_")
            if node != name and node in net.nodes:
                found.append((name, f"an exporter invented this port: it lost what joined '{node}' to the rest"))
    for name in net.nodes:
        if name not in forward:
            found.append((name, "no path leads to it from an Input"))
        elif name not in backward:
            found.append((name, "no path leads from it to an Output"))
    return found


def _reach(starts: Iterable[str], pairs: list[tuple[str, str]]) -> set[str]:
    following: dict[str, list[str]] = {}
    for a, b in pairs:
        following.setdefault(a, []).append(b)
    seen, waiting = set(starts), list(starts)
    while waiting:
        for name in following.get(waiting.pop(), ()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen
