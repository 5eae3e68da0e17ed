"""One axis of a convolution: which inputs a range of outputs sees, and through which taps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Conv, Shape, as_chw

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """Output i sees input i * stride - padding + k * dilation through tap k."""

    size_in: int
    size_out: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    def taps(self, start: int, stop: int) -> Mapping[int, tuple[int, ...]]:
        """Input -> taps through which outputs [start, stop) see it; inputs that none sees are left out."""
        found: dict[int, list[int]] = {}
        for i in range(start, stop):
            first = i * self.stride - self.padding
            for k in range(self.kernel):
                if 0 <= first + k * self.dilation < self.size_in:
                    found.setdefault(first + k * self.dilation, []).append(k)
        return {y: tuple(sorted(found[y])) for y in sorted(found)}

    def inputs(self, start: int, stop: int) -> Ints:
        """Inputs that outputs [start, stop) see, rising."""
        return np.fromiter(self.taps(start, stop), np.int64)

    def cover(self, start: int, stop: int) -> Cover:
        """What outputs [start, stop) see, in numbers; equal for ranges that lie alike, so mostly known already."""
        low = max(0, self.padding - start * self.stride)
        last = (stop - 1) * self.stride - self.padding + (self.kernel - 1) * self.dilation
        high = max(0, last - self.size_in + 1)
        inside = -(-self.padding // self.stride)  # the first output whose taps all lie inside
        return _cover(self, start if low or high else inside, stop - start)


@dataclass(frozen=True)
class Cover:
    """inputs: how many are seen. pairs: (output, tap) pairs inside the input. classes: for each distinct set of taps
    through which inputs are seen, (taps, inputs); inputs of one class lie alike, so they share a list."""

    inputs: int
    pairs: int
    classes: tuple[tuple[int, int], ...]


@lru_cache(maxsize=100_000)
def _cover(axis: Axis, start: int, size: int) -> Cover:
    taps = axis.taps(start, start + size)
    classes = tuple(sorted((len(c), inputs) for c, inputs in Counter(taps.values()).items()))
    return Cover(len(taps), sum(map(len, taps.values())), classes)


def axes(conv: Conv, source: Shape, target: Shape) -> tuple[Axis, Axis]:
    """Rows and columns of a convolution."""
    (_, h_in, w_in), (_, h_out, w_out) = as_chw(source), as_chw(target)
    numbers = zip((h_in, w_in), (h_out, w_out), conv.weight.shape[2:], conv.stride, conv.padding, conv.dilation,
                  strict=True)  # fmt: skip
    rows, columns = (Axis(*n) for n in numbers)
    return rows, columns
