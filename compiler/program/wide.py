"""Programs for analysis alone: populations whose registers are wider and finer than any chip's.

A wide population holds the trained network's parameters in integers so fine that its spikes are those of floating
point, or any of them as a chip would round it. Only the engine in backends/cpu runs such a program; none is compiled,
stored, or placed.

    u <- tz(u kept_u / 2**24) + a, kept within +-u_half (wrapped once where `wraps`, else clipped)
    v <- tz(v kept_v / 2**24) + u + bias, clipped to +-v_top ; s = v > vth
    tz rounds toward zero, to multiples of 2**grain

With a chip's parameters, limits and grain that is docs/semantics.md in units 2**grain as fine, number for number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Program

WIDE_ONE = 2**24
"""Decays of wide populations are in units of 1 / WIDE_ONE."""
WIDE_MAX = 2**30
"""Largest |u| and |v| of wide populations: their sum and a bias still fit int32."""

IntArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class WideRegisters:
    """What replaces du, dv, vth and the bias of a population; arrays are 0-d or have its shape.

    kept_u, kept_v: of u and v per step, in units of 1 / WIDE_ONE. vth: fires when v > vth; None never fires.
    bias: added to v in every step. wraps: u wraps at u_half as a chip's does. grain: rounding, in bits.
    unit: value of one step of v, in units of the trained network.
    """

    kept_u: IntArray
    kept_v: IntArray
    vth: IntArray | None
    bias: IntArray
    u_half: int = WIDE_MAX
    v_top: int = WIDE_MAX
    wraps: bool = False
    grain: int = 0
    unit: float = 1.0


@dataclass(frozen=True, eq=False)
class WideProgram(Program):
    """A program some of whose populations are wide: their a, u, v, v_init, reset_by and v_min have one unit."""

    wide: Mapping[str, WideRegisters] = field(default_factory=dict)


def wide_registers(program: Program, population: str) -> WideRegisters | None:
    """Registers of a wide population, None for one of a chip."""
    return program.wide.get(population) if isinstance(program, WideProgram) else None
