"""What single populations, projections and ports ask of the chip, whatever core they are on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seamount.compiler.placement.limits import Excess, Kind, Measure
from seamount.compiler.program.needs import NEED_WORDS
from seamount.compiler.program.program import InputPort, Population, Program, Projection
from seamount.compiler.target.target import Target

POPULATION = Kind.POPULATION


def unrepresentable(program: Program, target: Target) -> list[Excess]:
    """Every number and feature that the target's registers, synapses and messages do not have."""
    found: list[Excess] = []
    for port in program.inputs:
        found += _port(port, target)
    for p in program.populations:
        found += _population(p, target)
    for q in program.projections:
        found += _projection(q, target)
    return found


def _port(port: InputPort, target: Target) -> Iterator[Excess]:
    if port.graded:
        bits = max(abs(port.low), abs(port.high)).bit_length() + (port.low < 0)
        path = "messages.graded_payload_bits"
        limit = target.value(path)
        if isinstance(limit, int) and bits > limit:
            cite = target.cite(path)
            yield Excess(Kind.INPUT, port.name, path, "bits of payload in a message", bits, limit, cite)


def _population(p: Population, target: Target) -> Iterator[Excess]:
    for need in p.needs_microcode:
        if not target.supports(need.value):
            words = NEED_WORDS[need]
            yield Excess(POPULATION, p.name, need.feature, words, 1, 0, target.cite(need.feature), Measure.FEATURE)
    bits, path = p.most.bit_length() if p.most > 1 else 0, "messages.graded_payload_bits"
    limit = target.value(path)
    if isinstance(limit, int) and bits > limit:
        yield Excess(POPULATION, p.name, path, "bits of payload in a message", bits, limit, target.cite(path))
    decay = max(int(np.max(p.du)), int(np.max(p.dv)))
    if decay > target.decay_max:
        cite = target.cite("registers.decay_bits")
        most = target.decay_max
        yield Excess(POPULATION, p.name, "registers.decay_bits", "as a decay", decay, most, cite, Measure.VALUE)
    if p.vth is not None and int(np.max(p.vth)) > target.vth_max:
        cite = target.cite("registers.threshold")
        vth, most, path = int(np.max(p.vth)), target.vth_max, "registers.threshold"
        yield Excess(POPULATION, p.name, path, "as a threshold", vth, most, cite, Measure.VALUE)
    low, high = target.bias_mant
    for mantissa, end in ((int(np.min(p.bias_mant)), low), (int(np.max(p.bias_mant)), high)):
        if not low <= mantissa <= high and abs(mantissa) >= abs(end):
            path = "registers.bias_mantissa_bits"
            cite, what = target.cite(path), "as a bias mantissa"
            yield Excess(POPULATION, p.name, path, what, mantissa, end, cite, Measure.VALUE)
    if np.any(p.bias_mant):
        yield from _outside(POPULATION, p.name, "registers.bias_exponent", "as a bias exponent", p.bias_exp, target)


def _projection(q: Projection, target: Target) -> Iterator[Excess]:
    yield from _outside(
        Kind.PROJECTION, q.name, "synapse.weight_exponent", "as a weight exponent", q.weight_exp, target
    )
    if q.bits > target.weight_widths[-1]:
        cite = target.cite("synapse.weight_widths")
        widest, path = target.weight_widths[-1], "synapse.weight_widths"
        yield Excess(Kind.PROJECTION, q.name, path, "bits per weight", q.bits, widest, cite)
    longest = target.value("core.delay")
    if isinstance(longest, int) and q.delay > longest:
        cite = target.cite("core.delay")
        yield Excess(Kind.PROJECTION, q.name, "core.delay", "steps of delay", q.delay, longest, cite)


def _outside(kind: Kind, name: str, path: str, what: str, value: int, target: Target) -> Iterator[Excess]:
    """A number outside a range with two ends; the end that is nearer counts as the limit."""
    low, high = target.bounds(path)
    if not low <= value <= high:
        nearer, cite = low if value < low else high, target.cite(path)
        yield Excess(kind, name, path, what, value, nearer, cite, Measure.VALUE)
