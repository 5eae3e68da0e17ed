"""Recount of routes, tile by tile; part of the independent check (compiler/placement/check.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from seamount.compiler.errors import Problem
from seamount.compiler.placement.placement import Mesh, Placement

BUG = "report this as a bug in the mapper"


@dataclass(frozen=True)
class Message:
    """So many messages of one neuron from core to core."""

    projection: str
    source: int
    target: int
    count: int


def route_faults(placement: Placement, messages: list[Message]) -> Iterator[Problem]:
    """Hops per projection and loads of links that differ from a walk along every route."""
    mesh = placement.mesh
    joint: Counter[tuple[str, int, int]] = Counter()
    for m in messages:
        joint[m.projection, m.source, m.target] += m.count
    totals: dict[str, Counter[str]] = {name: Counter() for name in placement.projections}
    loads: Counter[tuple[str, int, int]] = Counter()
    for (name, source, target), count in joint.items():
        if name not in totals:
            yield Problem(f"projection '{name}'", "has messages, and no traffic is stated", BUG)
            continue
        totals[name].update(_walk(mesh, source, target, count, loads))
    for name, traffic in placement.projections.items():
        for kind in ("messages", "within_core", "within_tile", "hops_east_west", "hops_north_south", "chip_hops"):
            if totals[name][kind] != getattr(traffic, kind):
                found = f"{kind} is {totals[name][kind]}, not {getattr(traffic, kind)} as stated"
                yield Problem(f"projection '{name}'", found, BUG)
    for way in ("east", "west", "north", "south"):
        stated = getattr(placement.links, way)
        for row, column in ((r, c) for r in range(stated.shape[0]) for c in range(stated.shape[1])):
            if loads[way, row, column] != stated[row, column]:
                found = f"{way} carries {loads[way, row, column]}, not {stated[row, column]} as stated"
                yield Problem(f"tile {row}, {column}", found, BUG)
    if placement.lower_bound > placement.spike_hops:
        found = f"{placement.spike_hops} spike-hops are fewer than the lower bound {placement.lower_bound}"
        yield Problem("placement", found, BUG)


def _place(mesh: Mesh, core: int) -> tuple[int, int]:
    """(row, column) of a core's tile."""
    chip, inside = core // mesh.chip_cores, core % mesh.chip_cores
    tile = inside // mesh.tile_cores
    row = chip // mesh.chip_columns * mesh.tile_rows + tile // mesh.tile_columns
    return row, chip % mesh.chip_columns * mesh.tile_columns + tile % mesh.tile_columns


def _walk(mesh: Mesh, source: int, target: int, count: int, loads: Counter[tuple[str, int, int]]) -> Counter[str]:
    """Along the row first, then along the column; each step loads the link it leaves a tile by."""
    (row, column), (last_row, last_column) = _place(mesh, source), _place(mesh, target)
    found: Counter[str] = Counter(messages=count)
    if source == target:
        found["within_core"] += count
    elif (row, column) == (last_row, last_column):
        found["within_tile"] += count
    while column != last_column:
        step = 1 if last_column > column else -1
        loads["east" if step > 0 else "west", row, column] += count
        found["hops_east_west"] += count
        found["chip_hops"] += count * (column // mesh.tile_columns != (column + step) // mesh.tile_columns)
        column += step
    while row != last_row:
        step = 1 if last_row > row else -1
        loads["south" if step > 0 else "north", row, column] += count
        found["hops_north_south"] += count
        found["chip_hops"] += count * (row // mesh.tile_rows != (row + step) // mesh.tile_rows)
        row += step
    return found
