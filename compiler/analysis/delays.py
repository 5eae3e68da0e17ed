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


def groups(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Neuron layers in an order in which each group reads only inputs, earlier groups and itself.

    A group is one layer, or the layers of a loop, in their order within a step.
    """
    flow = nx.DiGraph()
    layers = [n.name for n in graph.order if is_neuron(n.op)]
    flow.add_nodes_from(layers)
    flow.add_edges_from((p.source, p.target) for p in paths(graph) if p.source in flow)
    rank = {name: i for i, name in enumerate(layers)}
    joined = nx.condensation(flow)
    first = {group: min(rank[name] for name in joined.nodes[group]["members"]) for group in joined}
    order = nx.lexicographical_topological_sort(joined, key=first.__getitem__)
    return tuple(tuple(sorted(joined.nodes[group]["members"], key=rank.__getitem__)) for group in order)


def timing(graph: Graph, slow_down: int = 1, delay_max: int | None = None) -> Timing:
    """Smallest offsets k for which every path has a delay of at least 0 and, where possible, at most `delay_max`.

    delay = k_target - k_source - 1 + slow_down * lag: transport takes one step per projection, so paths of unequal
    length need delays to meet at the same time, and a path that training saw `lag` steps late has as many of the
    network's steps to spare, each of which takes `slow_down` steps of the chip. A system of difference constraints,
    solved by Bellman-Ford. Populations that nothing projects to start just before the first of their targets.
    Where no offsets keep all delays within `delay_max`, the answer is the one without that limit.
    Raises CompileError, naming the cycle, when a loop is longer than its lag.
    """
    joins, layers = paths(graph), layers_of(graph)
    offsets = None if delay_max is None else smallest_offsets(layers, joins, slow_down, delay_max)
    offsets = offsets or smallest_offsets(layers, joins, slow_down)
    if offsets is None:
        raise CompileError([_too_long(cycle, slow_down) for cycle in _late_cycles(joins, slow_down)])
    offsets |= late_starts(offsets, joins, slow_down)
    return Timing(offsets, {p.weights: _delay(p, offsets, slow_down) for p in joins})


def layers_of(graph: Graph) -> dict[str, bool]:
    """Inputs and neuron layers -> whether it is an input."""
    return {n.name: isinstance(n.op, Input) for n in graph.nodes if is_neuron(n.op) or isinstance(n.op, Input)}


def smallest_offsets(
    layers: Mapping[str, bool], joins: Iterable[Path], slow_down: int = 1, delay_max: int | None = None
) -> dict[str, int] | None:
    """Smallest offsets that keep all delays within 0 .. delay_max, or None. layers: name -> whether it is an input.

    Inputs start at 0 and cannot wait; everything else starts at 1 or later.
    """
    offsets = {name: 0 if is_input else 1 for name, is_input in layers.items()}
    joins = tuple(joins)
    for _ in range(len(layers) + 1):
        changed = False
        for p in joins:
            delay = _delay(p, offsets, slow_down)
            if delay < 0:
                offsets[p.target], changed = offsets[p.target] - delay, True
            elif delay_max is not None and delay > delay_max:
                if layers[p.source]:
                    return None
                offsets[p.source], changed = offsets[p.source] + delay - delay_max, True
        if not changed:
            return offsets
    return None


def _delay(p: Path, offsets: Mapping[str, int], slow_down: int) -> int:
    return offsets[p.target] - offsets[p.source] - 1 + slow_down * p.lag


def late_starts(offsets: Mapping[str, int], joins: Iterable[Path], slow_down: int = 1) -> dict[str, int]:
    """Offsets of populations without projections into them (tonic neurons): no need to delay what they send."""
    reached = {p.target for p in joins}
    latest: dict[str, int] = {}
    for p in joins:
        if p.source not in reached and offsets[p.source] > 0:
            least = max(1, offsets[p.target] - 1 + slow_down * p.lag)
            latest[p.source] = min(latest.get(p.source, least), least)
    return latest


def _late_cycles(joins: Iterable[Path], slow_down: int) -> list[list[Path]]:
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
        if len(cycle) > slow_down * sum(p.lag for p in cycle):
            late.append(cycle)
    return sorted(late, key=lambda cycle: [rank[p.source] for p in cycle])


def _too_long(cycle: list[Path], slow_down: int) -> Problem:
    loop = " -> ".join([*(p.source for p in cycle), cycle[0].source])
    hops, lag = len(cycle), sum(p.lag for p in cycle)
    in_time = f"{lag}" if slow_down == 1 else f"{lag}, which are {slow_down * lag} when slowed down {slow_down} times"
    found = f"the loop takes {hops} steps of transport, but training closed it in {in_time}"
    remedy = f"slow the network down (--slow-down {-(-hops // lag)}), train the loop with a delay of {hops} steps, "
    limit = "transport takes one step per projection (docs/semantics.md)"
    return Problem(f"loop {loop}", found, remedy + "or make it shorter", limit)
