"""Pass infer-shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from seamount.compiler.errors import CompileError
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.ir.ops import Affine, Conv, Input, Output, Pool, Reshape, Scale, freeze
from seamount.compiler.passes.infer_shapes import InferShapes
from tests.passing import assert_idempotent, both, graph_of, lif, weights
from tests.strategies import cases

SETTINGS = settings(max_examples=50, deadline=None, derandomize=True)


def small():
    nodes = {
        "x": Input((1, 6, 6)),
        "conv": Conv(weights(2, 1, 3, 3), None, (1, 1), (0, 0), (1, 1)),
        "lif": lif(),
        "pool": Pool((2, 2), (2, 2), (0, 0), True),
        "flat": Reshape((8,)),
        "fc": Affine(weights(3, 8)),
        "out": lif(),
        "loop": Affine(weights(3, 3)),
        "y": Output(),
    }
    return graph_of(nodes, "x conv lif pool flat fc out y, out loop@1 out")


def test_golden(golden) -> None:
    golden(both(small(), InferShapes()(small())), "passes/infer_shapes.txt")


@SETTINGS
@given(cases())
def test_shapes_are_those_of_the_values(case) -> None:
    graph, x = case
    blank = graph.map_nodes(lambda n: replace(n, shape=None))
    after = InferShapes()(blank)
    seen: dict[str, tuple[int, ...]] = {}
    interpret(after, x, watch=lambda node, kind, t, value: seen.update({node.name: value.shape[1:]}))
    assert {n.name: n.shape for n in after.nodes} == seen
    wanted = interpret(graph, x)
    for name, series in interpret(after, x).series.items():
        np.testing.assert_array_equal(series, wanted.series[name])


@SETTINGS
@given(cases())
def test_twice_is_once(case) -> None:
    assert_idempotent(InferShapes(), InferShapes()(case[0]))


def test_all_misfits_are_refused_at_once() -> None:
    nodes = {
        "x": Input((2, 3)),
        "fc": Affine(weights(4, 5)),
        "flat": Reshape((7,)),
        "n": lif(),
        "y": Output(),
    }
    with pytest.raises(CompileError) as error:
        InferShapes()(graph_of(nodes, "x fc n y, x flat n"))
    assert str(error.value) == (
        "node 'fc': weight (4, 5) takes 5 inputs but gets (2, 3) = 6\n"
        "  remedy: check the layer before it, or a missing Flatten\n"
        "node 'flat': takes 7 entries but gets (2, 3)\n"
        "  remedy: check the layer before it"
    )


def test_sums_of_unequal_shapes_are_refused() -> None:
    nodes = {"x": Input((4,)), "a": Affine(weights(3, 4)), "b": Scale(freeze(1.0)), "n": lif(), "y": Output()}
    with pytest.raises(CompileError) as error:
        InferShapes()(graph_of(nodes, "x a n y, x b n"))
    assert str(error.value) == (
        "node 'n': receives a sum of different shapes: (3,), (4,)\n  remedy: make the branches equal before they meet"
    )


def test_a_loop_of_another_shape_is_refused() -> None:
    nodes = {"x": Input((4,)), "a": Affine(weights(3, 4)), "n": lif(), "back": Affine(weights(2, 3)), "y": Output()}
    with pytest.raises(CompileError, match=r"node 'n': receives a sum of different shapes: \(2,\), \(3,\)"):
        InferShapes()(graph_of(nodes, "x a n y, n back@1 n"))


def test_what_no_input_reaches_is_refused() -> None:
    nodes = {"x": Input((4,)), "n": lif(), "y": Output(), "a": Scale(freeze(1.0)), "b": Scale(freeze(1.0))}
    with pytest.raises(CompileError) as error:
        InferShapes()(graph_of(nodes, "x n y, a b@1 a"))
    assert str(error.value) == (
        "node 'a': no input reaches it, so its shape is unknown\n  remedy: connect or remove it\n"
        "node 'b': no input reaches it, so its shape is unknown\n  remedy: connect or remove it"
    )


def test_a_neuron_layer_without_inputs_has_the_shape_of_its_parameters() -> None:
    nodes = {"x": Input((4,)), "tonic": lif(bias=[2.0, 2.0]), "w": Affine(weights(4, 2)), "n": lif(), "y": Output()}
    graph = InferShapes()(graph_of(nodes, "x n y, tonic w n"))
    assert graph["tonic"].shape == (2,)
