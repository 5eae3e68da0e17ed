"""What quantization did to each layer, as reported."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.analysis.precision import precision
from seamount.compiler.ir.ops import Affine, Input, IntLIF, Output, freeze
from seamount.compiler.ir.quantized import dequantized
from seamount.compiler.ir.weights import values_of
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import canonical
from tests.passing import graph_of, li, lif
from tests.strategies import cases


@settings(max_examples=40, deadline=None, derandomize=True)
@given(cases(), st.integers(2, 8))
def test_rows(case, bits: int) -> None:
    before = canonical()(case[0])
    after = Quantize(weight_bits=bits)(before)
    rows = {r.layer: r for r in precision(before, after)}
    assert set(rows) == {n.name for n in after.nodes if hasattr(n.op, "format")}
    for name, row in rows.items():
        exact, stored = values_of(before[name].op), values_of(dequantized(after[name].op))
        if exact.size:
            error = float(np.linalg.norm(stored - exact)) / (float(np.linalg.norm(exact)) or 1.0)
            assert row.error == pytest.approx(error, abs=1e-9)
        target = after[row.target].op
        assert isinstance(target, IntLIF) and (row.threshold is None) == (target.vth is None)
        assert row.weights == exact.size and row.bits == bits
        assert row.clipped == 0 or row.error > 0


def test_one_layer() -> None:
    nodes = {
        "x": Input((2,)), "a": Affine(freeze([[0.5, -1.0]])), "n": lif(),
        "b": Affine(freeze([[0.25]])), "r": li(), "y": Output(),
    }  # fmt: skip
    before = canonical()(graph_of(nodes, "x a n b r y"))
    first, second = precision(before, Quantize()(before))
    assert (first.layer, first.target, first.weights, first.bits, first.sign_mode) == ("a", "n", 2, 8, "mixed")
    assert first.error == 0.0 and first.clipped == 0 and first.threshold == first.scale
    assert (second.layer, second.sign_mode, second.threshold) == ("b", "excitatory", None)
