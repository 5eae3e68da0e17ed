"""Interval arithmetic: it holds every result of numbers inside, and no more than it must."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seamount.compiler.energy.estimate import ZERO, Estimate, Interval, total

numbers = st.floats(0, 1e12, allow_nan=False)
names = st.lists(st.sampled_from("abc"), max_size=2).map(tuple)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    low, high = sorted((draw(numbers), draw(numbers | st.just(math.inf))))
    return Interval(low, high)


estimates = st.builds(Estimate, intervals(), names)


@st.composite
def inside(draw: st.DrawFn, of: Interval) -> float:
    return draw(st.floats(of.low, min(of.high, 1e13), allow_nan=False))


@given(st.data(), intervals(), intervals())
def test_results_of_numbers_inside_lie_inside(data: st.DataObject, a: Interval, b: Interval) -> None:
    x, y = data.draw(inside(a)), data.draw(inside(b))
    assert (a + b).holds(x + y)
    assert (a * b).holds(x * y)
    assert (a * y).holds(x * y)
    assert a.hull(b).holds(x) and a.hull(b).holds(y)
    if a.below(b):
        assert x < y


@given(intervals(), intervals())
def test_ends_are_reached(a: Interval, b: Interval) -> None:
    assert ((a + b).low, (a + b).high) == (a.low + b.low, a.high + b.high)
    assert (a * b).low == a.low * b.low
    assert a + b == b + a and a * b == b * a and a.hull(b) == b.hull(a)
    assert a.inside(a.hull(b)) and a + ZERO == a and a * 1.0 == a and 1.0 * a == a


@given(intervals(), intervals(), intervals())
def test_wider_operands_give_wider_results(a: Interval, b: Interval, c: Interval) -> None:
    wide = a.hull(b)
    assert (a + c).inside(wide + c)
    assert (a * c).inside(wide * c)


@given(intervals())
def test_no_event_costs_nothing_even_without_a_bound(a: Interval) -> None:
    assert a * 0.0 == ZERO == a * ZERO


@pytest.mark.parametrize(("low", "high"), [(2, 1), (-1, 1), (math.nan, 1), (0, math.nan), (math.inf, math.inf)])
def test_what_is_no_interval(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="is no interval of non-negative numbers"):
        Interval(low, high)


@given(st.lists(estimates, max_size=4))
def test_sums_name_what_is_missing_once_and_are_bounded_from_below_only(parts: list[Estimate]) -> None:
    summed = total(parts)
    assert sorted(summed.missing) == sorted({name for part in parts for name in part.missing})
    assert summed.bounds.low == summed.known.low
    assert (summed.bounds.high == math.inf) or (not summed.missing)
    assert summed.unknown == (bool(summed.missing) and summed.known.low == 0)


@given(estimates, numbers)
def test_scaling_keeps_what_is_missing(part: Estimate, factor: float) -> None:
    assert (part * factor) == (factor * part) == Estimate(part.known * factor, part.missing)
