"""Analysis: what quantization did to each layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import IntLIF
from seamount.compiler.ir.quantized import dequantized, factor
from seamount.compiler.ir.weights import grid, values_of


@dataclass(frozen=True)
class LayerPrecision:
    """One projection after quantization. error: relative root-mean-square error of the weights."""

    layer: str
    target: str
    weights: int
    bits: int
    sign_mode: str
    exponent: int
    scale: float
    error: float
    clipped: int
    threshold: int | None


def precision(before: Graph, after: Graph) -> tuple[LayerPrecision, ...]:
    """Compare the graph before quantize with the quantized one, projection by projection.

    Relays, which the graph before has not, are exact and left out.
    """
    rows = []
    for node in after.nodes:
        op: Any = node.op
        if not hasattr(op, "format") or node.name not in before.by_name:
            continue
        exact, stored = (values_of(dequantized(x)) for x in (before[node.name].op, op))  # type: ignore[arg-type]
        norm = float(np.sqrt(np.sum(np.square(exact)))) or 1.0
        error = float(np.sqrt(np.sum(np.square(stored - exact)))) / norm
        g = grid(op.format.bits, op.format.sign_mode)
        wanted = np.rint(exact / factor(op.format) / g.step) * g.step
        clipped = int(np.sum((wanted < g.low) | (wanted > g.high)))
        target = after[after.out_of(node.name)[0].target]
        assert isinstance(target.op, IntLIF)
        vth = None if target.op.vth is None else int(np.max(target.op.vth))
        form = op.format
        row = LayerPrecision(
            node.name, target.name, exact.size, form.bits, form.sign_mode, form.exponent, form.scale,
            error, clipped, vth,
        )  # fmt: skip
        rows.append(row)
    return tuple(rows)
