"""A search for messages that really make a register overflow, where the range proof leaves it possible.

Starts from what the weights ask for: the message of each input that drives the neuron furthest, carried back through
the layers by the signs of the weights, held for as many steps as the bound needs. Then charging first and striking
late, random messages, and changes to the best one found. Deterministic for a given seed. Whatever is found counts
only when the run handed in as `confirm` does it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.execution import Trace
from seamount.compiler.program.fan_out import synapses_into
from seamount.compiler.program.program import (
    VTH_SHIFT,
    Connection,
    Conv,
    InputPort,
    Program,
    Readout,
    Shape,
    as_chw,
    synapses,
)
from seamount.compiler.ranges.certain import leading_to
from seamount.compiler.ranges.proof import LIMITS, Ranges
from seamount.compiler.ranges.reach import Neurons, steps_of, truncate

Wide = NDArray[np.int64]
Messages = dict[str, NDArray[np.int32]]
Run = Callable[[Program, Messages, frozenset[str]], Trace]
"""Runs a program on messages (N, T, *shape) and records what is named; Backend.run is one."""

EVERYTHING = frozenset({"spikes", "u", "v"})
SAMPLES = 24
ELEMENTS = 2**23
"""Recorded values per run, which bounds samples times steps."""
SYNAPSES = 2**25
"""Larger projections are not followed back."""
LONGEST = 2048


@dataclass(frozen=True, eq=False)
class Witness:
    """Messages (1, T, *shape) per port after which a register overflows.

    neuron, index: flat and in the population's shape. step: local step. value: what u would be before its wrap, or v
    before its saturation.
    """

    population: str
    register: str
    neuron: int
    index: Shape
    step: int
    value: int
    messages: Mapping[str, NDArray[np.int32]]


def find_witness(
    program: Program, ranges: Ranges, population: str, register: str, run: Run, confirm: Run,
    seed: int = 0, rounds: int = 6,
) -> Witness | None:  # fmt: skip
    """Messages that make the register "u" or "v" overflow in both runs, or None when none were found."""
    found = ranges.populations[population]
    low, high = LIMITS[register]
    for neuron in found.worst(register):
        beyond = {-1: low - found.demand(register).low[neuron], 1: found.demand(register).high[neuron] - high}
        for sign in sorted(beyond, key=lambda s: -beyond[s]):
            if beyond[sign] <= 0:
                continue
            hunt = _Hunt(program, ranges, population, register, neuron, sign, seed)
            witness = hunt.search(run, rounds)
            if witness is not None and (sure := hunt.confirmed(witness, confirm)) is not None:
                return sure
    return None


class _Hunt:
    """The search for one neuron and direction (sign +1: above the register, -1: below it)."""

    def __init__(
        self, program: Program, ranges: Ranges, population: str, register: str, neuron: int, sign: int, seed: int
    ) -> None:
        self.whole, self.population, self.register = program, population, register
        self.neuron, self.sign = neuron, sign
        self.program = _part_leading_to(program, population)
        self.p = program.population(population)
        self.rng = np.random.default_rng(seed)
        self.needed = max(self._steps_needed(ranges), self._certain_after(ranges))
        self.values = sum(p.size for p in self.program.populations) + sum(_size(i.shape) for i in self.program.inputs)
        self.longest = max(1, min(LONGEST, ranges.steps or LONGEST, ELEMENTS // self.values))
        self.steps = min(max(2 * self.needed, self.needed + self.program.depth + 2), self.longest)
        self.pull = _pull(self.program, population, neuron, sign)

    @property
    def samples(self) -> int:
        """How many sequences are tried at once."""
        return max(2, min(SAMPLES, ELEMENTS // (self.values * self.steps)))

    def _steps_needed(self, ranges: Ranges) -> int:
        """The first step in which the bound allows an overflow; no sequence can be quicker."""
        mask = np.zeros(self.p.size, np.bool_)
        mask[self.neuron] = True
        series = steps_of(Neurons.of(self.p).part(mask), ranges.populations[self.population].a.part(mask))
        for step, now in zip(range(LONGEST), series, strict=False):
            if (now.wraps() if self.register == "u" else now.saturates()).any():
                return step + 1
        return LONGEST

    def _certain_after(self, ranges: Ranges) -> int:
        """Steps after which any messages are a witness; 0 where there are no such."""
        since = ranges.populations[self.population].since
        return int(since[self.register][self.neuron]) + 1 if self.register in since else 0

    def search(self, run: Run, rounds: int) -> Witness | None:
        """The first sequence that overflows in `run`; each round changes the best of the one before."""
        batch = self._first()
        for _ in range(rounds):
            demand = self.demand(self.program, batch, run(self.program, batch, EVERYTHING))
            score = (demand * self.sign).max(axis=1)
            witness = self._overflow(demand, batch)
            if witness is not None:
                return witness
            batch = self._changed(batch, int(score.argmax()))
        return None

    def confirmed(self, witness: Witness, confirm: Run) -> Witness | None:
        """The witness, cut after its step, if the whole program run by `confirm` overflows too."""
        sent = {name: x[:, : witness.step + 1] for name, x in witness.messages.items()}
        return self._overflow(self.demand(self.whole, sent, confirm(self.whole, sent, EVERYTHING)), sent)

    def _overflow(self, demand: Wide, batch: Messages) -> Witness | None:
        low, high = LIMITS[self.register]
        over = (demand < low) | (demand > high)
        if not over.any():
            return None
        sample = int(over.any(axis=1).argmax())
        step = int(over[sample].argmax())
        index = tuple(int(i) for i in np.unravel_index(self.neuron, self.p.shape))
        sent = {name: x[sample : sample + 1] for name, x in batch.items()}
        return Witness(self.population, self.register, self.neuron, index, step, int(demand[sample, step]), sent)

    # what the register would have to hold

    def demand(self, program: Program, sent: Messages, trace: Trace) -> Wide:
        """u before its wrap, or v before its saturation, of the neuron: (N, T)."""
        n = Neurons.of(self.p)
        i, register = self.neuron, self.register
        u = trace.u[self.population].astype(np.int64).reshape(*trace.u[self.population].shape[:2], -1)[..., i]
        if register == "u":
            earlier = np.concatenate([np.zeros_like(u[:, :1]), u[:, :-1]], axis=1)
            return truncate(earlier * n.kept_u[i]) + (self._arriving(program, sent, trace) << VTH_SHIFT)
        v = trace.v[self.population].astype(np.int64).reshape(*u.shape, -1)[..., i]
        earlier = np.concatenate([np.full_like(v[:, :1], n.v_init[i]), v[:, :-1]], axis=1)
        return np.asarray(truncate(earlier * n.kept_v[i]) + u + n.bias[i], np.int64)

    def _arriving(self, program: Program, sent: Messages, trace: Trace) -> Wide:
        total: Any = 0
        for q in program.into(self.population):
            shape = program.shapes[q.source]
            pre, weight, _ = synapses_into(q, shape, self.p.shape, self.neuron)
            series = sent[q.source] if q.source in sent else trace.spikes[q.source]
            sums = series.reshape(*series.shape[:2], -1)[..., pre].astype(np.int64) @ weight
            late = np.zeros_like(sums)
            late[:, q.lag :] = sums[:, : max(sums.shape[1] - q.lag, 0)]
            total = total + (late << q.weight_exp if q.weight_exp >= 0 else late >> -q.weight_exp)
        return np.asarray(total, np.int64)

    # candidates

    def _first(self) -> Messages:
        """What the pull asks for, held; everything high or low; then pulls that set in late; the rest at random."""
        return {port.name: self._first_of(port) for port in self.program.inputs}

    def _first_of(self, port: InputPort) -> NDArray[np.int32]:
        best, worst = self._wanted(port, 1), self._wanted(port, -1)
        quiet = np.full(port.shape, min(max(port.low, 0), port.high), np.int32)
        out = np.empty((self.samples, self.steps, *port.shape), np.int32)
        for k in range(self.samples):
            if k == 0:
                out[k] = best
            elif k in (1, 2):
                out[k] = port.high if k == 1 else port.low
            else:
                chosen = self.rng.random(out[k].shape) < self.rng.choice([0.05, 0.2, 0.5, 0.8])
                strike = self.steps - int(self.rng.integers(0, self.steps + 1)) if k % 2 else self.steps
                out[k] = np.where(chosen, best, quiet if k % 4 < 2 else worst)
                out[k, strike:] = best
        return out

    def _changed(self, batch: Messages, best: int) -> Messages:
        """The best sample twice over, and copies of it with some inputs of some steps set anew."""
        self.steps = min(2 * self.steps, self.longest)
        out = {}
        for port in self.program.inputs:
            twice = np.concatenate([batch[port.name][best]] * 2)[: self.steps]
            copies = np.repeat(twice[None], self.samples, axis=0)
            wanted, other = self._wanted(port, 1), self._wanted(port, -1)
            for k in range(1, self.samples):
                first, last = sorted(int(t) for t in self.rng.integers(0, self.steps + 1, 2))
                some = self.rng.random(port.shape) < self.rng.choice([0.02, 0.2, 1.0])
                copies[k, first:last] = np.where(some, wanted if k % 2 else other, copies[k, first:last])
            out[port.name] = copies
        return out

    def _wanted(self, port: InputPort, turn: int) -> NDArray[np.int32]:
        pull = self.pull.get(port.name, np.zeros(_size(port.shape), np.float64)).reshape(port.shape) * turn
        quiet = min(max(port.low, 0), port.high)
        return np.where(pull > 0, port.high, np.where(pull < 0, port.low, quiet)).astype(np.int32)


def _pull(program: Program, population: str, neuron: int, sign: int) -> dict[str, NDArray[np.float64]]:
    """Port or population -> how much each of its neurons helps, by the weights of all paths of single visits."""
    pull: dict[str, NDArray[np.float64]] = {}
    start = np.zeros(program.population(population).size, np.float64)
    start[neuron] = sign
    pull[population], done = start, {population}
    layer = [population]
    while layer:
        after: dict[str, None] = {}
        for q in (q for name in layer for q in program.into(name)):
            if q.source in done:
                continue
            source, target = program.shapes[q.source], program.shapes[q.target]
            scale = 2.0**q.weight_exp / max(float(np.abs(pull[q.target]).max()), 1e-300)
            helps = pull.setdefault(q.source, np.zeros(_size(source), np.float64))
            if q.target == population:
                pre, weight, _ = synapses_into(q, source, target, neuron)
                np.add.at(helps, pre, sign * scale * weight)
            elif _synapse_count(q.connection, target) <= SYNAPSES:
                post, pre, weight = synapses(q.connection, source, target)
                helps += np.bincount(pre, weight * pull[q.target][post] * scale, helps.size)
            after[q.source] = None
        done |= after.keys()
        layer = [name for name in after if name in {p.name for p in program.populations}]
    return pull


def _part_leading_to(program: Program, population: str) -> Program:
    """The part of the program that the population depends on; all ports stay."""
    kept = leading_to(program, (population,))
    return replace(
        program,
        populations=tuple(p for p in program.populations if p.name in kept),
        projections=tuple(q for q in program.projections if q.target in kept),
        readouts=(Readout("v", population, "v", "last"),),
    )


def _synapse_count(connection: Connection, target: Shape) -> int:
    places = _size(as_chw(target)[1:]) if isinstance(connection, Conv) else 1
    return connection.weight.size * places


def _size(shape: Shape) -> int:
    return int(np.prod(shape, dtype=np.int64))
