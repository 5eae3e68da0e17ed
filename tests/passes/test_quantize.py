"""Pass quantize."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.analysis.activity import Activity, measure
from seamount.compiler.errors import CompileError
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.ir.linear import as_synapses
from seamount.compiler.ir.ops import LI, LIF, Affine, Conv, Input, IntLIF, Output, Sparse, freeze
from seamount.compiler.ir.quantized import dequantized
from seamount.compiler.ir.text import to_text
from seamount.compiler.ir.weights import grid, values_of
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import canonical
from seamount.compiler.program.bounds import sum_bound
from seamount.compiler.program.lower import lower
from seamount.compiler.program.program import Population, Program
from tests.lowered import messages_of
from tests.noted import said
from tests.passing import assert_idempotent, both, graph_of, li, lif, weights
from tests.strategies import cases, samples_for

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)
EXTREME = "may leave 24 bits"


def small() -> Graph:
    nodes = {
        "x": Input((1, 4, 4), "graded", 0.0, 1.0),
        "conv": Conv(weights(2, 1, 3, 3), None, (1, 1), (1, 1), (1, 1)),
        "lif": lif(beta=0.8, bias=weights(2, 4, 4)),
        "fc": Affine(weights(3, 32)),
        "cuba": lif(alpha=0.5, reset="subtract", reset_by=1.0, v_init=0.25, v_min=-1.0),
        "loop": Affine(-np.abs(weights(3, 3))),
        "out": Affine(weights(2, 3)),
        "read": li(beta=1.0),
        "y": Output("mean"),
    }
    return canonical()(graph_of(nodes, "x conv lif fc cuba out read y, cuba loop@1 cuba"))


def quantized(graph: Graph, **options) -> Graph:
    return Quantize(**options)(graph)


def test_golden(golden) -> None:
    golden(both(small(), quantized(small(), weight_bits=6, layer_bits={"fc": 4})), "passes/quantize.txt")


@SETTINGS
@given(cases(), st.integers(2, 8), st.booleans())
def test_every_parameter_is_within_its_rounding(case, bits: int, calibrated: bool) -> None:
    graph, x = case
    before = canonical()(graph)
    after = quantized(before, weight_bits=bits, activity=measure(before, x) if calibrated else None)
    for node in after.nodes:
        old, new = before[node.name].op, node.op
        if isinstance(new, (Affine, Conv, Sparse)):
            form = new.format
            assert form is not None and form.bits == bits
            unit = 2.0**form.exponent / form.scale
            g = grid(bits, form.sign_mode)
            ideal = np.clip(values_of(old), g.low * unit, g.high * unit)
            assert np.all(np.abs(values_of(dequantized(new)) - ideal) <= g.step * unit / 2 * (1 + 1e-9))
        elif isinstance(new, IntLIF):
            assert_registers(old, new, exact_bias=not calibrated)


def assert_registers(old: LIF | LI, new: IntLIF, exact_bias: bool) -> None:
    real = dequantized(new)
    assert np.all(np.abs(real.alpha - old.alpha) <= 0.5 / 4096)
    assert np.all(np.abs(real.beta - np.clip(old.beta, 1 / 4096, 1)) <= 0.5 / 4096)
    unit = 64 * new.scale
    if exact_bias:
        assert np.all(np.abs(real.bias - old.bias) * unit <= 2.0**new.bias_exp / 2 * (1 + 1e-6))
        assert new.bias_exp == 0 or np.max(np.abs(new.bias_mant)) * 2 > 4000 or new.bias_exp == 6
    assert np.all(np.abs(real.v_init - old.v_init) * unit <= 0.5 + 1e-6)
    if isinstance(old, LIF):
        assert np.max(np.abs(real.threshold - 1)) * new.scale <= (1 if old.compare == "ge" else 0)
        assert abs(float(real.reset_by) - float(old.reset_by)) * unit <= 0.5 + 1e-6 or old.reset == "zero"
        assert real.v_min == old.v_min == -np.inf or abs(real.v_min - old.v_min) * unit <= 0.5 + 1e-6


@SETTINGS
@given(cases(), st.integers(4, 8))
def test_membranes_move_no_further_than_rounding_allows(case, bits: int) -> None:
    """v' of float and quantized network on the same spikes, against a bound from the rounding of every parameter."""
    graph, x = case
    before = canonical()(graph)
    after = quantized(before, weight_bits=bits)
    spikes = interpret(before, x).spikes
    old, new = trajectory(before, x, spikes), trajectory(after, x, spikes)
    for node in after.nodes:
        if not isinstance(node.op, IntLIF):
            continue
        a, b = before[node.name].op, dequantized(node.op)
        u = du = v = dv = np.zeros(1)
        for t in range(len(old[node.name, "in"])):
            arriving = current_bound(before, after, node.name, old, new, t)
            assert np.all(np.abs(new[node.name, "in"][t] - old[node.name, "in"][t]) <= arriving + 1e-9)
            du = b.alpha * du + np.abs(b.alpha - a.alpha) * np.abs(u) + arriving
            u = a.alpha * u + old[node.name, "in"][t]
            state = np.abs(a.v_init) if t == 0 else np.abs(old[node.name, "v"][t - 1]) + 1.5
            dv = b.beta * dv + np.abs(b.beta - a.beta) * state + du + constants(a, b)
            v = np.abs(new[node.name, "v"][t] - old[node.name, "v"][t])
            assert np.all(v <= dv + 1e-9), (node.name, t)


def constants(a: LIF | LI, b: LIF | LI) -> float:
    """How far bias, start value, reset and clamp were rounded, at most, together."""
    pairs = [(a.bias, b.bias), (a.v_init, b.v_init)]
    if isinstance(a, LIF) and a.reset == "subtract":
        pairs.append((a.reset_by, b.reset_by))
    if isinstance(a, LIF) and np.isfinite(a.v_min):
        pairs.append((a.v_min, b.v_min))
    return sum(float(np.max(np.abs(p - q))) for p, q in pairs)


def trajectory(graph: Graph, x, spikes) -> dict:
    """(node, "in" | "out" | "v") -> values at every step."""
    seen: dict = {}
    interpret(graph, x, forced=spikes, watch=lambda n, k, t, value: seen.setdefault((n.name, k), []).append(value))
    return seen


def current_bound(before: Graph, after: Graph, target: str, old, new, t: int):
    """Bound of the change of the summed input of a population at step t, from the rounding of each weight."""
    shape = before[target].shape
    total = np.zeros((len(next(iter(old.values()))[0]), *shape))
    for edge in before.into(target):
        name = edge.source
        (source,) = before.into(name)
        if t < source.delay:
            continue
        x, y = (seen[source.source, "out"][t - source.delay].reshape(len(total), -1) for seen in (old, new))
        rows, cols, w = as_synapses(before[name].op, before[source.source].shape)
        matrix = np.zeros((total[0].size, x.shape[1]))
        np.add.at(matrix, (rows, cols), w)
        rows, cols, w = as_synapses(dequantized(after[name].op), before[source.source].shape)
        stored = np.zeros_like(matrix)
        np.add.at(stored, (rows, cols), w)
        change = np.abs(stored - matrix) @ np.abs(x).T + np.abs(stored) @ np.abs(y - x).T
        total += change.T.reshape(total.shape)
    return total


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cases(), st.integers(2, 8))
def test_twice_is_once_and_the_same_each_time(case, bits: int) -> None:
    before = canonical()(case[0])
    after = quantized(before, weight_bits=bits)
    assert_idempotent(Quantize(weight_bits=bits), after)
    assert to_text(after) == to_text(quantized(before, weight_bits=bits))


@SETTINGS
@given(cases(layers=2), st.integers(2, 8), st.booleans())
def test_currents_that_are_proven_safe_never_leave_24_bits(case, bits: int, calibrated: bool) -> None:
    """By the static bounds of the program, and by driving the inputs to the ends that the weights dislike most."""
    graph, x = case
    before = canonical()(graph)
    after = quantized(before, weight_bits=bits, activity=measure(before, x) if calibrated else None)
    program = lower(after, 62)
    unproven = {note.split(":")[0] for note in said(after) if EXTREME in note}
    for p in program.populations:
        if p.name not in unproven:
            assert np.all(worst_current(program, p) < 2**23), p.name
    worst = {k: np.repeat(worst_input(after, k, x[k].shape), 6, axis=1) for k in x}
    trace = ReferenceSimulator().run(program, messages_of(after, worst), frozenset({"u", "spikes"}))
    free = trajectory(after, worst, {k: v for k, v in trace.spikes.items() if program.population(k).fires})
    for name in program.offsets:
        if (name, "in") in free and name not in unproven:
            op = after[name].op
            u = np.zeros(1)
            for t, value in enumerate(free[name, "in"]):
                u = (4095 - op.du) / 4096 * u + value * 64 * op.scale
                assert np.all(np.abs(u) < 2**23), name
                assert np.all(np.abs(trace.u[name][:, t] - u) <= 4096), "no wrap happened"


def worst_current(program: Program, p: Population):
    """Bound of |u| of a population: what it settles at when the messages are the worst ones for ever."""
    up, down = np.zeros(p.size), np.zeros(p.size)
    for q in program.into(p.name):
        bound = sum_bound(program, q)
        up, down = up + bound.high * 2.0**q.weight_exp, down - bound.low * 2.0**q.weight_exp
    kept = (4095 - np.broadcast_to(p.du, p.shape).ravel()) / 4096
    return 64 * np.maximum(up, down) / (1 - kept)


def worst_input(graph: Graph, name: str, shape):
    """One step of the input that drives some neuron as far up as it goes."""
    op = graph[name].op
    assert isinstance(op, Input)
    edges = graph.out_of(name)
    if not edges:
        return np.full((shape[0], 1, *op.shape), op.high)
    rows, cols, values = as_synapses(graph[edges[0].target].op, op.shape)
    best = np.full(int(np.prod(op.shape)), op.low)
    mine = rows == (rows[np.argmax(np.abs(values))] if len(rows) else 0)
    best[cols[mine & (values > 0)]] = op.high
    return np.broadcast_to(best.reshape(op.shape), (shape[0], 1, *op.shape))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["zero", "subtract"]), st.sampled_from([1.0, 3.0, 0.125]))
def test_ge_is_exact_for_neurons_without_leak_on_a_grid(seed: int, reset: str, unit: float) -> None:
    """Weights and constants in eighths (of the threshold): the integers spike exactly where v >= threshold does."""
    rng = np.random.default_rng(seed)
    eighths = {k: float(rng.integers(low, high)) / 8 * unit for k, low, high in (("bias", -2, 3), ("v_init", -3, 4))}
    neuron = lif(beta=1.0, threshold=unit, compare="ge", reset=reset, reset_by=unit, v_min=-1.25 * unit, **eighths)
    fc, fc2 = (freeze(rng.integers(-9, 12, (n, n)) / 8 * unit) for n in (6, 6))
    nodes = {"x": Input((6,)), "fc": Affine(fc), "a": neuron, "fc2": Affine(fc2), "b": neuron, "y": Output()}
    graph = InferShapes()(graph_of(nodes, "x fc a fc2 b y"))
    after = quantized(canonical()(graph))
    assert said(after) == ()
    x = samples_for(graph, seed, 3, 12)
    wanted = interpret(graph, x).spikes
    found = ReferenceSimulator().run(lower(after, 62), messages_of(after, x), frozenset({"spikes"})).spikes
    for name in ("a", "b"):
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


# one layer, for edge cases


def layer(w, bits: int = 8, activity: Activity | None = None, **neuron) -> Graph:
    w = np.atleast_2d(w)
    nodes = {"x": Input((w.shape[1],)), "fc": Affine(freeze(w)), "n": lif(**neuron), "y": Output()}
    return quantized(canonical()(graph_of(nodes, "x fc n y")), weight_bits=bits, activity=activity)


def stored(graph: Graph, name: str = "fc"):
    return values_of(dequantized(graph[name].op))


def test_ge_with_a_leak_is_noted() -> None:
    assert said(layer([[0.5]], compare="ge", beta=0.9)) == (
        "n: v >= threshold runs as v > threshold of integers (docs/semantics.md)",
    )
    assert said(layer([[0.5]], compare="ge", beta=1.0)) == ()
    assert said(layer([[0.5]], compare="gt", beta=0.9)) == ()


def test_zero_weights_and_lonely_neurons() -> None:
    graph = layer(np.zeros((2, 3)), bias=0.5)
    assert not np.any(stored(graph)) and said(graph) == ()
    nodes = {"x": Input((2,)), "fc": Affine(weights(2, 2)), "n": lif(alpha=0.5, bias=0.25), "y": Output()}
    nodes["fc"] = Affine(weights(2, 2), freeze([0.5, -0.5]))
    graph = quantized(canonical()(graph_of(nodes, "x fc n y")))
    tonic = graph["n_tonic"].op
    assert isinstance(tonic, IntLIF) and int(tonic.bias_mant) * 2**tonic.bias_exp > 64 * int(tonic.vth)
    np.testing.assert_allclose(stored(graph, "n_bias"), [[0.5], [-0.5]], rtol=0.01)


def test_a_huge_bias_costs_weights_their_bits_and_says_so() -> None:
    graph = layer(weights(2, 5) / 10, bias=50.0)
    op = graph["n"].op
    assert isinstance(op, IntLIF) and int(op.bias_mant) * 2**op.bias_exp == pytest.approx(50 * 64 * op.scale, rel=1e-3)
    (note,) = said(graph)
    assert note == "fc: uses 4 of 8 bits; its weights are small beside the threshold, bias or largest sum of n"


def test_a_threshold_far_above_the_weights_says_so() -> None:
    lost, small = (said(layer(weights(2, 5) * factor)) for factor in (1e-6, 1e-3))
    assert lost == (
        "fc: 100% of its weights round to 0; its largest is 2.22 medians",
        "fc: uses 2 of 8 bits; its weights are small beside the threshold, bias or largest sum of n",
    )
    assert small == ()


def test_a_threshold_far_below_the_weights() -> None:
    w = weights(2, 5) * 300
    graph = layer(w)
    assert said(graph) == ()
    np.testing.assert_allclose(stored(graph), w, atol=np.abs(w).max() / 200)


def test_an_outlier_is_noted_where_it_erases_the_rest() -> None:
    w = weights(1, 50) / 100
    w = np.where(np.arange(50) == 7, 40.0, w)
    (note,) = said(layer(w))
    assert note.startswith("fc: 98% of its weights round to 0; its largest is")


@pytest.mark.parametrize("bits", range(2, 9))
def test_few_bits(bits: int) -> None:
    w = np.linspace(-1, 1, 41)[None]
    error = np.sqrt(np.mean((stored(layer(w, bits)) - w) ** 2))
    assert error <= 2.0 ** (1 - bits) / np.sqrt(12) * 1.35


def test_one_bit_holds_one_sign() -> None:
    assert set(np.unique(layer([[0.5, 0.5, 0.0]], 1)["fc"].op.weight)) == {0.0, 128.0}
    assert set(np.unique(layer([[-0.5, 0.0]], 1)["fc"].op.weight)) == {0.0, -128.0}
    with pytest.raises(CompileError) as error:
        layer([[0.5, -0.5]], 1)
    assert str(error.value) == (
        "node 'fc': has weights of both signs, and one bit holds the sign alone\n"
        "  limit:  codes -256 and 0 (lava-nc 0.10.0, Dense)\n"
        "  remedy: give it at least 2 bits"
    )


def test_time_constants_that_12_bits_change_are_noted() -> None:
    assert said(layer([[0.5]], beta=0.99997)) == ("n: 12 bits change its membrane time constant by more than 1 %",)
    assert said(layer([[0.5]], alpha=0.9993, beta=0.9))[-1] == (
        "n: 12 bits change its synaptic time constant by more than 1 %"
    )
    assert said(layer([[0.5]], beta=1.0)) == () == said(layer([[0.5]], beta=0.0))


def test_layer_bits_by_name_and_by_what_was_folded() -> None:
    nodes = {
        "x": Input((3,)), "fc": Affine(weights(2, 3)), "post": Affine(weights(2, 2)),
        "a": lif(), "b": lif(), "y": Output(), "z": Output(),
    }  # fmt: skip
    graph = canonical()(graph_of(nodes, "x fc post a y, post b z"))
    assert [n.name for n in graph.nodes if isinstance(n.op, Affine)] == ["post", "post_1"]

    def bits(**layer_bits: int) -> list[int]:
        after = quantized(graph, layer_bits=layer_bits)
        return [after[n].op.format.bits for n in ("post", "post_1")]

    assert bits() == [8, 8]
    assert bits(post=4) == [4, 4], "both copies of a layer that two layers read"
    assert bits(post_1=3) == [8, 3]
    assert bits(fc=5) == [5, 5]
    assert bits(fc=5, post=6, post_1=2) == [6, 2]
    with pytest.raises(CompileError) as error:
        bits(fd=5)
    assert str(error.value) == "bits of layer 'fd': there is no such layer\n  remedy: one of post, post_1"
    with pytest.raises(CompileError) as error:
        bits(post=9, post_1=0)
    assert [str(p) for p in error.value.problems] == [
        "node 'post' (from fc): is to have 9 bits per weight\n  limit:  1 to 8 bits\n  remedy: choose another width",
        "node 'post_1' (from fc, post): is to have 0 bits per weight\n"
        "  limit:  1 to 8 bits\n  remedy: choose another width",
    ]


# calibration


def test_measured_mean_errors_move_into_the_bias() -> None:
    """At 2 bits, a layer with a constant input keeps its mean current although its weights do not."""
    w = np.abs(weights(4, 20)) + 0.3 * weights(4, 20, seed=1)
    nodes = {"x": Input((20,)), "fc": Affine(freeze(w)), "n": lif(beta=0.0), "y": Output()}
    graph = canonical()(graph_of(nodes, "x fc n y"))
    for samples, wanted in ((40, 0.002), (4, None)):
        x = {"x": np.ones((samples, 3, 20))}
        after = quantized(graph, weight_bits=2, activity=measure(graph, x))
        current = stored(after).sum(axis=1) + dequantized(after["n"].op).bias
        error = np.max(np.abs(current - w.sum(axis=1)))
        assert error <= wanted if wanted else error > 0.02, "few samples are not trusted"


def test_silent_sources_count_less() -> None:
    w = np.concatenate([np.full((1, 4), 0.31), np.full((1, 4), 0.11)], axis=1)
    nodes = {"x": Input((8,)), "fc": Affine(freeze(w)), "n": lif(), "y": Output()}
    graph = canonical()(graph_of(nodes, "x fc n y"))
    errors = []
    for active in (slice(0, 4), slice(4, 8)):
        x = np.zeros((4, 3, 8))
        x[:, :, active] = 1
        after = quantized(graph, weight_bits=2, activity=measure(graph, {"x": x}))
        errors.append(np.abs(stored(after) - w)[0, active].max())
        assert errors[-1] < 0.01


def test_pixels_keep_their_own_grid() -> None:
    nodes = {"x": Input((4,), "graded", 0.0, 1.0), "fc": Affine(weights(2, 4)), "n": lif(), "y": Output()}
    graph = canonical()(graph_of(nodes, "x fc n y"))
    x = np.random.default_rng(0).integers(0, 17, (5, 3, 4)) / 16
    after = quantized(graph, activity=measure(graph, {"x": x}))
    assert after["x"].op.unit * 16 == pytest.approx(round(after["x"].op.unit * 16)) or 1 / after["x"].op.unit % 16 == 0
    np.testing.assert_allclose(messages_of(after, {"x": x})["x"] * after["x"].op.unit, x, atol=1e-12)


@pytest.mark.parametrize("payload_bits", [1, 2, 8])
def test_any_payload_width(payload_bits: int) -> None:
    nodes = {"x": Input((4,), "graded", -1.0, 2.0), "fc": Affine(weights(2, 4)), "n": lif(), "y": Output()}
    if payload_bits == 1:
        nodes["x"] = Input((4,), "graded", 0.0, 2.0)
    after = quantized(canonical()(graph_of(nodes, "x fc n y")), payload_bits=payload_bits)
    port = lower(after, 62).inputs[0]
    assert port.high <= 2**payload_bits - 1 and port.low >= -(2 ** (payload_bits - 1))


# refusals


def refusal(graph: Graph, **options) -> str:
    with pytest.raises(CompileError) as error:
        quantized(graph, **options)
    return str(error.value)


def odd(x: Input | None = None, w=((0.5, 0.5),), **neuron) -> Graph:
    nodes = {"x": x or Input((2,)), "fc": Affine(freeze(w)), "n": lif(**neuron), "y": Output()}
    return canonical()(graph_of(nodes, "x fc n y"))


@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        (
            {"alpha": 1.0},
            "its synaptic current never decays\n  limit:  du = 0 still loses 1/4096 per step (lava-nc 0.10.0)\n"
            "  remedy: train with a finite synaptic time constant",
        ),
        (
            {"beta": 1.25},
            "beta (membrane decay) reaches from 1.25 to 1.25\n  limit:  0 to 1\n"
            "  remedy: train with positive time constants",
        ),
        (
            {"alpha": -0.5},
            "alpha (synaptic decay) reaches from -0.5 to -0.5\n  limit:  0 to 1\n"
            "  remedy: train with positive time constants",
        ),
        ({"bias": np.nan}, "bias has values that are not finite\n  remedy: train or save it again"),
        (
            {"bias": -9000.0},
            "its bias is 9000 times its threshold\n  limit:  8190 times\n"
            "  remedy: train with a larger threshold, or smaller values beside it",
        ),
        (
            {"v_init": 2e5},
            "its start value is 200000 times its threshold\n  limit:  131071 times\n"
            "  remedy: train with a larger threshold, or smaller values beside it",
        ),
        (
            {"reset": "subtract", "reset_by": -1.0},
            "its reset adds to the membrane\n  limit:  >= 0\n  remedy: subtract a positive amount",
        ),
    ],
    ids=["alpha 1", "beta", "alpha", "nan", "bias", "start", "reset"],
)
def test_neurons_that_no_register_holds(neuron, message: str) -> None:
    assert refusal(odd(**neuron)) == f"node 'n': {message}"


def test_inputs_and_weights_that_no_code_holds() -> None:
    graded = Input((2,), "graded", 0.0, 1.0)
    assert refusal(odd(graded), payload_bits=0) == (
        "node 'x': takes graded values, and the target has no graded spikes\n"
        "  remedy: compile for loihi2 or loihi-sim, or train on spikes"
    )
    assert refusal(odd(replace(graded, low=1.0))) == (
        "node 'x': takes values from 1 to 1\n  limit:  low < high, both finite\n  remedy: state the range of its values"
    )
    assert refusal(odd(w=((np.inf, 1.0),))) == (
        "node 'fc': has weights that are not finite\n  remedy: train or save it again"
    )


def test_all_refusals_at_once() -> None:
    text = refusal(odd(alpha=1.0, w=((np.nan, 1.0),)), layer_bits={"fd": 3})
    assert [line.split(":")[0] for line in text.splitlines() if not line.startswith(" ")] == [
        "bits of layer 'fd'", "node 'n'", "node 'fc'",
    ]  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(cases(), st.integers(1, 8))
def test_what_is_quantized_can_be_lowered(case, bits: int) -> None:
    """No graph of the canonical form ends in a fault of the program's verifier."""
    before = canonical()(case[0])
    try:
        after = quantized(before, weight_bits=bits)
    except CompileError as error:
        assume(bits == 1)
        assert all("both signs" in p.found for p in error.problems)
        return
    lower(after, 62)
