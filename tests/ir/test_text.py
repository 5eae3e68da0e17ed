"""The text form of graphs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings

from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.ops import LI, LIF, Affine, Conv, Input, IntLIF, Output, Pool, Reshape, WeightFormat, freeze
from seamount.compiler.ir.text import show_array, to_text
from tests.strategies import graphs

ZERO, ONE = freeze(0.0), freeze(1.0)


def example() -> Graph:
    kernel = freeze(np.arange(18).reshape(2, 1, 3, 3) / 7)
    tau = np.asarray(409, np.int32)
    nodes = (
        Node("x", Input((1, 4, 4), "graded", -1.0, 1.0, 1 / 127), (), (1, 4, 4)),
        Node("conv", Conv(kernel, freeze([0.5, -0.25]), (1, 1), (1, 1), (1, 1)), ("model.0", "conv"), (2, 4, 4)),
        Node("pool", Pool((2, 2), (2, 2), (0, 0), True), (), (2, 2, 2)),
        Node("flat", Reshape((8,)), (), (8,)),
        Node("lif", LIF(ZERO, freeze(0.9), ONE, ZERO, ONE, ZERO, ZERO, ONE, compare="ge"), ("model.1",), (8,)),
        Node("loop", Affine(freeze(np.eye(8)), format=WeightFormat(8, "mixed", 1, 321.5)), (), (8,)),
        Node("fc", Affine(freeze(np.ones((2, 8)) / 3)), (), None),
        Node("int", IntLIF(tau, tau, None, np.asarray([1, 2], np.int32), 6, 64.0), (), (2,)),
        Node("y", Output("mean"), (), (2,)),
    )
    row = ("x", "conv", "pool", "flat", "lif", "fc", "int", "y")
    edges = tuple(Edge(a, b) for a, b in pairwise(row))
    return Graph(nodes, (*edges, Edge("lif", "loop", 1), Edge("loop", "lif")), 12, ("two notes", "in order"))


def test_golden(golden) -> None:
    golden(to_text(example()), "ir/text.txt")


@settings(max_examples=20, deadline=None, derandomize=True)
@given(graphs())
def test_every_node_has_its_line(graph) -> None:
    lines = to_text(graph).splitlines()
    assert len(lines) == 1 + len(graph.nodes)
    for line, node in zip(lines[1:], graph.order, strict=True):
        assert line.startswith(f"  {node.name}: ")


def test_arrays() -> None:
    assert show_array(freeze(0.1)) == "0.1"
    assert show_array(freeze([1.0, 2.0])) == "2[1,2]"
    assert show_array(freeze(np.zeros((0, 3)))) == "0x3[]"
    long = freeze(np.arange(8).reshape(2, 4))
    assert show_array(long).startswith("2x4[0..7]#")
    assert show_array(long + 1e-12) == show_array(long), "rounded to six digits"
    assert show_array(long + 1e-3) != show_array(long)


def test_readout_in_text() -> None:
    graph = Graph((Node("r", LI(ZERO, ONE, ONE, ZERO, ZERO), (), (2,)),), ())
    assert to_text(graph) == "graph steps=1\n  r: 2 = LI() alpha=0 beta=1 gain=1 bias=0 v_init=0\n"
