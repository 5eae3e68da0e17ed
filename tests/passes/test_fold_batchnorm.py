"""Pass fold-batchnorm."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from seamount.compiler.ir.ops import Affine, BatchNorm, Conv, Input, Output, Pool, Sparse, freeze
from seamount.compiler.passes.fold_batchnorm import FoldBatchnorm
from tests.agreement import assert_same_meaning
from tests.passing import around, assert_idempotent, both, graph_of, lif, weights
from tests.strategies import FEATURES, cases, samples_for

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)
ONES = (1, 1)


def norm(channels: int) -> BatchNorm:
    return BatchNorm(weights(channels, seed=1), weights(channels, seed=2))


def small():
    nodes = {
        "x": Input((2, 4, 4)),
        "conv": Conv(weights(3, 2, 3, 3), weights(3), ONES, ONES, ONES),
        "bn": norm(3),
        "lif": lif(),
        "fc": Affine(weights(4, 48)),
        "skip": Affine(weights(4, 32)),
        "bn_sum": norm(4),
        "out": lif(),
        "bn_after": norm(4),
        "y": Output(),
    }
    return graph_of(nodes, "x conv bn lif fc bn_sum out bn_after y, x skip bn_sum")


def test_golden(golden) -> None:
    golden(both(*around("fold-batchnorm", small())), "passes/fold_batchnorm.txt")


def test_the_sample_keeps_its_meaning() -> None:
    before, after = around("fold-batchnorm", small())
    assert_same_meaning(before, after, samples_for(before, 0, 3, 5))


@SETTINGS
@given(cases(allow=FEATURES, force=frozenset({"norm", "bias"})))
def test_meaning_is_preserved(case) -> None:
    graph, x = case
    before, after = around("fold-batchnorm", graph)
    assert_same_meaning(before, after, x, 1e-9)


@SETTINGS
@given(cases(force=frozenset({"norm"})))
def test_twice_is_once(case) -> None:
    assert_idempotent(FoldBatchnorm(), around("fold-batchnorm", case[0])[1])


def kinds(nodes, edges: str) -> dict[str, str]:
    after = around("fold-batchnorm", graph_of(nodes, edges))[1]
    return {n.name: type(n.op).__name__ for n in after.nodes}


def test_a_layer_that_others_read_is_left_alone() -> None:
    nodes = {"x": Input((2,)), "fc": Affine(weights(2, 2)), "bn": norm(2), "a": lif(), "b": lif(), "y": Output()}
    assert kinds(nodes, "x fc bn a y, fc b")["bn"] == "Sparse", "no image: one synapse per neuron"
    assert "bn" not in kinds({k: v for k, v in nodes.items() if k != "b"}, "x fc bn a y")


def test_positions_that_become_a_diagonal_layer() -> None:
    image, pool = Input((2, 4, 4)), Pool((2, 2), (2, 2), (0, 0), True)
    assert kinds({"x": image, "bn": norm(2), "n": lif(), "y": Output()}, "x bn n y")["bn"] == "Conv"
    assert kinds({"x": image, "p": pool, "bn": norm(2), "n": lif(), "y": Output()}, "x p bn n y")["bn"] == "Conv"
    nodes = {"x": image, "n": lif(), "bn": norm(2), "m": lif(), "y": Output()}
    assert kinds(nodes, "x n bn m y, n m")["bn"] == "Conv"
    conv = Conv(weights(2, 2, 1, 1), None, ONES, (0, 0), ONES)
    late = {"x": image, "conv": conv, "bn": norm(2), "n": lif(), "y": Output()}
    assert kinds(late, "x conv bn@1 n y")["bn"] == "Conv", "the shift is there from the first step, the rest later"


def test_the_shift_of_a_sum_enters_once() -> None:
    nodes = {
        "x": Input((1,)), "a": Affine(freeze([[2.0]]), freeze([1.0])), "b": Affine(freeze([[3.0]])),
        "bn": BatchNorm(freeze([10.0]), freeze([0.5])), "n": lif(), "y": Output(),
    }  # fmt: skip
    after = around("fold-batchnorm", graph_of(nodes, "x a bn n y, x b bn"))[1]
    a, b = after["a"].op, after["b"].op
    assert isinstance(a, Affine) and isinstance(b, Affine)
    assert (a.weight.tolist(), a.bias.tolist()) == ([[20.0]], [10.5])
    assert (b.weight.tolist(), b.bias.tolist()) == ([[30.0]], [0.0])
    assert after["a"].origin == ("a", "bn")


def test_sparse_layers_with_a_shape() -> None:
    rows = np.array([0, 3], np.int64)
    sparse = Sparse(rows, rows, freeze([1.0, 2.0]), (2, 2), (2, 2), freeze(np.ones((2, 2))))
    nodes = {
        "x": Input((2, 2)),
        "s": sparse,
        "bn": BatchNorm(freeze([2.0, 3.0]), freeze([0.0, 1.0])),
        "n": lif(),
        "y": Output(),
    }
    op = around("fold-batchnorm", graph_of(nodes, "x s bn n y"))[1]["s"].op
    assert isinstance(op, Sparse) and op.values.tolist() == [2.0, 6.0] and op.bias.tolist() == [[2.0, 2.0], [4.0, 4.0]]
