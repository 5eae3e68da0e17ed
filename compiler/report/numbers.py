"""Numbers as a reader wants them: rounded, with unit, the same in every format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MINUS = "\N{MINUS SIGN}"
_PREFIXES = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1.0, "pJ"), (1e-3, "fJ"))
"""Picojoules of each unit, largest first."""


def percent(share: float | None, digits: int = 2) -> str:
    """A share as text; empty when unknown."""
    return "" if share is None else f"{100 * share:.{digits}f} %"


def signed(value: float, digits: int = 2) -> str:
    """With its sign; zero has none."""
    words = f"{value:+.{digits}f}"
    return words[1:] if float(words) == 0 else words.replace("-", MINUS)


def plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def times(shape: tuple[int, ...]) -> str:
    """8 x 8 x 8, with the proper sign and on one line."""
    return "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}".join(map(str, shape))


def clipped_name(name: str, longest: int = 24) -> str:
    """A name that fits beside a chart; the middle of a longer one is left out."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def joules(picojoules: float) -> str:
    """An energy in a unit of handy size, three digits."""
    if picojoules == 0:
        return "0 J"
    size, unit = next((p for p in _PREFIXES if abs(picojoules) >= p[0]), _PREFIXES[-1])
    return f"{picojoules / size:.3g} {unit}" if abs(picojoules / size) < 1000 else f"{picojoules / size:,.0f} {unit}"


def bounds(value: Mapping[str, Any]) -> str:
    """An estimate in pJ, as its tree in JSON: both ends, or what is known of it."""
    if value["unknown"]:
        return "unknown"
    if value["high"] is None:
        return f"at least {joules(value['low'])}" if value["low"] > 0 else "unknown"
    return interval(joules(value["low"]), joules(value["high"]))


def set_key(name: str) -> str:
    """The name of a cost set as part of an anchor."""
    return "".join(c if c.isalnum() or c == "-" else "-" for c in name)


def interval(low: str, high: str) -> str:
    """ "2.1 to 4.0 µJ": the unit once where both ends share it."""
    if low == high:
        return low
    number, _, unit = low.rpartition(" ")
    return f"{number} to {high}" if number and high.endswith(f" {unit}") else f"{low} to {high}"
