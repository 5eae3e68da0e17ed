"""Connections as rows of weights: what one spike of a source adds, and where.

Spikes of one pixel (the channels at one position; for dense synapses a whole row of the source) reach the same sums.
What they reach is a list of runs: stretches of neighbouring sums, each with its stretch in the row of weights of a
channel. Taps that would fall outside the border land in margins around the sums that nobody reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.cpu.layout import Layout
from seamount.backends.cpu.vectors import LANES
from seamount.compiler.program.fan_out import fan_out
from seamount.compiler.program.program import Conv, Dense, Program, Projection, Sparse, as_chw

Wide = NDArray[np.int64]


def padded(n: int, unit: int = LANES) -> int:
    """n rounded up to whole vectors."""
    return -(-n // unit) * unit


@dataclass(frozen=True)
class Field:
    """Sums of a population: its rows, with margins of so many rows and positions around them."""

    layout: Layout
    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    @property
    def pitch(self) -> int:
        """Sums from one row to the next."""
        inside = max(self.layout.width + self.right * self.layout.channels + LANES, self.layout.lanes)
        return padded(self.left * self.layout.channels) + padded(inside)

    @property
    def start(self) -> int:
        """The first neuron, from the beginning of the field."""
        return self.top * self.pitch + padded(self.left * self.layout.channels)

    @property
    def size(self) -> int:
        return padded((self.top + self.layout.rows + self.bottom) * self.pitch + LANES)


@dataclass(frozen=True, eq=False)
class Synapses:
    """weights (channels, row); pixels (n, 5) as tables.PIXEL with `base` and runs relative; runs (n, 3).

    shifts: per channel, where groups lead to different places. Instead of all that, lists: (starts, targets, weights),
    or beside: a row of weights, where each place leads to the same place of the target, and all rows are alike.
    """

    weights: NDArray[np.int32]
    pixels: Wide
    runs: Wide
    per_row: int = 1
    channels: int = 1
    shifts: Wide = field(default_factory=lambda: np.zeros(0, np.int64))
    lists: tuple[Wide, Wide, NDArray[np.int32]] | None = None
    beside: NDArray[np.int32] | None = None


def field_of(program: Program, name: str, layout: Layout) -> Field:
    """The field with margins for all convolutions that end there."""
    margins = np.zeros(4, np.int64)
    for q in program.into(name):
        if isinstance(q.connection, Conv):
            source, target = as_chw(program.shapes[q.source]), as_chw(program.shapes[name])
            sides = (_margins(q.connection, axis, source[1 + axis], target[1 + axis]) for axis in (0, 1))
            margins = np.maximum(margins, [m for side in sides for m in side])
    top, bottom, left, right = (int(m) for m in margins)
    return Field(layout, top, bottom, left, right)


def _margins(conv: Conv, axis: int, size: int, out: int) -> tuple[int, int]:
    window = conv.windows[axis]
    reach = (window.kernel - 1) * window.dilation
    before = max(0, -(-(reach - window.padding) // window.stride))
    last = ((size - 1) * window.input_dilation + window.padding) // window.stride
    return before, max(0, last - (out - 1))


def synapses_of(program: Program, q: Projection, codes: NDArray[np.int32], source: Layout, target: Field) -> Synapses:
    """The synapses of a projection, with `codes` in place of its weights."""
    connection = q.connection
    if isinstance(connection, Dense):
        return _dense(codes, source, target)
    if isinstance(connection, Sparse):
        return _lists(connection, codes, source, target)
    if _is_beside(program, q, connection):
        row = np.zeros(source.lanes, np.int32)
        row[: source.width] = np.tile(codes.reshape(-1), source.width // source.channels)
        nothing = np.zeros((0, 1), np.int32)
        return Synapses(nothing, np.zeros((0, 5), np.int64), np.zeros((0, 3), np.int64), beside=row)
    return _conv(program, q, connection, codes, target)


def _is_beside(program: Program, q: Projection, conv: Conv) -> bool:
    """Whether each neuron reaches the one at its own place only: a 1 x 1 convolution, channel by channel."""
    graded = any(port.graded and port.name == q.source for port in program.inputs)
    channels = as_chw(program.shapes[q.source])[0]
    plain = conv.stride == conv.input_dilation == (1, 1) and conv.padding == (0, 0)
    return plain and conv.weight.shape == (channels, 1, 1, 1) and conv.groups == channels and not graded


def _dense(codes: NDArray[np.int32], source: Layout, target: Field) -> Synapses:
    rows, width = target.layout.rows, target.layout.width
    columns, places = source.place, target.layout.place
    by_place = np.zeros((rows * target.layout.lanes, codes.shape[1]), np.int32)
    by_place[places] = codes
    ordered = by_place.reshape(rows, target.layout.lanes, -1)[:, :width]
    weights = np.zeros((source.rows * source.width, rows, padded(width)), np.int32)
    channel = columns // source.lanes * source.width + columns % source.lanes
    weights[channel, :, :width] = ordered.transpose(2, 0, 1)
    step = padded(width)
    runs = [(r * target.pitch, r * step, step) for r in range(rows)]
    pixels = [(0, 0, rows, codes.shape[0], r * source.width) for r in range(source.rows)]
    table = np.asarray(pixels, np.int64)
    return Synapses(weights.reshape(len(weights), -1), table, np.asarray(runs, np.int64), 1, source.width)


def _lists(connection: Sparse, codes: NDArray[np.int32], source: Layout, target: Field) -> Synapses:
    pre = source.place[connection.cols]
    row, column = np.divmod(target.layout.place[connection.rows], target.layout.lanes)
    order = np.argsort(pre, kind="stable")
    starts = np.zeros(source.places + 1, np.int64)
    np.cumsum(np.bincount(pre, minlength=source.places), out=starts[1:])
    nothing = np.zeros((0, 1), np.int32)
    lists = starts, (row * target.pitch + column)[order], codes[order]
    return Synapses(nothing, np.zeros((0, 5), np.int64), np.zeros((0, 3), np.int64), lists=lists)


def _conv(program: Program, q: Projection, conv: Conv, codes: NDArray[np.int32], target: Field) -> Synapses:
    c_in, height, width = as_chw(program.shapes[q.source])
    (sy, sx), (py, px), (uy, ux) = conv.stride, conv.padding, conv.input_dilation
    c_out, per_in = codes.shape[:2]
    per_out = c_out // conv.groups
    runs: list[tuple[int, int, int]] = []
    rows: list[NDArray[np.int32]] = []
    classes = np.zeros((sy, sx, 2), np.int64)
    for phase in np.ndindex(sy, sx):
        first = len(runs)
        for dy, y, dx, columns in _stretches(conv, phase):
            block = _row(codes[:, :, y, columns], conv.groups)
            runs.append((dy * target.pitch + dx * c_out, sum(r.shape[1] for r in rows), block.shape[1]))
            rows.append(block)
        classes[phase] = first, len(runs)
    ys, xs = np.arange(height)[:, None] * uy + py, np.arange(width)[None] * ux + px
    pixels = np.zeros((height, width, 5), np.int64)
    pixels[..., 0] = ys // sy * target.pitch + xs // sx * c_out
    pixels[..., 1:3] = classes[ys % sy, xs % sx]
    pixels[..., 3] = fan_out(program, q)[: height * width].reshape(height, width)
    shifts = np.arange(c_in) // per_in * per_out if conv.groups > 1 else np.zeros(0)
    weights = np.concatenate(rows, axis=1) if rows else np.zeros((c_in, 0), np.int32)
    return Synapses(
        weights, pixels.reshape(-1, 5), np.asarray(runs, np.int64).reshape(-1, 3), width, c_in, shifts.astype(np.int64)
    )


def _stretches(conv: Conv, phase: tuple[int, ...]) -> list[tuple[int, int, int, list[int]]]:
    """(rows down, kernel row, positions right, kernel columns) that a spike at this phase of the stride reaches.

    Columns that lead to neighbouring positions make one stretch, unless groups lie between them.
    """
    found = []
    for y in range(conv.weight.shape[2]):
        down, rest = divmod(phase[0] - y * conv.dilation[0], conv.stride[0])
        if rest:
            continue
        stretch: list[int] = []
        begin = 0
        for x in reversed(range(conv.weight.shape[3])):
            right, rest = divmod(phase[1] - x * conv.dilation[1], conv.stride[1])
            if rest:
                continue
            if stretch and conv.groups == 1 and right == begin + len(stretch):
                stretch.append(x)
            else:
                stretch, begin = [x], right
                found.append((down, y, right, stretch))
    return found


def _row(block: NDArray[Any], groups: int) -> NDArray[np.int32]:
    """(C_out, C_in/groups, columns) to a padded stretch of weights per input channel."""
    c_out, per_in, columns = block.shape
    parts = block.reshape(groups, c_out // groups, per_in, columns)
    rows = parts.transpose(0, 2, 3, 1).reshape(groups * per_in, -1)
    out = np.zeros((len(rows), padded(rows.shape[1])), np.int32)
    out[:, : rows.shape[1]] = rows
    return out
