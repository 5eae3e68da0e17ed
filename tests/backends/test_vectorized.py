"""The vectorized simulator equals the reference bit for bit: spikes, registers, readouts and event counts."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seamount.backends.schedule import groups
from seamount.backends.simulator import reference
from seamount.backends.simulator.kernels import ListKernel, kernel
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.errors import InputError
from seamount.compiler.program.program import (
    V_MAX,
    Conv,
    Dense,
    InputPort,
    Program,
    Projection,
    Readout,
    Sparse,
    synapses,
)
from tests.program_samples import i32, one_population, population, small_program
from tests.program_strategies import FEATURES, TRANSPOSED, cases

ALL = frozenset({"spikes", "u", "v"})


def assert_equal(a, b):
    for what in ("spikes", "u", "v", "readout"):
        left, right = getattr(a, what), getattr(b, what)
        assert left.keys() == right.keys()
        for name in left:
            assert left[name].dtype == right[name].dtype
            assert np.array_equal(left[name], right[name]), (what, name, left[name], right[name])
    assert a.counts.differences(b.counts) == []


def compare(case, **options):
    program, messages = case
    expected = ReferenceSimulator().run(program, messages, ALL)
    assert_equal(expected, VectorizedSimulator(**options).run(program, messages, ALL))
    return expected


@pytest.fixture
def wrapped(monkeypatch):
    """How often a current wrapped in the reference."""
    seen, wrap = Counter(), reference.wrap

    def spy(u):
        out = wrap(u)
        seen["wrapped"] += int(np.count_nonzero(out != u))
        return out

    monkeypatch.setattr(reference, "wrap", spy)
    return seen


def traits(program, trace):
    """What happened in a run, and which constructs the program has."""
    if any((np.abs(v) == V_MAX).any() for v in trace.v.values()):
        yield "saturated"
    if any(s.any() for s in trace.spikes.values()):
        yield "spiked"
    if len(groups(program)) < len(program.populations):
        yield "loop over populations"
    for q in program.projections:
        yield type(q.connection).__name__
        if q.source == q.target:
            yield "self loop"
        if isinstance(q.connection, Conv) and q.connection.groups > 1:
            yield "groups"
        if q.lag and q.source != q.target:
            yield "lag"


def test_equal_on_200_random_programs_that_also_saturate_and_wrap(wrapped):
    seen = Counter()

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cases(), st.sampled_from([1, 2, None]))
    def check(case, batch_size):
        before = wrapped["wrapped"]
        trace = compare(case, batch_size=batch_size)
        seen.update(set(traits(case[0], trace)))
        seen["wrapped"] += wrapped["wrapped"] > before

    check()
    expected = {"saturated", "spiked", "wrapped", "self loop", "loop over populations", "groups", "lag"}
    assert expected | {"Dense", "Sparse", "Conv"} <= {name for name, n in seen.items() if n}, seen


@pytest.mark.parametrize("feature", sorted(FEATURES | TRANSPOSED))
def test_equal_with_each_construct(feature):
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases(force=frozenset({feature})))
    def check(case):
        compare(case)

    check()


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(max_populations=6, max_samples=5), st.sampled_from([1, 2, None]))
def test_equal_on_many_random_programs(case, batch_size):
    compare(case, batch_size=batch_size)


def extreme(**more):
    """A program whose current and membrane go through their whole range, driven by payloads."""
    return one_population(weight=254, steps=40, graded=(-1000, 1000), register="u", rule="sum", **more)


@pytest.mark.parametrize("du", [0, 1, 2047, 4095, 4096])
@pytest.mark.parametrize("dv", [0, 1, 2047, 4095, 4096])
def test_equal_where_u_wraps_and_v_saturates(du, dv, wrapped):
    x = np.random.default_rng(du + dv).integers(-1000, 1001, (20, 40, 1)).astype(np.int32)
    x[10:] = np.abs(x[10:])
    trace = compare((extreme(du=du, dv=dv, vth=None), {"x": x}))
    assert wrapped["wrapped"] > 0
    assert dv > 1 or (np.abs(trace.v["p"]) == V_MAX).any()


def test_u_reaches_both_ends_of_its_range():
    """a = +-2**17 gives u = 2**23 either way (loihi.md 3.1)."""
    program = one_population(weight=128, graded=(-1024, 1024), vth=None)
    x = np.array([[[1024], [-1024]]], np.int32)
    trace = compare((program, {"x": x}))
    assert trace.u["p"].reshape(-1).tolist() == [2**23, 2**23]


def big(kind, payload, n_in=512):
    """One projection with sums of 2**24 and more, where float32 would lose units."""
    rng = np.random.default_rng(5)
    weight = rng.integers(200, 256, (3, n_in)).astype(np.int32)
    if kind == "dense":
        connection, shapes = Dense(weight), ((n_in,), (3,))
    elif kind == "sparse":
        rows, cols = np.divmod(np.arange(3 * n_in, dtype=np.int32), np.int32(n_in))
        connection, shapes = Sparse(rows, cols, weight.reshape(-1)), ((n_in,), (3,))
    else:
        connection, shapes = Conv(weight[..., None, None], (1, 1), (0, 0), (1, 1), 1), ((n_in, 1, 1), (3, 1, 1))
    p = population("p", shapes[1], vth=None, dv=4096)
    q = Projection("x->p", "x", "p", connection, sign_mode="excitatory")
    port = InputPort("x", shapes[0], True, 0, payload)
    return Program((port,), (p,), (q,), (Readout("y", "p", "u", "sum"),), 1)


@pytest.mark.parametrize("kind", ["dense", "sparse", "conv"])
def test_large_sums_are_exact(kind):
    """Sums of about 29 million, among them odd ones, which float32 could not hold."""
    program = big(kind, 250)
    x = np.full((2, 1, *program.inputs[0].shape), 249, np.int32)
    assert kernel(program, program.projections[0]).dtype == np.float64
    assert kernel(big(kind, 1), program.projections[0]).dtype == np.float32
    trace = compare((program, {"x": x}))
    total = program.projections[0].connection.weight.reshape(3, -1).sum(axis=1, dtype=np.int64) * 249
    assert (total > 2**24).all()
    assert (total % 2 == 1).any()
    assert np.array_equal(trace.u["p"].reshape(2, 3)[0], total * 64 - 2**24)


def test_sums_of_several_projections_are_exact():
    """Each fits float32, their sum does not."""
    ports = tuple(InputPort(n, (1,), True, 0, 65000) for n in "abc")
    p = population("p", vth=None, dv=4096)
    projections = tuple(
        Projection(n, n, "p", Dense(i32([[w]])), sign_mode="excitatory")
        for n, w in zip("abc", (255, 253, 1), strict=True)
    )
    program = Program(ports, (p,), projections, (Readout("y", "p", "u", "last"),), 1)
    compare((program, {n: np.full((1, 1, 1), 64999, np.int32) for n in "abc"}))


def test_sparse_lists_and_matrices_agree():
    rng = np.random.default_rng(0)
    pairs = rng.permutation(100 * 90)[:200].astype(np.int32)
    connection = Sparse(*np.divmod(pairs, np.int32(90)), rng.integers(-128, 128, 200).astype(np.int32) * 2)
    p = population("p", (100,), vth=5, dv=100)
    q = Projection("x->p", "x", "p", connection, weight_exp=-1)
    program = Program((InputPort("x", (90,), False),), (p,), (q,), (Readout("y", "p", "s", "sum"),), 5)
    assert isinstance(kernel(program, q), ListKernel)
    compare((program, {"x": rng.integers(0, 2, (7, 5, 90)).astype(np.int32)}))


@given(cases(force=frozenset({"conv"})))
@settings(max_examples=40, deadline=None)
def test_fan_out_counts_the_stored_synapses(case):
    program, _ = case
    for q in program.projections:
        _, pre, _ = synapses(q.connection, program.shapes[q.source], program.shapes[q.target])
        fan_out = kernel(program, q).fan_out
        assert np.array_equal(fan_out, np.bincount(pre, minlength=fan_out.size))


def test_wide_layers_are_multiplied_in_pieces():
    """Larger than a piece in every dimension."""
    rng = np.random.default_rng(1)
    weight = rng.integers(-128, 128, (300, 700)).astype(np.int32) * 2
    kernel_ = rng.integers(-128, 128, (40, 20, 3, 3)).astype(np.int32) * 2
    conv = population("conv", (40, 5, 7), vth=900, dv=300)
    dense = population("dense", (300,), vth=2000, dv=300)
    projections = (
        Projection("conv", "x", "conv", Conv(kernel_, (1, 1), (1, 1), (1, 1), 1)),
        Projection("dense", "x", "dense", Dense(weight)),
    )
    program = Program(
        (InputPort("x", (20, 5, 7), False),), (conv, dense), projections, (Readout("y", "conv", "v", "sum"),), 3
    )
    trace = compare((program, {"x": rng.integers(0, 2, (4, 3, 20, 5, 7)).astype(np.int8)}))
    assert all(0 < trace.spikes[name].mean() < 1 for name in ("conv", "dense"))


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"batch_size": 3, "threads": 1}, {"threads": 2}])
def test_batches_and_threads_change_nothing(options):
    x = np.random.default_rng(2).integers(0, 256, (10, 4, 1, 4, 4)).astype(np.int32)
    compare((small_program(), {"x": x}), **options)


def test_a_constant_sample_is_multiplied_once_and_gives_the_same():
    x = np.random.default_rng(3).integers(0, 256, (6, 1, 1, 4, 4)).astype(np.uint8)
    compare((small_program(), {"x": np.broadcast_to(x, (6, 9, 1, 4, 4))}))


def test_only_what_is_asked_for_is_kept():
    x = np.zeros((2, 4, 1, 4, 4), np.int32)
    trace = VectorizedSimulator().run(small_program(), {"x": x}, frozenset({"u"}))
    assert (trace.spikes, trace.v) == ({}, {})
    assert trace.u.keys() == {"conv", "loop", "out"}


def test_progress_ends_at_all_samples():
    seen = []
    x = np.zeros((5, 4, 1, 4, 4), np.int32)
    VectorizedSimulator(batch_size=2).run(small_program(), {"x": x}, progress=lambda *done: seen.append(done))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_an_error_in_progress_stops_the_run():
    class Stop(Exception):
        pass

    def stop(done, total):
        raise Stop

    x = np.zeros((50, 4, 1, 4, 4), np.int32)
    with pytest.raises(Stop):
        VectorizedSimulator(batch_size=1).run(small_program(), {"x": x}, progress=stop)


@pytest.mark.parametrize(("options", "found"), [({"batch_size": 0}, "batch size"), ({"threads": 0}, "threads")])
def test_bad_options_are_refused(options, found):
    with pytest.raises(InputError, match=found):
        VectorizedSimulator(**options).run(one_population(), {"x": np.zeros((1, 1, 1), np.int32)})


def test_groups_follow_the_flow_even_where_a_lag_points_backwards():
    """first <- second with a lag and no way back: second must be run before first, which is listed earlier."""
    first, second = population("first", vth=0), population("second", vth=0)
    projections = (
        Projection("x->second", "x", "second", Dense(i32([[2]]))),
        Projection("back", "second", "first", Dense(i32([[2]])), lag=1),
        Projection("self", "second", "second", Dense(i32([[2]])), lag=1),
    )
    program = one_population()
    program = replace(
        program,
        populations=(first, second),
        projections=projections,
        readouts=(Readout("y", "first", "s", "sum"),),
    )
    assert groups(program) == (("second",), ("first",))
    compare((program, {"x": np.ones((2, 3, 1), np.int32)}))


@pytest.mark.slow
def test_ten_thousand_images_take_minutes_at_most():
    """A convolutional network of 11,900 neurons at T = 8; the bound leaves room for a busy machine."""
    rng = np.random.default_rng(0)

    def conv(o, i, k, p):
        return Conv(rng.integers(-64, 64, (o, i, k, k)).astype(np.int32) * 2, (1, 1), (p, p), (1, 1), 1)

    def pool(c):
        return Conv(np.full((c, 1, 2, 2), 64, np.int32), (2, 2), (0, 0), (1, 1), c)

    shapes = {"c1": (8, 28, 28), "p1": (8, 14, 14), "c2": (32, 14, 14), "p2": (32, 7, 7), "d": (128,), "y": (10,)}
    vth = {"c1": 6000, "p1": 100, "c2": 1000, "p2": 100, "d": 600, "y": None}
    populations = tuple(
        population(n, s, dv=512, vth=vth[n], bias=rng.integers(-99, 99, s), offset=k + 1)
        for k, (n, s) in enumerate(shapes.items())
    )
    dense = (Dense(rng.integers(-64, 64, s).astype(np.int32) * 2) for s in ((128, 1568), (10, 128)))
    connections = (conv(8, 1, 3, 1), pool(8), conv(32, 8, 5, 2), pool(32), *dense)
    ends = ["x", *shapes]
    projections = tuple(Projection(b, a, b, c) for a, b, c in zip(ends, ends[1:], connections, strict=False))
    program = Program(
        (InputPort("x", (1, 28, 28), True, 0, 255),), populations, projections, (Readout("y", "y", "v", "sum"),), 8
    )
    x = rng.integers(0, 256, (10_000, 1, 1, 28, 28)).astype(np.int32)
    start = time.perf_counter()
    trace = VectorizedSimulator().run(program, {"x": np.broadcast_to(x, (10_000, 8, 1, 28, 28))})
    assert time.perf_counter() - start < 180
    assert trace.counts.updates["c1"] == 8 * 28 * 28 * 80_000
