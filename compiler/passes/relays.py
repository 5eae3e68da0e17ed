"""Relays: populations that send in each step exactly the spikes that reach them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seamount.compiler.ir.compose import identity
from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.ops import Conv, IntLIF, Sparse, WeightFormat, freeze

WEIGHT = 128
"""Code of a relay's one synapse: on the excitatory grid of any number of bits, one included."""
THRESHOLD = 64
"""A spike brings v to 64 * WEIGHT, silence leaves it at 0: any threshold from 0 to WEIGHT - 1 tells them apart."""


def insert_relays(graph: Graph, source: str, count: int, bits: int) -> tuple[Graph, tuple[str, ...]]:
    """The graph with `count` relays of a quantized source, one behind the other, read by nothing yet; their names."""
    shape = graph[source].shape or ()
    names: list[str] = []
    for _ in range(count):
        relay = graph.fresh(f"{source}_relay")
        link = graph.fresh(f"{relay}_in")
        before = names[-1] if names else source
        nodes = (Node(link, _link(shape, bits), (source,), shape), Node(relay, _relay(), (source,), shape))
        edges = (Edge(before, link), Edge(link, relay))
        graph = replace(graph, nodes=(*graph.nodes, *nodes), edges=(*graph.edges, *edges))
        names.append(relay)
    return graph, tuple(names)


def _link(shape: tuple[int, ...], bits: int) -> Conv | Sparse:
    """One synapse per neuron."""
    form = WeightFormat(bits, "excitatory", 0, float(WEIGHT))
    op = identity(shape)
    if isinstance(op, Sparse):
        return replace(op, values=freeze(op.values * WEIGHT), format=form)
    assert isinstance(op, Conv)
    return replace(op, weight=freeze(op.weight * WEIGHT), format=form)


def _relay() -> IntLIF:
    """No memory: u is forgotten at once, and v is 0 after every step, for a spike resets it. So dv does not matter."""
    zero = np.array(0, np.int32)
    return IntLIF(np.array(4095, np.int32), zero, np.array(THRESHOLD, np.int32), zero, 0, float(WEIGHT))
