"""Choice of scales: how many synaptic units one unit of a population's membrane gets, and how fine inputs are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seamount.compiler.ir.ops import Array, Conv, Linear, SignMode, Sparse
from seamount.compiler.ir.shapes import size
from seamount.compiler.ir.weights import values_of
from seamount.compiler.passes.rounding import Rounded, round_weights

U_LIMIT = 2**17 - 1
"""|a| up to here keeps |64 a| inside the 24 bits of u (loihi.md, LIF in fixed point)."""
FINEST = 128
"""Smallest scale: below it, thresholds and scales would be too coarse a grid to choose from."""
CANDIDATES = 40
"""Scales tried per population, spread evenly over one octave in log space."""


@dataclass(frozen=True, eq=False)
class Incoming:
    """One projection into a population: weights, unit and range of its source, importance per weight, format."""

    name: str
    op: Linear
    unit: float
    low: float
    high: float
    importance: Array
    bits: int
    mode: SignMode


@dataclass(frozen=True)
class Limits:
    """What the target allows: largest threshold and bias, weight exponents."""

    vth_max: int
    bias_max: int
    exponents: range


@dataclass(frozen=True, eq=False)
class Choice:
    """A scale, the rounded weights of each projection, the summed relative error, and whether u is proven safe."""

    scale: int
    rounded: tuple[Rounded, ...]
    error: float
    proven: bool


def worst_current(incoming: tuple[Incoming, ...]) -> float:
    """Largest |sum W x| over all neurons and all messages in range, in units of the graph."""
    if not incoming:
        return 0.0
    highs = sum(_reach(q, q.high, q.low) for q in incoming)
    lows = sum(_reach(q, -q.low, -q.high) for q in incoming)
    return float(max(np.max(highs), np.max(lows), 0.0))


def _reach(q: Incoming, high: float, low: float) -> Array:
    """Largest sum over each neuron's weights (per channel for convolutions), as an array that adds up."""
    w = values_of(q.op)
    best = np.maximum(w * high, w * low)
    if isinstance(q.op, Sparse):
        return np.bincount(q.op.rows, weights=best, minlength=size(q.op.shape))
    total = best.reshape(len(best), -1).sum(axis=1)
    return np.atleast_1d(np.max(total)) if isinstance(q.op, Conv) else total


def choose(
    incoming: tuple[Incoming, ...], bias: float, current_gain: float, measured: float | None, limits: Limits
) -> Choice:
    """The scale that loses least.

    incoming: projections with weights in units of the threshold. bias: largest |bias|. current_gain: 1/(1 - alpha),
    what synaptic memory multiplies a current by. measured: largest |u| seen on samples, or None.
    """
    cap = min(limits.vth_max, int(limits.bias_max / (64 * bias)) if bias > 0 else limits.vth_max)
    reach = worst_current(incoming) * current_gain
    safe = int(U_LIMIT / reach) if reach > 0 else cap
    start = _natural(incoming)
    proven = safe >= start / 4
    if proven:
        cap = min(cap, safe)
    elif measured:
        cap = min(cap, int(U_LIMIT / (2 * measured)))
    top = max(1, min(2 * start, cap))
    candidates = np.unique(np.rint(np.geomspace(max(1, top / 2), top, CANDIDATES)).astype(int))
    tried = [_at(int(scale), incoming, limits, proven) for scale in candidates]
    return min(tried, key=lambda c: c.error)


def rows_of(op: Linear) -> int:
    """Sets of weights that are summed into one neuron each: output neurons, or channels of a convolution."""
    return max(1, size(op.shape) if isinstance(op, Sparse) else len(op.weight))


def _natural(incoming: tuple[Incoming, ...]) -> int:
    """Scale at which the finest projection just fills the eight bits without an exponent."""
    peaks = [float(np.max(np.abs(values_of(q.op)), initial=0.0)) * q.unit for q in incoming]
    peaks = [p for p in peaks if p > 0]
    return max(FINEST, int(254 / min(peaks))) if peaks else FINEST


def _at(scale: int, incoming: tuple[Incoming, ...], limits: Limits, proven: bool) -> Choice:
    rounded, error = [], 0.0
    for q in incoming:
        factor = scale * q.unit
        r = round_weights(values_of(q.op) * factor, q.importance, q.bits, q.mode, limits.exponents)
        error += r.error / factor**2 / rows_of(q.op)
        rounded.append(r)
    return Choice(scale, tuple(rounded), error, proven)


def payload_unit(low: float, high: float, bits: int) -> float:
    """Value of one payload step when [low, high] is spread over `bits` bits (unsigned when low >= 0)."""
    steps = 2**bits - 1 if low >= 0 else 2 ** (bits - 1) - 1
    return max(abs(low), abs(high)) / steps


def payload_error(q: Incoming, unit: float, lattice: int) -> float:
    """Expected squared error of the target's current from rounding inputs to multiples of `unit`."""
    exact = lattice > 0 and abs(1 / (lattice * unit) - round(1 / (lattice * unit))) < 1e-6
    noise = 0.0 if exact else unit**2 / 12
    return float(noise * np.sum(np.square(values_of(q.op)))) / rows_of(q.op)
