"""Activity of sources: measured against plain sums, assumed without samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from seamount.compiler.analysis.activity import assume, lattice_of, measure
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.ir.ops import LI, LIF, Affine, Input, Output
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.compiler.pipelines import canonical
from tests.passing import graph_of, li, lif, weights
from tests.strategies import cases, samples_for


@settings(max_examples=40, deadline=None, derandomize=True)
@given(cases())
def test_moments_and_bounds(case) -> None:
    graph, x = canonical()(case[0]), case[1]
    activity = measure(graph, x, dtype=np.float64)
    seen: dict = {}
    run = interpret(graph, x, record={"v"}, watch=lambda n, k, t, v: seen.setdefault((n.name, k), []).append(v))
    for node in graph.nodes:
        if isinstance(node.op, (Input, LIF, LI)):
            out = np.stack(seen[node.name, "out"])
            np.testing.assert_allclose(activity.mean[node.name], out.mean(axis=(0, 1)), atol=1e-12)
            np.testing.assert_allclose(activity.square[node.name], (out**2).mean(axis=(0, 1)), atol=1e-12)
        if isinstance(node.op, (LIF, LI)):
            u = np.zeros(1)
            for value in seen[node.name, "in"]:
                u = node.op.alpha * u + value
                assert np.max(np.abs(u)) <= activity.current[node.name] + 1e-9
        if isinstance(node.op, LI):
            assert np.max(np.abs(run.v[node.name])) <= activity.current[node.name] + 1e-9
    assert activity.samples == len(next(iter(x.values())))


def network():
    nodes = {
        "x": Input((3,), "graded", -1.0, 2.0), "s": Input((3,)), "w": Affine(weights(2, 3)),
        "v": Affine(weights(2, 3)), "n": lif(), "o": Affine(weights(2, 2)), "r": li(), "y": Output(),
    }  # fmt: skip
    return InferShapes()(graph_of(nodes, "x w n o r y, s v n"))


def test_chunks_of_samples_add_up() -> None:
    graph = network()
    x = samples_for(graph, 0, 150, 2)
    activity = measure(graph, x, dtype=np.float64)
    np.testing.assert_allclose(activity.mean["x"], x["x"].mean(axis=(0, 1)))
    assert activity.samples == 150
    single = measure(graph, x)
    np.testing.assert_allclose(single.square["x"], activity.square["x"], rtol=1e-5)


def test_assumed() -> None:
    activity = assume(network())
    assert activity.samples == 0 and not activity.current and not activity.lattice
    assert activity.mean["x"].tolist() == [0.5] * 3
    assert activity.square["x"].tolist() == [1.0] * 3, "second moment of a uniform value in [-1, 2]"
    assert activity.mean["s"].tolist() == [0.1] * 3 and activity.square["n"].tolist() == [0.1] * 2


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.arange(256) / 255, 255),
        (np.arange(17) / 16, 16),
        (np.array([0.0, 1.0]), 1),
        (np.array([-0.5, 0.25]), 4),
        (np.array([0.1, 0.7]), 10),
        ((np.arange(256) / 255).astype(np.float32), 255),
        (np.random.default_rng(0).random(50), 0),
        (np.array([1 / 251]), 0),
    ],
)
def test_lattice(values, wanted: int) -> None:
    assert lattice_of(values) == wanted


def test_lattices_per_input() -> None:
    graph = network()
    x = {"x": np.full((2, 2, 3), 0.25), "s": np.ones((2, 2, 3))}
    assert measure(graph, x).lattice == {"x": 4, "s": 1}
