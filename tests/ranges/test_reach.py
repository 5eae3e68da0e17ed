"""The ranges of single neurons against the same intervals iterated one by one in plain integers."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.backends.simulator import reference
from seamount.compiler.program.program import V_MAX
from seamount.compiler.ranges import reach as module
from seamount.compiler.ranges.intervals import Interval
from seamount.compiler.ranges.reach import HALF, NEVER, STEPS, Neurons, Reach, limit, one_step, reach, wrapped

PATIENCE = 400_000
MOST_STEPS = 24
"""Steps on intervals that one register may take in all, leaps and checks included."""


def tz(x: int) -> int:
    return x // 4096 if x >= 0 else -(-x // 4096)


def wide(*values: int) -> Any:
    return np.array(values, np.int64)


def neuron(du=4095, dv=0, theta=NEVER, bias=0, v_init=0, v_min=-V_MAX, subtract=None) -> Neurons:
    by = None if subtract is None else wide(subtract)
    return Neurons(wide(4095 - du), wide(4096 - dv), wide(theta), wide(bias), wide(v_init), v_min, by)


def iterate_u(kept: int, a: tuple[int, int], wraps: bool) -> tuple[int, int] | None:
    """Smallest interval around 0 closed under the step of u; None when it takes too long."""
    low = high = 0
    for _ in range(PATIENCE):
        ends = sorted((tz(low * kept), tz(high * kept)))
        first, last = ends[0] + 64 * a[0], ends[1] + 64 * a[1]
        if wraps:
            first, last = turn(first, last)
        new = min(low, first), max(high, last)
        if new == (low, high):
            return new
        low, high = new
    return None


def turn(low: int, high: int) -> tuple[int, int]:
    """The hull of one wrap, piece by piece."""
    pieces = []
    if low <= HALF and high > -HALF:
        pieces += [max(low, 1 - HALF), min(high, HALF)]
    if high > HALF:
        pieces += [max(low, HALF + 1) - 2**24, high - 2**24]
    if low <= -HALF:
        pieces += [low + 2**24, min(high, -HALF) + 2**24]
    return min(pieces), max(pieces)


def step_v(n: Neurons, low: int, high: int, u: tuple[int, int]) -> tuple[int, int]:
    """One step of v on an interval: every value is either up to the threshold or above it."""
    kept, theta, bias = int(n.kept_v[0]), int(n.threshold[0]), int(n.bias[0])
    low, high = (min(max(tz(x * kept) + du + bias, -V_MAX), V_MAX) for x, du in zip((low, high), u, strict=True))
    values = []
    if low <= theta:
        values += [low, min(high, theta)]
    if high > theta:
        values += [0] if n.subtract is None else [max(low, theta + 1) - int(n.subtract[0]), high - int(n.subtract[0])]
    return max(min(values), n.v_min), max(max(values), n.v_min)


def iterate_v(n: Neurons, u: tuple[int, int]) -> tuple[int, int] | None:
    low = high = int(n.v_init[0])
    for _ in range(PATIENCE):
        first, last = step_v(n, low, high, u)
        new = min(low, first), max(high, last)
        if new == (low, high):
            return step_v(n, low, high, u)
        low, high = new
    return None


def ends(x: Interval) -> tuple[int, int]:
    return int(x.low[0]), int(x.high[0])


DECAYS = st.sampled_from([0, 1, 3, 100, 2048, 4000, 4094, 4095, 4096])


@st.composite
def neurons(draw: Any) -> tuple[Neurons, tuple[int, int]]:
    size = draw(st.sampled_from([3, 100, 20_000, 2**18]))
    a = -draw(st.integers(0, size)), draw(st.integers(0, size))
    theta = draw(st.sampled_from([NEVER, 0, 64 * 40, 64 * 30_000, 64 * 131_071]))
    subtract = draw(st.sampled_from([None, 0, 1, 777, 64 * 30_000, V_MAX]))
    v_init = draw(st.sampled_from([0, 0, 100, -100, 5_000_000, -V_MAX, V_MAX]))
    v_min = draw(st.sampled_from([-V_MAX, -V_MAX, -50_000, 0, 7]))
    bias = draw(st.sampled_from([0, 0, 5, -5, 4000 << 7, -4000 << 7]))
    return neuron(draw(DECAYS), draw(DECAYS), theta, bias, v_init, v_min, subtract), a


def compare(n: Neurons, a: tuple[int, int]) -> None:
    found = reach(n, Interval(wide(a[0]), wide(a[1])))
    free = iterate_u(int(n.kept_u[0]), a, wraps=False)
    assert free is None or ends(found.u_free) == free
    u = iterate_u(int(n.kept_u[0]), a, wraps=True)
    assert u is None or ends(found.u) == u
    v = iterate_v(n, ends(found.u))
    assert v is None or ends(found.v) == v
    assert_closed(n, Interval(wide(a[0]), wide(a[1])), found)


def assert_closed(n: Neurons, a: Interval, found: Reach) -> None:
    """A post-fixpoint: the first step of a sample ends inside, and so does a step from inside."""
    cleared = Interval.at(np.zeros_like(n.bias))
    for registers in ((cleared, cleared, Interval.at(n.v_init)), found.registers):
        after = one_step(n, a, *registers)
        assert all(new.inside(old).all() for new, old in zip(after.registers, found.registers, strict=True))


@settings(max_examples=120, deadline=None)
@given(neurons())
def test_limits_equal_long_iteration(case):
    compare(*case)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(neurons())
def test_limits_equal_long_iteration_often(case):
    compare(*case)


@given(st.integers(-(2**24), 2**24), st.integers(0, 4096), st.integers(-300_000, 300_000))
def test_limit_is_where_a_leaky_sum_stops(start, kept, added):
    found = int(limit(wide(start), wide(kept), wide(added))[0])
    if found >= NEVER:
        assert kept == 4096 and added > 0
        return
    assert found >= start and tz(found * kept) + added <= found
    # Nothing smaller is closed: each value on the way from `start` moves up.
    assert found == start or tz((found - 1) * kept) + added > found - 1


@pytest.mark.parametrize(("du", "weight"), [(0, 64), (0, 4096), (1, 2), (4095, 131_072)])
def test_u_is_attained_by_holding_the_message(du, weight):
    """The bound for a held input is the value that the simulator creeps up to, and no more."""
    found = reach(neuron(du=du), Interval(wide(0), wide(weight)))
    u = 0
    for _ in range(200_000):
        next_u = tz(u * (4095 - du)) + 64 * weight
        if next_u == u:
            break
        u = next_u
    assert ends(found.u_free) == (0, u)


@given(st.integers(-(2**26), 2**26), st.integers(0, 2**25), st.lists(st.integers(0, 2**25), min_size=1))
def test_the_wrap_of_an_interval_holds_the_wrap_of_its_values(low, length, inside):
    found = wrapped(Interval(wide(low), wide(low + length)))
    values = reference.wrap(low + np.minimum(np.array([0, length, *inside], np.int64), length))
    assert found.low[0] <= values.min() and values.max() <= found.high[0]


def test_no_leak_without_an_end_saturates_and_a_threshold_ends_it():
    up = Interval(wide(0), wide(10))
    assert reach(neuron(), up).saturates().all()
    fires = reach(neuron(theta=64 * 100), up)
    assert not fires.saturates().any() and ends(fires.v_before) == (0, 6400 + 640)
    assert reach(neuron(v_min=0), Interval(wide(-10), wide(0))).v.low[0] == 0


@pytest.mark.parametrize("du", [0, 4096])
@pytest.mark.parametrize("dv", [0, 1])
def test_many_neurons_settle_at_once(du, dv, monkeypatch):
    """Slow decays are leapt over: steps of 100,000 neurons are counted, not the 60,000 that a register creeps for."""
    size, rounds = 10**5, Counter()
    for name in ("u_before", "v_before"):
        monkeypatch.setattr(module, name, partial(counted, getattr(module, name), rounds, name))
    rng = np.random.default_rng(1)
    full = Neurons(
        *(np.full(size, x, np.int64) for x in (4095 - du, 4096 - dv, 64 * 1000)),
        rng.integers(-5, 5, size), np.zeros(size, np.int64), -V_MAX, np.full(size, 100, np.int64),
    )  # fmt: skip
    reach(full, Interval(-rng.integers(0, 1000, size), rng.integers(0, 1000, size)))
    assert 0 < rounds["u_before"] <= MOST_STEPS and 0 < rounds["v_before"] <= MOST_STEPS


def counted(step, rounds, name, *args):
    rounds[name] += 1
    return step(*args)


def test_more_steps_widen_the_range_up_to_that_of_any_length():
    n, a = neuron(du=100, dv=50), Interval(wide(-3), wide(7))
    before = reach(n, a, 1)
    for steps in (2, 3, 10, 100, 1000, STEPS, STEPS + 1, None):
        now = reach(n, a, steps)
        for name in ("u_free", "u_before", "u", "v_before", "v"):
            assert getattr(before, name).inside(getattr(now, name)).all()
        before = now
    assert ends(reach(n, a, STEPS).v) == ends(reach(n, a).v)
