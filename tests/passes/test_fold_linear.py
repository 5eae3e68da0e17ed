"""Pass fold-linear."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from seamount.compiler.errors import CompileError
from seamount.compiler.ir.graph import Edge
from seamount.compiler.ir.ops import LI, LIF, Affine, Conv, Input, Output, Pool, Reshape, Scale, Sparse, freeze
from seamount.compiler.ir.properties import LINEAR_FOLDED
from seamount.compiler.passes.fold_linear import FoldLinear
from tests.agreement import assert_same_meaning
from tests.passing import around, assert_idempotent, both, graph_of, li, lif, weights
from tests.strategies import cases, samples_for

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)
ONES, NONE = (1, 1), (0, 0)


def small():
    nodes = {
        "x": Input((1, 6, 6)),
        "conv": Conv(weights(2, 1, 3, 3), weights(2), ONES, ONES, ONES),
        "lif": lif(),
        "pool": Pool((2, 2), (2, 2), NONE, True),
        "conv2": Conv(weights(2, 2, 3, 3, seed=1), None, ONES, NONE, ONES),
        "cuba": lif(alpha=0.5),
        "bias": Affine(weights(2, 2), weights(2)),
        "flat": Reshape((2,)),
        "skip": Affine(weights(2, 72)),
        "y": Output(),
        "y2": Output(),
    }
    return graph_of(nodes, "x conv lif pool conv2 cuba flat bias y, lif skip y, cuba y2")


def memory():
    nodes = {"x": Input((3,)), "fc": Affine(weights(2, 3), weights(2)), "n": lif(alpha=0.5), "y": Output()}
    return graph_of(nodes, "x fc n y")


@pytest.mark.parametrize(("name", "graph"), [("fold_linear", small()), ("fold_linear_tonic", memory())])
def test_golden(golden, name: str, graph) -> None:
    golden(both(*around("fold-linear", graph)), f"passes/{name}.txt")
    before, after = around("fold-linear", graph)
    assert_same_meaning(before, after, samples_for(before, 0, 3, 5))


@SETTINGS
@given(cases())
def test_meaning_is_preserved(case) -> None:
    graph, x = case
    before, after = around("fold-linear", graph)
    assert_same_meaning(before, after, x, 1e-9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(cases(force=frozenset({"delay", "residual", "recurrent"})))
def test_delays_and_loops(case) -> None:
    graph, x = case
    before, after = around("fold-linear", graph)
    assert_same_meaning(before, after, x, 1e-9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(cases())
def test_twice_is_once(case) -> None:
    after = around("fold-linear", case[0])[1]
    assert LINEAR_FOLDED.violations(after) == []
    assert_idempotent(FoldLinear(), after)


def folded(nodes, edges: str):
    return around("fold-linear", graph_of(nodes, edges))[1]


def test_a_layer_with_two_readers_becomes_two_projections() -> None:
    nodes = {"x": Input((3,)), "fc": Affine(weights(2, 3)), "a": lif(), "b": lif(), "y": Output(), "z": Output()}
    after = folded(nodes, "x fc a y, fc b z")
    assert [n.name for n in after.nodes] == ["x", "fc", "a", "fc_1", "b", "y", "z"]
    assert after["fc_1"].origin == ("fc",)


def test_bias_goes_into_the_membrane_through_the_gain() -> None:
    nodes = {
        "x": Input((2,)),
        "fc": Affine(weights(2, 2), freeze([0.5, 1.0])),
        "n": lif(gain=2.0, bias=0.25),
        "y": Output(),
    }
    op = folded(nodes, "x fc n y")["n"].op
    assert isinstance(op, LIF) and op.bias.tolist() == [1.25, 2.25]


def test_equal_biases_stay_one_number() -> None:
    nodes = {"x": Input((2,)), "fc": Affine(weights(2, 2), freeze([0.5, 0.5])), "n": lif(), "y": Output()}
    assert folded(nodes, "x fc n y")["n"].op.bias.shape == ()


def test_a_tonic_neuron_carries_the_bias_in_front_of_synaptic_memory() -> None:
    after = around("fold-linear", memory())[1]
    assert after["n_bias"].op.weight.tolist() == weights(2).reshape(2, 1).tolist()
    assert after.into("n_bias") == (Edge("n_tonic", "n_bias"),) and after.into("n_tonic") == ()


def test_an_output_of_linear_ops_gets_a_readout_without_memory() -> None:
    nodes = {"x": Input((2,)), "n": lif(), "fc": Affine(weights(2, 2), weights(2)), "y": Output("mean")}
    after = folded(nodes, "x n fc y")
    op = after["y_readout"].op
    assert isinstance(op, LI) and float(op.beta) == 0.0 and op.bias.tolist() == weights(2).tolist()
    assert after.into("y") == (Edge("y_readout", "y"),)


@pytest.mark.parametrize(
    ("ops", "kind"),
    [
        ((Pool((2, 2), (2, 2), NONE, True), Conv(weights(3, 2, 3, 3), None, ONES, ONES, ONES)), Conv),
        ((Pool((3, 3), (2, 2), NONE, True), Conv(weights(3, 2, 3, 3), None, ONES, ONES, ONES)), Sparse),
        ((Conv(weights(4, 2, 3, 3), None, ONES, NONE, ONES), Pool((2, 2), (2, 2), NONE, False)), Conv),
        ((Pool((2, 2), (2, 2), NONE, True), Affine(weights(5, 18))), Affine),
        ((Reshape((72,)), Affine(weights(5, 72)), Reshape((5, 1, 1))), Affine),
        ((Conv(weights(4, 2, 3, 3), None, ONES, NONE, ONES), Scale(freeze(weights(4, 1, 1)))), Conv),
        ((Scale(freeze(weights(2, 1, 1))), Conv(weights(4, 2, 3, 3), None, ONES, ONES, ONES)), Conv),
        ((Conv(weights(4, 2, 3, 3), None, ONES, NONE, ONES), Scale(freeze(weights(4, 4, 4)))), Sparse),
        ((Reshape((72,)),), Sparse),
        ((Affine(weights(32, 72), shape=(2, 4, 4)), Pool((2, 2), (2, 2), NONE, True)), Affine),
    ],
    ids=range(10),
)
def test_what_becomes_of_chains(ops, kind) -> None:
    nodes = {"x": Input((2, 6, 6)), **{f"op{i}": op for i, op in enumerate(ops)}, "n": lif(), "y": Output()}
    graph = graph_of(nodes, f"x {' '.join(f'op{i}' for i in range(len(ops)))} n y")
    before, after = around("fold-linear", graph)
    (edge,) = after.into("n")
    assert isinstance(after[edge.source].op, kind)
    assert_same_meaning(before, after, samples_for(before, 1, 2, 3))


@pytest.mark.parametrize(
    ("edges", "late"),
    [
        ("x fc n@2 y", [2]),  # behind the layer
        ("x fc@2 n y", []),  # before it: the bias acts from the first step on
        ("x fc back@1 n@2 y", [2, 3]),  # each as late as what carries it
        ("x fc n y, n back n@1", [1]),  # behind recurrent weights
        ("x fc n@1 y, x back n@1", [1]),  # two biases that are equally late
        ("x fc n@9 y", [9]),  # beyond the sample
        ("x fc n@1 y, n read@3 late", [1]),
    ],
)
@pytest.mark.parametrize("neuron", [{}, {"alpha": 0.5, "gain": 2.0}])
def test_a_delayed_bias_acts_as_late_as_it_arrives(edges: str, late: list[int], neuron) -> None:
    nodes = {
        "x": Input((3,)), "fc": Affine(weights(3, 3), weights(3)), "n": lif(**neuron), "y": Output(),
        "back": Affine(weights(3, 3, seed=2), weights(3, seed=3)), "late": Output("each"),
        "read": Affine(weights(2, 3), weights(2, seed=4)),
    }  # fmt: skip
    graph = graph_of(
        {k: op for k, op in nodes.items() if k in edges.replace(",", " ").replace("@", " ").split()}, edges
    )
    before, after = around("fold-linear", graph)
    assert_same_meaning(before, after, samples_for(before, 0, 5, 7), 1e-9)
    delays = [e.delay for e in after.out_of("n_tonic")] if late or "alpha" in neuron else []
    assert [d for d in delays if d] == late


def test_a_delayed_bias_behind_a_grouped_convolution() -> None:
    nodes = {
        "x": Input((2, 4, 4)), "conv": Conv(weights(4, 1, 3, 3), weights(4), ONES, ONES, ONES, 2), "n": lif(),
        "back": Conv(weights(4, 1, 3, 3, seed=1), weights(4, seed=2), ONES, ONES, ONES, 4), "y": Output(),
        "pool": Pool((2, 2), (2, 2), NONE, True), "late": lif(beta=0.8), "z": Output(),
    }  # fmt: skip
    before, after = around("fold-linear", graph_of(nodes, "x conv n y, n back n@1, back pool late@3 z"))
    assert_same_meaning(before, after, samples_for(before, 0, 3, 6), 1e-9)


def test_a_readout_that_is_sent_on_is_refused() -> None:
    nodes = {
        "x": Input((3,)), "r": li(), "fc": Affine(weights(3, 3)), "n": lif(), "y": Output(), "z": Output(),
        "r2": li(), "late": Output(),
    }  # fmt: skip
    with pytest.raises(CompileError) as error:
        folded(nodes, "x r fc n y, r z, n z, x r2 late@1")
    remedy = "  remedy: read it with an output of its own, or let the layer spike"
    assert str(error.value) == (
        f"node 'r': its membrane is sent on to 'fc', and a chip sends spikes alone\n{remedy}\n"
        f"node 'r': its membrane is sent on to 'z', and a chip sends spikes alone\n{remedy}\n"
        f"node 'r2': its membrane is sent on to 'late', and a chip sends spikes alone\n{remedy}"
    )


def test_a_loop_without_a_neuron_is_refused() -> None:
    nodes = {"x": Input((3,)), "a": Affine(weights(3, 3)), "b": Scale(freeze(0.5)), "n": lif(), "y": Output()}
    with pytest.raises(CompileError) as error:
        folded(nodes, "x a n y, a b a@1")
    assert str(error.value) == ("graph: a cycle without a neuron: a -> b\n  remedy: put a neuron layer into the loop")
