"""The reference simulator: docs/semantics.md as code, in physical time. Plain, slow, meant to be read.

All samples run through the network one behind the other, without a gap, as they do on the chip. Step sigma of this
file is the physical step; `lag` is never read here, only offsets and delays are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.execution import EventCounts, Progress, Trace, check_request, combine
from seamount.compiler.program.program import (
    DECAY_ONE,
    U_SPAN,
    V_MAX,
    VTH_SHIFT,
    Population,
    Program,
    Projection,
    synapses,
)
from seamount.compiler.program.verify import check

Wide = NDArray[np.int64]


def truncate(x: Wide) -> Wide:
    """x / 4096, rounded toward zero."""
    return np.asarray(np.sign(x) * (np.abs(x) // DECAY_ONE), np.int64)


def shift(x: Wide, exponent: int) -> Wide:
    """x * 2**exponent, rounded down."""
    return x << exponent if exponent >= 0 else x >> -exponent


def wrap(u: Wide) -> Wide:
    """Back into (-2**23, 2**23] by one turn of 2**24; not more than one (lava-nc 0.10.0)."""
    half = U_SPAN // 2
    return np.where(u > half, u - U_SPAN, np.where(u <= -half, u + U_SPAN, u))


def step(p: Population, u: Wide, v: Wide, a: Wide) -> tuple[Wide, Wide, Wide]:
    """One step of a population: (s, u, v) from the registers u, v and the summed input a, all of p's shape.

    Source: lava-nc 0.10.0, PyLifModelBitAcc; soft reset and lower clamp are ours (docs/semantics.md).
    """
    du, dv, mantissa, by = (np.asarray(x, np.int64) for x in (p.du, p.dv, p.bias_mant, p.reset_by))
    before = v
    u = wrap(truncate(u * (DECAY_ONE - 1 - du)) + (a << VTH_SHIFT))
    v = truncate(v * (DECAY_ONE - dv)) + u + shift(mantissa, p.bias_exp)
    v = np.clip(v, -V_MAX, V_MAX)
    threshold = V_MAX if p.vth is None else np.asarray(p.vth, np.int64) << VTH_SHIFT
    level = np.where(before > threshold, threshold + by, threshold) if p.guarded else threshold
    s = (v > level).astype(np.int64)
    if p.most > 1:
        s = np.clip(-((threshold - v) // np.maximum(by, 1)), 0, p.most)
    v = np.where(s > 0, 0 if p.reset == "zero" else v - s * by, v)
    return s, u, np.maximum(v, p.v_min)


class ReferenceSimulator:
    """Runs a program in physical time, all samples in one stream."""

    name = "reference"

    def run(
        self,
        program: Program,
        messages: Mapping[str, NDArray[np.integer]],
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace:
        """Trace of the messages. Raises InputError for messages, ContractError or CompileError for the program."""
        check(program)
        samples, steps = check_request(program, messages, record)
        stream = _Stream(program, samples, steps)
        for sigma in range(program.duration(samples, steps)):
            stream.advance(sigma, messages)
            done = (sigma + 1 - program.depth) / (steps * program.slow_down)
            if progress is not None and done > 0 and done == int(done):
                progress(int(done), samples)
        return stream.trace(record)


class _Stream:
    """Registers, messages under way, and what was seen in the windows."""

    def __init__(self, program: Program, samples: int, steps: int) -> None:
        self.program, self.samples, self.steps = program, samples, steps
        self.slow_down = program.slow_down
        self.synapses = {
            q.name: synapses(q.connection, program.shapes[q.source], program.shapes[q.target])
            for q in program.projections
        }
        self.u = {p.name: np.zeros(p.shape, np.int64) for p in program.populations}
        self.v = {p.name: _initial_v(p) for p in program.populations}
        self.under_way: dict[tuple[str, int], Wide] = {}
        self.spikes = {name: np.zeros(steps, np.int64) for name in program.shapes}
        self.synops = {q.name: np.zeros(steps, np.int64) for q in program.projections}
        self.sent = {name: np.zeros(int(np.prod(shape)), np.int64) for name, shape in program.shapes.items()}
        self.series = {
            (p.name, register): np.zeros((samples, steps, *p.shape), np.int64)
            for p in program.populations
            for register in "suv"
        }

    def advance(self, sigma: int, messages: Mapping[str, NDArray[np.integer]]) -> None:
        """One physical step: the host sends, every population takes what arrives now, updates, and sends."""
        for port in self.program.inputs:
            sample, t, between = self.local(port.name, sigma)
            if sample < self.samples and not between:
                self.send(port.name, sigma, messages[port.name][sample, t].astype(np.int64))
        for p in self.program.populations:
            sample, t, between = self.local(p.name, sigma)
            if between:
                continue  # registers rest, nothing is sent
            if t == 0 and sample >= 0:
                self.u[p.name], self.v[p.name] = np.zeros(p.shape, np.int64), _initial_v(p)
            s, u, v = step(p, self.u[p.name], self.v[p.name], self.arriving(p, sigma))
            self.u[p.name], self.v[p.name] = u, v
            if 0 <= sample < self.samples:
                for register, value in zip("suv", (s, u, v), strict=True):
                    self.series[p.name, register][sample, t] = value
            self.send(p.name, sigma, s)

    def local(self, name: str, sigma: int) -> tuple[int, int, int]:
        """(sample, own step, steps of the chip since it began) of a port or population in a physical step."""
        sample, since = divmod(sigma - self.program.offsets[name], self.steps * self.slow_down)
        return sample, *divmod(since, self.slow_down)

    def send(self, source: str, sigma: int, s: Wide) -> None:
        """Put messages under way; those outside a sample, or that would arrive in another one, are dropped."""
        sample, t, _ = self.local(source, sigma)
        if not 0 <= sample < self.samples:
            return
        self.spikes[source][t] += np.count_nonzero(s)
        self.sent[source] += s.reshape(-1) != 0
        for q in self.program.projections:
            if q.source == source:
                arrival = sigma + 1 + q.delay
                if self.local(q.target, arrival)[0] == sample:
                    self.under_way[q.name, arrival] = s

    def arriving(self, p: Population, sigma: int) -> Wide:
        """The summed input a of this step: each projection shifted by its own exponent, then added."""
        total = np.zeros(p.size, np.int64)
        for q in self.program.into(p.name):
            s = self.under_way.pop((q.name, sigma), None)
            if s is not None:
                total += self.through(q, s.reshape(-1), p.size)
                self.count(q, s.reshape(-1), sigma)
        return total.reshape(p.shape)

    def through(self, q: Projection, s: Wide, size: int) -> Wide:
        """What the messages s become on the other side of the projection."""
        post, pre, weight = self.synapses[q.name]
        total = np.zeros(size, np.int64)
        np.add.at(total, post, weight * s[pre])
        return shift(total, q.weight_exp)

    def count(self, q: Projection, s: Wide, sigma: int) -> None:
        """Synaptic operations of the messages s that arrive now, in the source's step in which they were sent."""
        _, pre, _ = self.synapses[q.name]
        _, t, _ = self.local(q.source, sigma - 1 - q.delay)
        self.synops[q.name][t] += np.count_nonzero(s[pre])

    def trace(self, record: frozenset[str]) -> Trace:
        names = [p.name for p in self.program.populations]
        updates = {p.name: p.size * self.steps * self.samples for p in self.program.populations}
        return Trace(
            counts=EventCounts(self.samples, self.steps, self.spikes, self.synops, self.sent, updates),
            readout={r.name: combine(r, self.series[r.population, r.register]) for r in self.program.readouts},
            spikes={n: self.series[n, "s"].astype(np.int8) for n in names if "spikes" in record},
            u={n: self.series[n, "u"].astype(np.int32) for n in names if "u" in record},
            v={n: self.series[n, "v"].astype(np.int32) for n in names if "v" in record},
        )


def _initial_v(p: Population) -> Wide:
    return np.broadcast_to(np.asarray(p.v_init, np.int64), p.shape).copy()
