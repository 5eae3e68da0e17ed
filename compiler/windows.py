"""Convolutions along one axis: the only place where their geometry is written down. Runs on Python 3.10 with numpy."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """Output i sees input (i * stride - padding + k * dilation) / input_dilation through tap k, if that is a whole
    number inside the input.

    input_dilation u > 1 is a convolution with u - 1 zeros between neighbouring inputs: a transposed convolution of
    stride u (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, section 4).
    """

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    input_dilation: int = 1

    def outputs(self, size: int, output_padding: int = 0) -> int:
        """Positions over `size` inputs, with `output_padding` more zeros at their end (PyTorch's convention)."""
        spread = (size - 1) * self.input_dilation + 1 + output_padding
        return (spread + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    def places(self, outputs: int, start: int = 0) -> tuple[Ints, NDArray[np.bool_]]:
        """(outputs, kernel): inputs that `outputs` positions from `start` on see, inside or not, and where there are
        any, rather than a zero between two."""
        taps = np.arange(self.kernel, dtype=np.int64) * self.dilation - self.padding
        at = np.arange(start, start + outputs, dtype=np.int64)[:, None] * self.stride + taps
        place, rest = np.divmod(at, self.input_dilation)
        return place, rest == 0

    def seen(self, size: int, outputs: int) -> tuple[Ints, NDArray[np.bool_]]:
        """(outputs, kernel): the input under each tap, and whether there is one."""
        place, exists = self.places(outputs)
        return place, exists & (place >= 0) & (place < size)

    @property
    def period(self) -> int:
        """Outputs after which the taps that see inputs, not zeros between them, are the same again."""
        return self.input_dilation // gcd(self.input_dilation, self.stride)

    def phases(self) -> NDArray[np.bool_]:
        """(period, kernel): taps of each output, modulo the period, that see inputs, not zeros between them."""
        return self.places(self.period)[1]


def phase_masks(windows: tuple[Window, ...]) -> NDArray[np.bool_]:
    """(*periods, *kernels): `Window.phases` of several axes together."""
    mask = np.ones((1,) * (2 * len(windows)), np.bool_)
    for axis, window in enumerate(windows):
        own = window.phases()
        shape = [1] * (2 * len(windows))
        shape[axis], shape[len(windows) + axis] = own.shape
        mask = mask & own.reshape(shape)
    return mask
