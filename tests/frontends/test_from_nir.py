"""Every NIR type against its equations in a slow loop; conventions, nesting, shapes, refusals."""

from __future__ import annotations

import itertools
from itertools import pairwise

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.errors import ImportRefused
from seamount.compiler.ir.ops import LI, LIF, Affine, BatchNorm, Conv, Input, Output, Pool, Reshape, Scale, Sparse
from seamount.frontends.conventions import PRESETS, Conventions, Meaning, parse_assumptions
from seamount.frontends.nir.from_nir import from_nir
from tests.frontends.nir_nets import affine, chain, lif, meaning, net, out, port, run
from tests.noted import said

STEPS = 30


def signal(shape, steps=STEPS, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(0.3 * scale, scale, (steps, *shape))


def refusal(graph, given_meaning=None):
    with pytest.raises(ImportRefused) as caught:
        from_nir(graph, given_meaning or meaning())
    return str(caught.value)


# Neurons: the textbook loops, in NIR's own variables.


def decay(tau, dt, integrate):
    return np.exp(-dt / tau) if integrate == "exact" else 1 - dt / tau


def slow_neuron(kind, p, x, c):
    """Spikes and membranes of one layer, step by step, in NIR's variables (v, i) and without folding anything."""
    n, dt = x.shape[1], c["dt"]
    v = np.broadcast_to(
        {"zero": 0.0, "leak": p.get("v_leak", p.get("v_reset", 0.0)), "reset": p.get("v_reset", 0.0)}[c["start"]], n
    ).astype(float)
    i, before = np.zeros(n), np.zeros(n, bool)
    spikes, membranes = [], []
    for now in x:
        if kind.startswith("Cuba"):
            b = decay(p["tau_syn"], dt, c["integrate"])
            i = b * i + (1 - b) * p["w_in"] * now
            current = p["r"] * i
        else:
            current = p["r"] * now
        if kind in ("I", "IF"):
            v = v + dt * current
        else:
            a = decay(p.get("tau", p.get("tau_mem")), dt, c["integrate"])
            v = a * v + (1 - a) * (p["v_leak"] + current)
        if "v_threshold" not in p:
            membranes.append(v.copy())
            continue
        if c["timing"] == "next" and c["reset"] == "subtract":
            v = v - before * p["v_threshold"]
        s = v >= p["v_threshold"] if c["compare"] == "ge" else v > p["v_threshold"]
        if c["reset"] == "zero":
            v = np.where(s, p["v_reset"], v)
        elif c["timing"] == "immediate":
            v = np.where(s, v - p["v_threshold"], v)
        v = np.maximum(v, c["v_min"])
        before = s
        spikes.append(s)
    return np.array(spikes), np.array(membranes)


FIELDS = {
    "I": ("r",),
    "IF": ("r", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
}
RANGES = {
    "tau": (2e-3, 2e-2),
    "tau_syn": (2e-3, 2e-2),
    "tau_mem": (2e-3, 2e-2),
    "r": (0.5, 2.0),
    "v_leak": (-0.2, 0.2),
    "v_threshold": (0.3, 0.6),
    "v_reset": (-0.3, 0.2),
    "w_in": (0.5, 2.0),
}


@st.composite
def neurons(draw):
    kind = draw(st.sampled_from(sorted(FIELDS)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    same = draw(st.booleans())
    p = {}
    for name in FIELDS[kind]:
        low, high = RANGES[name]
        p[name] = np.full(5, rng.uniform(low, high)) if same else rng.uniform(low, high, 5)
    if kind in ("I", "IF"):
        p["r"] = p["r"] * 300
    c = {
        "dt": 1e-3,
        "integrate": draw(st.sampled_from(["euler", "exact"])),
        "reset": draw(st.sampled_from(["zero", "subtract"])),
        "timing": draw(st.sampled_from(["immediate", "next"])),
        "compare": draw(st.sampled_from(["gt", "ge"])),
        "start": draw(st.sampled_from(["zero", "leak", "reset"])),
        "v_min": draw(st.sampled_from([-np.inf, -0.31])),
    }
    if c["timing"] == "next":
        c["v_min"] = -np.inf
        if kind == "CubaLIF":
            c["reset"] = "subtract"
    if "v_reset" not in p:
        c["start"] = "leak" if c["start"] == "reset" else c["start"]
    return kind, p, c, rng.normal(0.4, 2.0, (STEPS, 5))


@settings(max_examples=150, deadline=None)
@given(neurons())
def test_neurons_follow_their_equations(case):
    kind, p, c, x = case
    given_meaning = meaning(**c) if kind != "I" else meaning(**{**c, "start": "zero"})
    result = run(from_nir(chain(port(5), getattr(nir, kind)(**p)), given_meaning), x)
    spikes, membranes = slow_neuron(kind, p, x, c if kind != "I" else {**c, "start": "zero"})
    if "v_threshold" not in p:
        np.testing.assert_allclose(result.v[kind.lower()][0], membranes, rtol=1e-9, atol=1e-12)
        return
    margin = np.abs(result.margin[kind.lower()][0])
    safe = np.logical_and.accumulate(margin.min(axis=1) > 1e-9)
    np.testing.assert_array_equal(result.spikes[kind.lower()][0][safe], spikes[safe])


def test_neurons_do_fire_in_these_tests():
    rates = []
    for seed in range(10):
        p = {k: np.full(5, np.mean(RANGES[k])) for k in FIELDS["CubaLIF"]}
        x = np.random.default_rng(seed).normal(0.4, 2.0, (STEPS, 5))
        rates.append(run(from_nir(chain(port(5), nir.CubaLIF(**p)), meaning()), x).spikes["cubalif"].mean())
    assert 0.01 < np.mean(rates) < 0.9


@pytest.mark.parametrize("compare", ["gt", "ge"])
def test_threshold_and_its_boundary(compare):
    x = np.array([[0.5, 0.25], [0.5000001, -3.0], [0.4999999, 0.5]])
    graph = from_nir(chain(port(2), nir.Threshold(np.array([0.5, 0.5]))), meaning(compare=compare))
    expected = x > 0.5 if compare == "gt" else x >= 0.5
    np.testing.assert_array_equal(run(graph, x).spikes["threshold"][0], expected)


def test_if_adds_r_dt_per_unit_input():
    graph = from_nir(chain(port(1), nir.I(np.array([1000.0]))), meaning(dt=1e-3))
    assert run(graph, np.ones((3, 1))).v["i"][0].ravel() == pytest.approx([1, 2, 3])


def test_snntorch_parameters_become_beta_and_unit_gain():
    beta = 0.9
    tau = 1e-4 / (1 - beta)
    given_meaning = parse_assumptions(["snntorch", "coding=spikes", "steps=5", "readout=sum"])
    op = from_nir(chain(port(3), lif(tau=tau, r=tau / 1e-4)), given_meaning)["lif"].op
    assert (float(op.beta), float(op.gain)) == pytest.approx((0.9, 1.0))
    assert float(op.reset_by) == pytest.approx(1 / 0.9)
    assert op.reset == "subtract"


def test_float32_time_constants_may_sit_on_dt():
    tau = np.float32(1e-4)
    op = from_nir(chain(port(3), lif(tau=tau, r=1.0)), meaning(dt=1e-4))["lif"].op
    assert float(op.beta) == 0.0


PRESET_OPS = {
    "norse": ("zero", "gt", 1 - 1e-3 / 2, 0.25, 0.0),
    "snntorch": ("subtract", "gt", 1 - 1e-4 / 2, 0.0, 1 / (1 - 1e-4 / 2)),
    "spikingjelly": ("zero", "ge", 1 - 1e-4 / 2, 0.125, 0.0),
    "sinabs": ("subtract", "ge", np.exp(-1 / 2), 0.0, 1.0),
}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets(name):
    words = [name, "coding=spikes", "steps=4", "readout=sum"] + (["spikes=single"] if name == "sinabs" else [])
    gain = 2e4 if name == "snntorch" else 1.0
    graph = from_nir(chain(port(3), lif(tau=2.0, r=gain, v_leak=0.25, v_reset=0.125)), parse_assumptions(words))
    op = graph["lif"].op
    reset, compare, beta, v_init, reset_by = PRESET_OPS[name]
    assert (op.reset, op.compare) == (reset, compare)
    assert [float(op.beta), float(op.v_init), float(op.reset_by)] == pytest.approx([beta, v_init, reset_by])
    assert f"reset={reset} (preset {name})" in said(graph)
    assert any(n.startswith("dt=") and f"(preset {name})" in n for n in said(graph))


def test_conventions_of_single_nodes():
    graph = chain(port(3), lif(), affine(3, 3), lif())
    given_meaning = Meaning(default=meaning().default, nodes={"lif_3": Conventions(reset="subtract")})
    imported = from_nir(graph, given_meaning)
    assert (imported["lif"].op.reset, imported["lif_3"].op.reset) == ("zero", "subtract")
    assert "reset=subtract at lif_3 (given for the node)" in said(imported)
    assert "node 'nowhere': has conventions but is not in the graph" in refusal(
        graph, Meaning(default=meaning().default, nodes={"nowhere": Conventions()})
    )


# Linear operations: naive sums.


def through(node, shape, steps=2):
    x = signal(shape, steps)
    graph = from_nir(chain(port(*shape), node), meaning())
    return graph, x, run(graph, x).series["output"][0]


def test_affine_linear_scale():
    weight, bias = np.arange(6.0).reshape(2, 3), np.array([1.0, -1.0])
    for node, b in ((nir.Affine(weight, bias), bias), (nir.Linear(weight), 0 * bias)):
        _, x, y = through(node, (3,))
        expected = [[sum(weight[o, i] * row[i] for i in range(3)) + b[o] for o in range(2)] for row in x]
        np.testing.assert_allclose(y, expected)
    _, x, y = through(nir.Scale(np.array([1.0, -2.0, 0.5])), (3,))
    np.testing.assert_allclose(y, x * [1.0, -2.0, 0.5])


def test_stacked_affine_keeps_its_maps_apart():
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 4))
    graph, x, y = through(nir.Affine(weight, bias), (2, 3, 5))
    expected = np.empty((len(x), 2, 3, 4))
    for t, a, b in itertools.product(range(len(x)), range(2), range(3)):
        expected[t, a, b] = weight[a, b] @ x[t, a, b] + bias[a, b]
    np.testing.assert_allclose(y, expected)
    assert isinstance(graph["affine"].op, Sparse)


def slow_conv(x, weight, bias, stride, before, after, dilation, groups):
    """Cross-correlation over any number of axes, one product at a time; zero padding `before` and `after`."""
    rank = weight.ndim - 2
    x = np.pad(x, [(0, 0), *zip(before, after, strict=True)])
    sizes = [(x.shape[1 + a] - dilation[a] * (weight.shape[2 + a] - 1) - 1) // stride[a] + 1 for a in range(rank)]
    y = np.zeros((weight.shape[0], *sizes))
    per_in, per_out = weight.shape[1], weight.shape[0] // groups
    for o in range(weight.shape[0]):
        for at in np.ndindex(*sizes):
            total = bias[o]
            for c in range(per_in):
                for k in np.ndindex(*weight.shape[2:]):
                    place = tuple(at[a] * stride[a] + k[a] * dilation[a] for a in range(rank))
                    total += weight[(o, c, *k)] * x[((o // per_out) * per_in + c, *place)]
            y[(o, *at)] = total
    return y


CONVS = {
    "square": ((2, 6, 6), (3, 2, 3, 3), 1, 0, 1, 1),
    "3x5 kernel, which nir gets wrong": ((1, 8, 10), (4, 1, 3, 5), 1, 0, 1, 1),
    "depthwise, which nir gets wrong": ((4, 6, 6), (4, 1, 3, 3), 1, (1, 1), 1, 4),
    "groups": ((4, 5, 5), (6, 2, 3, 3), (2, 1), (1, 0), (1, 2), 2),
    "stride and dilation": ((1, 9, 9), (2, 1, 3, 3), (2, 3), 2, (2, 1), 1),
    "same odd": ((2, 5, 6), (2, 2, 3, 5), 1, "same", (2, 1), 1),
    "same even": ((2, 5, 6), (2, 2, 4, 2), 1, "same", 1, 1),
    "valid": ((2, 5, 6), (2, 2, 2, 3), (2, 2), "valid", 1, 1),
    "one axis": ((2, 9), (4, 1, 3), 2, 1, 1, 2),
    "one axis, same even": ((1, 9), (2, 1, 4), 1, "same", 1, 1),
}


@pytest.mark.parametrize("name", CONVS)
@pytest.mark.parametrize("declared", [False, True])
def test_convolutions(name, declared):
    shape, kernel, stride, padding, dilation, groups = CONVS[name]
    rank, rng = len(kernel) - 2, np.random.default_rng(2)
    weight, bias = rng.normal(size=kernel), rng.normal(size=kernel[0])
    cls, hint = (nir.Conv1d, shape[1]) if rank == 1 else (nir.Conv2d, shape[1:])
    node = cls(hint if declared and padding != "same" else None, weight, stride, padding, dilation, groups, bias)
    spread = [(v if isinstance(v, tuple) else (v,) * rank) for v in (stride, dilation)]
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(spread[1], kernel[2:], strict=True)]
        before, after = [t // 2 for t in total], [t - t // 2 for t in total]
    else:
        before = after = (
            [0] * rank if padding == "valid" else padding if isinstance(padding, tuple) else [padding] * rank
        )
    _, x, y = through(node, shape)
    expected = [slow_conv(frame, weight, bias, spread[0], before, after, spread[1], groups) for frame in x]
    np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize("mean", [False, True])
def test_pools(mean):
    cls = nir.AvgPool2d if mean else nir.SumPool2d
    node = cls(np.array([2, 3]), np.array([2, 1]), np.array([1, 0]))
    _, x, y = through(node, (2, 5, 6))
    weight = np.zeros((2, 1, 2, 3)) + (1 / 6 if mean else 1)
    expected = [slow_conv(f, weight, np.zeros(2), (2, 1), (1, 0), (1, 0), (1, 1), 2) for f in x]
    np.testing.assert_allclose(y, expected)
    assert isinstance(from_nir(chain(port(2, 5, 6), node), meaning())[cls.__name__.lower()].op, Pool)


@pytest.mark.parametrize(
    ("start", "end", "shape"), [(0, -1, (24,)), (1, -1, (2, 12)), (0, 1, (6, 4)), (-2, -1, (2, 12)), (1, 1, (2, 3, 4))]
)
def test_flatten(start, end, shape):
    graph, x, y = through(nir.Flatten({"input": None}, start, end), (2, 3, 4))
    np.testing.assert_array_equal(y, x.reshape(-1, *shape))
    assert isinstance(graph["flatten"].op, Reshape)


def test_batch_norm_is_recognised_behind_weights_only():
    gain, shift = np.array([0.5, 2.0, -1.0]), np.array([0.1, 0.0, 0.3])
    dense = from_nir(chain(port(4), affine(3, 4), nir.Affine(np.diag(gain), shift), lif()), meaning())
    op = dense["affine_2"].op
    assert isinstance(op, BatchNorm)
    np.testing.assert_array_equal([op.scale, op.shift], [gain, shift])
    conv = nir.Conv2d(None, np.ones((3, 1, 3, 3)), 1, 1, 1, 1, np.zeros(3))
    for weight, groups in ((gain.reshape(3, 1, 1, 1), 3), (np.diag(gain).reshape(3, 3, 1, 1), 1)):
        norm = nir.Conv2d(None, weight, 1, 0, 1, groups, shift)
        op = from_nir(chain(port(1, 5, 5), conv, norm), meaning())["conv2d_2"].op
        assert isinstance(op, BatchNorm)
        np.testing.assert_array_equal([op.scale, op.shift], [gain, shift])
        x = signal((1, 5, 5), 2)
        middle = run(from_nir(chain(port(1, 5, 5), conv), meaning()), x).series["output"][0]
        y = run(from_nir(chain(port(1, 5, 5), conv, norm), meaning()), x).series["output"][0]
        np.testing.assert_allclose(y, middle * gain[:, None, None] + shift[:, None, None])
    direct = from_nir(chain(port(3), nir.Affine(np.diag(gain), shift), lif()), meaning())
    assert isinstance(direct["affine"].op, Affine)
    spiking = from_nir(
        chain(port(3, 2, 2), lif((3, 2, 2)), nir.Conv2d(None, np.ones((3, 1, 1, 1)), 1, 0, 1, 3, shift)), meaning()
    )
    assert isinstance(spiking["conv2d"].op, Conv)


# Parameters and shapes.


def test_scalars_length_one_and_channels_broadcast():
    shape = (2, 3, 3)
    scalar = nir.LIF(*(np.array(v) for v in (0.01, 1.0, 0.0, 1.0, 0.0)))
    one = nir.LIF(*(np.array([v]) for v in (0.01, 1.0, 0.0, 1.0, 0.0)))
    full = lif(shape)
    channel = lif((2, 1, 1), v_threshold=np.array([1.0, 2.0]).reshape(2, 1, 1))
    spread = lif(shape, v_threshold=np.array([1.0, 2.0]).reshape(2, 1, 1))
    ops = [from_nir(chain(port(*shape), n), meaning())["lif"].op for n in (scalar, one, full, channel, spread)]
    assert all(op.beta.shape == () and float(op.beta) == pytest.approx(0.9) for op in ops)
    assert [op.threshold.shape for op in ops] == [(), (), (), (2, 1, 1), (2, 1, 1)]


def test_mixed_scalar_and_array_parameters():
    node = nir.IF(np.ones(3), np.ones(3))
    node.r = np.array(500.0)
    node.v_threshold = np.array([1.0, 2.0, 3.0])
    node.v_reset = None
    op = from_nir(chain(port(3), node), meaning())["if"].op
    assert (op.gain.shape, op.threshold.shape, float(op.gain)) == ((), (3,), 0.5)


def test_a_leading_batch_axis_is_dropped_with_a_note():
    graph = from_nir(chain(port(1, 4), affine(3, 4), lif((1, 3))), meaning())
    assert graph["input"].op.shape == (4,)
    assert "node 'input' (Input): leading axis of length 1 dropped from its shape (1, 4)" in said(graph)
    assert "node 'lif' (LIF): leading axis of length 1 dropped from its parameters" in said(graph)
    image = chain(port(1, 1, 6, 6), nir.Conv2d(None, np.ones((2, 1, 3, 3)), 1, 0, 1, 1, np.zeros(2)))
    assert from_nir(image, meaning())["input"].op.shape == (1, 6, 6)
    kept = chain(port(1, 6, 6), nir.Conv2d(None, np.ones((2, 1, 3, 3)), 1, 0, 1, 1, np.zeros(2)))
    assert from_nir(kept, meaning())["input"].op.shape == (1, 6, 6)
    flat = from_nir(chain(port(1, 2, 2), nir.Flatten({"input": None}, 1, -1), affine(3, 4)), meaning())
    assert "node 'affine' (Affine): leading axis of length 1 dropped from its input (1, 4)" in said(flat)


def test_declared_shapes_that_differ():
    conv = nir.Conv2d((6, 8), np.ones((1, 1, 1, 1)), 1, 0, 1, 1, np.zeros(1))
    graph = from_nir(chain(port(1, 6, 6), conv), meaning())
    assert (
        "node 'conv2d' (Conv2d): the file declares an input of (6, 8); the graph gives (6, 6), which is used"
        in said(graph)
    )
    wrong = net({"input": port(4), "a": affine(3, 4), "output": out(5)}, [("input", "a"), ("a", "output")])
    assert "node 'output' (Output): declares shape (5,) but receives (3,)" in refusal(wrong)
    batch = net({"input": port(4), "a": affine(3, 4), "output": out(1, 3)}, [("input", "a"), ("a", "output")])
    assert any("they differ in a leading 1" in n for n in said(from_nir(batch, meaning())))


def test_several_inputs_and_outputs_and_sums():
    graph = from_nir(
        net(
            {
                "a": port(3),
                "b": port(2),
                "wa": affine(4, 3),
                "wb": affine(4, 2),
                "n": lif((4,)),
                "y": out(4),
                "z": out(4),
            },
            [("a", "wa"), ("b", "wb"), ("wa", "n"), ("wb", "n"), ("n", "y"), ("wb", "z")],
        ),
        meaning(),
    )
    assert [n.name for n in graph.inputs] == ["a", "b"]
    assert [n.name for n in graph.outputs] == ["y", "z"]
    x = {"a": signal((3,), 4, 1), "b": signal((2,), 4, 2)}
    result = run(graph, x)
    total = x["b"] @ graph["wb"].op.weight.T + graph["wb"].op.bias
    np.testing.assert_allclose(result.series["z"][0], total)


def test_residual_connection_sums():
    graph = from_nir(
        net(
            {"input": port(3), "w": affine(3, 3), "n": lif(), "output": out(3)},
            [("input", "w"), ("input", "n"), ("w", "n"), ("n", "output")],
        ),
        meaning(),
    )
    assert {(e.source, e.target, e.delay) for e in graph.edges if e.target == "n"} == {("input", "n", 0), ("w", "n", 0)}


def test_order_does_not_depend_on_the_dict():
    nodes = {"10": lif(), "2": affine(3, 4), "input": port(4), "output": out(3)}
    graph = from_nir(net(nodes, [("input", "2"), ("2", "10"), ("10", "output")]), meaning())
    assert [n.name for n in graph.nodes] == ["input", "2", "10", "output"]
    assert [n.origin for n in graph.nodes] == [("input",), ("2",), ("10",), ("output",)]
    assert isinstance(graph["input"].op, Input)
    assert isinstance(graph["output"].op, Output)
    assert isinstance(graph["10"].op, LIF)


# Nesting, delays.


def nested():
    inner = net({"in": port(4), "w": affine(3, 4), "n": lif(), "out": out(3)}, [("in", "w"), ("w", "n"), ("n", "out")])
    outer = net({"in": port(4), "core": inner, "out": out(3)}, [("in", "core"), ("core", "out")])
    return net(
        {"input": port(4), "block": outer, "last": nir.LI(*np.full((3, 3), 0.01)), "output": out(3)},
        [("input", "block"), ("block", "last"), ("last", "output")],
    )


def test_nested_graphs_are_flattened():
    graph = from_nir(nested(), meaning(start="zero"))
    assert [n.name for n in graph.nodes] == ["input", "block.core.w", "block.core.n", "last", "output"]
    assert graph["block.core.n"].origin == ("block.core.n",)
    flat = chain(port(4), affine(3, 4), lif(), nir.LI(*np.full((3, 3), 0.01)))
    x = signal((4,), scale=20.0)
    ours = run(graph, x)
    theirs = run(from_nir(flat, meaning(start="zero")), x)
    assert ours.spikes["block.core.n"].any()
    np.testing.assert_array_equal(ours.series["output"], theirs.series["output"])


def test_nested_faults():
    inner = net({"a": port(2), "b": port(2), "n": lif((2,)), "out": out(2)}, [("a", "n"), ("b", "n"), ("n", "out")])
    graph = net({"input": port(2), "g": inner, "output": out(2)}, [("input", "g"), ("g", "output")])
    assert "graph 'g': has 2 Input nodes, so that an edge cannot enter it" in refusal(graph)
    clash = net(
        {"input": port(2), "g.n": lif((2,)), "g": net({"n": lif((2,))}, []), "output": out(2)},
        [("input", "g.n"), ("g.n", "output")],
    )
    assert "node 'g.n': the name is empty or used twice" in refusal(clash)
    loop = net({}, [])
    loop.nodes["again"] = loop
    assert "graphs are nested more than 32 deep" in refusal(loop)


def test_delay_becomes_an_edge_delay():
    node = nir.Delay(np.array([0.003, 0.003, 0.003], dtype=np.float32))
    graph = from_nir(chain(port(3), node, nir.Scale(np.array(2.0))), meaning())
    assert [(e.source, e.target, e.delay) for e in graph.edges] == [("scale", "output", 0), ("input", "scale", 3)]
    assert "node 'delay' (Delay): 3 steps on input -> scale" in said(graph)
    x = signal((3,), 6)
    np.testing.assert_allclose(run(graph, x).series["output"][0], np.concatenate([np.zeros((3, 3)), 2 * x[:3]]))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_delays_add_up_along_a_path(order):
    graph = chain(port(1), *(nir.Delay(np.array([d])) for d in (0.001, 0.002, 0.004)), lif((1,)))
    stored = [k for k in graph.nodes if k.startswith("delay")]
    graph.nodes = {**{stored[k]: graph.nodes[stored[k]] for k in order}, **graph.nodes}
    assert [e.delay for e in from_nir(graph, meaning()).edges if e.target == "lif"] == [7]


def test_one_axis_is_not_stretched_over_three():
    text = refusal(chain(port(3, 3, 3), lif((3,))))
    assert "'tau' has shape (3,), but the layer has shape (3, 3, 3)" in text
    assert "remedy: give one number, or an array of the layer's shape (per channel: (C, 1, 1))" in text


@pytest.mark.parametrize("delay", [[0.0015], [-0.001], [0.001, 0.002], [1e300]])
def test_delays_that_do_not_fit(delay):
    text = refusal(chain(port(len(delay)), nir.Delay(np.array(delay)), lif((len(delay),))))
    assert "node 'delay' (Delay): delays of" in text
    assert "remedy: use one delay per connection, a multiple of dt" in text


def test_parallel_paths_without_nodes_between_are_refused():
    graph = net(
        {"input": port(2), "d": nir.Delay(np.zeros(2)), "n": lif((2,)), "output": out(2)},
        [("input", "d"), ("d", "n"), ("input", "n"), ("n", "output")],
    )
    assert "two paths with equal delay lead from 'input' to 'n' and nothing between" in refusal(graph)


# Recurrence.


def recurrent(extra_nodes=None, edges=(), **neuron):
    nodes = {"input": port(3), "w": affine(3, 3, 1), "n": lif(**neuron), "rec": affine(3, 3, 2), "output": out(3)}
    return net(
        {**nodes, **(extra_nodes or {})},
        [("input", "w"), ("w", "n"), ("n", "rec"), ("rec", "n"), ("n", "output"), *edges],
    )


def delays(graph):
    return {(e.source, e.target): e.delay for e in graph.edges}


def test_recurrent_layer_against_a_loop():
    graph = from_nir(recurrent(tau=0.004), meaning())
    assert delays(graph) == {
        ("input", "w"): 0, ("w", "n"): 0, ("n", "rec"): 1, ("rec", "n"): 0, ("n", "output"): 0,
    }  # fmt: skip
    w, rec = affine(3, 3, 1), affine(3, 3, 2)
    x = signal((3,), 40, scale=4.0)
    v, s, expected = np.zeros(3), np.zeros(3), []
    for now in x:
        total = w.weight @ now + w.bias + rec.weight @ s + rec.bias  # the recurrent bias acts from t = 0
        v = 0.75 * v + 0.25 * total
        s = (v > 1).astype(float)
        v = np.where(s, 0, v)
        expected.append(s)
    result = run(graph, x).spikes["n"][0]
    assert 0.02 < result.mean() < 0.98
    np.testing.assert_array_equal(result, expected)


def test_a_neuron_that_feeds_itself():
    graph = from_nir(
        net({"input": port(1), "n": lif((1,)), "output": out(1)}, [("input", "n"), ("n", "n"), ("n", "output")]),
        meaning(),
    )
    assert delays(graph)["n", "n"] == 1


def two_layers(*more, nodes=None):
    return net(
        {
            "input": port(3), "w1": affine(3, 3, 1), "n1": lif(), "w2": affine(3, 3, 2), "n2": lif(),
            "back": affine(3, 3, 3), "output": out(3), **(nodes or {}),
        },
        [
            ("input", "w1"), ("w1", "n1"), ("n1", "w2"), ("w2", "n2"), ("n2", "output"), ("n2", "back"), ("back", "n1"),
            *more,
        ],
    )  # fmt: skip


def test_feedback_over_two_layers():
    found = delays(from_nir(two_layers(), meaning()))
    assert {k for k, d in found.items() if d} == {("n2", "back")}


def test_feedback_with_a_skip_connection():
    more = ("n1", "skip"), ("skip", "n3"), ("n2", "w3"), ("w3", "n3"), ("n3", "long"), ("long", "n1"), ("n3", "end")
    extra = {"skip": affine(3, 3), "w3": affine(3, 3), "n3": lif(), "long": affine(3, 3), "end": out(3)}
    found = delays(from_nir(two_layers(*more, nodes=extra), meaning()))
    assert {k for k, d in found.items() if d} == {("n2", "back"), ("n3", "long")}


def test_feedback_that_the_file_does_not_single_out():
    text = refusal(two_layers(("input", "n2")))
    assert "is a cycle, and the file does not say which of its connections lags one step" in text
    assert "remedy: put a nir.Delay of one dt on the edge that carries the previous step's value" in text


def test_an_explicit_delay_settles_it():
    more = [("input", "n2")]
    graph = two_layers(*more, nodes={"d": nir.Delay(np.array(0.001))})
    graph.edges = [e for e in graph.edges if e != ("n2", "back")] + [("n2", "d"), ("d", "back")]
    found = delays(from_nir(graph, meaning()))
    assert {k: d for k, d in found.items() if d} == {("n2", "back"): 1}


def test_an_explicit_delay_is_not_doubled():
    graph = recurrent({"d": nir.Delay(np.array(0.002))})
    graph.edges = [e for e in graph.edges if e != ("n", "rec")] + [("n", "d"), ("d", "rec")]
    assert delays(from_nir(graph, meaning()))["n", "rec"] == 2


def test_feedback_behind_a_shared_scale():
    shape = (3, 1, 1)
    nodes = {
        "input": port(*shape),
        "n": lif(shape),
        "s": nir.Scale(np.ones(shape)),
        "rec": nir.Conv2d(None, np.ones((3, 3, 1, 1)), 1, 0, 1, 1, np.zeros(3)),
        "f": nir.Flatten({"input": None}, 0, -1),
        "w": affine(2, 3),
        "output": out(2),
    }
    edges = [("input", "n"), ("n", "s"), ("s", "rec"), ("rec", "n"), ("s", "f"), ("f", "w"), ("w", "output")]
    graph = net(nodes, edges)
    found = delays(from_nir(graph, meaning()))
    assert {k for k, d in found.items() if d} == {("s", "rec")}


def test_shared_weights_before_feedback_are_refused():
    text = refusal(recurrent({"end": out(3)}, [("rec", "end")]))
    assert "node 'rec': takes part in a feedback of 'n' and in a connection that is none" in text


def test_cycle_without_a_neuron():
    graph = net(
        {"input": port(3), "a": affine(3, 3), "b": affine(3, 3), "output": out(3)},
        [("input", "a"), ("a", "b"), ("b", "a"), ("b", "output")],
    )
    assert "nodes 'a' -> 'b' -> 'a': is a cycle through no neuron" in refusal(graph)


def test_nested_recurrent_layer_as_snntorch_writes_it():
    inner = net(
        {"input": port(3), "lif": lif(), "w_rec": affine(3, 3, 2), "output": out(3)},
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )
    graph = net(
        {"input": port(3), "0": affine(3, 3, 1), "1": inner, "output": out(3)},
        [("input", "0"), ("0", "1"), ("1", "output")],
    )
    assert delays(from_nir(graph, meaning()))["1.lif", "1.w_rec"] == 1


# Questions and refusals.


def test_all_questions_at_once_and_once_each():
    graph = chain(port(4), affine(3, 4), lif(v_leak=0.1), affine(3, 3), lif())
    with pytest.raises(ImportRefused) as caught:
        from_nir(graph, Meaning())
    problems = {p.where + ": " + p.found: p.remedy for p in caught.value.problems}
    both = "node 'lif' (LIF), node 'lif_4' (LIF): "
    assert list(problems) == [
        both + "the file does not hold the time step",
        both + "the file does not say how a time constant acts in discrete steps",
        both + "the file does not say whether a spike subtracts the threshold or resets the membrane",
        both + "the file does not say whether a membrane exactly at the threshold fires",
        both + "the file does not say whether a neuron may send several spikes in one step",
        "node 'lif' (LIF): the file does not say where the membrane starts, and v_leak or v_reset is not 0",
        "node 'input' (Input): the file does not say what the input carries",
        "network: the file does not say how many steps a sample lasts",
        "node 'output' (Output): the file does not say how the output over all steps becomes one answer",
    ]
    assert problems[both + "the file does not say whether a spike subtracts the threshold or resets the membrane"] == (
        "add --assume reset=zero or --assume reset=subtract"
        " (defaults: snntorch and sinabs subtract, norse and spikingjelly zero)"
        "; or name the framework that trained the network: --assume norse, snntorch, spikingjelly or sinabs"
    )


@pytest.mark.parametrize(
    ("node", "unneeded"),
    [
        (lif(), ["timing", "start", "v_min"]),
        (nir.IF(np.ones(3), np.ones(3)), ["integrate", "timing", "start"]),
        (nir.LI(*np.array([[1.0], [1.0], [0.0]]) * np.ones((3, 3))), ["reset", "compare", "spikes", "start", "timing"]),
        (nir.Threshold(np.ones(3)), ["dt", "integrate", "reset", "timing", "spikes", "start"]),
        (nir.Scale(np.ones(3)), ["dt", "integrate", "reset", "timing", "compare", "spikes", "start"]),
    ],
)
def test_only_what_matters_is_asked_for(node, unneeded):
    assert from_nir(chain(port(3), node), meaning(**dict.fromkeys(unneeded)))


def test_timing_is_asked_for_where_it_matters():
    cuba = nir.CubaLIF(*np.full((6, 3), 0.01))
    cuba.v_threshold = np.ones(3)
    needs = [
        (lif(), {"reset": "subtract"}),
        (cuba, {"reset": "zero"}),
    ]
    for node, changes in needs:
        assert "whether the reset acts in the step of the spike" in refusal(
            chain(port(3), node), meaning(timing=None, **changes)
        )
    assert "whether the reset acts in the step of the spike" in refusal(recurrent(), meaning(timing=None))
    unleaky = nir.IF(np.ones(3), np.ones(3))
    assert from_nir(chain(port(3), unleaky), meaning(timing=None, reset="subtract"))


def cuba(**changes):
    p = dict.fromkeys(FIELDS["CubaLIF"], 0.01) | {"v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0} | changes
    return nir.CubaLIF(**{k: np.full(3, v) for k, v in p.items()})


REFUSED = {
    "multi": (lif(), {"spikes": "multi"}, "may send several spikes in one step (spikes=multi)"),
    "negative tau": (lif(tau=-0.003), {}, "tau = -0.003 is not positive, so its state would grow"),
    "dt above tau": (
        lif(tau=1e-5),
        {},
        "dt = 0.001 is larger than the smallest tau = 1e-05, so one step would overshoot\n"
        "  limit:  integrate=euler needs dt <= tau\n"
        "  remedy: give the dt it was trained with, at most 1e-05 (norse multiplies time constants by the dt of its "
        "to_nir: give that times the dt of the cells, 1e-06 where both are 0.001, their default)",
    ),
    "dt above tau_syn": (cuba(tau_syn=1e-4, w_in=1.0), {}, "larger than the smallest tau_syn = 0.0001"),
    "zero threshold": (lif(v_threshold=0.0), {}, "the threshold 0 is not positive, so it fires without input"),
    "zero Threshold": (nir.Threshold(np.zeros(3)), {}, "the threshold 0 is not positive"),
    "v_reset high": (lif(v_reset=1.0), {}, "v_reset is 1, not below the threshold 1"),
    "NaN": (lif(r=np.nan), {}, "'r' holds 3 NaN or infinite values of 3"),
    "infinite tau": (lif(tau=np.inf), {}, "write an integrator (IF, I) for a neuron without leak"),
    "next without membrane": (lif(tau=1e-3), {"reset": "subtract", "timing": "next"}, "keeps nothing of its membrane"),
    "next with current": (cuba(), {"timing": "next"}, "a reset to zero also drops the next step's current"),
    "next with clamp": (lif(), {"reset": "subtract", "timing": "next", "v_min": -1.0}, "it is undefined whether v_min"),
    "clamp high": (lif(), {"v_min": 0.5}, "v_min = 0.5 lies above 0, where the membrane starts or resets to"),
    "LI at reset": (nir.LI(*np.ones((3, 3))), {"start": "reset"}, "has no v_reset to start at"),
    "wrong axis": (lif((4,)), {}, "'tau' has shape (4,), but the layer has shape (3,)"),
    "dt": (lif(), {"dt": -1.0}, "dt = -1 is not a positive time"),
    "dt NaN": (lif(), {"dt": float("nan")}, "dt = nan is not a positive time"),
    "steps": (lif(), {"steps": 0}, "0 steps per sample"),
    "range": (lif(), {"low": 1.0, "high": 0.0}, "graded input in [1, 0]"),
    "no weight": (nir.Affine(np.ones((2, 4)), np.ones(2)), {}, "takes inputs of shape (4,) but receives (3,)"),
    "bias": (nir.Affine(np.ones((2, 3)), np.ones(3)), {}, "'bias' has shape (3,), but 'weight' (2, 3) gives (2,)"),
    "flatten": (nir.Flatten({"input": None}, 1, -1), {}, "PyTorch's Flatten(1) is start_dim=0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    node, changes, text = REFUSED[name]
    assert text in refusal(chain(port(3), node), meaning(**changes))


def test_recurrent_zero_reset_in_the_next_step():
    assert "drops the next step's current or recurrent input" in refusal(recurrent(), meaning(timing="next"))
    plain = from_nir(chain(port(3), lif()), meaning(timing="next"))
    assert plain["lif"].op.reset == "zero"


def test_several_problems_are_raised_together():
    text = refusal(chain(port(3), lif(tau=-1.0), lif(v_threshold=-1.0), affine(2, 7)))
    assert "node 'lif' (LIF): tau = -1" in text
    assert "node 'lif_2' (LIF): the threshold -1" in text
    assert "node 'affine' (Affine): takes inputs of shape (7,) but receives (3,)" in text


def test_missing_flatten_is_named():
    text = refusal(chain(port(2, 2), affine(3, 4)))
    assert "takes inputs of shape (4,) but receives (2, 2)" in text
    assert "remedy: put a Flatten before it" in text


def test_sums_of_unequal_shapes():
    graph = net(
        {"input": port(3), "a": affine(4, 3), "n": lif((4,)), "output": out(4)},
        [("input", "a"), ("a", "n"), ("input", "n"), ("n", "output")],
    )
    assert "node 'n': sums (3,) from 'input' and (4,) from 'a'" in refusal(graph)


def test_nodes_off_the_path_and_invented_ports():
    base = {"input": port(3), "n": lif(), "output": out(3)}
    edges = [("input", "n"), ("n", "output")]
    stray = refusal(net({**base, "stray": lif(), "dead": lif()}, [*edges, ("n", "dead")]))
    assert "node 'stray': no path leads to it from an Input" in stray
    assert "node 'dead': no path leads from it to an Output" in stray
    cut = net(
        {**base, "half": lif(), "input_half": port(3), "output_half": out(3)},
        [*edges, ("input_half", "half"), ("half", "output_half")],
    )
    text = refusal(cut)
    assert "node 'input_half': an exporter invented this port: it lost what joined 'half' to the rest" in text
    assert "node 'output_half': an exporter invented this port" in text


def test_a_graph_whose_only_ports_nir_added_is_whole():
    graph = nir.NIRGraph({"w": affine(3, 4), "n": lif()}, [("w", "n")])
    assert [n.name for n in from_nir(graph, meaning()).nodes] == ["input_w", "w", "n", "output_n"]


def test_broken_structure():
    base = {"input": port(3), "n": lif(), "output": out(3)}
    text = refusal(net(base, [("input", "n"), ("n", "output"), ("input", "n"), ("n", "ghost"), ("output", "n")]))
    assert "the edge 'input' -> 'n' occurs twice" in text
    assert "names a node that does not exist: 'ghost'" in text
    assert "edge 'output' -> 'n' runs into an Input or out of an Output" in text
    assert "no path leads to it" in refusal(net({"n": lif()}, []))


def test_hostile_sizes_end_in_a_message():
    huge = chain(port(2**20, 2**20), lif(()))
    assert "has 1,099,511,627,776 entries" in refusal(huge)
    padded = nir.Conv2d(None, np.ones((1, 1, 1, 1)), 1, 2**30, 1, 1, np.zeros(1))
    assert "entries" in refusal(chain(port(1, 3, 3), padded))


def test_notes_name_every_convention_and_its_source():
    words = ["snntorch", "reset=zero", "timing=immediate", "coding=spikes", "readout=sum", "steps=4"]
    graph = from_nir(chain(port(3), lif(r=100.0)), parse_assumptions(words))
    assert said(graph) == (
        "coding=spikes (--assume coding=spikes)",
        "dt=0.0001 (preset snntorch)",
        "integrate=euler (preset snntorch)",
        "compare=gt (preset snntorch)",
        "reset=zero (--assume reset=zero)",
        "spikes=single (preset snntorch)",
        "v_min=-inf (preset snntorch)",
        "readout=sum (--assume readout=sum)",
        "steps=4 (--assume steps=4)",
    )


def test_steps_argument_wins():
    assert from_nir(chain(port(3), lif()), meaning(steps=4), steps=9).steps == 9
    assert isinstance(from_nir(chain(port(3), nir.I(np.ones(3))), meaning())["i"].op, LI)
    assert isinstance(from_nir(chain(port(3), nir.Scale(np.ones(3))), meaning())["scale"].op, Scale)


@pytest.mark.parametrize("value", [None, "text", object(), [1, "a"], 1j, np.empty(0)])
def test_parameters_that_are_no_numbers(value):
    node = lif()
    node.tau = value
    assert "node 'lif' (LIF): " in refusal(chain(port(3), node))


def test_torch_tensors_as_parameters():
    torch = pytest.importorskip("torch")
    graph = chain(port(3), affine(3, 3))
    graph.nodes["affine"].weight = torch.eye(3)
    np.testing.assert_array_equal(from_nir(graph, meaning())["affine"].op.weight, np.eye(3))


def test_firing_that_assumptions_name():
    """snnTorch's subtraction with reset_delay=False, and several spikes, of files that say neither."""
    known = {"dt": 1e-4, "integrate": "euler", "compare": "gt", "start": "zero", "reset": "subtract"}
    graph = chain(port(4), affine(3, 4), lif(tau=1e-3))
    (guarded,) = (
        n.op for n in from_nir(graph, meaning(**known, timing="guarded", spikes="single")).nodes if n.name == "lif"
    )
    assert guarded.guarded and guarded.most == 1 and float(guarded.reset_by) == 1.0
    several = meaning(**known, timing="immediate", spikes="multi", max_spikes=5)
    (op,) = (n.op for n in from_nir(graph, several).nodes if n.name == "lif")
    assert op.most == 5 and not op.guarded
    for wrong, found in (
        ({"timing": "guarded", "spikes": "single", "reset": "zero"}, "timing=guarded is of a reset by subtraction"),
        ({"timing": "next", "spikes": "multi"}, "its reset is no immediate subtraction"),
        ({"timing": "immediate", "spikes": "multi", "max_spikes": 200}, "up to 200"),
    ):
        with pytest.raises(ImportRefused, match=found):
            from_nir(graph, meaning(**{**known, **wrong}))


def test_what_a_loop_shares_with_a_delayed_branch_lags_only_in_the_loop():
    """The branch has its own delay of 2 steps; the loop's step must not be added to it."""
    graph = net(
        {
            "input": port(2), "n": lif((2,)), "s": nir.Scale(np.array([0.5, 2.0])), "d": nir.Delay(np.array(0.002)),
            "output": out(2),
        },
        [("input", "n"), ("n", "s"), ("s", "n"), ("s", "d"), ("d", "output")],
    )  # fmt: skip
    imported = from_nir(graph, meaning())
    assert {(e.source, e.target, e.delay) for e in imported.edges} == {
        ("input", "n", 0), ("n", "s", 0), ("s", "n", 1), ("s", "output", 2),
    }  # fmt: skip


def test_thousands_of_nodes():
    """As many as a deep network may have; 2,000 were the limit once."""
    nodes = {"input": port(2), "output": out(2)}
    names = ["input"]
    for i in range(1500):
        nodes[f"a{i}"], nodes[f"n{i}"] = affine(2, 2), lif((2,))
        names += [f"a{i}", f"n{i}"]
    imported = from_nir(net(nodes, list(pairwise([*names, "output"]))), meaning())
    assert len(imported.nodes) == 3002 and [n.name for n in imported.order][-2:] == ["n1499", "output"]
