"""The equivalent ANN, and at which spike rate or number of steps a spiking network costs as much.

Same layers as trained, ReLU instead of spikes, one pass; a network with loops, or one that is fed a sequence, takes one
pass per step. A pool that the compiler folded into a kernel is a pool here; a network of which only the program is
known has the products of its projections. Three number formats: 32-bit floating point, 8-bit integers, and
bit-matched: activations of ceil(log2(T + 1)) bits, which is what T steps of spikes can tell apart, weights as quantized
(Yan, Bai, Wong 2024, arXiv:2409.08290). Every multiplication is done, also by zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from seamount.compiler.analysis.operations import Products
from seamount.compiler.energy.cost_set import CostSet
from seamount.compiler.energy.counts import (
    STRUCTURE,
    Count,
    access,
    payload_bits,
    ports,
    projection_synapses,
    size,
    weights_stored,
)
from seamount.compiler.energy.estimate import Estimate, Interval, total
from seamount.compiler.energy.price import Costs, Line, price
from seamount.compiler.program.program import Program

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


@dataclass(frozen=True)
class _Layer:
    """Products of the twin, or additions of a pool, in one pass. bits: of activation and weight."""

    name: str
    pool: bool
    macs: int
    weights: int
    inputs: int
    outputs: int
    bits: tuple[int, int]


def twin(
    program: Program,
    steps: int,
    costs: CostSet,
    form: Format,
    sequence: bool = False,
    trained: Sequence[Products] = (),
) -> Twin:
    """The ANN of a program in one number format, priced.

    sequence: whether a sample is different in every step. trained: the layers before anything was folded.
    """
    passes = steps if sequence or recurrent(program) else 1
    layers = tuple(_trained(program, steps, form, trained) if trained else _projected(program, steps, form))
    counts = tuple(_counts(program, layers, steps, passes, form, bool(costs.memory)))
    macs = sum(layer.macs for layer in layers if not layer.pool) * passes
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


def _projected(program: Program, steps: int, form: Format) -> Iterator[_Layer]:
    """A layer per projection."""
    for q in program.projections:
        bits = activation_bits(program, q.source, steps, form), _weight_bits(form, q.bits)
        yield _Layer(
            q.name, False, projection_synapses(program, q), weights_stored(q), size(program, q.source),
            size(program, q.target), bits,
        )  # fmt: skip


def _trained(program: Program, steps: int, form: Format, trained: Sequence[Products]) -> Iterator[_Layer]:
    """A layer per trained one; its weights have the bits of the projection they became."""
    stored = {q.name: q.bits for q in program.projections}
    widest = max(stored.values(), default=8)
    for p in trained:
        bits = _summed_bits(program, p, steps, form), _weight_bits(form, stored.get(p.layer, widest))
        yield _Layer(p.layer, p.pool, p.macs, p.weights, p.inputs, p.outputs, bits)


def _summed_bits(program: Program, p: Products, steps: int, form: Format) -> int:
    """Bits of an activation that is the sum of the layer's sources."""
    if form != "bit-matched":
        return 32 if form == "float32" else 8
    graded = [payload_bits(port) for name in p.sources if (port := ports(program).get(name)) and port.graded]
    if graded:
        return max(graded)
    return 8 if p.analog else math.ceil(math.log2(len(p.sources) * steps + 1))


def _weight_bits(form: Format, stored: int) -> int:
    return stored if form == "bit-matched" else 32 if form == "float32" else 8


def _counts(
    program: Program, layers: Sequence[_Layer], steps: int, passes: int, form: Format, memory: bool
) -> Iterator[Count]:
    for layer in layers:
        number = Interval.at(layer.macs * passes)
        if layer.pool:
            yield Count("addition of a pool", layer.name, ("activation",), number, STRUCTURE)
        elif form == "bit-matched":
            yield Count("multiply-accumulate", layer.name, ("mac_matched",), number, STRUCTURE, bits=layer.bits)
        else:
            yield Count("multiply-accumulate", layer.name, (f"mac_{form}",), number, STRUCTURE)
        if memory:
            yield from _accesses(layer, passes, number)
    for p in program.populations:
        number = Interval.at(p.size * passes)
        yield Count("bias and ReLU", p.name, ("activation",), number, STRUCTURE)
        if memory:
            each = activation_bits(program, p.name, steps, form) / 8
            yield access("activation write", p.name, number * each, each * p.size, basis=STRUCTURE)


def _accesses(layer: _Layer, passes: int, macs: Interval) -> Iterator[Count]:
    """Bytes moved: from every value once (perfect reuse) to the order in which an event-driven circuit would move them,
    a weight and an accumulator for each product."""
    activation, weight, accumulator = layer.bits[0] / 8, layer.bits[1] / 8, 4
    if not layer.pool:
        reads = Interval(layer.weights * passes, max(layer.weights * passes, macs.high)) * weight
        yield access("weight read", layer.name, reads, layer.weights * weight, basis=STRUCTURE)
    moved = Interval(0, macs.high * 2 * accumulator)
    yield access("accumulator read and write", layer.name, moved, accumulator * layer.outputs, basis=STRUCTURE)
    read = Interval.at(layer.inputs * passes * activation)
    yield access("activation read", layer.name, read, layer.inputs * activation, basis=STRUCTURE)
    if layer.pool:
        written = Interval.at(layer.outputs * passes * activation)
        yield access("activation write", layer.name, written, layer.outputs * activation, basis=STRUCTURE)


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
