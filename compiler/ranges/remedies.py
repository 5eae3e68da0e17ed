"""The smallest changes after which a population's registers cannot overflow, each proven again.

Three kinds: everything that enters and bounds v scaled down by a power of two, which keeps what the network does up to
rounding; a faster decay; shorter samples. Each is tried from the smallest change on, so that the one found is least.
Runs on Python 3.10 with numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seamount.compiler.program.program import DECAY_ONE, V_MAX, IntArray, Need, Population, Program, Wide
from seamount.compiler.ranges.intervals import Interval
from seamount.compiler.ranges.proof import PopulationRange, Ranges, analyse, population_range
from seamount.compiler.ranges.reach import NEVER, STEPS, Neurons, reach, steps_of

MOST_HALVINGS = 15
FRACTIONS = 64
"""Steps per halving in which `largest_share` looks."""
LOWEST_EXPONENT = -8
WORK = 2**28
"""Neurons times steps that are looked at to find the longest sample that cannot overflow."""


@dataclass(frozen=True, eq=False)
class Remedy:
    """A change of one population that makes u and v proven.

    program: the changed program; for shorter samples the program itself. steps: longest sample it is proven for, None
    for any.
    """

    population: str
    kind: Literal["scale", "decay", "steps"]
    text: str
    program: Program
    steps: int | None = None


def remedies(program: Program, ranges: Ranges, name: str) -> tuple[Remedy, ...]:
    """What makes the population proven: at most one remedy of each kind, and none where there is nothing to mend."""
    found = ranges.populations[name]
    if found.proven:
        return ()
    tries = (_scale(program, ranges, name), _decay(program, ranges, name), _steps(program, ranges, name))
    return tuple(remedy for remedy in tries if remedy is not None)


def scaled_down(program: Program, name: str, halvings: int) -> Program:
    """The population in units 2**halvings times as large, what is not divisible rounded to the nearest integer.

    Weight exponents are lowered (below -8 is for the caller to refuse); threshold, bias, reset_by, v_init and v_min
    are divided.
    """

    def part(x: object, by: int = halvings) -> IntArray:
        return np.asarray((np.asarray(x, np.int64) + (1 << by >> 1)) >> by, np.int32)

    p = program.population(name)
    exponent = max(p.bias_exp - halvings, LOWEST_EXPONENT)
    bias = part(p.bias_mant, halvings - (p.bias_exp - exponent))
    smaller = replace(
        p,
        vth=None if p.vth is None else part(p.vth),
        bias_mant=bias,
        bias_exp=exponent if np.any(bias) else p.bias_exp,
        reset_by=part(p.reset_by),
        v_init=part(p.v_init),
        v_min=p.v_min if Need.LOWER_CLAMP not in p.needs_microcode else int(part(p.v_min)),
    )
    projections = tuple(
        replace(q, weight_exp=q.weight_exp - halvings) if q.target == name else q for q in program.projections
    )
    return replace(_with(program, smaller), projections=projections)


def with_decays(program: Program, name: str, du: int, dv: int) -> Program:
    """Decays of the population raised to at least du and dv; larger ones stay."""
    p = program.population(name)
    faster = replace(p, du=np.asarray(np.maximum(p.du, du), np.int32), dv=np.asarray(np.maximum(p.dv, dv), np.int32))
    return _with(program, faster)


def longest_safe(p: Population, found: PopulationRange) -> int:
    """Steps a sample may have so that no register can overflow; at most STEPS, 0 when the first step can do it."""
    chosen = found.overflows("u") | found.overflows("v")
    neurons, a = Neurons.of(p).part(chosen), found.a.part(chosen)
    most = min(STEPS, WORK // int(chosen.sum()))
    for step, now in zip(range(most), steps_of(neurons, a), strict=False):
        if now.wraps().any() or now.saturates().any():
            return step
    return most


def largest_share(p: Population, found: PopulationRange, steps: int | None) -> float:
    """Largest f, to about 1 %, for which u and v are proven when all that enters and bounds v is f times as large.

    For samples of at most `steps`, None for any length. 0 if there is none above 2**-MOST_HALVINGS.
    """
    chosen = found.overflows("u") | found.overflows("v")
    neurons, a = Neurons.of(p).part(chosen), found.a.part(chosen)

    def overflows(fractions: int) -> bool:
        reached = reach(*_shrunk(neurons, a, 2 ** (-fractions / FRACTIONS)), steps)
        return bool(reached.wraps().any() or reached.saturates().any())

    least = _least(MOST_HALVINGS * FRACTIONS, overflows)
    return 0.0 if least is None else float(2 ** (-least / FRACTIONS))


def _shrunk(n: Neurons, a: Interval, share: float) -> tuple[Neurons, Interval]:
    def part(x: Wide) -> Wide:
        return np.asarray(np.rint(x * share), np.int64)

    smaller = replace(
        n,
        threshold=np.where(n.threshold < NEVER, part(n.threshold), NEVER),
        bias=part(n.bias),
        v_init=part(n.v_init),
        v_min=max(-V_MAX, round(n.v_min * share)) if n.v_min > -V_MAX else -V_MAX,
        subtract=None if n.subtract is None else part(n.subtract),
    )
    return smaller, Interval(part(a.low), part(a.high))


# the three kinds


def _scale(program: Program, ranges: Ranges, name: str) -> Remedy | None:
    """For the lengths of the analysis; where no scale does it, as without leak, for the program's own length."""
    into = program.into(name)
    room = min((q.weight_exp for q in into), default=LOWEST_EXPONENT) - LOWEST_EXPONENT
    for steps in dict.fromkeys((ranges.steps, min(program.steps, ranges.steps or program.steps))):
        for k in range(1, min(room, MOST_HALVINGS) + 1):
            changed = scaled_down(program, name, k)
            if _proves(changed, ranges, name, steps):
                text = _scale_text(program, name, k)
                if steps != ranges.steps:
                    text += f", and samples of at most {_count(steps or 0)}"
                return Remedy(name, "scale", text, changed, steps)
    return None


def _scale_text(program: Program, name: str, k: int) -> str:
    p = program.population(name)
    exponents = ", ".join(f"'{q.name}' {q.weight_exp - k}" for q in program.into(name))
    rest = "threshold and bias" if p.fires else "bias"
    rounded = " (rounded)" if p.vth is not None and np.any(np.asarray(p.vth) % (1 << k)) else ""
    return f"scale it down by 2^{k}: weight_exp {exponents}; {rest} / {2**k}{rounded}"


def _decay(program: Program, ranges: Ranges, name: str) -> Remedy | None:
    p, found = program.population(name), ranges.populations[name]
    du = dv = 0
    if found.overflows("u").any():
        least = _least(
            DECAY_ONE - 1,
            lambda d: _range(with_decays(program, name, d, 0), ranges, name, ranges.steps).reach.wraps().any(),
        )
        if least is None:
            return None
        du = least
    if _range(with_decays(program, name, du, 0), ranges, name, ranges.steps).overflows("v").any():
        least = _least(
            DECAY_ONE, lambda d: not _range(with_decays(program, name, du, d), ranges, name, ranges.steps).proven
        )
        if least is None:
            return None
        dv = least
    changed = with_decays(program, name, du, dv)
    if not _proves(changed, ranges, name, ranges.steps):
        return None
    parts = [
        f"{key} at least {d} (now from {int(now.min())})" for key, d, now in (("du", du, p.du), ("dv", dv, p.dv)) if d
    ]
    return Remedy(name, "decay", "a faster decay: " + ", ".join(parts), changed, ranges.steps)


def _steps(program: Program, ranges: Ranges, name: str) -> Remedy | None:
    longest = longest_safe(program.population(name), ranges.populations[name])
    if longest < 1 or not analyse(program, longest).populations[name].proven:
        return None
    return Remedy(name, "steps", f"samples of at most {_count(longest)}", program, longest)


# helpers


def _range(program: Program, ranges: Ranges, name: str, steps: int | None) -> PopulationRange:
    """The population alone, its sources as they were."""
    return population_range(program, program.population(name), ranges.sent, steps)


def _proves(program: Program, ranges: Ranges, name: str, steps: int | None) -> bool:
    """Proven alone, and then also in a new analysis of the whole program."""
    return _range(program, ranges, name, steps).proven and analyse(program, steps).populations[name].proven


def _least(most: int, fails: Callable[[int], object]) -> int | None:
    """Smallest number in 0..most that does not fail, by bisection; None if `most` fails."""
    if fails(most):
        return None
    low, high = -1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fails(middle) else (low, middle)
    return high


def _count(steps: int) -> str:
    return f"{steps} step{'s' * (steps > 1)}"


def _with(program: Program, changed: Population) -> Program:
    populations = tuple(changed if p.name == changed.name else p for p in program.populations)
    return replace(program, populations=populations)
