"""The float meaning of quantized operations: the same network with rounded parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seamount.compiler.ir.ops import LI, LIF, Affine, Conv, IntLIF, Op, Sparse, WeightFormat, freeze


def factor(form: WeightFormat) -> float:
    """What one weight code is worth."""
    return float(2.0**form.exponent / form.scale)


def dequantized(op: Op) -> Op:
    """Integer codes back to reals; other ops unchanged. Rounding and saturation of u and v are not modelled."""
    if isinstance(op, (Affine, Conv)) and op.format is not None:
        return replace(op, weight=freeze(op.weight * factor(op.format)), format=None)
    if isinstance(op, Sparse) and op.format is not None:
        return replace(op, values=freeze(op.values * factor(op.format)), format=None)
    if isinstance(op, IntLIF):
        return _neuron(op)
    return op


def _neuron(op: IntLIF) -> LIF | LI:
    unit = 64.0 * op.scale
    common = {
        "alpha": freeze((4095 - op.du.astype(np.float64)) / 4096),
        "beta": freeze((4096 - op.dv.astype(np.float64)) / 4096),
        "gain": freeze(1.0),
        "bias": freeze(op.bias_mant.astype(np.float64) * 2.0**op.bias_exp / unit),
        "v_init": freeze(np.asarray(op.v_init, np.float64) / unit),
    }
    if op.vth is None:
        return LI(**common)
    saturated = op.v_min <= -(2**23 - 1)
    return LIF(
        **common,
        threshold=freeze(op.vth.astype(np.float64) / op.scale),
        v_reset=freeze(0.0),
        reset_by=freeze(op.reset_by / unit),
        v_min=-np.inf if saturated else op.v_min / unit,
        reset=op.reset,
        compare="gt",
        most=op.most,
        guarded=op.guarded,
    )
