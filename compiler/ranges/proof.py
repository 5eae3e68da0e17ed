"""Range proof of an integer program: what a, u and v of every neuron can be, and whether a register can overflow.

All messages in the ports' ranges, all samples and, unless limited, all lengths are covered; so are the steps before the
first window and after the last. A neuron whose v never exceeds its threshold sends nothing, which narrows the ranges of
those behind it: spikes start as impossible everywhere and are admitted until nothing changes, round loops as well.
The program must be one that verify.py accepts. The meaning of the verdicts is explained in docs/ranges.md.
Runs on Python 3.10 with numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import V_MAX, Population, Program
from seamount.compiler.ranges.intervals import Interval, arrival, partial_sums, sent_by_ports
from seamount.compiler.ranges.reach import HALF, Neurons, Reach, reach

Mask = NDArray[np.bool_]

PROVEN, POSSIBLE, WITNESSED, CERTAIN = "proven", "possible", "witnessed", "certain"
"""Verdicts: cannot overflow; the bound allows it; messages are known that do it; all messages do it."""
AVOIDABLE = -1
"""In place of a step: no overflow is known that happens whatever the messages are."""
FLOAT32_EXACT = 2**24
"""Integers up to here, and sums of integers that stay within, are exact in float32."""
VISITS = 32
"""Times a population is looked at before all its neurons are taken to fire; only long loops come near it."""
LIMITS = {"a": (1 - 2**25, 2**25 - 1), "u": (1 - HALF, HALF), "v": (-V_MAX, V_MAX)}
"""Register -> values it holds (docs/semantics.md). a has no register of its own; the verifier bounds it."""


@dataclass(frozen=True, eq=False)
class PopulationRange:
    """Ranges of one population, per neuron (flattened). fires: neurons that may fire.

    since: register -> the first local step in which each neuron overflows in every sample, or AVOIDABLE; empty where
    nobody looked (compiler/ranges/certain.py).
    """

    name: str
    a: Interval
    reach: Reach
    fires: Mask
    since: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    def overflows(self, register: str) -> Mask:
        """Neurons that are not proven free of overflow in register u or v; a is bounded by the verifier."""
        masks = {"u": self.reach.wraps, "v": self.reach.saturates}
        return masks[register]() if register in masks else np.zeros(self.fires.shape, np.bool_)

    def certain(self, register: str) -> Mask:
        """Neurons whose register overflows in every sample, whatever the messages are."""
        return self.since[register] != AVOIDABLE if register in self.since else np.zeros(self.fires.shape, np.bool_)

    def verdict(self, register: str) -> str:
        """PROVEN, POSSIBLE or CERTAIN."""
        if not self.overflows(register).any():
            return PROVEN
        return CERTAIN if self.certain(register).any() else POSSIBLE

    @property
    def proven(self) -> bool:
        return not (self.overflows("u").any() or self.overflows("v").any())

    def held(self, register: str) -> Interval:
        """What a host can read: u after the wrap, v after reset and clamp; for "a" the input itself."""
        return {"a": self.a, "u": self.reach.u, "v": self.reach.v}[register]

    def demand(self, register: str) -> Interval:
        """What the register would have to hold: before wrap or saturation, u as if it had never wrapped."""
        return {"a": self.a, "u": self.reach.u_free, "v": self.reach.v_before}[register]

    def excess(self, register: str) -> NDArray[np.int64]:
        """By how much each neuron's demand lies beyond the register; 0 or less where it fits."""
        low, high = LIMITS[register]
        wanted = self.demand(register)
        return np.maximum(low - wanted.low, wanted.high - high)

    def worst(self, register: str, count: int = 3) -> tuple[int, ...]:
        """At most `count` neurons (flat indices) that may overflow: the certain ones first, then those furthest out."""
        chosen = np.flatnonzero(self.overflows(register))
        order = np.lexsort((-self.excess(register)[chosen], ~self.certain(register)[chosen]))
        return tuple(int(i) for i in chosen[order[:count]])


@dataclass(frozen=True, eq=False)
class Ranges:
    """The proof of a program. sent: what every port and population can send. steps: longest sample, None for any."""

    populations: Mapping[str, PopulationRange]
    sent: Mapping[str, Interval]
    steps: int | None

    @property
    def proven(self) -> bool:
        """No register of any population can overflow."""
        return all(p.proven for p in self.populations.values())


def analyse(program: Program, steps: int | None = None) -> Ranges:
    """Ranges for samples of any length, outside windows too; or in the windows of samples of at most `steps` steps."""
    sent = sent_by_ports(program)
    sent.update({p.name: _silent(p.size) for p in program.populations})
    found: dict[str, PopulationRange] = {}
    visits = dict.fromkeys((p.name for p in program.populations), 0)
    stale = set(visits)
    while stale:
        for p in program.populations:
            if p.name not in stale:
                continue
            stale.discard(p.name)
            visits[p.name] += 1
            now = population_range(program, p, sent, steps)
            found[p.name] = now
            fires = np.ones_like(now.fires) if visits[p.name] > VISITS and p.fires else now.fires
            fires = fires | (sent[p.name].high > 0)
            if not np.array_equal(fires, sent[p.name].high > 0):
                sent[p.name] = Interval(np.zeros(p.size, np.int64), fires.astype(np.int64) * p.most)
                stale |= {q.target for q in program.projections if q.source == p.name}
    return Ranges({p.name: found[p.name] for p in program.populations}, sent, steps)


def population_range(
    program: Program, p: Population, sent: Mapping[str, Interval], steps: int | None = None
) -> PopulationRange:
    """Ranges of one population, given what its sources can send."""
    a, neurons = arrival(program, p.name, sent), Neurons.of(p)
    found = reach(neurons, a, steps)
    return PopulationRange(p.name, a, found, found.fires(neurons))


def exact_in_float32(program: Program, ranges: Ranges | None = None) -> dict[str, bool]:
    """Projection -> whether all its partial sums are exact in float32, in any order: magnitudes at most 2**24.

    Said of (connection . s); weight_exp only moves the exponent of the float and rounds nothing.
    """
    sent = (analyse(program) if ranges is None else ranges).sent
    out = {}
    for q in program.projections:
        low, high = partial_sums(program, q, sent[q.source]).ends
        largest = max(max(abs(end) for end in sent[q.source].ends), int(np.abs(q.connection.weight).max(initial=0)))
        out[q.name] = max(-low, high, largest) <= FLOAT32_EXACT
    return out


def _silent(size: int) -> Interval:
    return Interval.at(np.zeros(size, np.int64))
