"""Energy of a run: counts times costs, as intervals, line by line, each line with its source.

    energy = sum over events of count x cost       dynamic, in pJ per inference
    static = chips x power of an idle chip x time  a line of its own (compiler/energy/step_time.py)

A cost or a count that nobody knows leaves its term out and names it; then the sum is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from seamount.compiler.energy.cost_set import MEMORIES, Coefficient, CostSet
from seamount.compiler.energy.counts import (
    Count,
    chip_counts,
    dense_chip_counts,
    dense_counts,
    graded,
    operation_counts,
)
from seamount.compiler.energy.estimate import ZERO, Estimate, Interval, total
from seamount.compiler.energy.step_time import Delay, delay, static_count
from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.placement import Placement
from seamount.compiler.program.program import Program
from seamount.compiler.target.target import Quantity


@dataclass(frozen=True)
class Line:
    """One kind of event at one place, priced. energy in pJ per inference."""

    count: Count
    cost: Coefficient
    energy: Estimate


@dataclass(frozen=True, eq=False)
class Costs:
    """What a run costs by one cost set, per inference; energies in pJ.

    lines: dynamic energy by event. static: the idle power of the chips over the time of an inference, None where the
    set has no such power. delay: time of a step and of an inference, None where the set has no times.
    dense: the same network clock-driven. notes: what has to be known to read the numbers.
    """

    costs: CostSet
    samples: int
    steps: int
    lines: tuple[Line, ...]
    static: Line | None
    delay: Delay | None
    dense: Estimate
    notes: tuple[str, ...]

    @property
    def dynamic(self) -> Estimate:
        return total(line.energy for line in self.lines)

    @property
    def places(self) -> dict[str, Estimate]:
        """Dynamic energy by projection or population."""
        found: dict[str, Estimate] = {}
        for line in self.lines:
            found[line.count.where] = found.get(line.count.where, Estimate()) + line.energy
        return found

    @property
    def growing(self) -> Estimate:
        """The part of `dynamic` that grows with the spike rate of the network, at most in proportion."""
        return total(line.energy for line in self.lines if line.count.by_rate)

    @property
    def fixed(self) -> Estimate:
        """The rest of it: neuron updates, and what the input does."""
        return total(line.energy for line in self.lines if not line.count.by_rate)

    @property
    def energy(self) -> Estimate:
        """Dynamic and static together."""
        return self.dynamic if self.static is None else self.dynamic + self.static.energy

    @property
    def energy_delay(self) -> Estimate | None:
        """Energy times the time of an inference, in pJ ns; None where no time is known."""
        if self.delay is None:
            return None
        missing = self.energy.missing + self.delay.inference_ns.missing
        return Estimate(self.energy.known * self.delay.inference_ns.known, tuple(dict.fromkeys(missing)))


def price_run(
    program: Program, counts: EventCounts, costs: CostSet, placement: Placement | None = None, chip: str = ""
) -> Costs:
    """Price a run. placement: where the network lies, made with the same counts. chip: what it was compiled for."""
    events, clocked = _events(program, counts, costs, placement)
    when = delay(program, counts, costs, placement) if costs.time else None
    static = None if when is None else _line(static_count(placement, when), costs.power["static_per_chip"])
    dense = total(line.energy for line in price(clocked, costs))
    lines = price(clocked if costs.clocked else events, costs)
    notes = tuple(_notes(program, costs, chip))
    return Costs(costs, counts.samples, counts.steps, lines, static, when, dense, notes)


def _events(
    program: Program, counts: EventCounts, costs: CostSet, placement: Placement | None
) -> tuple[tuple[Count, ...], tuple[Count, ...]]:
    """What the run did, and what the network would do clock-driven."""
    if costs.model == "events":
        return tuple(chip_counts(program, counts, placement)), tuple(dense_chip_counts(program, counts.steps))
    memory = bool(costs.memory)
    return tuple(operation_counts(program, counts, memory)), tuple(dense_counts(program, counts.steps, memory))


def price(events: Iterable[Count], costs: CostSet) -> tuple[Line, ...]:
    """Each count with its cost; linear in the counts."""
    return tuple(_line(count, cost_of(count, costs)) for count in events)


def _line(count: Count, cost: Coefficient) -> Line:
    return Line(count, cost, _product(count, cost))


def _product(count: Count, cost: Coefficient) -> Estimate:
    if count.number == ZERO or (cost.known and cost.ends == (0.0, 0.0)):
        return Estimate()
    if count.number is None:
        return Estimate(missing=(f"{count.event}: {count.missing}",))
    if not cost.known:
        return Estimate(missing=(f"cost of {', '.join(count.costs)}: {cost.low.source}",))
    return Estimate(count.number * Interval(*cost.ends))


def cost_of(count: Count, costs: CostSet) -> Coefficient:
    """What one event costs: one cost, any between several, by the size of a memory, or by the bits of a product."""
    if count.memory_bytes is not None:
        return memory_cost(count.memory_bytes, costs)
    if count.bits is not None:
        return _product_of_bits(count.bits, costs)
    found = [costs.energy[name] for name in count.costs]
    unknown = [c for c in found if not c.known]
    if unknown:
        return unknown[0]
    out = found[0]
    for cost in found[1:]:
        out = out.hull(cost)
    return out


def memory_cost(held: float, costs: CostSet) -> Coefficient:
    """pJ per byte from a memory of `held` bytes.

    At least: the next smaller listed memory's (of the smallest, its own), times the square root of the ratio of sizes.
    At most: the next larger listed memory's. The square root is an inference from the listed sizes.
    """
    names = list(MEMORIES)
    above = next((n for n in names if MEMORIES[n] >= held), names[-1])
    below = names[max(0, names.index(above) - 1)]
    upper, lower = costs.memory[above], costs.memory[below]
    if not upper.known or not lower.known:
        return upper if not upper.known else lower
    least = min(lower.ends[0] * math.sqrt(max(held, 1.0) / MEMORIES[below]), upper.ends[1])
    source = lower.low.source
    rule = f"{lower.low.conditions}, times the square root of the ratio of sizes (inference)"
    low = Quantity(least, lower.low.unit, source, rule if MEMORIES[above] != held else upper.low.conditions)
    return Coefficient(low, upper.high)


def _product_of_bits(bits: tuple[int, int], costs: CostSet) -> Coefficient:
    """A multiply-accumulate of a x w bits.

    At least: 8 x 8 bits scaled by a w / 64, and an 8-bit addition. At most: an 8-bit unit. The scaling is an
    inference; it holds between the 8 and 32 bits that are listed (0.2 and 3.1 pJ). Without a multiplication to scale,
    the 8-bit unit does it.
    """
    multiply, add, whole = costs.energy["multiply_int8"], costs.energy["add_int8"], costs.energy["mac_int8"]
    if not (multiply.known and add.known and whole.known):
        return whole
    share = min(1.0, bits[0] * bits[1] / 64)
    least = min(multiply.ends[0] * share + add.ends[0], whole.ends[1])
    rule = f"multiplication of {bits[0]} x {bits[1]} bits, scaled from 8 x 8 by the product of the widths (inference)"
    return Coefficient(Quantity(least, whole.low.unit, multiply.low.source, rule), whole.high)


def _notes(program: Program, costs: CostSet, chip: str) -> Iterable[str]:
    yield from costs.notes
    if costs.leaves_out:
        yield f"not priced: {', '.join(costs.leaves_out)}"
    if costs.chip and chip and costs.chip != chip:
        yield f"constants of {costs.chip} applied to a network compiled for {chip}; they were not measured there"
    if costs.graded_note and any(graded(program, port.name) for port in program.inputs):
        yield costs.graded_note
