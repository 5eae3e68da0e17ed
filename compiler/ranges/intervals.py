"""Interval arithmetic of synaptic sums: how far the input of each neuron can reach, given what its sources can send.

Positive and negative products are summed apart, neuron by neuron, with the borders of convolutions. Sums are formed in
float64 matrix products, which is exact: the verifier keeps every sum of magnitudes below 2**31, far below 2**53.
Runs on Python 3.10 with numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.bounds import message_range
from seamount.compiler.program.program import Conv, Dense, Program, Projection, Shape, Sparse, Wide, as_chw, shift

Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Interval:
    """Integers between `low` and `high`, both included, per neuron (flattened, int64)."""

    low: Wide
    high: Wide

    @staticmethod
    def at(value: Wide) -> Interval:
        return Interval(value, value)

    def hull(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        return Interval(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def inside(self, other: Interval) -> NDArray[np.bool_]:
        """Per neuron, whether `other` holds all of it."""
        return np.asarray((self.low >= other.low) & (self.high <= other.high), np.bool_)

    def same(self, other: Interval) -> NDArray[np.bool_]:
        """Per neuron, whether both ends are equal."""
        return np.asarray((self.low == other.low) & (self.high == other.high), np.bool_)

    def part(self, mask: NDArray[np.bool_]) -> Interval:
        """The neurons of the mask."""
        return Interval(self.low[mask], self.high[mask])

    @property
    def ends(self) -> tuple[int, int]:
        """Smallest and largest value over all neurons."""
        return int(self.low.min()), int(self.high.max())


Sent = Mapping[str, Interval]
"""Source (port or population) -> what each of its neurons can send. 0, silence, is always among it."""


def partial_sums(program: Program, q: Projection, sent: Interval) -> Interval:
    """Range of every partial sum of (connection . s), in any order of summation, per target neuron."""
    source, target = program.shapes[q.source], program.shapes[q.target]
    weight = q.connection.weight.astype(np.float64)
    positive, negative = np.maximum(weight, 0.0), np.minimum(weight, 0.0)
    least, most = sent.low.astype(np.float64), sent.high.astype(np.float64)
    low = _apply(q, negative, most, source, target) + _apply(q, positive, least, source, target)
    high = _apply(q, positive, most, source, target) + _apply(q, negative, least, source, target)
    return Interval(low.astype(np.int64), high.astype(np.int64))


def arrival(program: Program, target: str, sent: Sent) -> Interval:
    """Range of a, the shifted sums of all projections into a population, per neuron.

    A shift keeps order and silence gives 0, so that the ends of a projection's share are its shifted ends.
    """
    size = int(np.prod(program.shapes[target], dtype=np.int64))
    low, high = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for q in program.into(target):
        sums = partial_sums(program, q, sent[q.source])
        low += shift(sums.low, q.weight_exp)
        high += shift(sums.high, q.weight_exp)
    return Interval(low, high)


def sent_by_ports(program: Program) -> dict[str, Interval]:
    """Messages of every input port; 0 is included, because before a sample and after a delay nothing arrives."""
    out = {}
    for port in program.inputs:
        low, high = message_range(program, port.name)
        size = int(np.prod(port.shape, dtype=np.int64))
        out[port.name] = Interval(np.full(size, low, np.int64), np.full(size, high, np.int64))
    return out


def _apply(q: Projection, weight: Real, s: Real, source: Shape, target: Shape) -> Real:
    """connection . s, with `weight` in place of the connection's."""
    size = int(np.prod(target, dtype=np.int64))
    connection = q.connection
    if not s.any():
        return np.zeros(size, np.float64)
    if isinstance(connection, Dense):
        return np.asarray(weight @ s, np.float64)
    if isinstance(connection, Sparse):
        return np.bincount(connection.rows, weight * s[connection.cols], size).astype(np.float64)
    return _convolve(connection, weight, s, as_chw(source), as_chw(target))


def _convolve(conv: Conv, weight: Real, s: Real, source: Shape, target: Shape) -> Real:
    """Tap by tap: a matrix product over the channels of each group, for all positions at once."""
    (c, h, w), (c_out, h_out, w_out) = source, target
    groups, (rows, columns) = conv.groups, conv.windows
    image = np.pad(s.reshape(c, h, w), ((0, 0), (0, 1), (0, 1)))  # a row and a column of zeros stand for all outside
    ys, xs = (np.where(there, at, n) for (at, there), n in ((rows.seen(h, h_out), h), (columns.seen(w, w_out), w)))
    kernel = weight.reshape(groups, c_out // groups, c // groups, *weight.shape[2:])
    out = np.zeros((groups, c_out // groups, h_out * w_out), np.float64)
    for y, x in np.ndindex(*weight.shape[2:]):
        seen = image[:, ys[:, y, None], xs[None, :, x]].reshape(groups, c // groups, h_out * w_out)
        out += kernel[..., y, x] @ seen
    return out.reshape(-1)
