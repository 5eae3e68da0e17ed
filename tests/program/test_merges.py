"""What residual networks need: sums of spikes, skips in the membrane, pooling folded, a classifier behind a mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.backends.registry import load_target
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.driver import Compiled, compile_graph
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.ir.ops import Affine, Array, Conv, Input, Output, Pool, Reshape, freeze
from seamount.compiler.pipelines import Options, canonical
from seamount.compiler.program.program import Program
from tests.lowered import assert_lowered, messages_of
from tests.passing import graph_of, li, lif, weights
from tests.strategies import samples_for

ALL = frozenset({"spikes", "u", "v"})
ONE, NONE = (1, 1), (0, 0)


def compiled(graph: Graph, x: dict[str, Any] | None = None, target: str = "loihi-sim", **options: Any) -> Compiled:
    return compile_graph(graph, load_target(target), Options(**options), samples=x)


def conv(weight: Array, stride: int = 1) -> Conv:
    """Same size, or halved."""
    pad = weight.shape[-1] // 2
    return Conv(freeze(weight), None, (stride, stride), (pad, pad), ONE)


def whole(seed: int, *shape: int) -> Array:
    """Whole weights, more positive than negative."""
    return np.random.default_rng(seed).integers(-2, 4, shape).astype(float)


def sew(blocks: int) -> Graph:
    """Spike-element-wise ADD: o_k = s_k + o_(k-1), s_k = LIF(conv(o_(k-1))); o_k takes the values 0 .. k + 1."""
    neuron = {"beta": 1.0, "threshold": 4.0}
    nodes: dict[str, Any] = {"x": Input((2, 4, 4)), "stem": conv(whole(0, 2, 2, 3, 3)), "s0": lif(**neuron)}
    rows, summed = ["x stem s0"], ["s0"]
    for k in range(1, blocks + 1):
        nodes |= {f"c{k}": conv(whole(k, 2, 2, 3, 3)), f"s{k}": lif(**neuron)}
        rows += [f"{name} c{k}" for name in summed] + [f"c{k} s{k}"]
        summed.append(f"s{k}")
    nodes |= {"gap": Pool((4, 4), (4, 4), NONE, False), "flat": Reshape((2,)), "fc": Affine(freeze(whole(9, 3, 2)))}
    nodes |= {"r": li(beta=1.0), "y": Output("mean")}
    rows += [f"{name} gap" for name in summed] + ["gap flat fc r y"]
    return graph_of(nodes, ", ".join(rows))


def assert_exact(graph: Graph, made: Compiled, x: dict[str, Any]) -> None:
    """Every spike and the readouts are the float network's, on both simulators."""
    trained = interpret(canonical()(graph), x)
    for simulator in (ReferenceSimulator(), VectorizedSimulator()):
        trace = simulator.run(made.artifact.program, messages_of(made.quantized, x), ALL)
        for name, spikes in trained.spikes.items():
            np.testing.assert_array_equal(trace.spikes[name], spikes, err_msg=name)
    assert any(s.any() for s in trained.spikes.values())
    for r in made.artifact.program.readouts:
        code = next(c for c in made.artifact.outputs if c.readout == r.name)
        values = trace.readout[r.name] * code.unit / (next(iter(x.values())).shape[1] if r.rule == "mean" else 1)
        np.testing.assert_allclose(values, trained.outputs[r.name], atol=1e-6)


# sums of spikes


@pytest.mark.parametrize("target", ["loihi-sim", "loihi1"])
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_sums_of_spikes_become_a_projection_per_summand(blocks: int, target: str) -> None:
    """No graded message, so that a chip without them takes it: block k is reached by k projections of one weight."""
    graph = sew(blocks)
    made = compiled(graph, target=target)
    program = made.artifact.program
    for k in range(1, blocks + 1):
        into = program.into(f"s{k}")
        assert [q.source for q in into] == [f"s{i}" for i in range(k)]
        assert [q.delay for q in into] == [k - 1 - i for i in range(k)]
        first = into[0]
        for q in into:
            np.testing.assert_array_equal(q.connection.weight, first.connection.weight)
            assert q.weight_exp == first.weight_exp
    assert len(program.projections) == 1 + blocks * (blocks + 1) // 2 + blocks + 1
    assert_exact(graph, made, samples_for(graph, 0, 4, 4))


def test_long_chains_of_sums_within_short_delays() -> None:
    """Twelve blocks and delays of at most 3: relays on most skips, and still every spike."""
    graph = sew(12)
    made = compiled(graph, max_delay=3)
    assert max(q.delay for q in made.artifact.program.projections) == 3
    assert sum("_relay" in p.name for p in made.artifact.program.populations) > 12
    assert_exact(graph, made, samples_for(graph, 0, 2, 4))


# sums in the membrane


def membrane(blocks: int, identity: float = 1.0) -> Graph:
    """s_k = LIF(conv(s') + skip(s_(k-2))): identity skips, and one 1x1 convolution where the size is halved."""
    neuron = {"beta": 1.0, "threshold": 4.0}
    nodes: dict[str, Any] = {"x": Input((2, 8, 8)), "stem": conv(whole(0, 2, 2, 3, 3)), "s0": lif(**neuron)}
    rows, last = ["x stem s0"], "s0"
    for k in range(1, blocks + 1):
        half = 2 if k == 1 else 1
        nodes |= {f"a{k}": conv(whole(3 * k, 2, 2, 3, 3), half), f"m{k}": lif(**neuron)}
        nodes |= {f"b{k}": conv(whole(3 * k + 1, 2, 2, 3, 3)), f"s{k}": lif(**neuron)}
        skip = conv(whole(3 * k + 2, 2, 2, 1, 1), 2) if half == 2 else conv(identity * np.eye(2)[..., None, None])
        nodes[f"skip{k}"] = skip
        rows += [f"{last} a{k} m{k} b{k} s{k}", f"{last} skip{k} s{k}"]
        last = f"s{k}"
    nodes |= {
        "gap": Pool((4, 4), (4, 4), NONE, True),
        "flat": Reshape((2,)),
        "fc": Affine(freeze(whole(99, 3, 2) * 16)),
    }
    nodes |= {"r": li(beta=1.0), "y": Output("sum")}
    return graph_of(nodes, ", ".join([*rows, f"{last} gap flat fc r y"]))


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_skips_wait_for_the_convolutions_beside_them(steps: int) -> None:
    graph = membrane(4)
    made = compiled(graph)
    delays = {q.name: q.delay for q in made.artifact.program.projections}
    assert {name for name, delay in delays.items() if delay} == {f"skip{k}" for k in range(1, 5)}
    assert set(delays.values()) == {0, 1}
    assert_exact(graph, made, samples_for(graph, 0, 4, steps))


def test_skips_have_exponents_of_their_own() -> None:
    """An identity 40 times the largest weight beside it costs the convolution no bits."""
    graph = membrane(2, identity=160.0)
    made = compiled(graph)
    q = {q.name: q for q in made.artifact.program.projections}
    assert q["skip2"].weight_exp > q["b2"].weight_exp
    errors = {row.layer: row.error for row in made.precision}
    assert errors["b2"] < 0.01 and errors["skip2"] < 0.01


def test_pooling_and_the_classifier_add_no_population() -> None:
    program = compiled(membrane(2)).artifact.program
    assert [p.name for p in program.populations] == ["s0", "m1", "s1", "m2", "s2", "r"]
    (last,) = program.into("r")
    assert last.name == "fc" and last.source == "s2"


def test_pooling_between_convolutions_is_part_of_the_next() -> None:
    nodes = {
        "x": Input((2, 8, 8)),
        "a": conv(weights(3, 2, 3, 3)),
        "n": lif(),
        "pool": Pool((2, 2), (2, 2), NONE, True),
    }
    nodes |= {"b": Conv(weights(4, 3, 3, 3), None, ONE, ONE, ONE), "m": lif(), "y": Output()}
    (q,) = compiled(graph_of(nodes, "x a n pool b m y")).artifact.program.into("m")
    assert q.connection.weight.shape == (4, 3, 6, 6) and q.connection.stride == (2, 2)


def test_without_balancing_the_deeper_path_is_late_by_a_step_per_block() -> None:
    """Each block adds one step between its skip and its convolutions."""
    made = compiled(membrane(4), balance_delays=False)
    lags = {q.name: q.lag for q in made.artifact.program.projections}
    assert {name: lag for name, lag in lags.items() if lag} == {f"b{k}": 1 for k in range(1, 5)}
    assert {q.delay for q in made.artifact.program.projections} == {0}
    graph = membrane(4)
    assert assert_lowered(made.quantized, made.artifact.program, samples_for(graph, 0, 4, 4))
    assert not np.array_equal(
        *(
            ReferenceSimulator()
            .run(m.artifact.program, messages_of(m.quantized, samples_for(graph, 0, 4, 4)))
            .readout["y"]
            for m in (made, compiled(graph))
        )
    )


# what else the training methods ask for


def test_event_counts_are_sent_as_they_are() -> None:
    """Graded input of small counts, on samples: the payload is the count, and nothing is rounded."""
    nodes = {
        "x": Input((2, 4, 4), "graded", 0.0, 11.0),
        "a": conv(whole(1, 2, 2, 3, 3)),
        "n": lif(beta=1.0, threshold=32.0),
    }
    graph = graph_of(nodes | {"y": Output()}, "x a n y")
    x = {"x": np.random.default_rng(0).integers(0, 12, (8, 4, 2, 4, 4)).astype(float)}
    made = compiled(graph, x)
    (port,) = made.artifact.program.inputs
    assert (port.graded, port.low, port.high) == (True, 0, 11)
    assert_exact(graph, made, x)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.floats(0.05, 0.99), min_size=3, max_size=3))
def test_learned_decays_per_layer(decays: list[float]) -> None:
    nodes: dict[str, Any] = {"x": Input((3,)), "y": Output()}
    row = "x"
    for i, beta in enumerate(decays):
        nodes |= {f"w{i}": Affine(weights(3, 3, seed=i)), f"n{i}": lif(beta=beta)}
        row += f" w{i} n{i}"
    program: Program = compiled(graph_of(nodes, f"{row} y")).artifact.program
    for i, beta in enumerate(decays):
        assert abs(1 - int(program.population(f"n{i}").dv) / 4096 - beta) <= 0.5 / 4096


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    graph = membrane(3)
    made = compiled(graph)
    x = messages_of(made.quantized, samples_for(graph, 0, 3, 6))
    long = ReferenceSimulator().run(made.artifact.program, x, ALL)
    for steps in (1, 2, 4):
        short = ReferenceSimulator().run(made.artifact.program, {k: v[:, :steps] for k, v in x.items()}, ALL)
        for name, v in short.v.items():
            np.testing.assert_array_equal(long.v[name][:, :steps], v)
