"""Integer weights of a .net file as codes on a chip's grid: the same integers, or none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.ir.ops import SignMode, freeze
from seamount.compiler.ir.weights import grid, sign_mode

BITS = 8
_EXPONENTS = (0, -1, 1, 2, 3, 4, 5, 6, 7)
"""Tried in this order: as they are; odd weights of both signs doubled, as both signs leave 7 bits and a sign; larger
ones divided."""


@dataclass(frozen=True, eq=False)
class Codes:
    """weight = codes * 2**exponent, exactly."""

    codes: NDArray[np.float64]
    sign_mode: SignMode
    exponent: int


def coded(weight: NDArray[np.int64]) -> Codes | None:
    """Codes for the weights of a projection; None where 8 bits and an exponent do not hold them.

    Example:
        coded(np.array([-3, 5])).codes      # array([-6., 10.]), exponent -1: signed codes are even
    """
    mode = sign_mode(weight.astype(np.float64))
    g = grid(BITS, mode)
    for exponent in _EXPONENTS:
        if exponent > 0 and np.any(weight % 2**exponent):
            return None
        codes = weight << 1 if exponent < 0 else weight >> exponent
        if np.all(codes % g.step == 0) and codes.min(initial=0) >= g.low and codes.max(initial=0) <= g.high:
            return Codes(freeze(codes), mode, exponent)
    return None
