"""Offsets and delays: constraints hold and are the smallest; loops that are too late are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.analysis.delays import paths, timing
from seamount.compiler.errors import CompileError
from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.ops import Affine, Input, Output, freeze
from seamount.compiler.pipelines import canonical
from tests.passing import graph_of, lif, weights
from tests.strategies import cases

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)
ONE = Affine(freeze([[1.0]]))


def network(joins: dict[tuple[str, str], int], inputs: int = 1) -> Graph:
    """Layers of one neuron, joined with the given lags; half of a lag lies before the weights, half behind."""
    names = sorted({n for pair in joins for n in pair})
    nodes = [Node(n, Input((1,)) if n < f"x{inputs}" and n[0] == "x" else lif(), shape=(1,)) for n in names]
    edges = []
    for (a, b), lag in joins.items():
        nodes.append(Node(f"{a}-{b}", ONE, shape=(1,)))
        edges += [Edge(a, f"{a}-{b}", lag // 2), Edge(f"{a}-{b}", b, lag - lag // 2)]
    return Graph(tuple(nodes), tuple(edges))


@st.composite
def layered(draw):
    """Random joins from earlier to later layers with lags, and some back with lags long enough."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = ["x0", "x1", *(f"y{i}" for i in range(draw(st.integers(1, 6))))]
    joins = {}
    for i, b in enumerate(names[2:], 2):
        for a in {names[int(k)] for k in rng.integers(0, i, draw(st.integers(1, 3)))}:
            joins[a, b] = int(rng.choice([0, 0, 0, 1, 2, 5]))
    for _ in range(draw(st.integers(0, 3))):
        j, i = sorted(rng.integers(2, len(names), 2).tolist())
        joins.setdefault((names[i], names[j]), i - j + int(rng.integers(1, 4)))
    return joins


@SETTINGS
@given(layered())
def test_constraints_hold_and_are_minimal(joins) -> None:
    when = timing(network(joins, inputs=2))
    for (a, b), lag in joins.items():
        delay = when.delays[f"{a}-{b}"]
        assert delay >= 0
        assert lag == 1 + delay + when.offsets[a] - when.offsets[b]
    for name, offset in when.offsets.items():
        if name[0] == "x":
            assert offset == 0
            continue
        needs = [when.offsets[a] + 1 - lag for (a, b), lag in joins.items() if b == name]
        assert offset == max(1, *needs, 1), "one step less would be too early for a path, or before the first step"


@SETTINGS
@given(layered())
def test_offsets_are_longest_paths(joins) -> None:
    """Against the longest path by exhaustive search over simple paths."""
    when = timing(network(joins, inputs=2))

    def longest(name: str, seen: frozenset[str]) -> int:
        if name[0] == "x":
            return 0
        best = 1
        for (a, b), lag in joins.items():
            if b == name and a not in seen:
                best = max(best, longest(a, seen | {name}) + 1 - lag)
        return best

    for name, offset in when.offsets.items():
        assert offset == longest(name, frozenset())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_canonical_graphs(case) -> None:
    graph = canonical()(case[0])
    when = timing(graph)
    for p in paths(graph):
        assert p.lag == 1 + when.delays[p.weights] + when.offsets[p.source] - when.offsets[p.target]
        assert when.delays[p.weights] >= 0


def test_a_residual_add_waits_for_its_longer_branch() -> None:
    when = timing(network({("x0", "a"): 0, ("a", "b"): 0, ("b", "c"): 0, ("a", "c"): 0, ("x0", "c"): 0}))
    assert (when.offsets["c"], when.delays["a-c"], when.delays["x0-c"]) == (3, 1, 2)


def test_a_lag_is_time_to_spare() -> None:
    when = timing(network({("x0", "a"): 0, ("a", "b"): 2, ("x0", "b"): 1}))
    assert when.offsets == {"x0": 0, "a": 1, "b": 1}
    assert when.delays == {"x0-a": 0, "a-b": 1, "x0-b": 1}


def test_loops() -> None:
    when = timing(network({("x0", "a"): 0, ("a", "a"): 1, ("a", "b"): 0, ("b", "a"): 2}))
    assert (when.offsets["a"], when.offsets["b"]) == (1, 2)
    assert (when.delays["a-a"], when.delays["b-a"]) == (0, 0)
    assert timing(network({("x0", "a"): 0, ("a", "a"): 5})).delays["a-a"] == 4


def test_a_tonic_neuron_starts_as_late_as_it_may() -> None:
    """So that a bias deep in the network needs no delay."""
    joins = {("x0", "a"): 0, ("a", "b"): 0, ("b", "c"): 0, ("t", "c"): 0, ("t2", "a"): 0, ("t2", "c"): 0}
    when = timing(network(joins))
    assert when.offsets == {"x0": 0, "t2": 1, "a": 2, "b": 3, "c": 4, "t": 3}
    assert when.delays["t-c"] == 0 and when.delays["t2-c"] == 2
    deep = {"x": Input((1,))} | {f"n{i}": lif(alpha=0.5) for i in range(70)} | {"y": Output()}
    deep |= {f"w{i}": Affine(freeze([[1.0]]), freeze([0.5])) for i in range(70)}
    graph = canonical()(graph_of(deep, "x " + " ".join(f"w{i} n{i}" for i in range(70)) + " y"))
    delays = timing(graph).delays
    assert max(d for name, d in delays.items() if "_bias" in name) == 0


def test_a_loop_that_is_too_late_is_refused() -> None:
    with pytest.raises(CompileError) as error:
        timing(network({("x0", "a"): 0, ("a", "b"): 0, ("b", "a"): 1}))
    assert str(error.value) == (
        "loop a -> b -> a: the loop takes 2 steps of transport, but training closed it in 1\n"
        "  limit:  transport takes one step per projection (docs/semantics.md)\n"
        "  remedy: slow the network down (--slow-down 2), train the loop with a delay of 2 steps, or make it shorter"
    )


def test_every_late_loop_is_named_and_no_other() -> None:
    joins = {
        ("x0", "a"): 0, ("a", "b"): 0, ("b", "a"): 1, ("b", "c"): 0, ("c", "c"): 1, ("c", "b"): 2,
        ("c", "d"): 0, ("d", "e"): 0, ("e", "c"): 1,
    }  # fmt: skip
    with pytest.raises(CompileError) as error:
        timing(network(joins))
    loops = [frozenset(p.where.removeprefix("loop ").split(" -> ")) for p in error.value.problems]
    assert sorted(map(sorted, loops)) == [["a", "b"], ["c", "d", "e"]]


def test_two_projections_between_the_same_layers() -> None:
    """The one with the shorter lag decides whether a loop is too late."""
    graph = network({("x0", "a"): 0, ("a", "b"): 0, ("b", "a"): 2})
    graph = replace(
        graph,
        nodes=(*graph.nodes, Node("fast", ONE, shape=(1,))),
        edges=(*graph.edges, Edge("b", "fast", 1), Edge("fast", "a")),
    )
    with pytest.raises(CompileError, match="takes 2 steps of transport, but training closed it in 1"):
        timing(graph)


def test_paths_carry_the_delays_of_both_edges() -> None:
    nodes = {"x": Input((2,)), "w": Affine(weights(2, 2)), "n": lif(), "y": Output()}
    (path,) = paths(graph_of(nodes, "x w@1 n@2 y"))
    assert (path.source, path.weights, path.target, path.lag) == ("x", "w", "n", 3)
