"""The graph: frozen nodes and edges, and the few rewrites that all passes use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import networkx as nx

from seamount.compiler.errors import ContractError, Problem
from seamount.compiler.ir.notes import Note
from seamount.compiler.ir.ops import Input, Op, Output, Shape


@dataclass(frozen=True, eq=False)
class Node:
    """A named operation; the name survives passes, `origin` lists the NIR nodes it came from."""

    name: str
    op: Op
    origin: tuple[str, ...] = ()
    shape: Shape | None = None
    """Shape of the output, once infer_shapes ran."""

    @property
    def where(self) -> str:
        """How messages name the node."""
        source = ", ".join(o for o in self.origin if o != self.name)
        return f"node '{self.name}'" + (f" (from {source})" if source else "")


@dataclass(frozen=True, order=True)
class Edge:
    """A connection; what arrives at step t left at step t - delay, and is 0 for t < delay."""

    source: str
    target: str
    delay: int = 0


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in a fixed order, edges, and the number of steps a sample lasts by default.

    A node with several incoming edges receives their sum. Every cycle contains an edge with delay >= 1.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    steps: int = 1
    notes: tuple[Note, ...] = field(default=())
    """Remarks of frontends and passes for the report, in order."""

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        return {n.name: n for n in self.nodes}

    def __getitem__(self, name: str) -> Node:
        return self.by_name[name]

    @cached_property
    def _into(self) -> Mapping[str, tuple[Edge, ...]]:
        into: dict[str, list[Edge]] = {n.name: [] for n in self.nodes}
        for e in self.edges:
            into[e.target].append(e)
        return {k: tuple(v) for k, v in into.items()}

    @cached_property
    def _out_of(self) -> Mapping[str, tuple[Edge, ...]]:
        out: dict[str, list[Edge]] = {n.name: [] for n in self.nodes}
        for e in self.edges:
            out[e.source].append(e)
        return {k: tuple(v) for k, v in out.items()}

    def into(self, name: str) -> tuple[Edge, ...]:
        """Edges that end at the node."""
        return self._into[name]

    def out_of(self, name: str) -> tuple[Edge, ...]:
        """Edges that start at the node."""
        return self._out_of[name]

    @cached_property
    def inputs(self) -> tuple[Node, ...]:
        return tuple(n for n in self.nodes if isinstance(n.op, Input))

    @cached_property
    def outputs(self) -> tuple[Node, ...]:
        return tuple(n for n in self.nodes if isinstance(n.op, Output))

    @cached_property
    def order(self) -> tuple[Node, ...]:
        """Nodes in evaluation order within one step: delayed edges do not constrain it.

        Raises ContractError when a cycle has no delay.
        """
        flow = nx.DiGraph()
        flow.add_nodes_from(n.name for n in self.nodes)
        flow.add_edges_from((e.source, e.target) for e in self.edges if e.delay == 0)
        rank = {n.name: i for i, n in enumerate(self.nodes)}
        try:
            names = list(nx.lexicographical_topological_sort(flow, key=rank.__getitem__))
        except nx.NetworkXUnfeasible:
            cycle = " -> ".join(e[0] for e in nx.find_cycle(flow))
            raise ContractError(
                Problem("graph", f"cycle without delay: {cycle}", "give one of its edges a delay of 1")
            ) from None
        return tuple(self.by_name[n] for n in names)

    # Rewrites. Each returns a new graph.

    def map_nodes(self, change: Callable[[Node], Node]) -> Graph:
        """Replace each node by `change(node)`; names must stay."""
        return replace(self, nodes=tuple(change(n) for n in self.nodes))

    def with_op(self, name: str, op: Op, origin: Iterable[str] = ()) -> Graph:
        """Give the node another op and add to its origin."""

        def change(n: Node) -> Node:
            if n.name != name:
                return n
            more = tuple(dict.fromkeys(o for o in origin if o not in n.origin))
            return replace(n, op=op, origin=n.origin + more, shape=n.shape)

        return self.map_nodes(change)

    def without(self, name: str) -> Graph:
        """Remove a node, joining each incoming edge with each outgoing edge; delays add."""
        joined = tuple(Edge(a.source, b.target, a.delay + b.delay) for a in self.into(name) for b in self.out_of(name))
        rest = tuple(e for e in self.edges if name not in (e.source, e.target))
        return replace(self, nodes=tuple(n for n in self.nodes if n.name != name), edges=rest + joined)

    def noting(self, *notes: Note) -> Graph:
        """The same graph with remarks added."""
        return replace(self, notes=self.notes + tuple(n for n in notes if n not in self.notes))

    def fresh(self, stem: str) -> str:
        """A node name that is not taken yet."""
        if stem not in self.by_name:
            return stem
        k = 1
        while f"{stem}_{k}" in self.by_name:
            k += 1
        return f"{stem}_{k}"
