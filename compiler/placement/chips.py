"""Cores to chips: parts of the graph of cores that fit a chip and exchange few messages.

Two partitions are made and the better one is kept: cores in their order, chip after chip, which suits layered
networks; and, where pymetis is installed, multilevel k-way partitioning (Karypis, Kumar, SIAM J. Sci. Comput. 20(1),
1998), mended where it overfills a chip. Chips are then arranged on their grid (compiler/placement/arrange.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seamount.compiler.placement.arrange import arrange, cost, distances
from seamount.compiler.placement.blocks import Ints
from seamount.compiler.placement.graph import CoreGraph
from seamount.compiler.placement.placement import Mesh

MANY, ROUNDS, ROUNDS_MANY = 256, 200, 40
"""Rounds of swaps: fewer where more chips than MANY make a round slow."""


@dataclass(frozen=True, eq=False)
class Capacity:
    """kinds: cores, neurons, synapses. amounts: (cores, kinds) what each core takes of them. room: of a chip."""

    kinds: tuple[str, ...]
    amounts: Ints
    room: Ints


def in_order(capacity: Capacity) -> Ints:
    """Chip of each core: the next chip begins when one is full."""
    found: list[int] = []
    chip, left = 0, capacity.room.copy()
    for amount in capacity.amounts:
        if found and (amount > left).any():
            chip, left = chip + 1, capacity.room.copy()
        left -= amount
        found.append(chip)
    return np.array(found, np.int64)


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


def to_chips(graph: CoreGraph, capacity: Capacity, mesh: Mesh) -> Ints:
    """Chip of each core, as its number in the grid."""
    first = in_order(capacity)
    chips = int(first.max(initial=0)) + 1
    if chips == 1:
        return first
    ways = [first]
    other = by_metis(graph, capacity, chips)
    if other is not None:
        ways.append(other)
    placed = [_on_grid(graph, way, chips, mesh) for way in ways]
    return min(placed, key=lambda found: found[0])[1]


def _on_grid(graph: CoreGraph, chip: Ints, chips: int, mesh: Mesh) -> tuple[float, Ints]:
    """(hops between chips times messages, grid place of each core's chip)."""
    order = np.argsort(_mean_place(chip, chips), kind="stable")
    rank = np.empty(chips, np.int64)
    rank[order] = np.arange(chips)
    part = rank[chip]
    pairs = part[graph.row] * chips + part[graph.other]
    flow = np.bincount(pairs, graph.weight, chips * chips).astype(np.float64).reshape(chips, chips)
    np.fill_diagonal(flow, 0)
    x, y = _corner(chips, mesh)
    wide, high = x * mesh.tile_columns, y * mesh.tile_rows
    place = arrange(flow, wide, high, ROUNDS if chips <= MANY else ROUNDS_MANY)
    between = distances(wide, high)
    total = cost(flow, between[np.ix_(place, place)], np.zeros((chips, chips)), np.arange(chips))
    return total, (y * mesh.chip_columns + x)[place][part]


def _mean_place(chip: Ints, chips: int) -> Ints:
    """Average number of each chip's cores, times 1024; so the order of chips follows the layers."""
    count = np.maximum(np.bincount(chip, minlength=chips), 1)
    return np.asarray(np.bincount(chip, np.arange(chip.size), chips) * 1024 // count, np.int64)


def _corner(chips: int, mesh: Mesh) -> tuple[Ints, Ints]:
    """Columns and rows of the smallest part of the grid, as square in tiles as can be, that holds the chips."""
    columns = min(mesh.chip_columns, max(1, round((chips * mesh.tile_rows / mesh.tile_columns) ** 0.5)))
    rows = -(-chips // columns)
    if rows > mesh.chip_rows:
        rows = mesh.chip_rows
        columns = -(-chips // rows)
    y, x = np.divmod(np.arange(rows * columns, dtype=np.int64), columns)
    return x, y
