"""Weights on Loihi's grid: sign modes, bit widths, and where each op keeps them (docs/semantics.md, weights)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seamount.compiler.ir.ops import Array, Linear, SignMode, Sparse


@dataclass(frozen=True)
class Grid:
    """The codes a projection's weights may take: multiples of `step` in [low, high], on the 8-bit scale."""

    step: int
    low: int
    high: int


def grid(bits: int, mode: SignMode) -> Grid:
    """Codes of `bits` bits. mixed: -256..254 in steps of 2 at 8 bits; one-signed: 0..255 in steps of 1."""
    if mode == "mixed":
        step = 2 ** (8 - bits + 1)
        return Grid(step, -256, 256 - step)
    step = 2 ** (8 - bits)
    return Grid(step, 0, 256 - step) if mode == "excitatory" else Grid(step, step - 256, 0)


def sign_mode(weights: Array) -> SignMode:
    """excitatory, inhibitory or mixed; all zero is excitatory, as in Lava."""
    if np.all(weights >= 0):
        return "excitatory"
    return "inhibitory" if np.all(weights <= 0) else "mixed"


def values_of(op: Linear) -> Array:
    """The weights of a linear op, in the op's own layout."""
    return op.values if isinstance(op, Sparse) else op.weight
