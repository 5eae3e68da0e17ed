"""Linear ops: against loops, against their own list of synapses, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.ir.linear import apply, as_synapses, without_bias
from seamount.compiler.ir.ops import Affine, BatchNorm, Conv, Input, Pool, Sparse, freeze
from seamount.compiler.ir.shapes import output_shape, size
from tests import naive
from tests.strategies import LINEAR, Draft

SETTINGS = settings(max_examples=80, deadline=None, derandomize=True)


@st.composite
def linear_ops(draw, kinds=LINEAR):
    """(op, shape of its input, two samples)."""
    draft = Draft(draw, kinds | {"bias", "spread"}, frozenset())
    shape = draft.shape()
    return draft.linear(shape), shape, draft.rng.normal(size=(2, *shape))


@SETTINGS
@given(linear_ops())
def test_against_loops(case) -> None:
    op, shape, x = case
    y = apply(op, x)
    assert y.shape[1:] == output_shape(op, shape)
    np.testing.assert_allclose(y, np.stack([naive.linear(op, sample) for sample in x]), rtol=1e-12, atol=1e-12)


@SETTINGS
@given(linear_ops())
def test_synapses_are_the_op_without_its_bias(case) -> None:
    op, shape, x = case
    rows, cols, values = as_synapses(op, shape)
    total = np.zeros((2, size(output_shape(op, shape))))
    for n in range(2):
        np.add.at(total[n], rows, values * x[n].ravel()[cols])
    np.testing.assert_allclose(total, apply(without_bias(op), x).reshape(2, -1), rtol=1e-12, atol=1e-12)


@SETTINGS
@given(linear_ops())
def test_float32_stays_float32(case) -> None:
    op, _, x = case
    assert apply(op, x.astype(np.float32)).dtype == np.float32


@SETTINGS
@given(linear_ops(frozenset({"conv", "pool"})))
def test_against_torch(case) -> None:
    torch = pytest.importorskip("torch")
    op, shape, x = case
    given_x = torch.from_numpy(x)
    if isinstance(op, Conv):
        function = torch.nn.functional.conv1d if len(shape) == 2 else torch.nn.functional.conv2d
        bias = None if op.bias is None else torch.from_numpy(op.bias.copy())
        weight = torch.from_numpy(op.weight.copy())
        y = function(given_x, weight, bias, op.stride, op.padding, op.dilation, op.groups)
    elif isinstance(op, Pool) and all(2 * p <= k for p, k in zip(op.padding, op.kernel, strict=True)):
        function = torch.nn.functional.avg_pool1d if len(shape) == 2 else torch.nn.functional.avg_pool2d
        y = function(given_x, op.kernel, op.stride, op.padding, count_include_pad=True)
        y = y if op.mean else y * size(op.kernel)
    else:
        return
    np.testing.assert_allclose(apply(op, x), y.numpy(), rtol=1e-12, atol=1e-12)


def test_dense_layer_against_torch() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(12, 5).double()
    op = Affine(freeze(layer.weight.detach().numpy()), freeze(layer.bias.detach().numpy()))
    x = torch.randn(3, 12, dtype=torch.float64)
    np.testing.assert_allclose(apply(op, x.numpy().reshape(3, 3, 4)), layer(x).detach().numpy(), rtol=1e-12)


def test_empty_synapse_list() -> None:
    none = np.zeros(0, np.int64)
    op = Sparse(none, none, freeze(np.zeros(0)), (3,), (2,))
    assert apply(op, np.ones((4, 3))).tolist() == np.zeros((4, 2)).tolist()


def test_sparse_synapses_of_one_pair_add_up() -> None:
    index = np.zeros(2, np.int64)
    op = Sparse(index, index, freeze([1.0, 2.0]), (1,), (1,))
    assert apply(op, np.ones((1, 1))).tolist() == [[3.0]]


def test_border_synapses_are_left_out() -> None:
    op = Conv(freeze(np.ones((1, 1, 3))), None, (1,), (1,), (1,))
    rows, cols, _ = as_synapses(op, (1, 4))
    pairs = sorted(zip(rows.tolist(), cols.tolist(), strict=True))
    assert pairs == [(i, j) for i in range(4) for j in range(4) if abs(i - j) <= 1]


def test_without_bias_leaves_the_rest() -> None:
    norm = without_bias(BatchNorm(freeze([2.0]), freeze([3.0])))
    assert isinstance(norm, BatchNorm) and norm.scale.tolist() == [2.0] and norm.shift.tolist() == [0.0]
    pool = Pool((2,), (2,), (0,), True)
    assert without_bias(pool) is pool


def test_inputs_are_not_linear() -> None:
    with pytest.raises(TypeError, match="Input is not linear"):
        apply(Input((1,)), np.zeros((1, 1)))
