"""In which units sums are formed: as coarse as all weights allow, so that they fit narrow integers.

Weights of 8 bits with signs are even, and weight exponents move them all; what is common is taken out, and added back
as one shift when the sum enters the neuron. A right shift that would round is not taken out: such a projection is
summed apart, shifted down as docs/semantics.md says, and then added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.bounds import sum_bound
from seamount.compiler.program.program import Program, Projection

INT16 = 2**15 - 1


@dataclass(frozen=True, eq=False)
class Codes:
    """Weights of a projection in its unit. own: summed apart, and added as sum * 2**shift, rounded down."""

    weight: NDArray[np.int32]
    own: bool = False
    shift: int = 0


@dataclass(frozen=True, eq=False)
class Units:
    """a = sum * 2**exponent. narrow: no sum of any messages leaves int16, as the bounds of the weights prove."""

    exponent: int
    narrow: bool
    codes: tuple[Codes, ...]


def units(program: Program, into: Sequence[Projection]) -> Units:
    """Units for the sums of one population, from all projections into it."""
    exponents = [common_exponent(q) for q in into]
    exponent = min(exponents, default=0)
    if exponent < 0 or not all(_fits(q, exponent) for q in into):
        exponent = 0
    codes = tuple(
        Codes(_scaled(q.connection.weight, q.weight_exp - exponent))
        if least >= 0 and _fits(q, exponent)
        else Codes(q.connection.weight, True, q.weight_exp)
        for q, least in zip(into, exponents, strict=True)
    )
    graded = {port.name for port in program.inputs if port.graded}
    alone = any(q.source in graded for q in into) or any(c.own for c in codes)
    return Units(exponent, not alone and _fits_int16(program, into, exponent), codes)


def common_exponent(q: Projection) -> int:
    """Largest e such that every weight times 2**weight_exp is a multiple of 2**e."""
    every = int(np.bitwise_or.reduce(q.connection.weight, axis=None)) if q.connection.weight.size else 0
    return q.weight_exp + ((every & -every).bit_length() - 1 if every else 8)


def _fits(q: Projection, exponent: int) -> bool:
    """Whether weights in units of 2**exponent fit int16."""
    largest = int(np.abs(q.connection.weight).max(initial=0))
    return (largest << max(q.weight_exp - exponent, 0)) <= INT16


def _fits_int16(program: Program, into: Sequence[Projection], exponent: int) -> bool:
    """Whether the sums of all messages, in units of 2**exponent, fit int16 in every neuron of a population."""
    low, high = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for q in into:
        bound = sum_bound(program, q)
        low, high = (
            total + _scaled(end, q.weight_exp - exponent) for total, end in ((low, bound.low), (high, bound.high))
        )
    return int(low.min()) >= -INT16 - 1 and int(high.max()) <= INT16


def _scaled(x: NDArray[Any], exponent: int) -> NDArray[Any]:
    """x * 2**exponent; where that is a right shift, nothing is lost (`common_exponent`)."""
    return x << exponent if exponent >= 0 else x >> -exponent
