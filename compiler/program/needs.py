"""What a real chip needs beyond stock Loihi and stock Lava, told from the program alone (numpy only).

For the manifest, so that nobody finds out at the board. What each need means is in docs/lava.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seamount.compiler.program.bounds import sum_bound
from seamount.compiler.program.program import DECAY_ONE, Conv, Population, Program, Projection

CONV_LIMIT = 2**23
"""Lava's Conv wraps its sums at 24 bits; below this bound no sum gets there."""
GEOMETRY_LIMIT = 127
"""Kernel, stride, padding, dilation and groups of Lava's Conv are int8."""


@dataclass(frozen=True)
class Need:
    """What `where`, a population or projection, needs on a chip."""

    where: str
    what: str


def unrest(p: Population) -> tuple[str, ...]:
    """Why a stock neuron would not rest in a step without input: what would change v, or make it fire again.

    Empty for du = 4095, dv = 0, no bias and a hard reset: then u is 0, v stays, and v <= 64 vth (docs/semantics.md).
    """
    found = {
        "synaptic memory": np.any(p.du != DECAY_ONE - 1),
        "a leak": np.any(p.dv != 0),
        "a bias": np.any(p.bias_mant != 0),
        "reset by subtraction": p.fires and p.reset == "subtract",
    }
    return tuple(what for what, is_so in found.items() if is_so)


def restless(program: Program) -> dict[str, str]:
    """Population -> why it must be kept from updating between the steps of a network that is slowed down."""
    if program.slow_down == 1:
        return {}
    return {p.name: ", ".join(unrest(p)) for p in program.populations if unrest(p)}


def chip_needs(program: Program) -> tuple[Need, ...]:
    """Everything in the program that stock Loihi microcode, or stock Lava's process, does not do on a chip."""
    needs = [Need(f"population '{p.name}'", f"microcode: {n}") for p in program.populations for n in p.needs_microcode]
    for name, why in restless(program).items():
        what = f"microcode: updates in one of {program.slow_down} steps only, because of {why}"
        needs.append(Need(f"population '{name}'", what))
    for p in program.populations:
        for name in ("du", "dv"):
            if (getattr(p, name) > 4095).any():
                needs.append(Need(f"population '{p.name}'", f"microcode: {name} = 4096, registers hold 0 to 4095"))
    for q in program.projections:
        needs += [Need(f"projection '{q.name}'", what) for what in _projection_needs(program, q)]
    return tuple(needs)


def convolves(program: Program, q: Projection) -> bool:
    """Whether the projection becomes Lava's Conv: no delay, exponent >= 0, sums below 24 bits, int8 geometry."""
    conv = q.connection
    if not isinstance(conv, Conv) or q.delay > 0 or q.weight_exp < 0:
        return False
    numbers = (*conv.weight.shape[2:], *conv.stride, *conv.padding, *conv.dilation, conv.groups)
    return max(numbers) <= GEOMETRY_LIMIT and int(sum_bound(program, q).shifted.max(initial=0)) < CONV_LIMIT


def _projection_needs(program: Program, q: Projection) -> list[str]:
    needs = []
    if q.lag > 0:
        needs.append(f"gate: messages of the last {q.lag} steps of a sample must not reach the next one")
    if convolves(program, q) and q.weight_exp > 0:
        needs.append(f"plain weights with weight_exp = {q.weight_exp}: Lava's CPU model of Conv ignores the exponent")
    if q.weight_exp < 0:
        needs.append("a shift of the sum: the chip shifts each weight, Lava's CPU model the sum")
    return needs
