"""Pass fold-threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from seamount.compiler.errors import CompileError
from seamount.compiler.ir.ops import LI, LIF, Affine, Conv, Input, Output, Sparse, freeze
from seamount.compiler.passes.fold_threshold import FoldThreshold
from tests.agreement import assert_same_meaning
from tests.passing import around, assert_idempotent, both, graph_of, li, lif, weights
from tests.strategies import FEATURES, cases

SETTINGS = settings(max_examples=80, deadline=None, derandomize=True)


def small():
    nodes = {
        "x": Input((1, 4, 4)),
        "conv": Conv(weights(2, 1, 3, 3), None, (1, 1), (1, 1), (1, 1)),
        "channel": lif(threshold=weights(2, 1, 1) ** 2 + 1, gain=2.0, bias=0.5),
        "conv2": Conv(weights(1, 2, 3, 3), None, (1, 1), (1, 1), (1, 1)),
        "neuron": lif(threshold=weights(1, 4, 4) ** 2 + 1, v_init=0.25),
        "fc": Affine(weights(3, 16)),
        "soft": lif(threshold=2.0, reset="subtract", reset_by=1.8, v_min=-1.0),
        "out": Affine(weights(2, 3)),
        "read": li(gain=0.5),
        "y": Output(),
    }
    return graph_of(nodes, "x conv channel conv2 neuron fc soft out read y")


def test_golden(golden) -> None:
    golden(both(*around("fold-threshold", small())), "passes/fold_threshold.txt")


def threshold_ratio(old, new):
    """What one unit of the new membrane is worth: the old threshold, because the new one is 1."""
    return old.threshold / new.threshold


@SETTINGS
@given(cases(allow=FEATURES, force=frozenset({"spread", "gain"})))
def test_meaning_is_preserved(case) -> None:
    graph, x = case
    before, after = around("fold-threshold", graph)
    assert_same_meaning(before, after, x, 1e-9, threshold_ratio)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cases())
def test_twice_is_once(case) -> None:
    assert_idempotent(FoldThreshold(), around("fold-threshold", case[0])[1])


def folded(**given):
    nodes = {"x": Input((2,)), "w": Affine(freeze([[1.0, 2.0], [3.0, 4.0]])), "n": lif(**given), "y": Output()}
    return FoldThreshold()(around("normalise-neurons", graph_of(nodes, "x w n y"))[1])


def test_every_parameter_in_thresholds() -> None:
    after = folded(threshold=[2.0, 4.0], gain=[1.0, 2.0], bias=1.0, v_init=1.0, reset="subtract", reset_by=[1.0, 2.0])
    op, w = after["n"].op, after["w"].op
    assert isinstance(op, LIF) and isinstance(w, Affine)
    assert w.weight.tolist() == [[0.5, 1.0], [1.5, 2.0]]
    assert (op.bias.tolist(), op.v_init.tolist(), float(op.reset_by)) == ([0.5, 0.25], [0.5, 0.25], 0.5)
    assert float(op.gain) == float(op.threshold) == 1.0


def test_lower_clamp() -> None:
    op = folded(threshold=2.0, v_min=-1.0)["n"].op
    assert isinstance(op, LIF) and op.v_min == -0.5


def test_the_form_of_weights() -> None:
    """Per channel a convolution stays one; per neuron it becomes synapses."""
    after = around("fold-threshold", small())[1]
    assert isinstance(after["conv"].op, Conv) and isinstance(after["conv2"].op, Sparse)
    assert isinstance(after["read"].op, LI) and float(after["read"].op.gain) == 1.0
    np.testing.assert_allclose(after["out"].op.weight, 0.5 * weights(2, 3))


def test_refusals() -> None:
    with pytest.raises(CompileError) as error:
        folded(threshold=[1.0, 2.0], v_min=-1.0)
    assert str(error.value) == (
        "node 'n': a lower clamp together with thresholds that differ between neurons\n"
        "  remedy: use one threshold per layer"
    )


def test_amounts_that_differ_between_neurons_stay() -> None:
    op = folded(threshold=[1.0, 2.0], reset="subtract", reset_by=[1.25, 1.0])["n"].op
    assert isinstance(op, LIF) and op.reset_by.tolist() == [1.25, 0.5]
