"""How far u and v of single neurons can reach, over any number of steps: intervals closed under the neuron's step.

The step of docs/semantics.md is carried out on intervals, from the cleared registers on, until nothing is added. Where
a register creeps toward its limit (du = 0 takes 60,000 steps) the limit is computed instead: with x -> tz(x g) + k,

    x rises for k > 0 until ceil(x (4096 - g) / 4096) = k, first at x = floor((k - 1) 4096 / (4096 - g)) + 1,

because the decay rounds toward zero. What is returned is always checked to be closed, never taken from the formula.
Runs on Python 3.10 with numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.bounds import free_current
from seamount.compiler.program.program import DECAY_ONE, U_SPAN, V_MAX, VTH_SHIFT, Population, Wide, shift
from seamount.compiler.ranges.intervals import Interval

HALF = U_SPAN // 2
ROUNDS = 64
"""Interval steps before a register is given its widest range; in practice fewer than 6 are needed."""
STEPS = 4096
"""Samples of more steps are treated as ones of any length."""
NEVER = 2**40
"""A threshold that no membrane exceeds."""


@dataclass(frozen=True, eq=False)
class Neurons:
    """Parameters of a population as int64 per neuron, flattened. kept_u, kept_v: what a step keeps, in 1/4096."""

    kept_u: Wide
    kept_v: Wide
    threshold: Wide
    bias: Wide
    v_init: Wide
    v_min: int
    subtract: Wide | None
    most: int = 1
    guarded: bool = False

    @staticmethod
    def of(p: Population) -> Neurons:
        def flat(x: object) -> Wide:
            return np.broadcast_to(np.asarray(x, np.int64), p.shape).reshape(-1)

        threshold = NEVER if p.vth is None else np.asarray(p.vth, np.int64) << VTH_SHIFT
        return Neurons(
            kept_u=DECAY_ONE - 1 - flat(p.du),
            kept_v=DECAY_ONE - flat(p.dv),
            threshold=flat(threshold),
            bias=shift(flat(p.bias_mant), p.bias_exp),
            v_init=flat(p.v_init),
            v_min=p.v_min,
            subtract=flat(p.reset_by) if p.reset == "subtract" else None,
            most=p.most,
            guarded=p.guarded,
        )

    def part(self, mask: NDArray[np.bool_]) -> Neurons:
        """The neurons of the mask."""
        arrays = (self.kept_u, self.kept_v, self.threshold, self.bias, self.v_init)
        kept_u, kept_v, threshold, bias, v_init = (x[mask] for x in arrays)
        subtract = None if self.subtract is None else self.subtract[mask]
        return Neurons(kept_u, kept_v, threshold, bias, v_init, self.v_min, subtract, self.most, self.guarded)


@dataclass(frozen=True, eq=False)
class Reach:
    """Per neuron: u before its wrap and after it, v before its saturation and at the end of a step (after the reset).

    u_free: the range of u before the wrap if no wrap had happened earlier, the number that remedies go by.
    """

    u_free: Interval
    u_before: Interval
    u: Interval
    v_before: Interval
    v: Interval

    @property
    def registers(self) -> tuple[Interval, ...]:
        """What the next step starts from."""
        return self.u_free, self.u, self.v

    def fires(self, n: Neurons) -> NDArray[np.bool_]:
        """Neurons whose v can exceed the threshold."""
        return np.minimum(self.v_before.high, V_MAX) > n.threshold

    def wraps(self) -> NDArray[np.bool_]:
        """Neurons whose u may leave (-2**23, 2**23] before its wrap."""
        return (self.u_before.high > HALF) | (self.u_before.low <= -HALF)

    def saturates(self) -> NDArray[np.bool_]:
        """Neurons whose v may leave -(2**23 - 1) .. 2**23 - 1 before its saturation."""
        return (self.v_before.high > V_MAX) | (self.v_before.low < -V_MAX)


def reach(n: Neurons, a: Interval, steps: int | None = None) -> Reach:
    """Ranges of neurons whose input lies in `a` (0 included) in samples of any length, or of at most `steps`.

    For more than STEPS steps the answer is that for any length.
    """
    if steps is not None and steps <= STEPS:
        return _reach_within(n, a, steps)
    cleared, started = Interval.at(np.zeros_like(n.bias)), Interval.at(n.v_init)
    free = _settle(lambda u: u_before(n, u, a), cleared, _leap_u(n, a), _widest_u(n, a))
    wraps = (free.high > HALF) | (free.low <= -HALF)
    u = free
    if wraps.any():
        turned = _turned(n.part(wraps), a.part(wraps))
        u = Interval(free.low.copy(), free.high.copy())
        u.low[wraps], u.high[wraps] = turned.low, turned.high
    after_u = wrapped(u_before(n, u, a))
    v = _settle(lambda v: after_reset(n, v_before(n, v, after_u)), started, _leap_v(n, after_u), _widest_v(n))
    return one_step(n, a, free, u, v)


def steps_of(n: Neurons, a: Interval) -> Iterator[Reach]:
    """Ranges in step 0, 1, 2, ... of a sample, without end."""
    free = u = Interval.at(np.zeros_like(n.bias))
    v = Interval.at(n.v_init)
    while True:
        now = one_step(n, a, free, u, v)
        yield now
        free, u, v = now.u_free, now.u, now.v


def _reach_within(n: Neurons, a: Interval, steps: int) -> Reach:
    """As `reach`, for samples of at most `steps`; ends early when the registers repeat."""
    series = steps_of(n, a)
    result = last = next(series)
    for now in islice(series, steps - 1):
        if all(bool(new.same(old).all()) for new, old in zip(now.registers, last.registers, strict=True)):
            break
        result, last = _both(result, now), now
    return result


def one_step(n: Neurons, a: Interval, free: Interval, u: Interval, v: Interval) -> Reach:
    """The step on intervals; free: u as if it had never wrapped."""
    before_u = u_before(n, u, a)
    after_u = wrapped(before_u)
    before_v = v_before(n, v, after_u)
    return Reach(u_before(n, free, a), before_u, after_u, before_v, after_reset(n, before_v))


def _both(left: Reach, right: Reach) -> Reach:
    names = ("u_free", "u_before", "u", "v_before", "v")
    return Reach(*(getattr(left, name).hull(getattr(right, name)) for name in names))


# one step, on intervals


def truncate(x: Wide) -> Wide:
    """x / 4096, rounded toward zero."""
    return np.asarray(np.sign(x) * (np.abs(x) // DECAY_ONE), np.int64)


def u_before(n: Neurons, u: Interval, a: Interval) -> Interval:
    """tz(u * (4095 - du)) + 64 a; du = 4096 turns the sign of u, and so the interval's ends."""
    one, other = truncate(u.low * n.kept_u), truncate(u.high * n.kept_u)
    return Interval(np.minimum(one, other) + (a.low << VTH_SHIFT), np.maximum(one, other) + (a.high << VTH_SHIFT))


def wrapped(u: Interval) -> Interval:
    """The smallest interval around u after one wrap: what stays, what is turned down and what is turned up."""
    none_low, none_high = np.full_like(u.low, NEVER * 8), np.full_like(u.low, -NEVER * 8)
    parts = (
        (np.maximum(u.low, 1 - HALF), np.minimum(u.high, HALF), 0),
        (np.maximum(u.low, HALF + 1), u.high, -U_SPAN),
        (u.low, np.minimum(u.high, -HALF), U_SPAN),
    )
    low, high = none_low, none_high
    for first, last, turn in parts:
        there = first <= last
        low = np.where(there, np.minimum(low, first + turn), low)
        high = np.where(there, np.maximum(high, last + turn), high)
    return Interval(low, high)


def v_before(n: Neurons, v: Interval, u: Interval) -> Interval:
    """tz(v * (4096 - dv)) + u + bias."""
    low, high = (truncate(x * n.kept_v) + n.bias for x in (v.low, v.high))
    return Interval(low + u.low, high + u.high)


def after_reset(n: Neurons, before: Interval) -> Interval:
    """v at the end of the step: saturated, then as it is up to the threshold and reset above it, then clamped."""
    low, high = np.clip(before.low, -V_MAX, V_MAX), np.clip(before.high, -V_MAX, V_MAX)
    fires = high > n.threshold
    zero = np.zeros_like(low)
    fired_low = zero if n.subtract is None else np.maximum(low, n.threshold + 1) - n.subtract
    fired_high = zero if n.subtract is None else high - n.subtract
    if n.subtract is not None and n.most > 1:  # as often as v has passed another level
        fired_low = n.threshold + 1 - n.subtract
        fired_high = np.minimum(fired_high, np.maximum(n.threshold, high - n.most * n.subtract))
    quiet_up_to = n.threshold + n.subtract if n.guarded and n.subtract is not None else n.threshold
    quiet = low <= quiet_up_to
    top = np.minimum(high, quiet_up_to)
    low = np.where(quiet & fires, np.minimum(low, fired_low), np.where(quiet, low, fired_low))
    high = np.where(quiet & fires, np.maximum(top, fired_high), np.where(quiet, top, fired_high))
    return Interval(np.maximum(low, n.v_min), np.maximum(high, n.v_min))


# many steps

Step = Callable[[Interval], Interval]


def _settle(step: Step, start: Interval, leap: Step, widest: Interval) -> Interval:
    """The smallest interval that `leap` and `step` find to hold `start` and to be closed under `step`.

    Neurons that are not closed after ROUNDS get `widest`, which is closed by construction. `leap` may only shorten
    the way; an interval is accepted because `step` adds nothing to it.
    """
    now = start
    for _ in range(ROUNDS):
        leapt = leap(now)
        after = leapt.hull(step(leapt))
        if bool(after.inside(now).all()):
            return now
        now = after
    open_ = ~step(now).inside(now)
    return Interval(np.where(open_, widest.low, now.low), np.where(open_, widest.high, now.high))


def limit(start: Wide, kept: Wide, added: Wide) -> Wide:
    """Largest value of x -> tz(x * kept / 4096) + added from `start` on, for 0 <= kept <= 4096; NEVER if it grows on.

    Rising from x < 0 (added <= 0) it ends at the largest x <= 0 with ceil(|x| (4096 - kept) / 4096) = |added|.
    """
    lost = DECAY_ONE - kept
    safe = np.maximum(lost, 1)
    above = np.where(lost > 0, (added - 1) * DECAY_ONE // safe + 1, NEVER)
    below = np.where(lost > 0, -(-added * DECAY_ONE // safe), np.minimum(start, 0))
    end = np.where(added > 0, above, below)
    rises = truncate(start * kept) + added > start
    return np.where(rises, np.maximum(end, start), start)


def _leap_u(n: Neurons, a: Interval) -> Step:
    forward = n.kept_u >= 0
    kept = np.maximum(n.kept_u, 0)

    def leap(u: Interval) -> Interval:
        high = limit(u.high, kept, a.high << VTH_SHIFT)
        low = -limit(-u.low, kept, -(a.low << VTH_SHIFT))
        return Interval(np.where(forward, low, u.low), np.where(forward, high, u.high))

    return leap


def _turned(n: Neurons, a: Interval) -> Interval:
    """Of neurons whose u wraps: it soon takes all of 24 bits."""
    full = np.full_like(n.bias, HALF)
    everything = Interval(1 - full, full)
    cleared = Interval.at(np.zeros_like(n.bias))
    return _settle(lambda u: wrapped(u_before(n, u, a)), cleared, everything.hull, _widest_u(n, a))


def _widest_u(n: Neurons, a: Interval) -> Interval:
    """Closed, with wraps and without: see `free_current`."""
    bound = np.maximum(free_current(n.kept_u, np.maximum(-a.low, a.high)), HALF)
    return Interval(-bound, bound)


def _leap_v(n: Neurons, u: Interval) -> Step:
    """Below the threshold v follows u + bias; while every step fires, by subtraction, it follows that less reset_by."""
    down, up = u.low + n.bias, u.high + n.bias
    by = np.zeros_like(n.bias) if n.subtract is None else n.subtract

    def leap(v: Interval) -> Interval:
        before = v_before(n, v, u)
        quiet = before.low <= n.threshold
        calm = np.minimum(limit(v.high, n.kept_v, up), np.minimum(n.threshold, V_MAX))
        high = np.where(quiet, np.maximum(v.high, calm), v.high)
        low = np.maximum(-limit(-v.low, n.kept_v, -down), max(-V_MAX, n.v_min))
        low = np.where(quiet, np.minimum(v.low, low), v.low)
        if n.subtract is not None:
            firing = before.high > n.threshold
            busy = np.minimum(limit(v.high, n.kept_v, up - by), V_MAX - by)
            high = np.where(firing, np.maximum(high, busy), high)
            falling = np.maximum(-limit(-v.low, n.kept_v, by - down), np.maximum(n.threshold + 1 - by, n.v_min))
            low = np.where(quiet, low, np.minimum(low, falling))
        return Interval(low, high)

    return leap


def _widest_v(n: Neurons) -> Interval:
    """Everything the register can hold; a reset by subtraction starts above 0 and stays inside."""
    full = np.full_like(n.bias, V_MAX)
    return Interval(-full, full)
