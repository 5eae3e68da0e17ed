"""Synaptic sums as matrix products and convolutions in PyTorch, on any device, exact.

Spikes are 0 or 1 and weights integers. A float32 product is exact in any order of summation while every partial sum
stays below 2**24, which the bounds of the weights decide for each projection; beyond that float64 is used. int8
products with int32 sums are exact always; they are used for dense layers where the device has shown that it computes
them (selftest.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from seamount.backends.simulator.kernels import FLOAT32_EXACT
from seamount.compiler.program.bounds import sum_bound
from seamount.compiler.program.program import VTH_SHIFT, Conv, Dense, Program, Projection, Sparse, as_chw

ALIGNED = 8
"""torch._int_mm on CUDA wants widths that are multiples of 8, and more than 16 rows."""
MIN_ROWS = 17
Kernels = frozenset[str]
"""Of "int8", "float32" and "float64": what the device computes exactly."""


class Product:
    """One projection on a device: messages (M, n_source) to 64 * a, (M, n_target) int32."""

    def __init__(self, program: Program, q: Projection, device: torch.device, kernels: Kernels) -> None:
        bound = sum_bound(program, q)
        self.exponent = q.weight_exp
        self.connection = q.connection
        self.source, self.target = program.shapes[q.source], program.shapes[q.target]
        self.n_target = int(np.prod(self.target, dtype=np.int64))
        exact = max(bound.magnitude, int(np.abs(q.connection.weight).max(initial=0))) < FLOAT32_EXACT
        self.dtype = torch.float32 if exact and "float32" in kernels else torch.float64
        graded = any(port.graded and port.name == q.source for port in program.inputs)
        codes = q.connection.weight >> 1 if not (q.connection.weight & 1).any() else q.connection.weight
        self.unit = 2 if codes is not q.connection.weight else 1
        self.int8 = (
            "int8" in kernels
            and isinstance(q.connection, Dense)
            and not graded
            and int(codes.min(initial=0)) >= -128
            and int(codes.max(initial=0)) <= 127
        )
        self.weight = self.prepared(codes if self.int8 else q.connection.weight, device)

    def prepared(self, weight: Any, device: torch.device) -> Tensor:
        """Weights as the kernel takes them."""
        if self.int8:
            n_out, n_in = weight.shape
            out = torch.zeros(-(-n_in // ALIGNED) * ALIGNED, -(-n_out // ALIGNED) * ALIGNED, dtype=torch.int8)
            out[:n_in, :n_out] = torch.from_numpy(weight.T.astype(np.int8))
            return out.to(device)
        if isinstance(self.connection, Sparse):
            places = torch.from_numpy(np.stack([self.connection.rows, self.connection.cols]).astype(np.int64))
            size = self.n_target, int(np.prod(self.source, dtype=np.int64))
            values = torch.from_numpy(weight.astype(np.float64)).to(self.dtype)
            return torch.sparse_coo_tensor(places, values, size, check_invariants=True).coalesce().to(device)
        return torch.from_numpy(weight.astype(np.float64)).to(device, self.dtype)

    def __call__(self, s: Tensor) -> Tensor:
        sums = self.sums(s)
        shifted = sums << self.exponent if self.exponent >= 0 else sums >> -self.exponent
        return shifted << VTH_SHIFT

    def sums(self, s: Tensor) -> Tensor:
        """connection . s as int32."""
        if self.int8:
            rows, n_in = s.shape
            whole = pad(s.to(torch.int8), (0, len(self.weight) - n_in, 0, max(0, MIN_ROWS - rows)))
            return torch._int_mm(whole, self.weight)[:rows, : self.n_target] * self.unit
        x = s.to(self.dtype)
        if isinstance(self.connection, Sparse):
            listed: Tensor = torch.sparse.mm(self.weight, x.T)
            return listed.T.to(torch.int32)
        if isinstance(self.connection, Conv):
            return self.convolved(x, self.connection).reshape(len(s), -1).to(torch.int32)
        return torch.matmul(x, self.weight.T).to(torch.int32)

    def convolved(self, x: Tensor, conv: Conv) -> Tensor:
        images = x.reshape(-1, *as_chw(self.source))
        if conv.input_dilation != (1, 1):
            return self.spread(images, conv)
        return conv2d(images, self.weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)

    def spread(self, images: Tensor, conv: Conv) -> Tensor:
        """A transposed convolution: zeros between the inputs, and as many around them as the windows reach."""
        (uy, ux), (py, px), (_, h, w) = conv.input_dilation, conv.padding, as_chw(self.source)
        ends = zip(conv.windows, as_chw(self.target)[1:], strict=True)
        sizes = [(out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 for a, out in ends]
        height, width = max(sizes[0], py + (h - 1) * uy + 1), max(sizes[1], px + (w - 1) * ux + 1)
        whole = images.new_zeros(*images.shape[:2], height, width)
        whole[:, :, py : py + (h - 1) * uy + 1 : uy, px : px + (w - 1) * ux + 1 : ux] = images
        return conv2d(
            whole[:, :, : sizes[0], : sizes[1]], self.weight, None, conv.stride, 0, conv.dilation, conv.groups
        )
