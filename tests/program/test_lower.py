"""Quantized graph to program: the integers do what the quantized graph means, at every step of every sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.analysis.activity import measure
from seamount.compiler.errors import CompileError
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.ir.ops import Affine, Conv, Input, Output, Sparse, freeze
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import canonical
from seamount.compiler.program import program as p
from seamount.compiler.program.lower import lower
from tests.lowered import assert_lowered, messages_of
from tests.passing import graph_of, li, lif, weights
from tests.strategies import cases, samples_for


def compiled(graph: Graph, bits: int = 8, x=None, delay_max: int = 62) -> tuple[Graph, p.Program]:
    """(quantized graph, its program)."""
    folded = canonical()(graph)
    quantized = Quantize(weight_bits=bits, activity=None if x is None else measure(folded, x))(folded)
    return quantized, lower(quantized, delay_max)


def agrees(case, bits: int, calibrated: bool) -> None:
    graph, x = case
    quantized, program = compiled(graph, bits, x if calibrated else None)
    event("compared" if assert_lowered(quantized, program, x) else "registers overflow")


@settings(max_examples=70, deadline=None, derandomize=True)
@given(cases(), st.integers(2, 8), st.booleans())
def test_program_means_what_the_graph_means(case, bits: int, calibrated: bool) -> None:
    agrees(case, bits, calibrated)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cases(force=frozenset({"residual", "recurrent", "delay"}), layers=4), st.integers(4, 8))
def test_branches_of_unequal_depth_loops_and_lags(case, bits: int) -> None:
    agrees(case, bits, False)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(cases(force=frozenset({"memory", "bias", "inputs"}), layers=4))
def test_tonic_neurons_and_several_inputs(case) -> None:
    agrees(case, 8, False)


# whole numbers, where nothing is rounded and every spike must be the float network's


def exact(depth: int, **neuron) -> Graph:
    """A network of whole weights without leak: integers and floats agree exactly. Residual, loop and bias in it."""
    rng = np.random.default_rng(7)
    plain = {"beta": 1.0, "threshold": 4.0, **neuron}
    nodes: dict = {"x": Input((5,)), "in": Affine(freeze(rng.integers(-3, 5, (6, 5)))), "n0": lif(**plain)}
    row = "x in n0"
    for i in range(1, depth):
        bias = freeze(rng.integers(-1, 2, 6).astype(float))
        nodes |= {f"w{i}": Affine(freeze(rng.integers(-3, 5, (6, 6))), bias), f"n{i}": lif(**plain)}
        row += f" w{i} n{i}"
    nodes |= {"skip": Affine(freeze(rng.integers(-3, 5, (6, 5)))), "back": Affine(freeze(-np.eye(6)))}
    nodes |= {"out": Affine(freeze(rng.integers(-3, 5, (2, 6)))), "r": li(beta=1.0), "y": Output(), "s": Output("last")}
    last = f"n{depth - 1}"
    return graph_of(nodes, f"{row} out r y, x skip {last} s, {last} back@1 {last}")


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("neuron", [{}, {"reset": "subtract", "reset_by": 4.0}, {"bias": 1.0, "v_init": 2.0}])
def test_exact_at_every_length_of_sample(depth: int, steps: int, neuron) -> None:
    """Whatever the depth, at T = 1 already: no latency to see, no sample that leaks into the next."""
    graph = exact(depth, **neuron)
    quantized, program = compiled(graph)
    x = samples_for(graph, 1, 6, steps)
    run = interpret(canonical()(graph), x)
    trace = ReferenceSimulator().run(program, messages_of(quantized, x), frozenset({"spikes", "v"}))
    for name, spikes in run.spikes.items():
        np.testing.assert_array_equal(trace.spikes[name], spikes, err_msg=name)
    scale = 64 * quantized["r"].op.scale
    np.testing.assert_allclose(trace.readout["y"] / scale, run.outputs["y"], atol=1e-9)
    np.testing.assert_array_equal(trace.readout["s"], run.outputs["s"])
    assert sum(int(s.sum()) for s in run.spikes.values()) > 0
    for sample in range(6):
        alone = ReferenceSimulator().run(
            program, {k: v[sample : sample + 1] for k, v in messages_of(quantized, x).items()}, frozenset({"spikes"})
        )
        np.testing.assert_array_equal(alone.readout["y"][0], trace.readout["y"][sample])


@pytest.mark.parametrize("name", ["w1", "skip", "out", "back"])
def test_the_comparison_notices_one_step(name: str) -> None:
    """A program whose timing is consistent in itself, but one projection of it one step late, does not pass."""
    quantized, program = compiled(exact(3))
    x = samples_for(quantized, 1, 4, 5)
    assert assert_lowered(quantized, program, x)
    late = tuple(replace(q, delay=q.delay + 1, lag=q.lag + 1) if q.name == name else q for q in program.projections)
    with pytest.raises(AssertionError):
        assert_lowered(quantized, replace(program, projections=late), x)


# structure


def test_offsets_delays_and_lags() -> None:
    _, program = compiled(exact(3))
    assert program.offsets == {"x": 0, "n0": 1, "n1": 2, "n2": 3, "r": 4}
    timing = {q.name: (q.delay, q.lag) for q in program.projections}
    assert timing == {"in": (0, 0), "w1": (0, 0), "w2": (0, 0), "skip": (2, 0), "back": (0, 1), "out": (0, 0)}
    assert program.depth == 4 and program.steps == 4


def test_connections_in_their_forms() -> None:
    rows = np.array([0, 1], np.int64)
    nodes = {
        "x": Input((2, 6)),
        "conv": Conv(weights(4, 1, 3), None, (2,), (1,), (1,), groups=2),
        "n": lif(threshold=weights(4, 1) ** 2 + 1),
        "sparse": Sparse(rows, rows, freeze([1.0, -1.0]), (4, 3), (2,)),
        "m": lif(),
        "fc": Affine(weights(3, 2)),
        "r": li(),
        "y": Output("max"),
    }
    _, program = compiled(graph_of(nodes, "x conv n sparse m fc r y"))
    conv, sparse, dense = (q.connection for q in program.projections)
    assert isinstance(conv, p.Conv) and isinstance(sparse, p.Sparse) and isinstance(dense, p.Dense)
    assert conv.weight.shape == (4, 1, 1, 3)
    assert (conv.stride, conv.padding, conv.dilation, conv.groups) == ((1, 2), (0, 1), (1, 1), 2)
    assert (sparse.rows.dtype, sparse.weight.dtype, dense.weight.dtype) == (np.int32, np.int32, np.int32)
    assert [vars(r) for r in program.readouts] == [vars(p.Readout("y", "r", "v", "max"))]


@pytest.mark.parametrize("rule", ["sum", "mean", "max", "last"])
def test_readouts_of_spikes(rule) -> None:
    nodes = {"x": Input((3,)), "fc": Affine(weights(2, 3)), "n": lif(), "y": Output(rule)}
    _, program = compiled(graph_of(nodes, "x fc n y"))
    assert [vars(r) for r in program.readouts] == [vars(p.Readout("y", "n", "s", rule))]


def test_graded_ports_know_their_payloads() -> None:
    nodes = {"x": Input((3,), "graded", -0.5, 1.0), "fc": Affine(weights(2, 3)), "n": lif(), "y": Output()}
    quantized, program = compiled(graph_of(nodes, "x fc n y"))
    (port,) = program.inputs
    unit = quantized["x"].op.unit
    assert port.graded and (port.low, port.high) == (round(-0.5 / unit), round(1.0 / unit))
    x = {"x": np.array([-9.0, 0.1, 9.0]).reshape(1, 1, 3)}
    assert messages_of(quantized, x)["x"].ravel().tolist()[::2] == [port.low, port.high]


def test_parameters_are_spread_to_the_population() -> None:
    nodes = {"x": Input((2, 4)), "n": lif(bias=weights(2, 1), beta=[[0.5], [0.25]]), "y": Output()}
    _, program = compiled(graph_of(nodes, "x n y"))
    population = program.population("n")
    assert population.bias_mant.shape == population.dv.shape == (2, 4)
    assert population.du.shape == population.vth.shape == ()


def test_delays_beyond_the_chip_are_refused() -> None:
    with pytest.raises(CompileError) as error:
        compiled(exact(4), delay_max=2)
    assert str(error.value) == (
        "node 'skip': needs a delay of 3 steps so that its path meets the longer one beside it\n"
        "  limit:  2 steps\n"
        "  remedy: run balance-delays, which puts relays on it"
    )


def test_same_graph_same_program() -> None:
    from seamount.compiler.program.text import to_text

    first, second = (compiled(exact(3))[1] for _ in range(2))
    assert to_text(first) == to_text(second)
