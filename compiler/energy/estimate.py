"""Intervals of non-negative numbers, and estimates of which terms may be missing.

An upper end of infinity says that nothing bounds the value from above. 0 times infinity is 0: no event, no cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both included; 0 <= low <= high, high may be infinite."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (0 <= self.low <= self.high) or math.isinf(self.low):
            raise ValueError(f"[{self.low}, {self.high}] is no interval of non-negative numbers")

    @staticmethod
    def at(value: float) -> Interval:
        """A single number."""
        return Interval(value, value)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __mul__(self, other: Interval | float) -> Interval:
        ends = other if isinstance(other, Interval) else Interval.at(other)
        return Interval(_times(self.low, ends.low), _times(self.high, ends.high))

    __rmul__ = __mul__

    def hull(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def holds(self, value: float) -> bool:
        """Whether the value lies in the interval."""
        return self.low <= value <= self.high

    def inside(self, other: Interval) -> bool:
        """Whether `other` holds all of it."""
        return other.low <= self.low and self.high <= other.high

    def below(self, other: Interval) -> bool:
        """Whether every number of this one is smaller than every number of the other."""
        return self.high < other.low


ZERO = Interval(0.0, 0.0)


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


@dataclass(frozen=True)
class Estimate:
    """A sum of which `known` is the part that could be priced, and `missing` says what could not.

    With something missing, `known.low` still bounds the sum from below, and nothing bounds it from above.
    """

    known: Interval = ZERO
    missing: tuple[str, ...] = ()

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.known + other.known, tuple(dict.fromkeys(self.missing + other.missing)))

    def __mul__(self, factor: Interval | float) -> Estimate:
        return Estimate(self.known * factor, self.missing)

    __rmul__ = __mul__

    @property
    def bounds(self) -> Interval:
        """Where the whole sum lies."""
        return Interval(self.known.low, math.inf) if self.missing else self.known

    @property
    def unknown(self) -> bool:
        """Whether nothing can be said: something is missing, and not even a lower bound is left."""
        return bool(self.missing) and self.known.low == 0


def total(parts: Iterable[Estimate]) -> Estimate:
    """The sum of estimates."""
    known, missing = ZERO, dict[str, None]()
    for part in parts:
        known = known + part.known
        missing.update(dict.fromkeys(part.missing))
    return Estimate(known, tuple(missing))
