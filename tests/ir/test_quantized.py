"""What integer codes mean as floats."""

from __future__ import annotations

import numpy as np

from seamount.compiler.ir.ops import LI, LIF, Affine, Conv, IntLIF, Sparse, WeightFormat, freeze
from seamount.compiler.ir.quantized import dequantized

FORM = WeightFormat(8, "mixed", 3, 400.0)


def i32(x):
    return np.asarray(x, np.int32)


def test_weights_are_codes_times_their_unit() -> None:
    weight = freeze([[-256.0, 2.0]])
    for op in (
        Affine(weight, format=FORM),
        Conv(weight[:, :, None], None, (1,), (0,), (1,), format=FORM),
    ):
        assert np.ravel(dequantized(op).weight).tolist() == [-256 * 8 / 400, 2 * 8 / 400]
        assert dequantized(op).format is None
    index = np.arange(2, dtype=np.int64)
    sparse = Sparse(index, index, freeze([-256.0, 2.0]), (2,), (2,), format=FORM)
    assert dequantized(sparse).values.tolist() == [-256 * 8 / 400, 2 * 8 / 400]
    plain = Affine(weight)
    assert dequantized(plain) is plain


def test_neurons_in_units_of_64_scale() -> None:
    op = IntLIF(
        du=i32(4095), dv=i32(1024), vth=i32(99), bias_mant=i32(5), bias_exp=2, scale=100.0,
        reset="subtract", reset_by=6400, v_init=i32(-640), v_min=-12800,
    )  # fmt: skip
    lif = dequantized(op)
    assert isinstance(lif, LIF)
    assert [float(x) for x in (lif.alpha, lif.beta, lif.gain, lif.threshold)] == [0.0, 0.75, 1.0, 0.99]
    assert float(lif.bias) == 20 / 6400 and float(lif.reset_by) == 1.0
    assert float(lif.v_init) == -0.1 and lif.v_min == -2.0
    assert (lif.reset, lif.compare) == ("subtract", "gt")


def test_readouts_and_saturation() -> None:
    op = IntLIF(i32(4094), i32(0), None, i32(0), 0, 2.0)
    li = dequantized(op)
    assert isinstance(li, LI) and float(li.alpha) == 1 / 4096 and float(li.beta) == 1.0
    lif = dequantized(IntLIF(i32(0), i32(0), i32(2), i32(0), 0, 2.0))
    assert isinstance(lif, LIF) and lif.v_min == -np.inf, "the end of the register is no clamp of the network"
