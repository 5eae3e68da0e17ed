"""A population cut into slices: blocks along channels, rows and columns, or ranges of flattened indices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Conv, Program, as_chw

Ints = NDArray[np.int64]
Box = tuple[int, int, int]


def box_of(program: Program, name: str) -> Box:
    """The axes along which a population is cut: (C, H, W) where a convolution ends in it, else (n, 1, 1)."""
    shape = program.shapes[name]
    if any(isinstance(q.connection, Conv) for q in program.into(name)):
        return as_chw(shape)
    return int(np.prod(shape, dtype=np.int64)), 1, 1


def even(size: int, parts: int) -> Ints:
    """Bounds of `parts` ranges whose sizes differ by one at most."""
    return np.arange(parts + 1, dtype=np.int64) * size // parts


@dataclass(frozen=True, eq=False)
class Blocks:
    """Slices of a population: every product of a range of each axis. Slices are numbered in C order.

    Neurons of a slice are numbered with the first axis fastest, then columns, then rows.
    """

    box: Box
    bounds: tuple[Ints, Ints, Ints]

    @classmethod
    def cut(cls, box: Box, parts: Box) -> Blocks:
        c, h, w = (even(size, n) for size, n in zip(box, parts, strict=True))
        return cls(box, (c, h, w))

    @property
    def parts(self) -> Box:
        c, h, w = (len(b) - 1 for b in self.bounds)
        return c, h, w

    @property
    def count(self) -> int:
        c, h, w = self.parts
        return c * h * w

    @property
    def neurons(self) -> int:
        c, h, w = self.box
        return c * h * w

    @cached_property
    def sizes(self) -> Ints:
        """Neurons of each slice."""
        c, h, w = (np.diff(b) for b in self.bounds)
        return np.asarray(c[:, None, None] * h[:, None] * w, np.int64).reshape(-1)

    @cached_property
    def owner(self) -> Ints:
        """Slice of each neuron."""
        c, h, w = (np.repeat(np.arange(len(b) - 1), np.diff(b)) for b in self.bounds)
        _, nh, nw = self.parts
        return np.asarray((c[:, None, None] * nh + h[:, None]) * nw + w, np.int64).reshape(-1)

    @cached_property
    def number(self) -> Ints:
        """Each neuron's number in its slice."""
        at = [np.arange(b[-1]) - np.repeat(b[:-1], np.diff(b)) for b in self.bounds]
        deep, wide = (np.repeat(np.diff(b), np.diff(b)) for b in (self.bounds[0], self.bounds[2]))
        c, h, w = at[0][:, None, None], at[1][:, None], at[2]
        return np.asarray((h * wide + w) * deep[:, None, None] + c, np.int64).reshape(-1)

    def ranges(self, slice_: int) -> Ints:
        """(k, 2) rising ranges of flattened indices of a slice."""
        k = np.unravel_index(slice_, self.parts)
        (c0, c1), (h0, h1), (w0, w1) = ((int(b[i]), int(b[i + 1])) for b, i in zip(self.bounds, k, strict=True))
        _, height, width = self.box
        if h1 - h0 == height and w1 - w0 == width:
            return np.array([[c0 * height * width, c1 * height * width]], np.int64)
        rows = (np.arange(c0, c1)[:, None] * height + np.arange(h0, h1)[None, :]) * width
        if w1 - w0 == width:
            return np.stack([rows[:, 0], rows[:, 0] + (h1 - h0) * width], axis=1).astype(np.int64)
        starts = rows.reshape(-1) + w0
        return np.stack([starts, starts + (w1 - w0)], axis=1).astype(np.int64)

    def sums(self, values: Ints) -> Ints:
        """Sum over each slice of one number per neuron."""
        total = values.reshape(self.box)
        for axis, b in enumerate(self.bounds):
            total = np.add.reduceat(total, b[:-1], axis=axis)
        return np.asarray(total, np.int64).reshape(-1)

    def distinct(self, codes: Ints | None) -> Ints:
        """How many different codes each slice holds; None stands for one code for all neurons."""
        if codes is None:
            return np.ones(self.count, np.int64)
        span = int(codes.max()) + 1
        pairs = np.unique(self.owner * span + codes)
        return np.bincount(pairs // span, minlength=self.count).astype(np.int64)
