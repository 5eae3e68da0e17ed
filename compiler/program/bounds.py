"""Static bounds of a program's integers: how far sums and registers can reach, whatever the messages are.

Used by verify.py to rule out int32 overflow, and by fast backends to choose a float type that is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import (
    DECAY_ONE,
    U_SPAN,
    VTH_SHIFT,
    Conv,
    Dense,
    Population,
    Program,
    Projection,
    as_chw,
)
from seamount.compiler.windows import phase_masks

Wide = NDArray[np.int64]

SINGLE_WRAP_LIMIT = 2**18
"""While |a| <= 2**18 one wrap is enough to keep u in 24 bits: |u| <= 2**23 * 4095/4096 + 64 * 2**18 <= 3 * 2**23."""
REGISTER_LIMIT = 2**31
"""Registers are held in int32."""


@dataclass(frozen=True, eq=False)
class SumBound:
    """Per target neuron: every partial sum of (connection . s), in any order, lies in [low, high].

    shifted: bound of |sum * 2**weight_exp|, the projection's share in a.
    """

    low: Wide
    high: Wide
    shifted: Wide

    @property
    def magnitude(self) -> int:
        """Largest |partial sum| before the shift, over all target neurons."""
        return max(int(self.high.max(initial=0)), -int(self.low.min(initial=0)))


def message_range(program: Program, source: str) -> tuple[int, int]:
    """Smallest and largest message of an input port or population; 0 (silence) is always included."""
    for port in program.inputs:
        if port.name == source and port.graded:
            return min(port.low, 0), max(port.high, 0)
    return 0, max((p.most for p in program.populations if p.name == source), default=1)


def sum_bound(program: Program, projection: Projection) -> SumBound:
    """Bound of a projection's sums. Convolutions: as if no tap fell outside the border."""
    low, high = message_range(program, projection.source)
    connection = projection.connection
    size = int(np.prod(program.shapes[projection.target], dtype=np.int64))
    least, most = _extremes(connection.weight.astype(np.int64), low, high)
    if isinstance(connection, Dense):
        lows, highs = least.sum(axis=1), most.sum(axis=1)
    elif isinstance(connection, Conv):
        target = as_chw(program.shapes[projection.target])
        lows, highs = (_per_place(connection, x, target) for x in (least, most))
    else:
        lows, highs = np.zeros(size, np.int64), np.zeros(size, np.int64)
        np.add.at(lows, connection.rows, least)
        np.add.at(highs, connection.rows, most)
    exponent = projection.weight_exp
    ends = [x << exponent if exponent >= 0 else x >> -exponent for x in (lows, highs)]
    return SumBound(lows, highs, np.maximum(np.abs(ends[0]), np.abs(ends[1])))


def _per_place(conv: Conv, products: Wide, target: tuple[int, int, int]) -> Wide:
    """Sums over the taps that each target sees sources through, by where it lies between the zeros of its input."""
    mask = phase_masks(conv.windows)
    sums = np.einsum("okl,pqkl->opq", products.sum(axis=1), mask)
    _, h, w = target
    return np.asarray(sums[:, np.arange(h)[:, None] % mask.shape[0], np.arange(w) % mask.shape[1]].reshape(-1))


def arrival_bound(program: Program, target: str) -> Wide:
    """Bound of |a|, the sum over all projections into a population, per neuron (flattened)."""
    size = int(np.prod(program.shapes[target], dtype=np.int64))
    return sum((sum_bound(program, q).shifted for q in program.into(target)), np.zeros(size, np.int64))


def current_bound(p: Population, arrival: Wide) -> tuple[Wide, Wide]:
    """(bound of |u| before the wrap, bound of |u| after it) per neuron, at any step of any run.

    A wrap never enlarges |u| beyond max(2**23, `free_current`). Where |a| <= 2**18 it keeps |u| <= 2**23 by itself.
    """
    free = free_current(DECAY_ONE - 1 - np.broadcast_to(np.asarray(p.du, np.int64), p.shape).reshape(-1), arrival)
    half = U_SPAN // 2
    one_wrap = arrival <= SINGLE_WRAP_LIMIT
    inside = np.where(one_wrap, np.minimum(free, half), np.maximum(free, half))
    before = np.where(one_wrap, np.minimum(free, half + (arrival << VTH_SHIFT)), np.maximum(free, half))
    return before, inside


def free_current(kept: Wide, arrival: Wide) -> Wide:
    """Bound of |u| if it never wrapped, where a step keeps kept/4096 of it: M = 64 |a| 4096 / (4096 - |kept|).

    |u| <= M implies |kept|/4096 |u| + 64 |a| <= M, and so does every larger M.
    """
    bound: Wide = -(-(arrival << VTH_SHIFT) * DECAY_ONE // (DECAY_ONE - np.abs(kept)))
    return bound


def current_bounds(program: Program) -> Mapping[str, tuple[Wide, Wide]]:
    """`current_bound` of every population."""
    return {p.name: current_bound(p, arrival_bound(program, p.name)) for p in program.populations}


def _extremes(weight: Wide, low: int, high: int) -> tuple[Wide, Wide]:
    """Smallest and largest product of each weight with a message in [low, high], which contains 0."""
    return np.minimum(weight * low, weight * high), np.maximum(weight * low, weight * high)
