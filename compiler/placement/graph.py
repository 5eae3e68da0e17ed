"""The graph that placing works on: cores as nodes, messages between them as weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seamount.compiler.placement.blocks import Ints
from seamount.compiler.placement.pack import CoreLoad
from seamount.compiler.placement.partition import Network, Partition
from seamount.compiler.placement.wiring import Edges


@dataclass(frozen=True, eq=False)
class CoreEdges:
    """One projection: messages, and neurons that send them, from core to core (a core to itself included).

    population, number: the slice of the source, for what belongs to it.
    """

    source: Ints
    target: Ints
    messages: Ints
    neurons: Ints
    shared: Ints


@dataclass(frozen=True, eq=False)
class CoreGraph:
    """count: cores. indptr, other, weight: messages between different cores in both directions, row by row."""

    count: int
    indptr: Ints
    other: Ints
    weight: Ints

    @property
    def row(self) -> Ints:
        """The core that each entry of `other` belongs to."""
        return np.repeat(np.arange(self.count, dtype=np.int64), np.diff(self.indptr))


def core_edges(
    network: Network, partition: Partition, cores: Sequence[CoreLoad], sent: Mapping[str, Ints] | None
) -> dict[str, CoreEdges]:
    """Messages of every projection between populations; `sent` per neuron and population, or one each."""
    home = {name: np.zeros(s.blocks.count, np.int64) for name, s in partition.slices.items()}
    for k, core in enumerate(cores):
        for piece in core.pieces:
            home[piece.population][piece.number] = k
    found = {}
    for q in network.program.projections:
        if q.source not in partition.slices:
            continue
        source, target = partition.slices[q.source], partition.slices[q.target]
        edges: Edges = network.wirings[q.name].edges(
            target.blocks, source.blocks, None if sent is None else np.asarray(sent[q.source], np.int64)
        )
        shared = target.memory[q.name].groups[edges.target]
        found[q.name] = CoreEdges(
            home[q.source][edges.source], home[q.target][edges.target], edges.messages, edges.neurons, shared
        )
    return found


def core_graph(count: int, edges: Mapping[str, CoreEdges]) -> CoreGraph:
    """All projections together, without what stays on a core."""
    empty = np.zeros(0, np.int64)
    source = np.concatenate([empty, *(e.source for e in edges.values())])
    target = np.concatenate([empty, *(e.target for e in edges.values())])
    messages = np.concatenate([empty, *(e.messages for e in edges.values())])
    apart = (source != target) & (messages > 0)
    key = np.concatenate([source * count + target, target * count + source])[np.tile(apart, 2)]
    order = np.argsort(key, kind="stable")
    key, weight = key[order], np.tile(messages, 2)[np.tile(apart, 2)][order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    weight = np.add.reduceat(weight, starts) if starts.size else empty
    row, other = np.divmod(key[starts], max(count, 1))
    indptr = np.searchsorted(row, np.arange(count + 1)).astype(np.int64)
    return CoreGraph(count, indptr, other.astype(np.int64), weight.astype(np.int64))
