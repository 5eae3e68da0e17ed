"""Overflows that happen in every run: a register that leaves its range whatever the messages are.

The window of a sample is followed step by step, on intervals, through all populations at once: a spike that cannot be
missing has the lower end 1, one that cannot be sent the upper end 0. Where all that a register could have to hold in
some step lies beyond one end of it, no choice of messages avoids the overflow. The ranges of ranges.py cannot tell
this, because they join all steps and always admit silence.
Runs on Python 3.10 with numpy alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import V_MAX, Population, Program, Projection, shift
from seamount.compiler.ranges.intervals import Interval, partial_sums
from seamount.compiler.ranges.proof import AVOIDABLE, LIMITS, Ranges, analyse
from seamount.compiler.ranges.reach import STEPS, Neurons, Reach, one_step

Wide = NDArray[np.int64]


def prove(program: Program, steps: int | None = None, effort: int | None = None) -> Ranges:
    """`analyse`, and of what is not proven the neurons that overflow in every sample, with a step in which they do.

    A sample here has the steps that were asked for, else the program's own; of more than STEPS, the first STEPS count.
    effort: updates of populations to follow at most, so that fewer steps of a deep network count; default: no limit.
    """
    ranges = analyse(program, steps)
    since = first_overflows(program, ranges, effort)
    populations = {p.name: replace(p, since=since.get(p.name, {})) for p in ranges.populations.values()}
    return replace(ranges, populations=populations)


def first_overflows(program: Program, ranges: Ranges, effort: int | None = None) -> Mapping[str, Mapping[str, Wide]]:
    """Population -> register -> per neuron the first local step in which every run overflows, or AVOIDABLE."""
    asked = [p for p in ranges.populations.values() if not p.proven]
    out = {p.name: {r: np.full(p.fires.size, AVOIDABLE, np.int64) for r in "uv" if p.overflows(r).any()} for p in asked}
    if not asked:
        return out
    window = _Window(program, leading_to(program, out))
    followed = STEPS if effort is None else min(STEPS, 1 + effort // len(window.populations))
    for step in range(min(ranges.steps or program.steps, followed)):
        now = window.step()
        for name, registers in out.items():
            for register, first in registers.items():
                low, high = LIMITS[register]
                wanted = {"u": now[name].u_before, "v": now[name].v_before}[register]
                first[((wanted.low > high) | (wanted.high < low)) & (first == AVOIDABLE)] = step
    return out


class _Window:
    """One window of a program on intervals, from the cleared registers on, step by step."""

    def __init__(self, program: Program, names: set[str]) -> None:
        self.program = program
        self.populations = [p for p in program.populations if p.name in names]
        self.neurons = {p.name: Neurons.of(p) for p in self.populations}
        self.last: dict[str, Reach] = {}
        self.sent: dict[str, list[Interval]] = {p.name: [] for p in self.populations}
        self.ports = {port.name: _messages(port.shape, port.graded, port.low, port.high) for port in program.inputs}
        self.sums: dict[str, tuple[Interval, Interval]] = {}
        self.now = -1

    def step(self) -> dict[str, Reach]:
        """The next local step, of every population."""
        self.now += 1
        for p in self.populations:
            n, a, last = self.neurons[p.name], self._arrival(p), self.last.get(p.name)
            cleared = Interval.at(np.zeros_like(n.bias))
            free, u, v = (cleared, cleared, Interval.at(n.v_init)) if last is None else last.registers
            self.last[p.name] = one_step(n, a, free, u, v)
            self._send(p.name)
        return self.last

    def _arrival(self, p: Population) -> Interval:
        low, high = np.zeros(p.size, np.int64), np.zeros(p.size, np.int64)
        for q in self.program.into(p.name):
            if self.now >= q.lag:
                share = self._share(q)
                low, high = low + share.low, high + share.high
        return Interval(low, high)

    def _share(self, q: Projection) -> Interval:
        """What a projection adds to a in this step; formed anew only when its source's spikes have changed."""
        sent = self.ports[q.source] if q.source in self.ports else self.sent[q.source][self.now - q.lag]
        known = self.sums.get(q.name)
        if known is None or known[0] is not sent:
            sums = partial_sums(self.program, q, sent)
            known = sent, Interval(shift(sums.low, q.weight_exp), shift(sums.high, q.weight_exp))
            self.sums[q.name] = known
        return known[1]

    def _send(self, name: str) -> None:
        """Spikes of this step; the same object as in the last step where they are the same."""
        before, threshold = self.last[name].v_before, self.neurons[name].threshold
        ends = (np.minimum(v, V_MAX) > threshold for v in (before.low, before.high))
        neurons = self.neurons[name]
        surely, perhaps = (fires.astype(np.int64) for fires in ends)
        now, past = Interval(surely * (not neurons.guarded), perhaps * neurons.most), self.sent[name]
        past.append(past[-1] if past and bool(now.same(past[-1]).all()) else now)


def _messages(shape: tuple[int, ...], graded: bool, low: int, high: int) -> Interval:
    """What a port sends in a step of a window. Unlike in `sent_by_ports`, silence only if the port's range holds it."""
    size = int(np.prod(shape, dtype=np.int64))
    ends = (low, high) if graded else (0, 1)
    return Interval(*(np.full(size, end, np.int64) for end in ends))


def leading_to(program: Program, names: Iterable[str]) -> set[str]:
    """Names of the populations, and of all sources that they depend on, input ports included."""
    kept, waiting = set(names), list(names)
    while waiting:
        for q in program.into(waiting.pop()):
            if q.source not in kept:
                kept.add(q.source)
                waiting.append(q.source)
    return kept
