"""Choice of scales: how many synaptic units one unit of a population's membrane gets, and how fine inputs are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.ir.ops import Array, Conv, Linear, SignMode, Sparse
from seamount.compiler.ir.shapes import size
from seamount.compiler.ir.weights import grid, values_of
from seamount.compiler.quantization.rounding import Rounded, round_weights, spacing
from seamount.compiler.windows import phase_masks

U_LIMIT = 2**17 - 1
"""|a| up to here keeps |64 a| inside the 24 bits of u, and 64 times a membrane of as many units inside those of v."""
FINEST = 128
"""Smallest scale that is aimed at: below it, thresholds and scales would be too coarse a grid to choose from."""
HEADROOM = 8
"""Thresholds by which a membrane may go below zero before it saturates, where no smaller bound is known."""
CANDIDATES = 40
"""Scales tried per population, spread evenly over one octave in log space."""
EXACT = 1e-10
"""Squared errors below this share of the squared weights are rounding of floats."""


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


@dataclass(frozen=True)
class Demand:
    """What a population asks of its registers, in units of its threshold (a readout: in its own units).

    bias: largest |bias|. held: largest |v_init| or subtracted amount. current_gain: 1/(1 - alpha), what synaptic
    memory multiplies a current by. membrane_gain: what the membrane multiplies a constant input by within a sample.
    typical: largest |u| (readout: |v|) seen on samples or expected without, with a margin; None: not known.
    quantum: what bias, start value, reset and clamp are multiples of, where v >= threshold needs it; else 0.
    largest: largest scale that the caller allows.
    """

    fires: bool
    bias: float
    held: float
    current_gain: float
    membrane_gain: float
    typical: float | None
    quantum: float = 0.0
    largest: float = np.inf


@dataclass(frozen=True, eq=False)
class Choice:
    """A scale, the rounded weights of each projection, the summed error, and whether u is proven safe.

    error: expected squared error of a neuron's input, in units of the graph. proven: no messages in range take u
    (of a readout: v) out of its 24 bits.
    """

    scale: float
    rounded: tuple[Rounded, ...]
    error: float
    proven: bool


def choose(incoming: tuple[Incoming, ...], demand: Demand, limits: Limits) -> Choice:
    """The scale that loses least; an integer where the population fires, because it is the threshold then."""
    reach = demand.current_gain * float(max(np.max(r, initial=0.0) for r in reaches(incoming)))
    worst = reach if demand.fires else (reach + demand.bias) * demand.membrane_gain
    cap = _cap(incoming, demand, limits, reach)
    start = _natural(incoming, demand.fires)
    safe = U_LIMIT / worst if worst > 0 else cap
    wanted = safe >= start / 4
    if wanted:
        cap = min(cap, safe)
    elif demand.typical:
        cap = min(cap, U_LIMIT / demand.typical)
    top = min(1.5 * start, cap)  # beyond it weights need an exponent and are no finer
    least = EXACT * sum(_share(q, float((q.importance * np.square(values_of(q.op))).sum())) for q in incoming)
    tried = [_at(scale, incoming, limits, least) for scale in _candidates(incoming, demand, top)]
    tried.sort(key=lambda c: (c.error, not _is_multiple(c.scale * demand.quantum), -c.scale))
    safest = (c for c in tried if wanted and _is_safe(c, incoming, demand))
    best = next(safest, None)
    return Choice(best.scale, best.rounded, best.error, True) if best else tried[0]


def reaches(incoming: tuple[Incoming, ...]) -> tuple[Array, Array]:
    """(largest sum W x, largest -sum W x) per neuron over all messages in range, in units of the graph."""
    bounds = [(values_of(q.op), min(q.low, 0.0), max(q.high, 0.0)) for q in incoming]
    return _reaches(incoming, bounds)


def _reaches(incoming: tuple[Incoming, ...], bounds: list[tuple[NDArray[Any], float, float]]) -> tuple[Array, Array]:
    up, down = np.zeros(1), np.zeros(1)
    for q, (weights, low, high) in zip(incoming, bounds, strict=True):
        up = up + _per_neuron(q.op, np.maximum(weights * high, weights * low))
        down = down + _per_neuron(q.op, np.maximum(-weights * low, -weights * high))
    return up, down


def _per_neuron(op: Linear, product: Array) -> Array:
    """Sums over each neuron's synapses; of a convolution, the largest of any channel, as if nothing were padded. Of a
    transposed one a neuron has the synapses of its place between the sources."""
    if isinstance(op, Sparse):
        return np.bincount(op.rows, weights=product, minlength=size(op.shape)).astype(np.float64)
    if isinstance(op, Conv) and any(w.period > 1 for w in op.windows):
        rank, mask = len(op.windows), phase_masks(op.windows)
        axes = range(1, 1 + rank), range(rank, 2 * rank)
        return np.atleast_1d(np.max(np.tensordot(product.sum(axis=1), mask.astype(np.float64), axes)))
    total = product.reshape(len(product), -1).sum(axis=1)
    return np.atleast_1d(np.max(total)) if isinstance(op, Conv) else np.asarray(total)


def expected(incoming: tuple[Incoming, ...], means: tuple[Array, ...]) -> float:
    """Largest |current| to expect: mean plus six standard deviations of independent sources (no synaptic memory).

    means: mean message per weight, broadcastable to the weights; importance serves as the second moment.
    """
    mean = variance = 0.0
    for q, m in zip(incoming, means, strict=True):
        w = values_of(q.op)
        mean += float(np.max(np.abs(_per_neuron_mean(q.op, w * m)), initial=0.0))
        variance += float(np.max(_per_neuron(q.op, np.square(w) * q.importance), initial=0.0))
    return mean + 6 * float(np.sqrt(variance))


def _per_neuron_mean(op: Linear, product: Array) -> Array:
    return np.maximum(_per_neuron(op, product), _per_neuron(op, -product))


def rows_of(op: Linear) -> int:
    """Sets of weights that are summed into one neuron each: output neurons, or channels of a convolution, in each
    place between the sources of a transposed one."""
    places = size(tuple(w.period for w in op.windows)) if isinstance(op, Conv) else 1
    return max(1, size(op.shape) if isinstance(op, Sparse) else len(op.weight) * places)


def _cap(incoming: tuple[Incoming, ...], demand: Demand, limits: Limits, reach: float) -> float:
    """Largest scale at which threshold, bias, start value and the largest weight fit their registers."""
    caps = [demand.largest]
    if demand.fires:
        lowest = (reach + demand.bias) * demand.membrane_gain
        caps += [limits.vth_max, max(U_LIMIT / HEADROOM, U_LIMIT / lowest if lowest > 0 else limits.vth_max)]
    if demand.bias > 0:
        caps.append(limits.bias_max / (64 * demand.bias))
    if demand.held > 0:
        caps.append(U_LIMIT / demand.held)
    peak = max((_peak(q) for q in incoming), default=0.0)
    if peak > 0:
        caps.append(255 * 2.0 ** limits.exponents[-1] / peak)
    return min(caps)


def _peak(q: Incoming) -> float:
    return float(np.max(np.abs(values_of(q.op)), initial=0.0)) * q.unit


def _natural(incoming: tuple[Incoming, ...], fires: bool) -> float:
    """Scale at which the finest projection just fills the eight bits without an exponent."""
    peaks = [_peak(q) for q in incoming if _peak(q) > 0]
    natural = 254 / min(peaks) if peaks else FINEST
    return max(FINEST, int(natural)) if fires else natural


def _candidates(incoming: tuple[Incoming, ...], demand: Demand, top: float) -> Array:
    """Scales to try, at most `top`: an octave below it, and those that put weights exactly on their grids."""
    spread = np.geomspace(top / 2, top, CANDIDATES)
    if not demand.fires:
        ones = [grid(q.bits, q.mode).step / d for q in incoming if (d := spacing(values_of(q.op)) * q.unit) > 0]
        exact = [s * 2.0 ** np.floor(np.log2(top / s)) for s in ones]
        return np.asarray(np.unique([*spread, *exact]), np.float64)
    top = max(1, int(top))
    scales = np.arange(max(1, top // 4), top + 1)
    on_grid = _is_multiple(scales * demand.quantum).astype(np.int64) * (demand.quantum > 0)
    for q in incoming:
        d = spacing(values_of(q.op)) * q.unit
        if d > 0:
            on_grid += _is_multiple(scales * (d / grid(q.bits, q.mode).step))
    best = scales[(on_grid > 0) & (on_grid == on_grid.max())][-8:]
    return np.asarray(np.unique([*np.clip(np.floor(spread), 1, top), *best]), np.float64)


def _is_multiple(x: Any) -> Any:
    """Whether x is an integer, but for rounding of floats; elementwise."""
    return np.abs(x - np.rint(x)) < 1e-6 * np.maximum(1, np.abs(x))


def _at(scale: float, incoming: tuple[Incoming, ...], limits: Limits, least: float) -> Choice:
    rounded, error = [], 0.0
    for q in incoming:
        factor = scale * q.unit
        r = round_weights(values_of(q.op) * factor, q.importance, q.bits, q.mode, limits.exponents)
        error += _share(q, r.error / factor**2)
        rounded.append(r)
    return Choice(float(scale), tuple(rounded), error if error > least else 0.0, False)


def _share(q: Incoming, total: float) -> float:
    """A squared error of all weights as that of one neuron's current."""
    return total / rows_of(q.op)


def _is_safe(choice: Choice, incoming: tuple[Incoming, ...], demand: Demand) -> bool:
    """Whether u, and v of a readout, stay in 24 bits for the integers as they were rounded."""
    bounds: list[tuple[NDArray[Any], float, float]] = [
        (r.codes * 2.0**r.exponent, min(round(q.low / q.unit), 0), max(round(q.high / q.unit), 0))
        for q, r in zip(incoming, choice.rounded, strict=True)
    ]
    worst = demand.current_gain * float(max(np.max(r, initial=0.0) for r in _reaches(incoming, bounds)))
    if not demand.fires:
        worst = (worst + demand.bias * choice.scale) * demand.membrane_gain
    return bool(worst <= U_LIMIT)


def payload_unit(low: float, high: float, bits: int) -> float:
    """Value of one payload step when [low, high] is spread over `bits` bits (unsigned when low >= 0)."""
    steps: int = 2**bits - 1 if low >= 0 else 2 ** (bits - 1) - 1
    return max(abs(low), abs(high)) / steps


def payload_error(q: Incoming, unit: float, lattice: int) -> float:
    """Expected squared error of the target's current from rounding inputs to multiples of `unit`."""
    exact = lattice > 0 and abs(1 / (lattice * unit) - round(1 / (lattice * unit))) < 1e-6
    noise = 0.0 if exact else unit**2 / 12
    return float(noise * np.sum(np.square(values_of(q.op)))) / rows_of(q.op)
