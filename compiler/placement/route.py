"""Routes: messages go east or west along their row first, then north or south (dimension order, Davies et al. 2018).

Each message has one target core; what reaches several cores is sent once to each.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seamount.compiler.placement.blocks import Ints
from seamount.compiler.placement.graph import CoreEdges, CoreGraph
from seamount.compiler.placement.placement import Links, Mesh, Traffic


def hops(edges: CoreEdges, core: Ints, mesh: Mesh) -> Traffic:
    """Hops of one projection. core: of the system, for each node of the edges."""
    source, target, messages = core[edges.source], core[edges.target], edges.messages
    (sx, sy), (tx, ty) = mesh.tiles(source), mesh.tiles(target)
    wide, high = np.abs(sx - tx), np.abs(sy - ty)
    chips = np.abs(sx // mesh.tile_columns - tx // mesh.tile_columns) + np.abs(
        sy // mesh.tile_rows - ty // mesh.tile_rows
    )
    same = source == target
    near = ~same & (wide + high == 0)
    return Traffic(
        int(messages.sum()),
        int(messages[same].sum()),
        int(messages[near].sum()),
        int((messages * wide).sum()),
        int((messages * high).sum()),
        int((messages * chips).sum()),
    )


def links(edges: Mapping[str, CoreEdges], core: Ints, mesh: Mesh) -> Links:
    """Messages over each link, all projections together."""
    rows, columns = mesh.shape
    east, west, north, south = (np.zeros((rows + 1, columns + 1), np.int64) for _ in range(4))
    for e in edges.values():
        (sx, sy), (tx, ty) = mesh.tiles(core[e.source]), mesh.tiles(core[e.target])
        for there, ahead, start, stop in ((east, tx > sx, sx, tx), (west, tx < sx, tx + 1, sx + 1)):
            np.add.at(there, (sy[ahead], start[ahead]), e.messages[ahead])
            np.add.at(there, (sy[ahead], stop[ahead]), -e.messages[ahead])
        for there, ahead, start, stop in ((south, ty > sy, sy, ty), (north, ty < sy, ty + 1, sy + 1)):
            np.add.at(there, (start[ahead], tx[ahead]), e.messages[ahead])
            np.add.at(there, (stop[ahead], tx[ahead]), -e.messages[ahead])
    along = [np.cumsum(a, axis=1)[:rows, :columns] for a in (east, west)]
    down = [np.cumsum(a, axis=0)[:rows, :columns] for a in (north, south)]
    return Links(along[0], along[1], down[0], down[1])


def lower_bound(graph: CoreGraph, mesh: Mesh) -> int:
    """Spike-hops that no arrangement of these cores goes below.

    A core's tile holds tile_cores - 1 others at distance 0, the tiles around it so many at distance 1, and so on. At
    best its partners lie there in the order of the messages they exchange, around the tile in the middle of the mesh,
    from which every distance reaches the most tiles. Each pair of cores is divided between its two ends, and the
    bound is the sum over all cores of their parts; any division bounds the total. Three are tried and the greatest
    sum is taken: halves, all to the end with more partners, all to the end with more messages. Not all cores can
    have their best at once, so the bound is seldom reached.
    """
    row, other = graph.row, graph.other
    partners = np.diff(graph.indptr)
    messages = np.bincount(row, graph.weight, graph.count)
    nearest = _nearest(mesh, int(partners.max(initial=0)))
    rank = np.arange(row.size) - np.repeat(graph.indptr[:-1], partners)
    best = 0
    for size in (np.zeros(graph.count), partners, messages):
        twice = graph.weight * (1 + np.sign(size[row] - size[other]).astype(np.int64))
        order = np.lexsort((-twice, row))
        best = max(best, int((twice[order] * nearest[rank]).sum()))
    return (best + 1) // 2


def _nearest(mesh: Mesh, count: int) -> Ints:
    """Distances of the `count` nearest other cores, from the tile in the middle, rising."""
    rows, columns = mesh.shape
    from_x, from_y = np.abs(np.arange(columns) - columns // 2), np.abs(np.arange(rows) - rows // 2)
    far = np.bincount((from_y[:, None] + from_x).reshape(-1)) * mesh.tile_cores
    far[0] -= 1
    return np.repeat(np.arange(far.size, dtype=np.int64), far)[:count]
