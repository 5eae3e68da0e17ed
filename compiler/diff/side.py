"""Two runs beside each other, and the first place where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import ContractError, InputError, Problem
from seamount.compiler.execution import Trace
from seamount.compiler.program.program import Program, Shape

Arrays = Mapping[str, NDArray[Any]]
REGISTERS = ("u", "v", "s")
"""Order in which the registers of one neuron are compared: that of their update, with v after the reset."""
MESSAGE = "message"
"""Stands for a register at input ports."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two runs: what happened, and the program it came from where that is known.

    spikes, u, v: population -> (N, T, *shape) integers in local time, for the populations that were recorded.
    messages: input port -> (N, T, *shape). known: (population, register) -> where the record says something;
    everywhere if absent. label: what to call this side.
    """

    label: str
    spikes: Arrays
    u: Arrays
    v: Arrays
    messages: Arrays
    program: Program | None = None
    known: Mapping[tuple[str, str], NDArray[np.bool_]] = field(default_factory=dict)

    @staticmethod
    def of_run(label: str, program: Program, messages: Arrays, trace: Trace) -> Side:
        """A run that recorded spikes, u and v. Raises ContractError when it did not."""
        names = {p.name for p in program.populations}
        for register, kept in (("spikes", trace.spikes), ("u", trace.u), ("v", trace.v)):
            if not names <= set(kept):
                raise ContractError(Problem(f"trace of {label}", f"lacks {register}", "record spikes, u and v"))
        return Side(label, trace.spikes, trace.u, trace.v, messages, program)

    def part(self, samples: slice) -> Side:
        """The same run, some of its samples only."""
        s, u, v, sent = (
            {k: x[samples] for k, x in group.items()} for group in (self.spikes, self.u, self.v, self.messages)
        )
        known = {key: mask[samples] for key, mask in self.known.items()}
        return Side(self.label, s, u, v, sent, self.program, known)

    def register(self, name: str) -> Arrays:
        """The recorded arrays of a register, "u", "v" or "s"; of the input ports for "message"."""
        return {"u": self.u, "v": self.v, "s": self.spikes, MESSAGE: self.messages}[name]

    def reads(self, name: str, register: str, at: tuple[int, ...]) -> int | None:
        """Value at (sample, step, *index); None where it was not recorded."""
        kept = self.register(register).get(name)
        mask = self.known.get((name, register))
        if kept is None or not (mask is None or mask[at]):
            return None
        return int(kept[at])


@dataclass(frozen=True)
class Place:
    """A neuron of a population (or of an input port) at a local step of a sample; all count from 0."""

    sample: int
    step: int
    layer: str
    neuron: int
    index: Shape

    @property
    def at(self) -> tuple[int, ...]:
        """Index into an array (N, T, *shape)."""
        return self.sample, self.step, *self.index

    def __str__(self) -> str:
        return f"sample {self.sample}, step {self.step}, '{self.layer}', neuron {neuron_text(self.neuron, self.index)}"


@dataclass(frozen=True)
class Compared:
    """One register of one layer: entries compared, how many differ, and the first place where they do."""

    layer: str
    register: str
    entries: int
    differing: int
    first: Place | None


def index_text(index: Shape) -> str:
    """[0,1,1]."""
    return f"[{','.join(map(str, index))}]"


def neuron_text(neuron: int, index: Shape) -> str:
    """ "5" for a neuron of a vector, "5 [0,1,1]" in more dimensions."""
    return str(neuron) if len(index) < 2 else f"{neuron} {index_text(index)}"


def compare(a: Side, b: Side) -> tuple[Compared, ...]:
    """Every register that both sides hold, layer by layer: input ports, then populations in update order.

    Runs of different length are compared over the samples and steps that both have. Raises InputError when there is
    nothing to compare.
    """
    found = tuple(_compare(layer, register, a, b) for layer, register in _common(a, b))
    if not any(c.register != MESSAGE for c in found):
        where = f"{a.label} and {b.label}"
        raise InputError(Problem(where, "have no population in common", "compare runs of the same network"))
    return found


def first_of(compared: tuple[Compared, ...]) -> Compared | None:
    """The earliest difference, by sample, step, layer, neuron and register; None when there is none."""
    differing = [(c, c.first) for c in compared if c.first is not None]
    if not differing:
        return None
    layers = list(dict.fromkeys(c.layer for c in compared))
    # min keeps the first of equals, and a layer's registers come in order.
    return min(differing, key=lambda d: (d[1].sample, d[1].step, layers.index(d[1].layer), d[1].neuron))[0]


def later(place: Place, samples: int) -> Place:
    """The same place where `samples` samples come before."""
    return replace(place, sample=place.sample + samples)


def _common(a: Side, b: Side) -> Iterator[tuple[str, str]]:
    """(layer, register) that both sides recorded with the same shape, in order of comparison."""
    program = a.program or b.program
    if program is None:
        raise ContractError(Problem(f"{a.label} and {b.label}", "are records only", "give one side a program"))
    order: list[tuple[str, tuple[str, ...]]] = [(port.name, (MESSAGE,)) for port in program.inputs]
    order += [(p.name, REGISTERS) for p in program.populations]
    for layer, registers in order:
        for register in registers:
            left, right = a.register(register).get(layer), b.register(register).get(layer)
            if left is not None and right is not None and left.shape[2:] == right.shape[2:]:
                yield layer, register


def _compare(layer: str, register: str, a: Side, b: Side) -> Compared:
    left, right = a.register(register)[layer], b.register(register)[layer]
    samples, steps = (min(m, n) for m, n in zip(left.shape[:2], right.shape[:2], strict=True))
    differs = np.asarray(left[:samples, :steps] != right[:samples, :steps])
    entries = differs.size
    for side in (a, b):
        mask = side.known.get((layer, register))
        if mask is not None:
            differs &= mask[:samples, :steps]
            entries = min(entries, int(np.count_nonzero(mask[:samples, :steps])))
    differing = int(np.count_nonzero(differs))
    if not differing:
        return Compared(layer, register, entries, 0, None)
    sample, step, *index = (int(i) for i in np.unravel_index(int(np.argmax(differs)), differs.shape))
    neuron = int(np.ravel_multi_index(index, differs.shape[2:])) if index else 0
    return Compared(layer, register, entries, differing, Place(sample, step, layer, neuron, tuple(index)))
