"""Comparison of two graphs that should mean the same, neuron by neuron, in a way that no near tie can spoil."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.ir.ops import LIF

EVERYTHING = {"spikes", "margin", "v"}


def assert_same_meaning(
    before: Graph,
    after: Graph,
    x: dict[str, Any],
    tolerance: float = 1e-9,
    unit: Callable[[LIF, LIF], Any] = lambda old, new: 1.0,
) -> None:
    """Every neuron of `before` computes the same in `after`, within tolerance of the largest value.

    `after` runs on the spikes of `before` (teacher forcing), so that all its neurons see the same input and state;
    then v' - threshold is compared as a number, and the spike wherever that number is not within the tolerance.
    unit: what one unit of the new membrane is worth in the old one.
    """
    old = interpret(before, x, record=EVERYTHING)
    new = interpret(after, x, record=EVERYTHING, forced=old.spikes)
    assert set(old.spikes) <= set(new.spikes)
    for name, margin in old.margin.items():
        factor = unit(before[name].op, after[name].op)
        bound = tolerance * max(1.0, float(np.max(np.abs(margin))))
        np.testing.assert_allclose(new.margin[name] * factor, margin, rtol=0, atol=bound, err_msg=name)
        clear = np.abs(margin) > bound
        np.testing.assert_array_equal(new.spikes[name][clear], old.spikes[name][clear], err_msg=name)
    for kind in ("v", "series", "outputs"):
        for name, value in getattr(old, kind).items():
            bound = tolerance * max(1.0, float(np.max(np.abs(value))))
            np.testing.assert_allclose(getattr(new, kind)[name], value, rtol=0, atol=bound, err_msg=f"{kind} {name}")
