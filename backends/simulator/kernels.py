"""Connections applied to many messages at once, by matrix products in floating point that are exact.

A kernel turns messages (M, n_source) into 64 * shift(connection . s, weight_exp), (M, n_target). Every partial sum is
an integer (times a power of two) below 2**24, where float32 is exact in any order of summation, or else float64 is
used, exact below 2**53; the bounds come from compiler/program/bounds.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.bounds import sum_bound
from seamount.compiler.program.fan_out import fan_out
from seamount.compiler.program.program import (
    VTH_SHIFT,
    Conv,
    Program,
    Projection,
    Sparse,
    as_chw,
)
from seamount.compiler.windows import Window

Float = NDArray[np.floating[Any]]
Messages = NDArray[Any]
"""bool, or integers where graded."""

FLOAT32_EXACT = 2**24
CHUNK_ELEMENTS = 2**18
"""Working set of one slice of messages: 1 MiB of float32, which fits a core's cache."""
UNTHREADED_PRODUCT = 2**18
"""Multiplications of a matrix product that OpenBLAS leaves on one core. Small products that it spreads over cores
wait for each other most of the time, on a busy machine by a factor of ten; batches use the cores better."""
MATRIX_RATIO = 16
"""Sparse synapses become a full matrix when it is at most this many times larger than their list."""


class Kernel(ABC):
    """One projection, ready to be applied."""

    def __init__(self, program: Program, projection: Projection) -> None:
        bound = sum_bound(program, projection)
        worst = max(bound.magnitude, int(bound.shifted.max(initial=0)))
        self.dtype: Any = np.float32 if worst < FLOAT32_EXACT else np.float64
        self.exponent = projection.weight_exp
        # Powers of two commute with exact sums; a right shift does not, because it rounds down.
        gain = 2.0 ** (VTH_SHIFT + self.exponent) if self.exponent >= 0 else 1.0
        self.weight: Float = (projection.connection.weight * gain).astype(self.dtype)
        self.n_target = int(np.prod(program.shapes[projection.target], dtype=np.int64))
        self.fan_out = fan_out(program, projection)

    def __call__(self, s: Messages) -> Float:
        """(M, n_source) to 64 * a of shape (M, n_target)."""
        if not s.any():
            return np.zeros((len(s), self.n_target), self.dtype)
        out = self.sums(s)
        if self.exponent < 0:
            out *= 2.0**self.exponent
            np.floor(out, out=out)
            out *= 2.0**VTH_SHIFT
        return out

    @abstractmethod
    def sums(self, s: Messages) -> Float:
        """connection . s, scaled by 64 * 2**weight_exp when that is a left shift."""


class MatrixKernel(Kernel):
    """Dense synapses, and sparse ones that are not very sparse."""

    def __init__(self, program: Program, projection: Projection) -> None:
        super().__init__(program, projection)
        connection = projection.connection
        if isinstance(connection, Sparse):
            n_in = int(np.prod(program.shapes[projection.source], dtype=np.int64))
            full = np.zeros((self.n_target, n_in), self.dtype)
            full[connection.rows, connection.cols] = self.weight
            self.weight = full
        self.weight = np.ascontiguousarray(self.weight.T)

    def sums(self, s: Messages) -> Float:
        return product(s.astype(self.dtype), self.weight)


class ListKernel(Kernel):
    """Sparse synapses: products gathered in order of the target, then summed segment by segment."""

    def __init__(self, program: Program, projection: Projection, connection: Sparse) -> None:
        super().__init__(program, projection)
        order = np.argsort(connection.rows, kind="stable")
        self.cols = connection.cols[order]
        self.weight = self.weight[order]
        self.targets, self.starts = np.unique(connection.rows[order], return_index=True)

    def sums(self, s: Messages) -> Float:
        out = np.zeros((len(s), self.n_target), self.dtype)
        rows = max(1, CHUNK_ELEMENTS // self.cols.size)
        for i in range(0, len(s), rows):
            products = s[i : i + rows, self.cols] * self.weight
            out[i : i + rows, self.targets] = np.add.reduceat(products, self.starts, axis=1)
        return out


class ConvKernel(Kernel):
    """Convolution as a matrix product over patches (im2col), a slice of messages at a time."""

    def __init__(self, program: Program, projection: Projection, conv: Conv) -> None:
        super().__init__(program, projection)
        self.conv = conv
        self.source = as_chw(program.shapes[projection.source])
        self.target = as_chw(program.shapes[projection.target])
        c_out, _, h, w = conv.weight.shape
        self.depthwise = c_out == self.source[0] == conv.groups
        self.taps = [(i, j) for i in range(h) for j in range(w)]
        self.matrix = self.weight.reshape(conv.groups, c_out // conv.groups, -1)

    def sums(self, s: Messages) -> Float:
        c_out, h, w = self.target
        out = np.empty((len(s), c_out, h, w), self.dtype)
        (c, *size), (py, px), (uy, ux) = self.source, self.conv.padding, self.conv.input_dilation
        patch = c * (1 if self.depthwise else len(self.taps)) * h * w
        rows = max(1, min(len(s), CHUNK_ELEMENTS // patch))
        padded = np.zeros((rows, c, *map(_reach, self.conv.windows, size, (h, w))), self.dtype)
        inner = padded[:, :, py:, px:][:, :, : (size[0] - 1) * uy + 1 : uy, : (size[1] - 1) * ux + 1 : ux]
        patches = np.empty((rows, c, 1 if self.depthwise else len(self.taps), h, w), self.dtype)
        images = s.reshape(len(s), c, *size)
        for i in range(0, len(s), rows):
            n = min(rows, len(s) - i)
            inner[:n] = images[i : i + n]
            fill = self.add_taps if self.depthwise else self.multiply_patches
            fill(padded[:n], patches[:n], out[i : i + n])
        return out.reshape(len(s), -1)

    def under_tap(self, padded: Float, tap: tuple[int, int]) -> Float:
        """What one weight of the kernel sees: (rows, C, H_out, W_out), a view."""
        (sy, sx), (dy, dx), (_, h, w) = self.conv.stride, self.conv.dilation, self.target
        y, x = tap[0] * dy, tap[1] * dx
        return padded[:, :, y : y + (h - 1) * sy + 1 : sy, x : x + (w - 1) * sx + 1 : sx]

    def add_taps(self, padded: Float, scratch: Float, out: Float) -> None:
        """Depthwise (sum pooling): one multiplication and addition per tap."""
        out[...] = 0
        for y, x in self.taps:
            np.multiply(self.under_tap(padded, (y, x)), self.weight[:, 0, y, x, None, None], out=scratch[:, :, 0])
            out += scratch[:, :, 0]

    def multiply_patches(self, padded: Float, patches: Float, out: Float) -> None:
        for k, tap in enumerate(self.taps):
            patches[:, :, k] = self.under_tap(padded, tap)
        n, (groups, rows, depth) = len(out), self.matrix.shape
        columns = patches.reshape(n, groups, depth, -1)
        product = out.reshape(n, groups, rows, -1)
        high = min(rows, max(UNTHREADED_PRODUCT // (32 * depth), 8))
        wide = max(UNTHREADED_PRODUCT // (high * depth), 8)
        for r in range(0, rows, high):
            for i in range(0, columns.shape[3], wide):
                part = product[:, :, r : r + high, i : i + wide]
                np.matmul(self.matrix[:, r : r + high], columns[..., i : i + wide], out=part)


def _reach(window: Window, size: int, out: int) -> int:
    """Places of an axis with its padding, and zeros between the inputs, that the windows of all outputs lie in."""
    spread = 2 * window.padding + (size - 1) * window.input_dilation + 1
    return max(spread, (out - 1) * window.stride + (window.kernel - 1) * window.dilation + 1)


def product(left: Float, right: Float) -> Float:
    """left @ right in pieces of at most UNTHREADED_PRODUCT."""
    (m, depth), n = left.shape, right.shape[1]
    out = np.zeros((m, n), left.dtype)
    deep, wide = 128, min(n, 128)
    high = max(1, UNTHREADED_PRODUCT // (deep * wide))
    for i in range(0, m, high):
        for j in range(0, n, wide):
            for k in range(0, depth, deep):
                piece = left[i : i + high, k : k + deep] @ right[k : k + deep, j : j + wide]
                out[i : i + high, j : j + wide] += piece
    return out


def kernel(program: Program, projection: Projection) -> Kernel:
    """The kernel that suits a projection."""
    connection = projection.connection
    if isinstance(connection, Conv):
        return ConvKernel(program, projection, connection)
    if isinstance(connection, Sparse):
        n_out, n_in = (int(np.prod(program.shapes[n], dtype=np.int64)) for n in (projection.target, projection.source))
        if 0 < connection.rows.size * MATRIX_RATIO < n_out * n_in:
            return ListKernel(program, projection, connection)
    return MatrixKernel(program, projection)
