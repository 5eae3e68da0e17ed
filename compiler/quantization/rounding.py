"""Rounding of weights to Loihi's grid, with the exponent that loses least."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.ir.ops import Affine, Array, Conv, Linear, SignMode, Sparse
from seamount.compiler.ir.weights import Grid, grid


def per_weight(op: Linear, per_source: Array) -> Array:
    """A number per source neuron, spread to (broadcast) the weights that read it; convolutions take the mean."""
    if isinstance(op, Affine):
        return per_source.reshape(1, -1)
    if isinstance(op, Sparse):
        return np.asarray(per_source.reshape(-1)[op.cols])
    assert isinstance(op, Conv)
    channel = per_source.reshape(per_source.shape[0], -1).mean(axis=1).reshape(op.groups, -1)
    out_per = op.weight.shape[0] // op.groups
    spread = np.repeat(channel, out_per, axis=0)
    return spread.reshape(*spread.shape, *(1,) * (op.weight.ndim - 2))


@dataclass(frozen=True, eq=False)
class Rounded:
    """Weights as codes * 2**exponent, and the expected squared error of the target's current, in codes**2."""

    codes: NDArray[np.int32]
    exponent: int
    error: float
    clipped: int


def round_weights(scaled: Array, importance: Array, bits: int, mode: SignMode, exponents: range) -> Rounded:
    """Round weights (given in synaptic units) to the grid with the exponent that loses least.

    importance: mean squared activity of each weight's source, broadcastable to `scaled`.
    """
    g = grid(bits, mode)
    low, high = float(np.min(scaled, initial=0.0)), float(np.max(scaled, initial=0.0))
    fits = [e for e in exponents if g.low * 2.0**e <= low and high <= g.high * 2.0**e]
    first = fits[0] if fits else exponents[-1]
    # Clipping the largest weights can pay; at few bits, clipping many.
    tried = [e for e in range(first - (1 if bits > 4 else 3), first + 1) if e in exponents]
    return min((_rounded(scaled, importance, g, e) for e in tried), key=lambda r: r.error)


def spacing(values: Array) -> float:
    """The largest d of which all values are multiples of at most 256 d (to 1e-6 of the largest); 0 without one.

    Euclid's algorithm on all values at once: the smallest remainder is the next divisor.
    """
    v = np.unique(np.abs(values))
    v = v[v > 0]
    if not v.size:
        return 0.0
    d, peak = float(v[0]), float(v[-1])
    while d * 256.5 > peak:
        n = np.rint(v / d)
        remainder = np.abs(v - d * n)
        remainder = remainder[remainder > 1e-6 * peak]
        if not remainder.size:
            return float(np.sum(v * n) / np.sum(n * n))
        d = float(remainder.min())
    return 0.0


def _rounded(scaled: Array, importance: Array, g: Grid, exponent: int) -> Rounded:
    unit = 2.0**exponent
    steps = np.rint(scaled / (unit * g.step)) * g.step
    codes = np.minimum(np.maximum(steps, g.low), g.high)
    error = float((importance * np.square(codes * unit - scaled)).sum())
    return Rounded(codes.astype(np.int32), exponent, error, int(np.count_nonzero(codes != steps)))
