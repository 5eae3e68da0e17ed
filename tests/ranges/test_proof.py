"""No run of the reference simulator leaves a range; tiny networks attain it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seamount.backends.simulator import reference
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.program.bounds import arrival_bound, current_bound, sum_bound
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
from seamount.compiler.ranges.intervals import Interval, arrival, partial_sums, sent_by_ports
from seamount.compiler.ranges.proof import LIMITS, POSSIBLE, PROVEN, Ranges, analyse, exact_in_float32
from tests.program_samples import i32, one_population, population, small_program
from tests.program_strategies import TRANSPOSED, messages, programs

EVERYTHING = frozenset({"spikes", "u", "v"})


class Watch:
    """Every physical step of a run, windows or not: what came in and what the registers would have had to hold."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[Any, ...]] = []
        plain = reference.step

        def spy(p, u, v, a):
            s, after_u, after_v = plain(p, u, v, a)
            du, dv, mantissa = (np.asarray(x, np.int64) for x in (p.du, p.dv, p.bias_mant))
            u_before = reference.truncate(u * (4095 - du)) + 64 * a
            v_before = reference.truncate(v * (4096 - dv)) + after_u + reference.shift(mantissa, p.bias_exp)
            self.seen.append((p.name, a, u_before, after_u, v_before, after_v, s))
            return s, after_u, after_v

        monkeypatch.setattr(reference, "step", spy)


def within(x: Any, bound: Interval) -> bool:
    flat = np.asarray(x).reshape(-1)
    return bool(((flat >= bound.low) & (flat <= bound.high)).all())


def overflow(name: str, x: Any) -> bool:
    low, high = LIMITS[name]
    return bool(((x < low) | (x > high)).any())


def assert_inside(found: Ranges, seen: list[tuple[Any, ...]], counts: Counter[str]) -> None:
    for name, a, u_before, u, v_before, v, s in seen:
        p = found.populations[name]
        assert within(a, p.a), (name, "a")
        for x, bound in zip((u_before, u, v_before, v), (p.reach.u_before, p.reach.u, p.reach.v_before, p.reach.v)):  # noqa: B905
            assert within(x, bound), name
        assert not (s.reshape(-1).astype(bool) & ~p.fires).any()
        for register, x in (("u", u_before), ("v", v_before)):
            happened = overflow(register, x)
            assert not (happened and p.verdict(register) == PROVEN), (name, register)
            counts[f"{register} overflows"] += happened
    for p in found.populations.values():
        for register in "uv":
            counts[f"{register} {p.verdict(register)}"] += 1


@st.composite
def runs(draw: Any, force: frozenset[str] = frozenset()) -> tuple[Program, dict[str, Any], int]:
    """A program, and messages at random or held at the ends of their ranges, for short and long samples."""
    program = draw(programs(force=force))
    steps = draw(st.sampled_from([program.steps, 1, 25]))
    sent = draw(messages(program, max_samples=2, steps=steps))
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        for port in program.inputs:
            held = np.where(rng.random(port.shape) < draw(st.sampled_from([0.0, 0.5, 1.0])), port.low, port.high)
            sent[port.name] = np.broadcast_to(held, sent[port.name].shape).astype(np.int32)
    return program, sent, steps


def check_run(case: Any, counts: Counter[str]) -> None:
    program, sent, steps = case
    with pytest.MonkeyPatch.context() as monkeypatch:
        watch = Watch(monkeypatch)
        trace = ReferenceSimulator().run(program, sent, EVERYTHING)
    assert_inside(analyse(program), watch.seen, counts)
    short = analyse(program, steps)
    for p in program.populations:
        held = short.populations[p.name]
        for register, series in (("u", trace.u), ("v", trace.v)):
            values = series[p.name].reshape(-1, p.size)
            assert all(within(x, held.held(register)) for x in values)
        assert not (trace.spikes[p.name].reshape(-1, p.size).any(axis=0) & ~held.fires).any()


@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(runs(TRANSPOSED))
def test_transposed_convolutions(case):
    check_run(case, Counter())


def check_many(examples: int) -> Counter[str]:
    counts: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(runs())
    def every(case):
        check_run(case, counts)

    every()
    return counts


@pytest.mark.parametrize("examples", [160, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_run_leaves_a_range(examples):
    counts = check_many(examples)
    assert all(counts[f"{register} {what}"] > 10 for register in "uv" for what in ("overflows", PROVEN, POSSIBLE))


# tiny networks, all message sequences


@st.composite
def tiny(draw: Any, hidden: bool) -> Program:
    """Two inputs into a dense layer of two; with `hidden`, a loop and a second layer behind it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    graded = not hidden and draw(st.booleans())

    def layer(name: str, fires: bool, **more: Any) -> Any:
        decays = rng.choice([0, 1, 700, 4095, 4096], 2), rng.integers(0, 4097, 2)
        reset = {"reset": "subtract", "reset_by": 900} if draw(st.booleans()) else {}
        if draw(st.booleans()):
            reset |= {"v_init": i32(rng.integers(-2000, 2000, 2)), "v_min": -int(rng.integers(0, 9000))}
        return population(
            name, (2,), i32(decays[0]), i32(decays[1]), i32(rng.integers(0, 60, 2)) if fires else None,
            i32(rng.integers(-900, 900, 2)), **reset, **more,
        )  # fmt: skip

    def dense(source: str, target: str, **more: Any) -> Projection:
        weight = i32(rng.integers(-20, 20, (2, 2)) * 2)
        return Projection(f"{source}->{target}", source, target, Dense(weight), int(rng.integers(-2, 3)), **more)

    fires = hidden or draw(st.booleans())
    populations, projections = [layer("p", fires)], [dense("x", "p")]
    if hidden:
        populations.append(layer("q", draw(st.booleans()), offset=2))
        projections += [dense("p", "p", lag=1), dense("p", "q")]
    port = InputPort("x", (2,), graded, -1 if graded else 0, 1)
    return Program((port,), tuple(populations), tuple(projections), (Readout("y", "p", "v", "last"),), 3)


def all_messages(program: Program) -> dict[str, Any]:
    """Every sequence of messages, each as one sample."""
    port = program.inputs[0]
    every = list(product(range(port.low, port.high + 1), repeat=2 * program.steps))
    return {"x": i32(every).reshape(-1, program.steps, 2)}


def everything_seen(program: Program) -> dict[tuple[str, str], Interval]:
    trace = ReferenceSimulator().run(program, all_messages(program), EVERYTHING)
    out = {}
    for register, series in (("u", trace.u), ("v", trace.v), ("s", trace.spikes)):
        for name, values in series.items():
            flat = values.reshape(-1, values.shape[-1]).astype(np.int64)
            out[name, register] = Interval(flat.min(axis=0), flat.max(axis=0))
    return out


@settings(max_examples=40, deadline=None)
@given(tiny(hidden=False))
def test_one_layer_attains_its_range(program):
    """Both ends of u, and of v where nothing fires, are values of some run; decays round, and still."""
    seen, found = everything_seen(program), analyse(program, program.steps).populations["p"]
    kept = program.population("p").du.max() <= 4095
    for register in "uv":
        assert seen["p", register].inside(found.held(register)).all()
        if kept and (register == "u" or not found.fires.any()):
            assert seen["p", register].same(found.held(register)).all()
    assert not ((seen["p", "s"].high > 0) & ~found.fires).any()


@settings(max_examples=40, deadline=None)
@given(tiny(hidden=True))
def test_loops_and_layers_stay_inside(program):
    seen = everything_seen(program)
    for found in (analyse(program, program.steps), analyse(program)):
        for (name, register), values in seen.items():
            p = found.populations[name]
            if register == "s":
                assert not ((values.high > 0) & ~p.fires).any()
            else:
                assert values.inside(p.held(register)).all()


# sums


def brute_sums(program: Program, q: Projection, sent: Interval) -> Interval:
    size = int(np.prod(program.shapes[q.target]))
    low, high = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for post, pre, weight in zip(
        *synapses(q.connection, program.shapes[q.source], program.shapes[q.target]), strict=True
    ):
        products = weight * sent.low[pre], weight * sent.high[pre]
        low[post] += min(products)
        high[post] += max(products)
    return Interval(low, high)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(0, 2**32 - 1))
def test_sums_equal_those_over_all_synapses(program, seed):
    rng = np.random.default_rng(seed)
    for q in program.projections:
        size = int(np.prod(program.shapes[q.source]))
        sent = Interval(-rng.integers(0, 3, size), rng.integers(0, 3, size))
        found = partial_sums(program, q, sent)
        assert found.same(brute_sums(program, q, sent)).all()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_no_range_is_wider_than_the_bounds_of_the_weights(program):
    """So whatever the engines' bounds (bounds.py) license, the proof licenses too."""
    found = analyse(program)
    for q in program.projections:
        sums, bound = partial_sums(program, q, found.sent[q.source]), sum_bound(program, q)
        assert sums.inside(Interval(bound.low, bound.high)).all()
    for p in program.populations:
        before, after = current_bound(p, arrival_bound(program, p.name))
        reach = found.populations[p.name].reach
        assert reach.u_before.inside(Interval(-before, before)).all()
        assert reach.u.inside(Interval(-after, after)).all()


def test_borders_of_a_convolution_count():
    conv = Conv(i32(np.full((1, 1, 3, 3), 2)), (1, 1), (1, 1), (1, 1), 1)
    port, p = InputPort("x", (1, 3, 3), False), population(shape=(1, 3, 3), vth=None)
    projection = Projection("q", "x", "p", conv)
    program = Program((port,), (p,), (projection,), (Readout("y", "p", "v", "last"),), 1)
    a = arrival(program, "p", sent_by_ports(program))
    assert a.high.reshape(3, 3).tolist() == [[8, 12, 8], [12, 18, 12], [8, 12, 8]]


# neurons that cannot fire


def chain(weights: list[int], loop: int = 0) -> Program:
    """One neuron after the other, each with threshold 64 * 10; `loop` goes from the last to the first."""
    populations = tuple(population(f"p{k}", dv=4096, vth=10, offset=k + 1) for k in range(len(weights)))
    names = ["x", *(p.name for p in populations)]
    projections = tuple(Projection(f"q{k}", names[k], names[k + 1], Dense(i32([[w]]))) for k, w in enumerate(weights))
    if loop:
        lag = len(weights)
        projections += (Projection("back", names[-1], "p0", Dense(i32([[loop]])), lag=lag),)
    return Program((InputPort("x", (1,), False),), populations, projections, (Readout("y", "p0", "s", "sum"),), 4)


def test_a_neuron_that_cannot_fire_sends_nothing():
    found = analyse(chain([10, 100, 100])).populations
    assert [p.fires.tolist() for p in found.values()] == [[False]] * 3
    assert found["p1"].a.ends == (0, 0)
    assert [p.fires.tolist() for p in analyse(chain([12, 10, 100])).populations.values()] == [[True], [False], [False]]


def test_a_loop_feeds_itself_only_when_something_starts_it():
    assert not any(p.fires.any() for p in analyse(chain([10, 12], loop=100)).populations.values())
    assert all(p.fires.all() for p in analyse(chain([12, 12], loop=100)).populations.values())


def test_a_long_loop_through_one_population_ends_and_holds():
    """Each neuron lets the next one fire, so spikes are admitted one by one; after a while all are."""
    size = 100
    ring = Sparse(i32(np.arange(1, size)), i32(np.arange(size - 1)), i32(np.full(size - 1, 20)))
    p = population("p", (size,), dv=4096, vth=10)
    into = Sparse(i32([0]), i32([0]), i32([20]))
    projections = (Projection("in", "x", "p", into), Projection("on", "p", "p", ring, lag=1))
    program = Program((InputPort("x", (1,), False),), (p,), projections, (Readout("y", "p", "s", "sum"),), 4)
    assert analyse(program).populations["p"].fires.all()


# verdicts


def test_verdicts_at_the_edge_of_the_registers():
    """u holds 2**23 and wraps one above; v holds 2**23 - 1 and saturates one above."""
    exact = one_population(weight=128, graded=(0, 1024), dv=4096, vth=None)
    found = analyse(exact).populations["p"]
    assert found.held("u").ends == (0, 2**23) and found.verdict("u") == PROVEN
    assert found.verdict("v") == POSSIBLE and found.worst("v") == (0,) and found.excess("v").tolist() == [1]
    more = analyse(one_population(weight=128, graded=(0, 1025), dv=4096, vth=None)).populations["p"]
    assert more.verdict("u") == POSSIBLE and more.held("u").ends == (1 - 2**23, 2**23)
    lower = one_population(weight=128, graded=(0, 1024), dv=4096, vth=None, bias=-1)
    assert analyse(lower).populations["p"].verdict("v") == PROVEN and analyse(lower).proven


def test_steps_before_the_first_window_count():
    """A population that runs on its bias alone before its window is covered too."""
    late = replace(one_population(dv=0, vth=None, bias=4095, bias_exp=7, steps=1).populations[0], offset=40)
    program = one_population()
    program = replace(program, populations=(late,), projections=(replace(program.projections[0], lag=0, delay=39),))
    assert analyse(program).populations["p"].verdict("v") == POSSIBLE
    assert analyse(program, 5).populations["p"].verdict("v") == PROVEN


def test_sums_exact_in_float32():
    def program(high: int) -> Program:
        return one_population(weight=2, graded=(0, high), dv=4096, vth=None)

    assert exact_in_float32(program(2**23)) == {"x->p": True}
    assert exact_in_float32(program(2**23 + 1)) == {"x->p": False}
    assert set(exact_in_float32(small_program())) == {q.name for q in small_program().projections}
    assert V_MAX < 2**24


def test_a_neuron_that_never_fires_makes_sums_exact():
    quiet, loud = chain([10, 254]), chain([12, 254])
    ranges = {"quiet": analyse(quiet), "loud": analyse(loud)}
    assert partial_sums(quiet, quiet.projections[1], ranges["quiet"].sent["p0"]).ends == (0, 0)
    assert partial_sums(loud, loud.projections[1], ranges["loud"].sent["p0"]).ends == (0, 254)
