"""What a real chip needs beyond stock Loihi and stock Lava, told from the program alone (numpy only).

For the manifest, so that nobody finds out at the board. What each need means is in docs/lava.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np

from seamount.compiler.program.bounds import sum_bound
from seamount.compiler.program.program import DECAY_ONE, Conv, Need, Population, Program, Projection

CONV_LIMIT = 2**23
"""Lava's Conv wraps its sums at 24 bits; below this bound no sum gets there."""
GEOMETRY_LIMIT = 127
"""Kernel, stride, padding, dilation and groups of Lava's Conv are int8."""

NEED_WORDS = {
    Need.RESET_SUBTRACT: "reset by subtraction",
    Need.LOWER_CLAMP: "lower clamp of v",
    Need.INITIAL_V: "initial v other than 0",
    Need.SKIP_UPDATES: "steps without an update",
}
"""Need of a population -> how messages name it."""


class Unrest(Enum):
    """Why a stock neuron would not rest in a step without input; the value is how messages name it."""

    SYNAPTIC_MEMORY = "synaptic memory"
    LEAK = "a leak"
    BIAS = "a bias"
    RESET_SUBTRACT = "reset by subtraction"


@dataclass(frozen=True)
class Microcode:
    """A population whose neurons need microcode. because, slow_down: of Need.SKIP_UPDATES alone; per_neuron: of
    Need.RESET_SUBTRACT, where neurons subtract different amounts."""

    population: str
    need: Need
    because: tuple[Unrest, ...] = ()
    slow_down: int = 1
    per_neuron: bool = False

    @property
    def where(self) -> str:
        return f"population '{self.population}'"

    @property
    def what(self) -> str:
        if self.need is Need.SKIP_UPDATES:
            why = reasons(self.because)
            return f"microcode: updates in one of {self.slow_down} steps only, because of {why}"
        return f"microcode: {NEED_WORDS[self.need]}{', of an amount per neuron' if self.per_neuron else ''}"


@dataclass(frozen=True)
class FullDecay:
    """A population whose decay of 4096 no register holds."""

    population: str
    register: Literal["du", "dv"]

    @property
    def where(self) -> str:
        return f"population '{self.population}'"

    @property
    def what(self) -> str:
        return f"microcode: {self.register} = 4096, registers hold 0 to 4095"


@dataclass(frozen=True)
class Gate:
    """A projection whose messages of the last `lag` steps of a sample must not reach the next one."""

    projection: str
    lag: int

    @property
    def where(self) -> str:
        return f"projection '{self.projection}'"

    @property
    def what(self) -> str:
        return f"gate: messages of the last {self.lag} steps of a sample must not reach the next one"


@dataclass(frozen=True)
class PlainWeights:
    """A convolution with an exponent above 0, which Lava's CPU model ignores and a chip does not."""

    projection: str
    weight_exp: int

    @property
    def where(self) -> str:
        return f"projection '{self.projection}'"

    @property
    def what(self) -> str:
        return f"plain weights with weight_exp = {self.weight_exp}: Lava's CPU model of Conv ignores the exponent"


@dataclass(frozen=True)
class ShiftOfSum:
    """A projection whose exponent below 0 cuts bits off: the chip shifts each weight, Lava's CPU model the sum."""

    projection: str

    @property
    def where(self) -> str:
        return f"projection '{self.projection}'"

    @property
    def what(self) -> str:
        return "a shift of the sum: the chip shifts each weight, Lava's CPU model the sum"


@dataclass(frozen=True)
class Firing:
    """A population whose neurons fire otherwise than once where v exceeds the threshold."""

    population: str
    most: int
    guarded: bool

    @property
    def where(self) -> str:
        return f"population '{self.population}'"

    @property
    def what(self) -> str:
        if self.guarded:
            return "microcode: a threshold that is higher while v stays above it"
        return f"microcode: messages of up to {self.most} spikes, as graded spikes"


ChipNeed = Firing | Microcode | FullDecay | Gate | PlainWeights | ShiftOfSum


def unrest(p: Population) -> tuple[Unrest, ...]:
    """Why a stock neuron would not rest in a step without input: what would change v, or make it fire again.

    Empty for du = 4095, dv = 0, no bias and a hard reset: then u is 0, v stays, and v <= 64 vth (docs/semantics.md).
    """
    found = {
        Unrest.SYNAPTIC_MEMORY: np.any(p.du != DECAY_ONE - 1),
        Unrest.LEAK: np.any(p.dv != 0),
        Unrest.BIAS: np.any(p.bias_mant != 0),
        Unrest.RESET_SUBTRACT: p.fires and p.reset == "subtract",
    }
    return tuple(what for what, is_so in found.items() if is_so)


def reasons(because: tuple[Unrest, ...]) -> str:
    """How messages name them."""
    return ", ".join(u.value for u in because)


def restless(program: Program) -> dict[str, tuple[Unrest, ...]]:
    """Population -> why it must be kept from updating between the steps of a network that is slowed down."""
    if program.slow_down == 1:
        return {}
    return {p.name: unrest(p) for p in program.populations if unrest(p)}


def chip_needs(program: Program) -> tuple[ChipNeed, ...]:
    """Everything in the program that stock Loihi microcode, or stock Lava's process, does not do on a chip."""
    needs: list[ChipNeed] = [_microcode(p, need) for p in program.populations for need in p.needs_microcode]
    needs += [Firing(p.name, p.most, p.guarded) for p in program.populations if not p.sends_one]
    for name, because in restless(program).items():
        needs.append(Microcode(name, Need.SKIP_UPDATES, because, program.slow_down))
    for p in program.populations:
        needs += [FullDecay(p.name, "du")] if (p.du > 4095).any() else []
        needs += [FullDecay(p.name, "dv")] if (p.dv > 4095).any() else []
    for q in program.projections:
        needs += _projection_needs(program, q)
    return tuple(needs)


def _microcode(p: Population, need: Need) -> Microcode:
    return Microcode(p.name, need, per_neuron=need is Need.RESET_SUBTRACT and bool(np.ptp(p.reset_by)))


def convolves(program: Program, q: Projection) -> bool:
    """Whether the projection becomes Lava's Conv: no delay, exponent >= 0, sums below 24 bits, int8 geometry, and not
    transposed, for which Lava has no process."""
    conv = q.connection
    if not isinstance(conv, Conv) or q.delay > 0 or q.weight_exp < 0 or conv.input_dilation != (1, 1):
        return False
    numbers = (*conv.weight.shape[2:], *conv.stride, *conv.padding, *conv.dilation, conv.groups)
    return max(numbers) <= GEOMETRY_LIMIT and int(sum_bound(program, q).shifted.max(initial=0)) < CONV_LIMIT


def _projection_needs(program: Program, q: Projection) -> Iterator[ChipNeed]:
    if q.lag > 0:
        yield Gate(q.name, q.lag)
    if convolves(program, q) and q.weight_exp > 0:
        yield PlainWeights(q.name, q.weight_exp)
    if q.weight_exp < 0 and np.any(q.connection.weight % 2**-q.weight_exp):
        yield ShiftOfSum(q.name)
