"""Analysis: weights and thresholds before and after quantization, as histograms small enough to keep.

Only the compiler sees both sides; the artifact keeps these for the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import LIF, IntLIF
from seamount.compiler.ir.quantized import dequantized, factor
from seamount.compiler.ir.weights import grid, values_of

BINS = 48
"""A histogram has at most this many bins, and one more where a grid needs it."""


@dataclass(frozen=True)
class Histogram:
    """counts[k] values lie in [low + k width, low + (k + 1) width); smallest, largest: of the values themselves."""

    low: float
    width: float
    counts: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=1)]
    smallest: float
    largest: float


@dataclass(frozen=True)
class Weights:
    """Weights of one projection in units of the graph after folding (its thresholds are 1), in the same bins.

    code: what one step of the integer grid is worth in that unit. Bins are as wide as a whole number of grid steps and
    have grid points in their middle, so that the grid makes no pattern of its own.
    """

    projection: str
    population: str
    code: float
    before: Histogram
    after: Histogram


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of one population: as imported, one per neuron, and as integers (vth)."""

    population: str
    before: Histogram
    after: Histogram


def distributions(
    imported: Graph, folded: Graph, quantized: Graph
) -> tuple[tuple[Weights, ...], tuple[Thresholds, ...]]:
    """Weights and thresholds of every layer, for the artifact.

    imported: with shapes, before anything was folded; its thresholds are those the network was trained with.
    """
    return tuple(_weights(folded, quantized)), tuple(_thresholds(imported, quantized))


def _weights(folded: Graph, quantized: Graph) -> list[Weights]:
    found = []
    for node in quantized.nodes:
        op: Any = node.op
        if not hasattr(op, "format") or node.name not in folded.by_name:
            continue  # relays, which balance-delays adds, were never trained
        worth = factor(op.format)
        step = grid(op.format.bits, op.format.sign_mode).step * worth
        before, after = (np.ravel(values_of(dequantized(x))) for x in (folded[node.name].op, op))  # type: ignore[arg-type]
        if before.size == 0:
            continue
        both = np.concatenate([before, after])
        first, last = (int(np.rint(end / step)) for end in (both.min(), both.max()))
        steps = -(-(last - first + 1) // BINS)
        low, width, bins = (first - 0.5) * step, steps * step, -(-(last - first + 1) // steps)
        into = quantized.out_of(node.name)[0].target
        sides = [binned(values, low, width, bins) for values in (before, after)]
        found.append(Weights(node.name, into, step, *sides))
    return found


def _thresholds(imported: Graph, quantized: Graph) -> list[Thresholds]:
    found = []
    known = {n.name: n for n in imported.nodes if isinstance(n.op, LIF)}
    for node in quantized.nodes:
        before = known.get(node.name)
        if not isinstance(node.op, IntLIF) or node.op.vth is None or before is None or node.shape is None:
            continue
        assert isinstance(before.op, LIF)
        trained = np.broadcast_to(before.op.threshold, node.shape)
        stored = np.broadcast_to(node.op.vth, node.shape)
        found.append(Thresholds(node.name, histogram(trained), histogram(stored)))
    return found


def histogram(values: NDArray[Any]) -> Histogram:
    """A histogram between the smallest and the largest value; a single bin where they are equal."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return Histogram(low, 0.0, (int(values.size),), low, high)
    return binned(np.ravel(values), low, (high - low) / BINS, BINS)


def binned(values: NDArray[Any], low: float, width: float, bins: int) -> Histogram:
    """Counts per bin; a value on the very edge, by rounding, counts in the outermost bin."""
    places = np.clip(np.floor((values - low) / width).astype(np.int64), 0, bins - 1)
    counts = tuple(int(n) for n in np.bincount(places, minlength=bins))
    return Histogram(float(low), float(width), counts, float(values.min()), float(values.max()))
