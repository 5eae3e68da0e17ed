"""Energies, times and intervals as text: three digits, a unit of handy size."""

from __future__ import annotations

import math

from seamount.compiler.energy.ann import Comparison
from seamount.compiler.energy.cost_set import Coefficient
from seamount.compiler.energy.estimate import Estimate, Interval

PREFIXES = tuple((10.0 ** (12 - 3 * k), name) for k, name in enumerate(("T", "G", "M", "k", "", "m", "µ", "n", "p")))


def span(values: Interval, unit: str, scale: float = 1.0) -> str:
    """An interval of numbers that are `scale` units each: "25.4 .. 65.3 µJ", "at least 41 pJ"."""
    low, high = values.low * scale, values.high * scale
    if math.isinf(high):
        return f"at least {number(low, unit)}"
    size, prefix = _prefix(high)
    if f"{low / size:.3g}" == f"{high / size:.3g}":
        return f"{high / size:.3g} {prefix}{unit}".strip()
    return f"{low / size:.3g} .. {high / size:.3g} {prefix}{unit}".strip()


def number(value: float, unit: str) -> str:
    """One number with three digits."""
    size, prefix = _prefix(value)
    return f"{value / size:.3g} {prefix}{unit}".strip()


def _prefix(value: float) -> tuple[float, str]:
    return next(((size, prefix) for size, prefix in PREFIXES if abs(value) >= 0.9995 * size), (1.0, ""))


def energy(value: Estimate) -> str:
    """An energy given in pJ; what is missing is left to the reader of `missing`."""
    return "unknown" if value.unknown else span(value.bounds, "J", 1e-12)


def time(value: Estimate) -> str:
    """A time given in ns."""
    return "unknown" if value.unknown else span(value.bounds, "s", 1e-9)


def cost(value: Coefficient) -> str:
    """A cost and its unit: "23.6 .. 35.5 pJ", "unknown"."""
    if not value.known:
        return "unknown"
    low, high = value.ends
    if math.isinf(high):
        return f"at least {low:.3g} {value.low.unit}"
    ends = f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} .. {high:.3g}"
    return f"{ends} {value.low.unit}"


def source(value: Coefficient) -> str:
    """Where a cost is from; both ends' sources where they differ."""
    both = (value.low.source, value.high.source)
    return both[0] if both[0] == both[1] else " | ".join(both)


def verdict(found: Comparison, ann: str) -> str:
    """One sentence on a spiking network and its ANN."""
    return f"beside the {ann} ANN: {outcome(found)}"


def outcome(found: Comparison) -> str:
    """Which of the two is cheaper, and by how much at least."""
    if found.verdict == "unknown":
        return f"unknown ({found.why})"
    if found.verdict == "cannot tell":
        return "cannot tell, the intervals overlap"
    cheaper = "SNN" if found.verdict == "SNN cheaper" else "ANN"
    if found.ratio is None or found.ratio.high == 0:
        return f"the {cheaper} is cheaper, it costs nothing by this set"
    least = 1 / found.ratio.high if cheaper == "SNN" else found.ratio.low
    return f"the {cheaper} is cheaper, at least {least:.3g} times"


def crossing(found: Comparison) -> str:
    """At which spike rate and number of steps both cost the same."""
    if found.verdict == "unknown":
        return ""
    if found.crossing_rate is None:
        rate = f"no spike rate makes the cost the same: {found.why}"
    else:
        measured = f"per neuron and step; measured {found.rate:.3g}"
        rate = f"same cost at a spike rate of {_between(found.crossing_rate)} ({measured})"
    return rate if found.crossing_steps is None else f"{rate}; at {_between(found.crossing_steps)} steps"


def _between(values: Interval) -> str:
    if math.isinf(values.high):
        return f"{values.low:.3g} or more" if values.low > 0 else "0 or more"
    low, high = f"{values.low:.3g}", f"{values.high:.3g}"
    return low if low == high else f"{low} .. {high}"
