"""Time of a step: the busiest core, then the barrier that waits for it.

    step >= barrier + max over cores of (synaptic events x time each + neurons x time each + spikes x time each)

Events per core are means over the steps and samples of a run, so a step with a burst takes longer. Messages on the way
are not in it. Without a placement a step takes between the barrier alone and everything on one core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.energy.cost_set import CostSet
from seamount.compiler.energy.counts import Count, encoding
from seamount.compiler.energy.estimate import Estimate, Interval
from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.placement import Placement
from seamount.compiler.program.fan_out import events_per_target
from seamount.compiler.program.program import Population, Program


@dataclass(frozen=True)
class Delay:
    """Times in ns. step_ns: of one step of the chip. steps: of the chip, for a sample. inference_ns: from the first
    input of a sample to its last output.

    core: the busiest one, None without a placement. basis: how the step was bounded.
    """

    step_ns: Estimate
    steps: int
    depth: int
    core: int | None
    basis: str

    @property
    def inference_ns(self) -> Estimate:
        return self.step_ns * float(self.steps + self.depth)

    @property
    def throughput_ns(self) -> Estimate:
        """Between the ends of two samples that follow each other without a gap."""
        return self.step_ns * float(self.steps)


def delay(program: Program, counts: EventCounts, costs: CostSet, placement: Placement | None) -> Delay:
    """Time of a step by the times of the cost set."""
    barrier = _between(("barrier_least", "barrier_most"), costs)
    work = {p.name: _work(program, p, counts) for p in program.populations}
    if placement is None:
        alone = _core([(p, np.arange(p.size)) for p in program.populations], work, costs)
        ends = Interval(barrier.known.low, barrier.known.high + alone.known.high)
        step = Estimate(ends, barrier.missing + alone.missing)
        text = "no placement: from the barrier alone to everything on one core"
        return Delay(_once(step), counts.steps * program.slow_down, program.depth, None, text)
    cores: dict[int, list[tuple[Population, NDArray[np.int64]]]] = {}
    for part in placement.slices:
        cores.setdefault(part.core, []).append((program.population(part.population), part.indices()))
    times = {core: _core(parts, work, costs) for core, parts in cores.items()}
    slowest = max(times, key=lambda core: _top(times[core]))
    low = max(t.known.low for t in times.values())
    step = barrier + Estimate(Interval(low, max(low, times[slowest].known.high)), times[slowest].missing)
    text = f"barrier and busiest core of {len(cores)}, mean over steps"
    return Delay(_once(step), counts.steps * program.slow_down, program.depth, slowest, text)


def static_count(placement: Placement | None, when: Delay) -> Count:
    """Chips times the time that an inference occupies them, in chip ns."""
    if placement is None:
        missing = "number of chips, from a placement on cores"
        return Count("idle chip, ns", "chips", ("static_per_chip",), None, "", missing=missing)
    number = when.throughput_ns * float(placement.chips)
    if number.unknown:
        return Count("idle chip, ns", "chips", ("static_per_chip",), None, "", missing=", ".join(number.missing))
    basis = f"{placement.chips} chip{'s' * (placement.chips > 1)} times the time of {when.steps} steps"
    return Count("idle chip, ns", "chips", ("static_per_chip",), number.bounds, basis)


def _work(program: Program, p: Population, counts: EventCounts) -> dict[str, NDArray[np.float64]]:
    """Cost -> synaptic events, and spikes, per neuron and step of the chip, mean.

    Messages dropped at the end of a sample are in it.
    """
    each = counts.samples * counts.steps * program.slow_down
    found = {"spike": counts.sent[p.name] / each} if p.fires else {}
    for q in program.into(p.name):
        events = events_per_target(program, q, counts.sent[q.source]) / each
        found[encoding(q)] = found.get(encoding(q), np.zeros(p.size)) + events
    return found


def _core(
    parts: Iterable[tuple[Population, NDArray[np.int64]]],
    work: dict[str, dict[str, NDArray[np.float64]]],
    costs: CostSet,
) -> Estimate:
    """Time that one core works in a step, for its slices of populations."""
    time = Estimate()
    for p, indices in parts:
        time += _between(("neuron_inactive", "neuron_active"), costs) * float(len(indices))
        for name, events in work[p.name].items():
            time += _between((name,), costs) * float(events[indices].sum())
    return time


def _between(names: tuple[str, ...], costs: CostSet) -> Estimate:
    """One event's time, from the least to the most of the names."""
    found = [costs.time[name] for name in names]
    unknown = [f"time of {n}: {c.low.source}" for n, c in zip(names, found, strict=True) if not c.known]
    if unknown:
        return Estimate(missing=tuple(unknown))
    return Estimate(Interval(min(c.ends[0] for c in found), max(c.ends[1] for c in found)))


def _top(time: Estimate) -> float:
    return time.known.high


def _once(step: Estimate) -> Estimate:
    """Without a missing term named twice."""
    return Estimate(step.known, tuple(dict.fromkeys(step.missing)))
