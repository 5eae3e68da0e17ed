"""One batch of samples through the vectorized simulator: populations in order, arrivals layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.schedule import groups, is_cyclic
from seamount.backends.simulator.kernels import Float, Kernel, Messages, kernel
from seamount.backends.simulator.neurons import Neurons, Registers
from seamount.compiler.execution import EventCounts
from seamount.compiler.program.program import Program, Projection

REGISTERS = {"spikes": "s", "u": "u", "v": "v"}
"""Register behind each thing that can be recorded."""


class BatchPlan:
    """A program prepared for a number of steps; shared by all batches, changed by none."""

    def __init__(self, program: Program, steps: int, record: frozenset[str]) -> None:
        self.program, self.steps = program, steps
        self.kernels = {q.name: kernel(program, q) for q in program.projections}
        self.neurons = {p.name: Neurons(program, p, steps) for p in program.populations}
        self.groups = groups(program)
        self.cyclic = any(is_cyclic(program, group) for group in self.groups)
        self.kept: set[tuple[str, str]] = {(r.population, r.register) for r in program.readouts}
        self.kept |= {(p.name, REGISTERS[what]) for p in program.populations for what in record}


@dataclass
class _Arrival:
    """What one projection brings: 64 * a of all steps at once, (T, B, n), or step by step if `values` is None.

    `values` has a single step where the source sends the same at all steps.
    """

    projection: Projection
    kernel: Kernel
    values: Float | None

    def at(self, t: int, sent: Messages) -> Float | None:
        """The share in step t; None when nothing can arrive yet."""
        t -= self.projection.lag
        if t < 0:
            return None
        if self.values is None:
            return self.kernel(sent[t])
        share: Float = self.values[t if len(self.values) > 1 else 0]
        return share


class Batch:
    """One batch under way. Messages and series are (T, B, n): time first, so that a step is contiguous."""

    def __init__(self, plan: BatchPlan, messages: Mapping[str, NDArray[np.integer]]) -> None:
        self.plan, self.program, self.steps = plan, plan.program, plan.steps
        self.size = len(next(iter(messages.values())))
        self.sent: dict[str, Messages] = {}
        for port in self.program.inputs:
            flat = np.moveaxis(messages[port.name].reshape(self.size, self.steps, -1), 1, 0)
            self.sent[port.name] = flat if port.graded else flat != 0
        self.registers: dict[tuple[str, str], NDArray[np.int32]] = {}

    def run(self) -> None:
        """Run all populations over all steps."""
        for group in self.plan.groups:
            self.advance(group)

    def advance(self, group: tuple[str, ...]) -> None:
        """Run a group of populations over all steps, step by step where they are on a cycle."""
        state = {name: self.plan.neurons[name].start(self.size) for name in group}
        for name in group:
            shape = (self.steps, self.size, self.plan.neurons[name].n)
            self.sent[name] = np.zeros(shape, self.plan.neurons[name].sends)
            for register in "uv":
                if (name, register) in self.plan.kept:
                    self.registers[name, register] = np.empty(shape, np.int32)
        arrivals = {name: [self.arrival(q, group) for q in self.program.into(name)] for name in group}
        for t in range(self.steps):
            for name in group:
                self.step(name, t, state[name], arrivals[name])

    def arrival(self, q: Projection, group: tuple[str, ...]) -> _Arrival:
        """Everything a projection brings, at once when its source has been run already."""
        apply = self.plan.kernels[q.name]
        if q.source in group:
            return _Arrival(q, apply, None)
        s = self.sent[q.source]
        if q.source not in self.plan.neurons and (s[1:] == s[:1]).all():
            s = s[:1]  # a sample shown unchanged at every step is multiplied once
        values = apply(s.reshape(-1, s.shape[2])).reshape(len(s), self.size, -1)
        return _Arrival(q, apply, values)

    def step(self, name: str, t: int, state: Registers, arrivals: list[_Arrival]) -> None:
        """One step of one population."""
        total: Float | None = None
        for arrival in arrivals:
            share = arrival.at(t, self.sent[arrival.projection.source])
            if share is not None:
                total = share if total is None else np.add(total, share, dtype=np.float64)
        self.plan.neurons[name].step(state, total, self.sent[name][t])
        for register, value in (("u", state.u), ("v", state.v)):
            if (name, register) in self.plan.kept:
                self.registers[name, register][t] = value

    def series(self, name: str, register: str) -> NDArray[Any]:
        """(B, T, *shape) of a register of a population."""
        values = self.sent[name] if register == "s" else self.registers[name, register]
        return np.moveaxis(values, 0, 1).reshape(self.size, self.steps, *self.program.shapes[name])

    def counts(self) -> EventCounts:
        """Messages by source and synaptic operations by projection: delivered messages only."""
        per_neuron = {source: _over_samples(s) for source, s in self.sent.items()}
        synops = {}
        for q in self.program.projections:
            events = per_neuron[q.source] @ self.plan.kernels[q.name].fan_out
            events[max(0, self.steps - q.lag) :] = 0  # later messages reach nobody
            synops[q.name] = events
        return EventCounts(
            self.size,
            self.steps,
            {source: n.sum(axis=1) for source, n in per_neuron.items()},
            synops,
            {source: n.sum(axis=0) for source, n in per_neuron.items()},
            {p.name: p.size * self.steps * self.size for p in self.program.populations},
        )


def _over_samples(s: Messages) -> NDArray[np.int64]:
    """Messages other than 0 per step and neuron, (T, n), of (T, B, n)."""
    active = np.asarray(s != 0 if s.dtype != np.bool_ else s).view(np.uint8)
    total = np.zeros((len(s), s.shape[2]), np.int64)
    for i in range(0, s.shape[1], 255):  # sums of 255 ones still fit a byte, and bytes are fast
        total += np.add.reduce(active[:, i : i + 255], axis=1, dtype=np.uint8)
    return total
