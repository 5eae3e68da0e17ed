"""Swapping, bounds and partitions against brute force."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.placement.arrange import cost, distances, gains, strips
from seamount.compiler.placement.chips import Capacity, by_metis, in_order, to_chips
from seamount.compiler.placement.graph import CoreEdges, CoreGraph, core_graph
from seamount.compiler.placement.orders import hilbert
from seamount.compiler.placement.placement import Mesh
from seamount.compiler.placement.route import hops, lower_bound
from seamount.compiler.placement.tiles import to_cores


def random_graph(rng: Any, n: int, density: float = 0.4) -> tuple[CoreEdges, CoreGraph]:
    source, target = np.nonzero(rng.random((n, n)) < density)
    messages = rng.integers(1, 100, source.size)
    edges = CoreEdges(source, target, messages, messages, 0 * messages)
    return edges, core_graph(n, {"q": edges})


def grid(columns: int, rows: int) -> tuple[Any, Any]:
    y, x = np.divmod(np.arange(columns * rows), columns)
    return x, y


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_gains_are_those_of_every_swap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    flow = rng.integers(0, 20, (6, 6)).astype(float)
    flow = np.triu(flow, 1) + np.triu(flow, 1).T
    between, linear = distances(*grid(3, 2)), rng.integers(0, 50, (6, 6)).astype(float)
    place = rng.permutation(6)
    change = gains(flow, between, linear, place)
    for a in range(6):
        for b in range(6):
            other = place.copy()
            other[a], other[b] = place[b], place[a]
            assert change[a, b] == cost(flow, between, linear, other) - cost(flow, between, linear, place)


def test_strips_are_orders_of_all_places() -> None:
    for order in strips(*grid(5, 3)):
        assert sorted(order.tolist()) == list(range(15))


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_an_arrangement_lies_between_the_bound_and_the_worst(seed: int) -> None:
    """Six cores on six tiles of one core: every arrangement is tried."""
    edges, graph = random_graph(np.random.default_rng(seed), 6)
    mesh = Mesh(1, 3, 2, 6, 1, 1)
    every = [hops(edges, np.array(p), mesh).hops for p in permutations(range(6))]
    found = hops(edges, to_cores(graph, np.zeros(6, np.int64), mesh), mesh).hops
    assert lower_bound(graph, mesh) <= min(every) <= found <= max(every)


def test_arrangements_of_few_cores_are_nearly_the_best() -> None:
    """Six cores on six tiles, twenty random graphs: together within 3 % of the best of all arrangements."""
    mesh, found, best = Mesh(1, 3, 2, 6, 1, 1), 0, 0
    for seed in range(20):
        edges, graph = random_graph(np.random.default_rng(seed), 6)
        best += min(hops(edges, np.array(p), mesh).hops for p in permutations(range(6)))
        found += hops(edges, to_cores(graph, np.zeros(6, np.int64), mesh), mesh).hops
    assert best <= found <= 1.03 * best


def test_a_chain_is_laid_out_along_the_mesh() -> None:
    n = 12
    edges = CoreEdges(np.arange(n - 1), np.arange(1, n), np.ones(n - 1, int), np.ones(n - 1, int), np.zeros(n - 1, int))
    mesh = Mesh(1, 4, 3, 12, 1, 1)
    core = to_cores(core_graph(n, {"q": edges}), np.zeros(n, np.int64), mesh)
    assert hops(edges, core, mesh).hops == n - 1


@pytest.mark.parametrize("level", [1, 2, 4])
def test_the_hilbert_curve_goes_through_every_place_in_single_steps(level: int) -> None:
    side = 2**level
    at = np.stack(np.divmod(np.arange(side * side), side), axis=1)
    number = hilbert(at, level)
    assert sorted(number.tolist()) == list(range(side * side))
    path = at[np.argsort(number)]
    assert (np.abs(np.diff(path, axis=0)).sum(axis=1) == 1).all()


def two_cliques(n: int) -> tuple[CoreEdges, CoreGraph]:
    """Even cores talk to even ones, odd to odd, and one pair across."""
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b and (a - b) % 2 == 0] + [(0, 1)]
    source, target = np.array(pairs).T
    edges = CoreEdges(
        source, target, 10 * np.ones(len(pairs), int), np.ones(len(pairs), int), np.zeros(len(pairs), int)
    )
    return edges, core_graph(n, {"q": edges})


def test_metis_finds_what_order_cannot() -> None:
    pytest.importorskip("pymetis", reason="needs pymetis: pip install 'seamount[mapping]'")
    _, graph = two_cliques(16)
    capacity = Capacity(("cores",), np.ones((16, 1), np.int64), np.array([8]))
    assert len(set(in_order(capacity)[::2].tolist())) == 2
    chip = by_metis(graph, capacity, 2)
    assert chip is not None and len(set(chip[::2].tolist())) == len(set(chip[1::2].tolist())) == 1
    placed = to_chips(graph, capacity, Mesh(4, 2, 1, 8, 2, 1), [np.arange(16)])
    assert len(set(placed[::2].tolist())) == 1


def test_without_metis_cores_stay_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pymetis", None)
    _, graph = two_cliques(16)
    capacity = Capacity(("cores",), np.ones((16, 1), np.int64), np.array([8]))
    assert by_metis(graph, capacity, 2) is None
    assert to_chips(graph, capacity, Mesh(4, 2, 1, 8, 2, 1), [np.arange(16)]).tolist() == [0] * 8 + [1] * 8


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_partitions_keep_every_capacity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, graph = random_graph(rng, 30, 0.15)
    amounts = np.stack([np.ones(30, np.int64), rng.integers(1, 9, 30)], axis=1)
    capacity = Capacity(("cores", "neurons"), amounts, np.array([8, 40]))
    first = in_order(capacity)
    ways = [first, by_metis(graph, capacity, int(first.max()) + 1)]
    for chip in (w for w in ways if w is not None):
        load = np.zeros((int(chip.max()) + 1, 2), np.int64)
        np.add.at(load, chip, amounts)
        assert (load <= capacity.room).all()
