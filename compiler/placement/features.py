"""What single populations, projections and ports ask of the chip, whatever core they are on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seamount.compiler.placement.limits import Excess
from seamount.compiler.program.program import InputPort, Population, Program, Projection
from seamount.compiler.target.target import Target

NEEDS = {
    "reset by subtraction": "features.reset_subtract",
    "lower clamp of v": "features.lower_clamp",
    "initial v other than 0": "features.initial_v",
}
"""What `Population.needs_microcode` names -> the feature."""


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
            yield Excess(f"input '{port.name}'", port.name, path, "bits of payload in a message", bits, limit, cite)


def _population(p: Population, target: Target) -> Iterator[Excess]:
    where = f"population '{p.name}'"
    for need in p.needs_microcode:
        if not target.supports(NEEDS[need].partition(".")[2]):
            yield Excess(where, p.name, NEEDS[need], need, 1, 0, target.cite(NEEDS[need]))
    decay = max(int(np.max(p.du)), int(np.max(p.dv)))
    if decay > target.decay_max:
        cite = target.cite("registers.decay_bits")
        yield Excess(where, p.name, "registers.decay_bits", "as a decay", decay, target.decay_max, cite)
    if p.vth is not None and int(np.max(p.vth)) > target.vth_max:
        cite = target.cite("registers.threshold")
        yield Excess(where, p.name, "registers.threshold", "as a threshold", int(np.max(p.vth)), target.vth_max, cite)
    low, high = target.bias_mant
    for mantissa, limit in ((int(np.min(p.bias_mant)), low), (int(np.max(p.bias_mant)), high)):
        if not low <= mantissa <= high and abs(mantissa) >= abs(limit):
            path = "registers.bias_mantissa_bits"
            yield Excess(where, p.name, path, "as a bias mantissa", mantissa, limit, target.cite(path))
    if np.any(p.bias_mant):
        yield from _outside(where, p.name, "registers.bias_exponent", "as a bias exponent", p.bias_exp, target)


def _projection(q: Projection, target: Target) -> Iterator[Excess]:
    where = f"projection '{q.name}'"
    yield from _outside(where, q.name, "synapse.weight_exponent", "as a weight exponent", q.weight_exp, target)
    if q.bits > target.weight_widths[-1]:
        cite = target.cite("synapse.weight_widths")
        yield Excess(where, q.name, "synapse.weight_widths", "bits per weight", q.bits, target.weight_widths[-1], cite)
    longest = target.value("core.delay")
    if isinstance(longest, int) and q.delay > longest:
        yield Excess(where, q.name, "core.delay", "steps of delay", q.delay, longest, target.cite("core.delay"))


def _outside(where: str, name: str, path: str, what: str, value: int, target: Target) -> Iterator[Excess]:
    """A number outside a range with two ends; the end that is nearer counts as the limit."""
    low, high = target.bounds(path)
    if not low <= value <= high:
        yield Excess(where, name, path, what, value, low if value < low else high, target.cite(path))
