"""Where the neurons of a port or population lie: rows of whole words, the channels of one position side by side.

A convolution adds the weights of all its output channels for one spike; with the channels side by side these are one
row of weights and one stretch of sums. Spikes are bits, 64 to a word, and each row starts a new word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seamount.backends.cpu.vectors import WORD
from seamount.compiler.program.program import Conv, Program, Shape, as_chw

Wide = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layout:
    """rows x width neurons; `channels` of them share a position. A place is row * lanes + column, lanes >= width.

    flat: one row in the order of the flattened shape.
    """

    shape: Shape
    rows: int
    width: int
    channels: int
    flat: bool

    @property
    def words(self) -> int:
        """Words of spikes per row."""
        return -(-self.width // WORD)

    @property
    def lanes(self) -> int:
        """Places per row; those from `width` on hold no neuron."""
        return self.words * WORD

    @property
    def places(self) -> int:
        return self.rows * self.lanes

    @cached_property
    def place(self) -> Wide:
        """Place of every neuron, in the order of the flattened shape."""
        if self.flat:
            return np.arange(self.width, dtype=np.int64)
        c, h, w = as_chw(self.shape)
        channel, y, x = np.unravel_index(np.arange(c * h * w), (c, h, w))
        return np.asarray(y * self.lanes + x * c + channel, np.int64)

    def laid_out(self, values: object, fill: int = 0) -> NDArray[np.int32]:
        """Values per neuron (0-d or of the shape), in their places."""
        out = np.full(self.places, fill, np.int32)
        out[self.place] = np.broadcast_to(np.asarray(values, np.int32), self.shape).reshape(-1)
        return out


def layouts(program: Program) -> dict[str, Layout]:
    """Layout of every port and population: by position where a convolution starts or ends, else a single row."""
    convolved = {n for q in program.projections if isinstance(q.connection, Conv) for n in (q.source, q.target)}
    out = {}
    for name, shape in program.shapes.items():
        size = int(np.prod(shape, dtype=np.int64))
        if name in convolved:
            c, h, w = as_chw(shape)
            out[name] = Layout(shape, h, w * c, c, False)
        else:
            out[name] = Layout(shape, 1, size, size, True)
    return out
