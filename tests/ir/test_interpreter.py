"""The vectorized interpreter against loops over single numbers, and its options."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from seamount.compiler.errors import InputError
from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.interpreter import interpret, reduce_steps
from seamount.compiler.ir.ops import LI, LIF, Affine, Input, Output, freeze
from seamount.compiler.passes.infer_shapes import InferShapes
from tests import naive
from tests.strategies import cases

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)


def one_neuron(weight=1.0, steps=4, **neuron) -> Graph:
    """x -> w -> n -> y, one of each."""
    plain = {"alpha": 0.0, "beta": 1.0, "gain": 1.0, "bias": 0.0, "threshold": 1.0, "v_reset": 0.0, "v_init": 0.0}
    options = {k: neuron.pop(k) for k in ("reset", "compare", "v_min") if k in neuron}
    op = LIF(**{k: freeze(v) for k, v in {**plain, "reset_by": 1.0, **neuron}.items()}, **options)
    nodes = (
        Node("x", Input((1,), "graded", -9, 9)),
        Node("w", Affine(freeze([[weight]]))),
        Node("n", op),
        Node("y", Output("sum")),
    )
    return InferShapes()(Graph(nodes, (Edge("x", "w"), Edge("w", "n"), Edge("n", "y")), steps))


def drive(graph: Graph, values: list[float], **options):
    return interpret(graph, np.array(values).reshape(1, -1, 1), **options)


@SETTINGS
@given(cases())
def test_against_loops(case) -> None:
    """Near ties aside, every node sends the same: the loops are given the interpreter's spikes by comparing margins."""
    graph, x = case
    run = interpret(graph, x, record={"spikes", "margin", "v"})
    if any(np.any(np.abs(m) < 1e-9) for m in run.margin.values()):
        return
    sent = naive.network(graph, x)
    for name, spikes in run.spikes.items():
        np.testing.assert_array_equal(spikes, sent[name], err_msg=name)
    for name, v in run.v.items():
        np.testing.assert_allclose(v, sent[name], rtol=1e-9, atol=1e-9, err_msg=name)
    for name, series in run.series.items():
        np.testing.assert_allclose(series, sent[name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(("compare", "spikes"), [("gt", [0, 1, 0, 1]), ("ge", [1, 1, 1, 1])])
def test_comparison_at_the_threshold(compare: str, spikes: list[int]) -> None:
    run = drive(one_neuron(compare=compare), [1, 1, 1, 1])
    assert run.spikes["n"].ravel().tolist() == spikes


def test_reset_by_subtraction_keeps_the_rest() -> None:
    run = drive(one_neuron(reset="subtract"), [1.75, 0.5, 0, 0], record={"spikes", "margin"})
    assert run.spikes["n"].ravel().tolist() == [1, 1, 0, 0]
    assert run.margin["n"].ravel().tolist() == [0.75, 0.25, -0.75, -0.75]


def test_reset_value_start_value_and_lower_clamp() -> None:
    graph = one_neuron(v_reset=-0.5, v_init=0.25, v_min=-1.0, beta=1.0)
    run = drive(graph, [1, 0, -3, 0.5], record={"spikes", "margin"})
    assert run.spikes["n"].ravel().tolist() == [1, 0, 0, 0]
    assert run.margin["n"].ravel().tolist() == [0.25, -1.5, -4.5, -1.5]


def test_the_lower_clamp_follows_the_reset() -> None:
    run = drive(one_neuron(v_reset=-2.0, v_min=-1.0), [2, 0], record={"margin"})
    assert run.margin["n"].ravel().tolist() == [1.0, -2.0]


def test_synaptic_memory_and_leak() -> None:
    graph = one_neuron(alpha=0.5, beta=0.5, gain=2.0, bias=0.25, threshold=100.0)
    run = drive(graph, [1, 0, 0], record={"margin"})
    assert (run.margin["n"].ravel() + 100).tolist() == [2.25, 2.375, 1.9375]


def test_forced_spikes_replace_what_is_sent_and_reset() -> None:
    graph = one_neuron()
    forced = {"n": np.array([1, 0, 1, 0]).reshape(1, 4, 1)}
    run = drive(graph, [0.75, 0.75, 0.75, 0.75], forced=forced, record={"spikes", "margin"})
    assert run.outputs["y"].tolist() == [[2.0]]
    assert run.spikes["n"].ravel().tolist() == [0, 0, 1, 0], "what it computed, not what was forced"
    assert run.margin["n"].ravel().tolist() == [-0.25, -0.25, 0.5, -0.25]


def test_delayed_edges_are_silent_at_first() -> None:
    graph = one_neuron()
    late = replace(graph, edges=(Edge("x", "w", 2), *graph.edges[1:]))
    assert drive(late, [2, 0, 0, 2]).spikes["n"].ravel().tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize(("rule", "wanted"), [("sum", 6.0), ("mean", 2.0), ("max", 3.0), ("last", 1.0)])
def test_rules(rule, wanted: float) -> None:
    assert reduce_steps(rule, np.array([2.0, 3.0, 1.0]).reshape(1, 3, 1)).tolist() == [[wanted]]


def test_graded_input_with_a_unit_sends_payloads() -> None:
    graph = one_neuron()
    graph = graph.with_op("x", Input((1,), "graded", -1.0, 1.0, unit=0.25))
    graph = graph.with_op("n", LI(*(freeze(v) for v in (0.0, 0.0, 1.0, 0.0, 0.0))))
    assert drive(graph, [0.3, 0.4, -5.0, 0.125]).series["y"].ravel().tolist() == [0.25, 0.5, -1.0, 0.0]


def test_what_does_not_fit_is_refused() -> None:
    graph = one_neuron()
    with pytest.raises(InputError) as error:
        interpret(graph, {"z": np.zeros((1, 2, 1))})
    assert str(error.value) == "input 'x': no data given\n  remedy: give an array for every input"
    with pytest.raises(InputError) as error:
        interpret(graph, np.zeros((1, 2, 3)))
    assert str(error.value) == (
        "input 'x': data of shape (1, 2, 3)\n  limit:  (N, T, *(1,))\n  remedy: reshape the data"
    )


def test_inputs_of_different_length_are_refused() -> None:
    graph = one_neuron()
    graph = replace(graph, nodes=(*graph.nodes, Node("x2", Input((1,)), (), (1,))))
    with pytest.raises(InputError) as error:
        interpret(graph, {"x": np.zeros((1, 2, 1)), "x2": np.zeros((1, 3, 1))})
    assert str(error.value) == (
        "inputs: samples and steps of (1, 2), (1, 3)\n  remedy: give every input the same number of both"
    )


def test_unknown_shapes_are_refused() -> None:
    graph = one_neuron().map_nodes(lambda n: replace(n, shape=None))
    with pytest.raises(InputError) as error:
        drive(graph, [1.0])
    assert str(error.value) == "node 'n': its shape is not known\n  remedy: run infer_shapes first"
