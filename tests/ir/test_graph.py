"""Rewrites of the graph, evaluation order, and the named invariants."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from seamount.compiler.errors import ContractError
from seamount.compiler.ir import properties
from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.notes import Text
from seamount.compiler.ir.ops import LI, LIF, Affine, BatchNorm, Input, IntLIF, Output, Reshape, Scale, freeze
from seamount.compiler.passes.infer_shapes import InferShapes

ZERO, ONE = freeze(0.0), freeze(1.0)
NEURON = LIF(ZERO, ONE, ONE, ZERO, ONE, ZERO, ZERO, ONE)


def chain(*ops, steps=1) -> Graph:
    """Nodes a, b, c ... in a row."""
    names = "abcdefgh"[: len(ops)]
    edges = tuple(Edge(a, b) for a, b in pairwise(names))
    return Graph(tuple(Node(n, op) for n, op in zip(names, ops, strict=True)), edges, steps)


def edges_of(graph: Graph) -> list[str]:
    return sorted(f"{e.source}{e.target}{e.delay or ''}" for e in graph.edges)


SMALL = chain(Input((1,)), Scale(ONE), NEURON, Output())


def test_lookup() -> None:
    assert [n.name for n in SMALL.inputs] == ["a"] and [n.name for n in SMALL.outputs] == ["d"]
    assert SMALL.into("c") == (Edge("b", "c"),) and SMALL.out_of("c") == (Edge("c", "d"),)
    assert SMALL["c"].op is NEURON
    assert Node("a", Scale(ONE), ("a", "m.0", "m.1")).where == "node 'a' (from m.0, m.1)"
    assert Node("a", Scale(ONE)).where == "node 'a'"


def test_order_follows_edges_then_position() -> None:
    graph = replace(SMALL, nodes=SMALL.nodes[::-1])
    assert [n.name for n in graph.order] == ["a", "b", "c", "d"]
    loop = replace(SMALL, edges=(*SMALL.edges, Edge("c", "b", 1)))
    assert [n.name for n in loop.order] == ["a", "b", "c", "d"]


def test_a_cycle_without_delay_is_named() -> None:
    with pytest.raises(ContractError) as error:
        _ = replace(SMALL, edges=(*SMALL.edges, Edge("c", "b"))).order
    assert str(error.value) == ("graph: cycle without delay: b -> c\n  remedy: give one of its edges a delay of 1")


def test_with_op_keeps_name_shape_and_edges() -> None:
    graph = InferShapes()(SMALL).with_op("b", Reshape((1,)), origin=("m", "m"))
    assert isinstance(graph["b"].op, Reshape) and graph["b"].shape == (1,)
    assert graph["b"].origin == ("m",)
    assert graph.with_op("b", Scale(ONE), origin=("k", "m"))["b"].origin == ("m", "k")
    assert isinstance(SMALL["b"].op, Scale), "the input is untouched"


def test_without_joins_and_adds_delays() -> None:
    graph = replace(SMALL, edges=(Edge("a", "b", 2), Edge("b", "c", 1), Edge("c", "d"), Edge("c", "b", 1)))
    assert edges_of(graph.without("b")) == ["ac3", "cc2", "cd"]


def test_notes_are_not_repeated_and_names_are_fresh() -> None:
    x, y, z = map(Text, "xyz")
    assert SMALL.noting(x, y).noting(y, z).notes == (x, y, z)
    graph = replace(SMALL, nodes=(*SMALL.nodes, Node("a_1", Scale(ONE))))
    assert graph.fresh("q") == "q" and graph.fresh("a") == "a_2"


def test_well_formed() -> None:
    faults = properties.WELL_FORMED.violations
    assert faults(SMALL) == []
    assert faults(replace(SMALL, nodes=(*SMALL.nodes, Node("a", NEURON)))) == ["two nodes are named 'a'"]
    assert faults(replace(SMALL, edges=(*SMALL.edges, Edge("c", "z")))) == [
        "edge Edge(source='c', target='z', delay=0) names unknown node 'z'"
    ]
    assert faults(replace(SMALL, edges=(*SMALL.edges, SMALL.edges[0]))) == ["an edge occurs twice"]
    assert faults(replace(SMALL, edges=(*SMALL.edges, Edge("b", "a", 1)))) == [
        "node 'a' is an input and has an incoming edge"
    ]
    assert faults(replace(SMALL, edges=SMALL.edges[:2])) == ["node 'd' is an output and must have incoming edges only"]
    assert faults(replace(SMALL, edges=(*SMALL.edges, Edge("c", "b")))) == [
        "graph: cycle without delay: b -> c\n  remedy: give one of its edges a delay of 1"
    ]


def test_other_properties_name_their_violations() -> None:
    one = freeze([[1.0]])
    assert properties.SHAPES_KNOWN.violations(SMALL)[0] == "node 'a' has no shape"
    norm = chain(Input((1,)), BatchNorm(ONE, ONE), NEURON, Output())
    assert properties.NO_BATCHNORM.violations(norm) == ["node 'b' is a BatchNorm"]
    assert properties.LINEAR_FOLDED.violations(SMALL) == [
        "node 'b' is a Scale",
        "node 'c' is fed by 'b' without weights between",
    ]
    odd = replace(NEURON, v_reset=ONE, gain=freeze(2.0), threshold=freeze(2.0))
    assert properties.NEURONS_NORMAL.violations(chain(odd)) == ["node 'a' resets to a value other than 0"]
    assert properties.THRESHOLD_FOLDED.violations(chain(odd)) == [
        "node 'a' has a threshold other than 1",
        "node 'a' has a gain other than 1",
    ]
    assert properties.QUANTIZED.violations(chain(Input((1,)), Affine(one), NEURON)) == [
        "node 'c' has float parameters",
        "node 'a' has no unit",
        "node 'b' has float weights",
    ]
    zero = np.asarray(0, np.int32)
    assert properties.QUANTIZED.violations(chain(IntLIF(zero, zero, None, zero, 0, 0.0))) == [
        "node 'a' has a scale of 0.0"
    ]


@pytest.mark.parametrize(
    ("ops", "fault"),
    [
        ((Input((1,)), Affine(freeze([[1.0]]), ONE), NEURON, Output()), "node 'b' has a bias"),
        ((Input((1,)), Affine(freeze([[1.0]])), Output()), "node 'b' does not join one source to one neuron layer"),
        (
            (Input((1,)), Affine(freeze([[1.0]])), Affine(freeze([[1.0]])), NEURON, Output()),
            "node 'c' is fed by node 'b'",
        ),
        ((Input((1,)), Output()), "node 'b' is fed by no neuron"),
        (
            (Input((1,)), Affine(freeze([[1.0]])), LI(ZERO, ONE, ONE, ZERO, ZERO), Affine(freeze([[1.0]])), NEURON),
            "node 'd' is fed by node 'c'",
        ),
    ],
)
def test_linear_folded(ops, fault: str) -> None:
    assert fault in properties.LINEAR_FOLDED.violations(chain(*ops))
