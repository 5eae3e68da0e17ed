"""Orders of cores in which neighbours exchange many messages; chips are filled along them.

Networks are layered, and maps of neurons lie over each other: a neuron mostly sends to the same place of the next map.
So besides the order of layers, orders are made that go through the maps place by place along a Hilbert curve, and
through all layers at each place, for several sizes of a place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from seamount.compiler.placement.arrange import Floats
from seamount.compiler.placement.blocks import Ints
from seamount.compiler.placement.pack import CoreLoad
from seamount.compiler.placement.partition import Slices

LEVELS = 5
"""Maps are divided into 2, 4, ... 2**LEVELS places along each axis."""


def orders(cores: Sequence[CoreLoad], slices: Mapping[str, Slices]) -> Iterator[Ints]:
    """Orders of the cores to try: as they are, and place by place."""
    yield np.arange(len(cores), dtype=np.int64)
    where, rank = _places(cores, slices), {name: k for k, name in enumerate(slices)}
    layer = np.array([rank[core.pieces[0].population] for core in cores])
    fine = hilbert(np.asarray(where * 2**LEVELS, np.int64), LEVELS)
    for level in range(1, LEVELS + 1):
        coarse = hilbert(np.asarray(where * 2**level, np.int64), level)
        yield np.lexsort((fine, layer, coarse)).astype(np.int64)


def hilbert(at: Ints, level: int) -> Ints:
    """Number of each place (row, column) along the Hilbert curve through 2**level x 2**level places (Hilbert 1891)."""
    x, y = at[:, 1].copy(), at[:, 0].copy()
    total = np.zeros(len(at), np.int64)
    side = 2 ** (level - 1)
    while side > 0:
        right, lower = (x & side > 0).astype(np.int64), (y & side > 0).astype(np.int64)
        total += side * side * ((3 * right) ^ lower)
        turn, flip = lower == 0, (lower == 0) & (right == 1)
        x, y = np.where(flip, side - 1 - (x & (side - 1)), x), np.where(flip, side - 1 - (y & (side - 1)), y)
        x, y = np.where(turn, y, x), np.where(turn, x, y)
        side //= 2
    return total


def _places(cores: Sequence[CoreLoad], slices: Mapping[str, Slices]) -> Floats:
    """(row, column) of the middle of each core's first slice in its map, from 0 up to 1."""
    middle = {name: _middles(s) for name, s in slices.items()}
    return np.array([middle[c.pieces[0].population][c.pieces[0].number] for c in cores]).reshape(-1, 2)


def _middles(slices: Slices) -> Floats:
    """(row, column) of the middle of every slice; ranges of flattened indices lie along the rows."""
    (channels, height, width), bounds = slices.blocks.box, slices.blocks.bounds
    along = [(b[:-1] + b[1:]) / (2 * size) for b, size in zip(bounds, (channels, height, width), strict=True)]
    c, h, w = (grid.reshape(-1) for grid in np.meshgrid(*along, indexing="ij"))
    return np.stack([c if (height, width) == (1, 1) else h, w], axis=1)
