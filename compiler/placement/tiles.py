"""Cores of each chip to its tiles, one chip after another, each given where its partners on other chips lie now."""

from __future__ import annotations

import numpy as np

from seamount.compiler.placement.arrange import Floats, arrange
from seamount.compiler.placement.blocks import Ints
from seamount.compiler.placement.graph import CoreGraph
from seamount.compiler.placement.placement import Mesh

ROUNDS = 200
TRIES = 8
"""Starts that are followed to their end where only one chip is in use."""
FEW = 64
"""Systems of at most so many chips in use are gone through a second time."""


def to_cores(graph: CoreGraph, chip: Ints, mesh: Mesh) -> Ints:
    """Core of the system for each node: chip * cores per chip + place on the chip."""
    core = np.empty(graph.count, np.int64)
    members = {c: np.flatnonzero(chip == c) for c in np.unique(chip).tolist()}
    for c, nodes in members.items():
        core[nodes] = c * mesh.chip_cores + np.arange(nodes.size)
    sweeps = 1 if len(members) == 1 or len(members) > FEW else 2
    tries = TRIES if len(members) == 1 else 1
    for _ in range(sweeps):
        for c, nodes in members.items():
            slots = c * mesh.chip_cores + np.arange(mesh.chip_cores, dtype=np.int64)
            x, y = mesh.tiles(slots)
            flow, outside = _around(graph, nodes, core, x, y, mesh)
            core[nodes] = slots[arrange(flow, x, y, ROUNDS, outside, core[nodes] - slots[0], tries)]
    return core


def _around(graph: CoreGraph, nodes: Ints, core: Ints, x: Ints, y: Ints, mesh: Mesh) -> tuple[Floats, Floats]:
    """Messages between the nodes of a chip, and the hops to all others from each place."""
    n = nodes.size
    number = np.full(graph.count, -1, np.int64)
    number[nodes] = np.arange(n)
    sizes = np.diff(graph.indptr)[nodes]
    row = np.repeat(np.arange(n), sizes)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    entry = np.repeat(graph.indptr[nodes], sizes) + within
    other, weight = graph.other[entry], graph.weight[entry].astype(np.float64)
    inside = number[other] >= 0
    flow = np.zeros((n, n))
    flow[row[inside], number[other[inside]]] = weight[inside]
    far, come = ~inside, row[~inside]
    ox, oy = mesh.tiles(core[other[far]])
    outside = np.zeros((n, x.size))
    columns, rows = np.unique(x), np.unique(y)
    for values, places, others in ((columns, x, ox), (rows, y, oy)):
        for value in values.tolist():
            total = np.bincount(come, weight[far] * np.abs(others - value), n)
            outside[:, places == value] += total[:, None]
    return flow, outside
