"""Cores to chips: parts of the graph of cores that fit a chip and exchange few messages.

Several partitions are made: chip after chip is filled along the orders of compiler/placement/orders.py, and, where
pymetis is installed, multilevel k-way partitioning (Karypis, Kumar, SIAM J. Sci. Comput. 20(1), 1998), mended where it
overfills a chip. The best few by the hops of their messages between chips in a row are arranged on the grid of chips
(compiler/placement/arrange.py), and the one that needs the fewest hops then is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from seamount.compiler.placement.arrange import Floats, arrange, cost, distances
from seamount.compiler.placement.blocks import Ints
from seamount.compiler.placement.graph import CoreGraph
from seamount.compiler.placement.placement import Mesh

TRIED = 2
"""Fillings of chips that are arranged on the grid, beside that of METIS."""
MANY, ROUNDS, ROUNDS_MANY = 256, 200, 40
"""Rounds of swaps: fewer where more chips than MANY make a round slow."""


@dataclass(frozen=True, eq=False)
class Capacity:
    """kinds: cores, neurons, synapses. amounts: (cores, kinds) what each core takes of them. room: of a chip."""

    kinds: tuple[str, ...]
    amounts: Ints
    room: Ints


def in_order(capacity: Capacity, order: Ints | None = None) -> Ints:
    """Chip of each core: the next chip begins when one is full. order: in which cores are taken."""
    order = np.arange(len(capacity.amounts)) if order is None else order
    found = np.zeros(len(order), np.int64)
    chip, left = 0, capacity.room.copy()
    for place, core in enumerate(order.tolist()):
        if place and (capacity.amounts[core] > left).any():
            chip, left = chip + 1, capacity.room.copy()
        left -= capacity.amounts[core]
        found[core] = chip
    return found


def by_metis(graph: CoreGraph, capacity: Capacity, chips: int) -> Ints | None:
    """Chip of each core by METIS; None without pymetis, or when its parts cannot be mended into the chips."""
    try:
        import pymetis
    except ImportError:
        return None
    scale = max(1, int(graph.weight.max(initial=1)) // 1_000_000)
    weights = np.maximum(1, graph.weight // scale)
    options = pymetis.Options(seed=0, ufactor=1)
    adjacency = pymetis.CSRAdjacency(graph.indptr.tolist(), graph.other.tolist())
    _, parts = pymetis.part_graph(chips, adjacency, eweights=weights.tolist(), options=options)
    return _mended(graph, capacity, np.array(parts, np.int64), chips)


def _mended(graph: CoreGraph, capacity: Capacity, chip: Ints, chips: int) -> Ints | None:
    """Move cores off overfull chips, each to the chip with room that it exchanges most with."""
    load = np.zeros((chips, capacity.room.size), np.int64)
    np.add.at(load, chip, capacity.amounts)
    for full in np.flatnonzero((load > capacity.room).any(axis=1)).tolist():
        members = np.flatnonzero(chip == full)
        ties = np.array([_pull(graph, chip, int(u), chips)[full] for u in members])
        for u in members[np.argsort(ties, kind="stable")].tolist():
            if (load[full] <= capacity.room).all():
                break
            room = (load + capacity.amounts[u] <= capacity.room).all(axis=1)
            room[full] = False
            if not room.any():
                return None
            home = int(np.argmax(np.where(room, _pull(graph, chip, u, chips), -1)))
            load[full] -= capacity.amounts[u]
            load[home] += capacity.amounts[u]
            chip[u] = home
    return chip


def _pull(graph: CoreGraph, chip: Ints, core: int, chips: int) -> Ints:
    """Messages of one core with each chip."""
    row = slice(graph.indptr[core], graph.indptr[core + 1])
    return np.bincount(chip[graph.other[row]], graph.weight[row], chips).astype(np.int64)


def to_chips(graph: CoreGraph, capacity: Capacity, mesh: Mesh, orders: Iterable[Ints]) -> Ints:
    """Chip of each core, as its number in the grid. orders: of cores to fill chips along, the first as they come."""
    ways = [in_order(capacity, order) for order in orders]
    chips = int(ways[0].max(initial=0)) + 1
    if chips == 1:
        return ways[0]
    ways = [way for way in ways if int(way.max()) < chips]
    costs = [_messages(graph, way, chips) for way in ways]
    along = [float((flow * np.abs(np.subtract.outer(np.arange(chips), np.arange(chips)))).sum()) for flow in costs]
    best = [ways[k] for k in np.argsort(along, kind="stable")[:TRIED]]
    other = by_metis(graph, capacity, chips)
    if other is not None:
        best.append(_renumbered(other, best[0], chips))
    placed = [_on_grid(graph, way, chips, mesh) for way in best]
    return min(placed, key=lambda found: found[0])[1]


def _messages(graph: CoreGraph, chip: Ints, chips: int) -> Floats:
    """Messages between every two chips."""
    pairs = chip[graph.row] * chips + chip[graph.other]
    flow = np.bincount(pairs, graph.weight, chips * chips).astype(np.float64).reshape(chips, chips)
    np.fill_diagonal(flow, 0)
    return flow


def _on_grid(graph: CoreGraph, chip: Ints, chips: int, mesh: Mesh) -> tuple[float, Ints]:
    """(hops between chips times messages, grid place of each core's chip)."""
    flow = _messages(graph, chip, chips)
    x, y = _corner(chips, mesh)
    wide, high = x * mesh.tile_columns, y * mesh.tile_rows
    place = arrange(flow, wide, high, ROUNDS if chips <= MANY else ROUNDS_MANY)
    between = distances(wide, high)
    total = cost(flow, between[np.ix_(place, place)], np.zeros((chips, chips)), np.arange(chips))
    return total, (y * mesh.chip_columns + x)[place][chip]


def _renumbered(chip: Ints, like: Ints, chips: int) -> Ints:
    """Parts numbered by where their cores lie on average in another partition, so that neighbours stay neighbours."""
    count = np.maximum(np.bincount(chip, minlength=chips), 1)
    mean = np.bincount(chip, like, chips) / count
    rank = np.empty(chips, np.int64)
    rank[np.argsort(mean, kind="stable")] = np.arange(chips)
    return rank[chip]


def _corner(chips: int, mesh: Mesh) -> tuple[Ints, Ints]:
    """Columns and rows of the smallest part of the grid, as square in tiles as can be, that holds the chips."""
    columns = min(mesh.chip_columns, max(1, round((chips * mesh.tile_rows / mesh.tile_columns) ** 0.5)))
    rows = -(-chips // columns)
    if rows > mesh.chip_rows:
        rows = mesh.chip_rows
        columns = -(-chips // rows)
    y, x = np.divmod(np.arange(rows * columns, dtype=np.int64), columns)
    return x, y
