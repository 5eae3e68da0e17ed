"""Transposed convolutions as nodes of a NIR graph, beside the types of NIR 1.0.8, which has none.

nir.write writes them under their names, with the fields of nir.Conv1d and nir.Conv2d and output_padding. `read_nir`
reads them; nir.read fails, rather than to take them for something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

from seamount.compiler.ir.ops import Array


@dataclass(eq=False)
class ConvTranspose1d(nir.NIRNode):  # type: ignore[misc]
    """y as torch.nn.ConvTranspose1d computes it. weight (C_in, C_out / groups, K), bias (C_out,)."""

    input_shape: int | None
    weight: Array
    stride: int
    padding: int
    output_padding: int
    dilation: int
    groups: int
    bias: Array

    def __post_init__(self) -> None:
        self.input_type, self.output_type = {"input": None}, {"output": None}


@dataclass(eq=False)
class ConvTranspose2d(nir.NIRNode):  # type: ignore[misc]
    """y as torch.nn.ConvTranspose2d computes it. weight (C_in, C_out / groups, K_h, K_w), bias (C_out,)."""

    input_shape: tuple[int, ...] | None
    weight: Array
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    bias: Array

    def __post_init__(self) -> None:
        self.input_type, self.output_type = {"input": None}, {"output": None}


def transposed_node(
    weight: Array, bias: Array | None, shape: tuple[int, ...], groups: int = 1, **axes: tuple[int, ...]
) -> nir.NIRNode:
    """A node by the rank of the weight. shape: (C_in, *space) of its input. axes: stride, and where they are not as
    usual padding, output_padding and dilation, a number per axis."""
    rank = weight.ndim - 2
    usual = {"padding": (0,) * rank, "output_padding": (0,) * rank, "dilation": (1,) * rank}
    numbers: dict[str, Any] = {k: tuple(map(int, v)) for k, v in {**usual, **axes}.items()}
    space: Any = tuple(map(int, shape[-rank:]))
    if rank == 1:
        numbers, space = {k: v[0] for k, v in numbers.items()}, space[0]
    bias = np.zeros(weight.shape[1] * groups) if bias is None else bias
    kind = ConvTranspose1d if rank == 1 else ConvTranspose2d
    return kind(input_shape=space, weight=weight, bias=bias, groups=groups, **numbers)
