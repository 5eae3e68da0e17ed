"""Composition of linear ops: always exact, and convolutions stay convolutions where they can."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.ir.compose import as_connection, as_sparse, compose, identity
from seamount.compiler.ir.convolve import convolved
from seamount.compiler.ir.linear import apply, without_bias
from seamount.compiler.ir.ops import Affine, Conv, Pool, Reshape, Scale, Sparse, freeze
from seamount.compiler.ir.shapes import output_shape, size
from tests.passing import weights
from tests.strategies import LINEAR, Draft

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def chains(draw, kinds=LINEAR, length=3):
    """(bias-free ops one after the other, shape of the first input, two samples)."""
    draft = Draft(draw, kinds | {"spread"}, frozenset())
    shape = source = draft.shape()
    ops = []
    for _ in range(draft.integer(2, length)):
        ops.append(without_bias(draft.linear(shape)))
        shape = output_shape(ops[-1], shape)
    return ops, source, draft.rng.normal(size=(2, *source))


def close(a, b) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1.0, float(np.max(np.abs(b), initial=0))))


@SETTINGS
@given(chains())
def test_composition_is_exact(case) -> None:
    ops, source, x = case
    composed, y, target = None, x, source
    for op in ops:
        composed = compose(op, composed, source)
        y = apply(op, y)
        target = output_shape(op, target)
        close(apply(composed, x), y)
    assert output_shape(composed, source) == target
    connection = as_connection(composed, source, target)
    assert isinstance(connection, (Affine, Conv, Sparse))
    close(apply(connection, x), y)
    close(apply(as_sparse(composed, source), x), y)


@SETTINGS
@given(chains(frozenset({"conv", "pool"}), length=2))
def test_two_windows(case) -> None:
    """Convolutions and pooling of every geometry: exact as one convolution, or not attempted."""
    (first, second), source, x = case
    if len(source) == 1:
        return
    merged = compose(second, first, source)
    close(apply(merged, x), apply(second, apply(first, x)))


IMAGE = (4, 7, 6)


def conv(out: int, per: int, kernel: int, groups=1, stride=1, padding=0, dilation=1, seed=0) -> Conv:
    weight = weights(out, per, kernel, kernel, seed=seed)
    return Conv(weight, None, (stride,) * 2, (padding,) * 2, (dilation,) * 2, groups)


MEAN = Pool((2, 2), (2, 2), (0, 0), True)
STAYS = {
    "pool, then padded conv on an odd size": (Pool((2, 2), (2, 2), (1, 1), False), conv(3, 4, 3, padding=1)),
    "conv, then pool": (conv(6, 4, 3, padding=1, stride=2), MEAN),
    "pool, then pool": (MEAN, MEAN),
    "dilated conv, then pool": (conv(4, 2, 2, groups=2, dilation=2), Pool((3, 3), (1, 1), (0, 0), True)),
    "conv, then diagonal": (conv(6, 4, 3, padding=1), conv(6, 1, 1, groups=6)),
    "diagonal, then padded conv": (conv(4, 1, 1, groups=4), conv(6, 4, 3, padding=1)),
    "depthwise, then pointwise": (conv(8, 1, 3, groups=4, padding=1), conv(5, 8, 1)),
    "pointwise, then depthwise": (conv(6, 4, 1), conv(6, 1, 3, groups=6, padding=1)),
    "groups of 4, then groups of 2": (conv(8, 1, 3, groups=4), conv(4, 4, 2, groups=2)),
    "groups of 2, then groups of 4": (conv(8, 2, 3, groups=2), conv(4, 2, 2, groups=4)),
}
CHANGES = {
    "padded conv, then padded conv": (conv(3, 4, 3, padding=1), conv(2, 3, 3, padding=1)),
    "overlapping pool, then padded conv": (Pool((3, 3), (2, 2), (0, 0), True), conv(3, 4, 3, padding=1)),
    "pool that leaves a border, then padded conv": (MEAN, conv(3, 4, 3, padding=1)),
    "groups of 2, then groups of 3": (conv(6, 2, 1, groups=2), conv(3, 2, 1, groups=3)),
}


@pytest.mark.parametrize("name", STAYS)
def test_stays_a_convolution(name: str) -> None:
    first, second = STAYS[name]
    assert isinstance(compose(second, first, IMAGE), Conv)


@pytest.mark.parametrize("name", CHANGES)
def test_becomes_synapses(name: str) -> None:
    first, second = CHANGES[name]
    assert isinstance(compose(second, first, IMAGE), Sparse)


@pytest.mark.parametrize("name", [*STAYS, *CHANGES])
def test_named_pairs_are_exact(name: str) -> None:
    first, second = {**STAYS, **CHANGES}[name]
    x = np.random.default_rng(0).normal(size=(2, *IMAGE))
    close(apply(compose(second, first, IMAGE), x), apply(second, apply(first, x)))


def test_padding_rule_is_not_too_strict() -> None:
    """On an even size 2x2 pooling covers the image, so a padded convolution after it stays one."""
    first, second = MEAN, conv(3, 4, 3, padding=1)
    merged = compose(second, first, (4, 8, 6))
    assert isinstance(merged, Conv)
    assert (merged.weight.shape, merged.stride, merged.padding) == ((3, 4, 6, 6), (2, 2), (2, 2))


def test_weights_of_a_mean_are_shared_equally() -> None:
    after = Conv(freeze([[[1.0, 2.0]]]), None, (1,), (0,), (1,))
    before = Conv(freeze([[[0.5, 0.5]]]), None, (2,), (0,), (1,))
    merged = convolved(after, before, (1, 4), (1, 2))
    assert merged is not None and merged.weight.tolist() == [[[0.5, 0.5, 1.0, 1.0]]] and merged.stride == (2,)


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4)])
def test_identity(shape) -> None:
    x = np.random.default_rng(0).normal(size=(2, *shape))
    op = identity(shape)
    np.testing.assert_array_equal(apply(op, x), x)
    assert output_shape(op, shape) == shape


def test_connections_carry_the_target_s_shape() -> None:
    assert as_connection(Reshape((2, 3)), (6,), (2, 3)).shape == (2, 3)
    dense = as_connection(Affine(weights(6, 4), shape=(2, 3)), (4,), (2, 3))
    assert isinstance(dense, Affine) and dense.shape == (2, 3)
    flat = as_connection(Affine(weights(6, 4), shape=(6,)), (4,), (6,))
    assert isinstance(flat, Affine) and flat.shape is None
    channel = as_connection(Scale(freeze([[1.0], [2.0]])), (2, 3), (2, 3))
    assert isinstance(channel, Conv) and channel.groups == 2
    neuron = as_connection(Scale(weights(2, 3)), (2, 3), (2, 3))
    assert isinstance(neuron, Sparse) and len(neuron.rows) == 6


def test_products_keep_each_pair_once_and_drop_zeros() -> None:
    rows, cols = np.array([0, 0, 1], np.int64), np.array([0, 1, 1], np.int64)
    first = Sparse(rows, cols, freeze([1.0, 1.0, 2.0]), (2,), (2,))
    second = Sparse(np.array([0, 0], np.int64), np.array([0, 1], np.int64), freeze([2.0, -1.0]), (2,), (1,))
    product = compose(second, first, (2,))
    assert isinstance(product, Sparse)
    assert (product.rows.tolist(), product.cols.tolist(), product.values.tolist()) == ([0], [0], [2.0])


def test_a_wide_dense_layer_after_synapses_is_absorbed_in_slices(monkeypatch) -> None:
    from seamount.compiler.ir import compose as module

    pool, dense = Pool((2, 2), (1, 1), (0, 0), True), Affine(weights(5, 4 * 6 * 5))
    whole = compose(dense, pool, IMAGE)
    monkeypatch.setattr(module, "SLICE", 64)
    sliced = compose(dense, pool, IMAGE)
    np.testing.assert_array_equal(whole.weight, sliced.weight)
    assert whole.weight.shape == (5, size(IMAGE))
