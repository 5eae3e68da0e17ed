"""The equivalent ANN, and at which spike rate or number of steps a spiking network costs as much.

Same layers and connections, ReLU instead of spikes, one pass; a network with loops, or one that is fed a sequence,
takes one pass per step. Three number formats: 32-bit floating point, 8-bit integers, and bit-matched: activations of
ceil(log2(T + 1)) bits, which is what T steps of spikes can tell apart, weights as quantized (Yan, Bai, Wong 2024,
arXiv:2409.08290). Every multiplication is done, also by zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from seamount.compiler.cost_set import CostSet
from seamount.compiler.program.program import Program, Projection
from seamount.compiler.report.energy import Costs, Line, price
from seamount.compiler.report.energy_counts import (
    STRUCTURE,
    Count,
    access,
    payload_bits,
    ports,
    size,
    synapse_count,
    weights_stored,
)
from seamount.compiler.report.interval import Estimate, Interval, total

Format: TypeAlias = Literal["float32", "int8", "bit-matched"]
FORMATS: tuple[Format, ...] = ("bit-matched", "int8", "float32")
"""The first is what a spiking network is compared with unless another is asked for."""


@dataclass(frozen=True, eq=False)
class Twin:
    """The ANN in one format. macs: multiply-accumulates per inference. energy in pJ; unknown where the set lacks it."""

    format: Format
    passes: int
    macs: int
    lines: tuple[Line, ...]

    @property
    def energy(self) -> Estimate:
        return total(line.energy for line in self.lines)


@dataclass(frozen=True)
class Comparison:
    """A spiking network beside its ANN.

    verdict: "SNN cheaper", "ANN cheaper", "cannot tell" (the intervals overlap) or "unknown" (a side has no price).
    ratio: SNN / ANN. rate: measured spikes per neuron and step. crossing_rate, crossing_steps: where both cost the
    same, all else as measured; None where they never do, or where nothing can be said. why: the reason, if any.
    """

    verdict: Literal["SNN cheaper", "ANN cheaper", "cannot tell", "unknown"]
    ratio: Interval | None
    rate: float
    crossing_rate: Interval | None
    crossing_steps: Interval | None
    why: str = ""


def recurrent(program: Program) -> bool:
    """Whether a connection acts one step later or more: a loop, or a delay of the trained network."""
    return any(q.lag > 0 for q in program.projections)


def twin(program: Program, steps: int, costs: CostSet, form: Format, sequence: bool = False) -> Twin:
    """The ANN of a program in one number format, priced. sequence: whether a sample is different in every step."""
    passes = steps if sequence or recurrent(program) else 1
    counts = tuple(_counts(program, steps, passes, form, bool(costs.memory)))
    macs = sum(synapse_count(program, q) for q in program.projections) * passes
    if costs.model == "events":
        missing = Count("multiply-accumulate", "", (), None, "", missing=f"the set {costs.name} prices none")
        unknown = next(iter(costs.energy.values()))
        gap = Estimate(missing=(f"{missing.event}: {missing.missing}",))
        return Twin(form, passes, macs, (Line(missing, unknown, gap),))
    return Twin(form, passes, macs, price(counts, costs))


def activation_bits(program: Program, source: str, steps: int, form: Format) -> int:
    """Bits of one activation of a layer or an input."""
    if form != "bit-matched":
        return 32 if form == "float32" else 8
    port = ports(program).get(source)
    if port is not None and port.graded:
        return payload_bits(port)
    return math.ceil(math.log2(steps + 1))


def _counts(program: Program, steps: int, passes: int, form: Format, memory: bool) -> Iterator[Count]:
    for q in program.projections:
        macs = Interval.at(synapse_count(program, q) * passes)
        bits = activation_bits(program, q.source, steps, form), 32 if form == "float32" else 8
        if form == "bit-matched":
            bits = bits[0], q.bits
            yield Count("multiply-accumulate", q.name, ("mac_matched",), macs, STRUCTURE, bits=bits)
        else:
            yield Count("multiply-accumulate", q.name, (f"mac_{form}",), macs, STRUCTURE)
        if memory:
            yield from _accesses(program, q, passes, bits, macs)
    for p in program.populations:
        number = Interval.at(p.size * passes)
        yield Count("bias and ReLU", p.name, ("activation",), number, STRUCTURE)
        if memory:
            each = activation_bits(program, p.name, steps, form) / 8
            yield access("activation write", p.name, number * each, each * p.size, basis=STRUCTURE)


def _accesses(program: Program, q: Projection, passes: int, bits: tuple[int, int], macs: Interval) -> Iterator[Count]:
    """Bytes moved: from every value once (perfect reuse) to the order in which an event-driven circuit would move them,
    a weight and an accumulator for each product."""
    activation, weight = bits[0] / 8, bits[1] / 8
    stored, accumulator = weights_stored(q), 4
    reads = Interval(stored * passes, max(stored * passes, macs.high)) * weight
    yield access("weight read", q.name, reads, stored * weight, basis=STRUCTURE)
    held = accumulator * size(program, q.target)
    moved = Interval(0, macs.high * 2 * accumulator)
    yield access("accumulator read and write", q.name, moved, held, basis=STRUCTURE)
    places = size(program, q.source)
    read = Interval.at(places * passes * activation)
    yield access("activation read", q.name, read, places * activation, basis=STRUCTURE)


# side by side


def compare(run: Costs, ann: Estimate, rate: float) -> Comparison:
    """A priced run beside its ANN: dynamic energies. rate: measured spikes per neuron and step.

    Costs of both sides are taken as independent, which can only widen what "cannot tell" covers.
    """
    snn = run.dynamic
    if snn.unknown or ann.unknown:
        missing = (snn if snn.unknown else ann).missing
        return Comparison("unknown", None, rate, None, None, f"{'SNN' if snn.unknown else 'ANN'}: {missing[0]}")
    ours, theirs = snn.bounds, ann.bounds
    verdict: Literal["SNN cheaper", "ANN cheaper", "cannot tell"] = "cannot tell"
    if ours.below(theirs):
        verdict = "SNN cheaper"
    elif theirs.below(ours):
        verdict = "ANN cheaper"
    steps = _quotient(theirs, ours * (1 / run.steps))
    crossing, why = _crossing_rate(run, theirs, rate)
    return Comparison(verdict, _quotient(ours, theirs), rate, crossing, steps, why)


def _crossing_rate(run: Costs, ann: Interval, rate: float) -> tuple[Interval | None, str]:
    """The rate at which energy = fixed + (what grows with spikes) x rate / measured rate equals that of the ANN.

    A count that is an interval may grow less than the rate (weights kept for several events), so the upper end goes
    without its share.
    """
    fixed, growing = run.fixed.bounds, run.growing.bounds
    if rate == 0 or growing.high == 0:
        return None, "no spike was sent, or none costs anything: the rate does not enter"
    if ann.high <= fixed.low:
        return None, "neuron updates and input alone cost more than the ANN"
    low = max(0.0, ann.low - fixed.high) / growing.high if math.isfinite(fixed.high) else 0.0
    surely = sum(x.energy.known.low for x in run.lines if x.count.by_rate and _exact(x))
    high = _divided(ann.high - fixed.low, surely)
    if low * rate > 1:
        return None, "the SNN costs less even with a spike of every neuron in every step"
    return Interval(low * rate, high * rate), ""


def _exact(line: Line) -> bool:
    return line.count.number is not None and line.count.number.low == line.count.number.high


def _quotient(a: Interval, b: Interval) -> Interval | None:
    """a / b; None where b is 0."""
    return Interval(0.0 if math.isinf(b.high) else a.low / b.high, _divided(a.high, b.low)) if b.high > 0 else None


def _divided(a: float, b: float) -> float:
    return math.inf if b == 0 or math.isinf(a) else a / b
