"""Analysis: when each population sees the first input of a sample, and which delay each projection needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import networkx as nx

from seamount.compiler.errors import CompileError, Problem
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import Input, is_neuron


@dataclass(frozen=True)
class Path:
    """A projection to be: from `source` through the linear op `weights` to `target`, `lag` steps late by training."""

    source: str
    weights: str
    target: str
    lag: int


@dataclass(frozen=True)
class Timing:
    """offsets: input or neuron layer -> steps until the first input arrives; delays: weights -> extra delay."""

    offsets: Mapping[str, int]
    delays: Mapping[str, int]


def paths(graph: Graph) -> tuple[Path, ...]:
    """All projections of a graph with one linear op between neuron layers, in the order of the graph's nodes."""
    found = []
    for node in graph.nodes:
        if hasattr(node.op, "format"):
            (before,), (after,) = graph.into(node.name), graph.out_of(node.name)
            found.append(Path(before.source, node.name, after.target, before.delay + after.delay))
    return tuple(found)


def timing(graph: Graph) -> Timing:
    """Smallest offsets k with k_target >= k_source + 1 - lag on every path; the slack becomes delay.

    Transport takes one step per projection, so paths of unequal length need delays to meet at the same time, and a
    path that training saw `lag` steps late has as many to spare. Longest paths by Bellman-Ford. Populations that
    nothing projects to start just before the first of their targets.
    Raises CompileError, naming the cycle, when a loop is longer than its lag.
    """
    joins = paths(graph)
    layers = [n.name for n in graph.nodes if is_neuron(n.op) or isinstance(n.op, Input)]
    offsets = {name: 0 if isinstance(graph[name].op, Input) else 1 for name in layers}
    for _ in range(len(layers) + 1):
        changed = False
        for p in joins:
            least = offsets[p.source] + 1 - p.lag
            if offsets[p.target] < least:
                offsets[p.target], changed = least, True
        if not changed:
            offsets |= _late_starts(offsets, joins)
            delays = {p.weights: offsets[p.target] - offsets[p.source] - 1 + p.lag for p in joins}
            return Timing(offsets, delays)
    raise CompileError([_too_long(cycle) for cycle in _late_cycles(joins)])


def _late_starts(offsets: Mapping[str, int], joins: Iterable[Path]) -> dict[str, int]:
    """Offsets of populations without projections into them (tonic neurons): no need to delay what they send."""
    reached = {p.target for p in joins}
    latest: dict[str, int] = {}
    for p in joins:
        if p.source not in reached and offsets[p.source] > 0:
            least = max(1, offsets[p.target] - 1 + p.lag)
            latest[p.source] = min(latest.get(p.source, least), least)
    return latest


def _late_cycles(joins: Iterable[Path]) -> list[list[Path]]:
    """Simple cycles whose transport takes longer than the lag they were trained with."""
    flow = nx.DiGraph()
    for p in joins:
        known = flow.get_edge_data(p.source, p.target)
        if known is None or p.lag < known["path"].lag:
            flow.add_edge(p.source, p.target, path=p)
    late = []
    rank = {name: i for i, name in enumerate(flow)}
    for found in nx.simple_cycles(flow):
        first = found.index(min(found, key=rank.__getitem__))
        names = [*found[first:], *found[:first]]
        cycle = [flow.edges[a, b]["path"] for a, b in zip(names, [*names[1:], names[0]], strict=True)]
        if len(cycle) > sum(p.lag for p in cycle):
            late.append(cycle)
    return sorted(late, key=lambda cycle: [rank[p.source] for p in cycle])


def _too_long(cycle: list[Path]) -> Problem:
    loop = " -> ".join([*(p.source for p in cycle), cycle[0].source])
    lag = sum(p.lag for p in cycle)
    found = f"the loop takes {len(cycle)} steps of transport, but training closed it in {lag}"
    remedy = f"train the loop with a delay of {len(cycle)} steps, or make it shorter"
    return Problem(f"loop {loop}", found, remedy, "transport takes one step per projection (docs/semantics.md)")
