"""Analysis: when messages arrive if none of them is delayed to wait for a longer path beside it."""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx

from seamount.compiler.analysis.delays import Path, late_starts, paths, smallest_offsets
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import Input, is_neuron


def bare_lags(graph: Graph) -> Mapping[str, int]:
    """Weights -> steps by which their target sees their source late when every message takes one step and no more.

    Each population starts when its first input arrives, k = min(k_source + 1); what comes over a longer path is seen
    late, and at the end of a sample not at all. Trained delays are kept, and loops have the timing they were trained
    with: the members of a loop start as if it alone were balanced. Populations that nothing projects to wait for
    their targets. Takes graphs that `timing` accepts.
    """
    joins = paths(graph)
    flow = nx.DiGraph((p.source, p.target) for p in joins)
    whole = nx.condensation(flow)
    loops = [whole.nodes[part]["members"] for part in nx.topological_sort(whole)]
    offsets = _first_arrivals(graph, joins, flow, loops)
    offsets |= late_starts(offsets, joins)
    late = {}
    for p in joins:
        in_loop = any(p.source in members and p.target in members for members in loops)
        late[p.weights] = 0 if in_loop else max(0, offsets[p.source] + 1 - offsets[p.target])
    return {p.weights: p.lag + late[p.weights] for p in joins}


def _first_arrivals(
    graph: Graph, joins: tuple[Path, ...], flow: nx.DiGraph[str], loops: list[set[str]]
) -> dict[str, int]:
    """Offset of each input and neuron layer; what the inputs never reach counts only where nothing else arrives.

    loops: strongly connected layers, those that feed others first.
    """
    offsets = {n.name: 0 if isinstance(n.op, Input) else 1 for n in graph.nodes if is_neuron(n.op) or n in graph.inputs}
    driven = set().union(*(nx.descendants(flow, n.name) | {n.name} for n in graph.inputs if n.name in flow))
    for members in loops:
        inner = [p for p in joins if p.source in members and p.target in members]
        outer = [p for p in joins if p.source not in members and p.target in members]
        ahead = {name: k - 1 for name, k in (smallest_offsets(dict.fromkeys(members, False), inner) or {}).items()}
        starts = [offsets[p.source] + 1 - ahead[p.target] for p in outer if p.source in driven]
        starts = starts or [offsets[p.source] + 1 - ahead[p.target] for p in outer]
        if starts:
            offsets |= {name: max(1, min(starts)) + ahead[name] for name in members}
    return offsets
