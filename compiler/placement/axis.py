"""One axis of a convolution: which inputs a range of outputs sees, and through which taps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Conv, Shape, as_chw
from seamount.compiler.windows import Window

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """So many outputs, each of which sees inputs through a window."""

    size_in: int
    size_out: int
    window: Window

    def taps(self, start: int, stop: int) -> Mapping[int, tuple[int, ...]]:
        """Input -> taps through which outputs [start, stop) see it; inputs that none sees are left out."""
        found: dict[int, list[int]] = {}
        places, exists = self.window.places(stop - start, start)
        for output, k in np.argwhere(exists & (places >= 0) & (places < self.size_in)).tolist():
            found.setdefault(int(places[output, k]), []).append(k)
        return {y: tuple(sorted(found[y])) for y in sorted(found)}

    def inputs(self, start: int, stop: int) -> Ints:
        """Inputs that outputs [start, stop) see, rising."""
        return np.fromiter(self.taps(start, stop), np.int64)

    def cover(self, start: int, stop: int) -> Cover:
        """What outputs [start, stop) see, in numbers; equal for ranges that lie alike, so mostly known already."""
        w = self.window
        last = (stop - 1) * w.stride - w.padding + (w.kernel - 1) * w.dilation
        at_a_border = start * w.stride < w.padding or last > (self.size_in - 1) * w.input_dilation
        inside = -(-w.padding // w.stride)  # the first output whose taps all lie inside
        alike = inside + (start - inside) % w.period
        return _cover(self, start if at_a_border else alike, stop - start)


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
    rows, columns = conv.windows
    return Axis(h_in, h_out, rows), Axis(w_in, w_out, columns)
