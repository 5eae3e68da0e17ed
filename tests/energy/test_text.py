"""Numbers and verdicts as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seamount.backends.registry import load_costs
from seamount.compiler.energy import text as text
from seamount.compiler.energy.ann import Comparison
from seamount.compiler.energy.estimate import Estimate, Interval


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (23.6, 23.6, "23.6 pJ"),
        (1450, 1740, "1.45 .. 1.74 nJ"),
        (60.7, 2110, "0.0607 .. 2.11 nJ"),
        (1e6, math.inf, "at least 1 µJ"),
        (0, 0, "0 J"),
        (0, 45.8, "0 .. 45.8 pJ"),
        (999.9, 999.9, "1 nJ"),
        (1e12, 1e12, "1 J"),
    ],
)
def test_energies(low: float, high: float, shown: str) -> None:
    assert text.energy(Estimate(Interval(low, high))) == shown


def test_what_is_missing_leaves_a_lower_bound_or_nothing() -> None:
    assert text.energy(Estimate(Interval(5, 6), ("x",))) == "at least 5 pJ"
    assert text.energy(Estimate(Interval(0, 6), ("x",))) == "unknown"
    assert text.time(Estimate(Interval(113, 465))) == "113 .. 465 ns"


@given(st.floats(1e-9, 1e12), st.floats(1, 1e6))
def test_shown_digits_are_right_to_a_half_percent(low: float, factor: float) -> None:
    shown = text.span(Interval(low, low * factor), "")
    first, _, last = shown.partition(" .. ")
    units = {"T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12}
    number, _, prefix = (last or first).partition(" ")
    scale = units.get(prefix, 1.0)
    assert float(number) * scale == pytest.approx(low * factor, rel=0.006)
    assert float(first.split()[0]) * scale == pytest.approx(low, rel=0.006)


def test_costs_and_their_sources() -> None:
    energy = load_costs("loihi1").energy
    assert text.cost(energy["synapse_dense"]) == "23.6 .. 35.5 pJ"
    assert text.source(energy["synapse_dense"]) == "davies2018, table 2 | sanafe"
    assert text.cost(load_costs("loihi2").energy["spike"]) == "unknown"
    assert text.cost(load_costs("gpu-a100").energy["mac_float32"]) == "at least 41 pJ"


def test_verdicts() -> None:
    def said(verdict, ratio, why=""):
        line = text.verdict(Comparison(verdict, ratio, 0.1, None, None, why), "int8")
        return line.removeprefix("beside the int8 ANN: ")

    assert said("cannot tell", Interval(0.5, 2)) == "cannot tell, the intervals overlap"
    assert said("SNN cheaper", Interval(0.1, 0.5)) == "the SNN is cheaper, at least 2 times"
    assert said("ANN cheaper", Interval(3, 4)) == "the ANN is cheaper, at least 3 times"
    assert said("SNN cheaper", Interval(0, 0)) == "the SNN is cheaper, it costs nothing by this set"
    assert said("ANN cheaper", None) == "the ANN is cheaper, it costs nothing by this set"
    assert said("unknown", None, "ANN: no price") == "unknown (ANN: no price)"


def test_crossings() -> None:
    def said(rate, steps, why=""):
        return text.crossing(Comparison("cannot tell", Interval(0.5, 2), 0.25, rate, steps, why))

    both = said(Interval(0.1, 0.4), Interval(2, 8))
    assert both == "same cost at a spike rate of 0.1 .. 0.4 (per neuron and step; measured 0.25); at 2 .. 8 steps"
    assert said(Interval(0.1, math.inf), None).startswith("same cost at a spike rate of 0.1 or more (")
    assert said(None, None, "the reason") == "no spike rate makes the cost the same: the reason"
    assert text.crossing(Comparison("unknown", None, 0.1, None, None, "x")) == ""
