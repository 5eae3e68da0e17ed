"""Forms between float and a chip's integers: any causes as the chip has them, all else so fine that it is float.

Every population is wide (compiler/program/wide.py): its unit is 2**-fine of the chip's unit of v, and its weights are
multiples of that unit, sent as two projections of 15 bits each where they need more. With all causes the program does
what the chip's does, number for number; with none it stands in for the float interpreter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import InputCode, Samples, by_input, encode
from seamount.compiler.execution import Backend, Trace
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import LI, LIF, IntLIF, WeightFormat
from seamount.compiler.ir.quantized import dequantized
from seamount.compiler.ir.weights import grid
from seamount.compiler.ir.weights import values_of as weights_of
from seamount.compiler.measures import answers, values_of
from seamount.compiler.program import program as p
from seamount.compiler.program.bounds import sum_bound
from seamount.compiler.program.wide import WIDE_MAX, WIDE_ONE, WideProgram, WideRegisters
from seamount.compiler.quantization.rounding import round_weights
from seamount.workflows.blame.cause import Cause, Kind
from seamount.workflows.compile import Compilation
from seamount.workflows.outputs import only_output

Wide = NDArray[np.int64]
HALF_CODE = 15
"""Bits of the lower part of a weight that is sent in two."""
FINEST = 14
"""Most bits by which a unit is finer than the chip's."""
LEAST_FINE = 2
"""Least bits; where sums then could leave 31 bits in theory, wide registers are clipped there."""
PAYLOAD = 8
"""Bits of each of the two payloads of an input in float."""
FEWER = 1.5
"""How many times the error that the bits of a layer cause the scale must add before it is blamed for the weights."""
FINE_PORT = " (fine)"


@dataclass(frozen=True, eq=False)
class Mixtures:
    """All forms of one compilation. x: the samples, whose range inputs in float must hold; steps: T."""

    made: Compilation
    x: Samples
    steps: int

    @property
    def program(self) -> p.Program:
        """The chip's program."""
        return self.made.artifact.program

    @property
    def float_graph(self) -> Graph:
        return self.made.canonical

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """Everything that differs between float and integers, in the order of the layers."""
        found = [Cause(c.port, Kind.INPUTS) for c in self.made.artifact.inputs if self._coarse_input(c)]
        for population in self.program.populations:
            for q in self.program.into(population.name):
                if q.name in self.trained and np.any(self._by_bits[q.name] != self._trained(q.name)):
                    found.append(Cause(q.name, Kind.WEIGHTS))
                if q.lag != self.trained_lag(q):
                    found.append(Cause(q.name, Kind.TRANSPORT))
            name = population.name
            if name in self.trained:
                found += [Cause(name, kind) for kind in self._neuron_causes(name)]
        return tuple(found)

    def _neuron_causes(self, name: str) -> Iterator[Kind]:
        op, rounded = self.trained[name], self.rounded_neuron(name)
        weights = [q.name for q in self.program.into(name) if q.name in self.trained]
        off = any(np.any(self._by_bits[w] != self._chip_weights(w)) for w in weights)
        fields = ("bias", "v_init", "reset_by", "threshold", "v_min")
        if off or any(_differ(getattr(op, f), getattr(rounded, f)) for f in fields if hasattr(op, f)):
            yield Kind.SCALE
        if _differ(op.alpha, rounded.alpha) or _differ(op.beta, rounded.beta):
            yield Kind.DECAYS
        yield Kind.SATURATION
        if np.any(rounded.alpha != 0) or np.any(rounded.beta != 1):
            yield Kind.TRUNCATION

    # parameters as trained, and as the chip has them, both in units of the trained network

    @cached_property
    def trained(self) -> Mapping[str, Any]:
        """Layer -> its op before quantization; relays have none."""
        return {n.name: n.op for n in self.float_graph.nodes}

    def _trained(self, weights: str) -> NDArray[np.float64]:
        return weights_of(self.trained[weights])

    def _format(self, weights: str) -> WeightFormat:
        op: Any = self.made.quantized[weights].op
        form: WeightFormat = op.format
        return form

    def _chip_weights(self, weights: str) -> NDArray[np.float64]:
        """Current per unit of the source, as the chip's codes have it."""
        return weights_of(dequantized(self.made.quantized[weights].op))  # type: ignore[arg-type]

    def rounded_neuron(self, name: str) -> Any:
        return dequantized(self.made.quantized[name].op)

    @cached_property
    def _by_bits(self) -> dict[str, NDArray[np.float64]]:
        """Weights as their bits alone would round them, on the best grid; as the chip has them where its is as good."""
        found = {}
        for q in self.program.projections:
            if q.name in self.trained:
                chip, free = self._chip_weights(q.name), free_rounding(self._trained(q.name), self._format(q.name))
                worse = (
                    np.square(chip - self._trained(q.name)).sum()
                    > FEWER**2 * np.square(free - self._trained(q.name)).sum()
                )
                found[q.name] = free if worse else chip
        return found

    def _coarse_input(self, code: InputCode) -> bool:
        if code.coding == "spikes":
            return False
        x = np.asarray(by_input([c.port for c in self.made.artifact.inputs], self.x)[code.port], np.float64)
        return bool(np.any(np.abs(np.rint(np.clip(x, code.low, code.high) / code.unit) * code.unit - x) > 1e-6))

    def trained_lag(self, q: p.Projection) -> int:
        """Steps by which the trained network sees the source late; of relays, as the program has it."""
        graph = self.float_graph
        if q.name not in self.trained:
            return q.lag
        (before,), (after,) = graph.into(q.name), graph.out_of(q.name)
        return before.delay + after.delay if before.source == q.source else q.lag

    # the program

    def answers(self, causes: Collection[Cause], x: Samples, engine: Backend) -> NDArray[Any]:
        """What the network answers in the form in which these causes are as on the chip (compiler/measures.py)."""
        program = self.build(causes)
        trace = engine.run(program, self.messages(causes, x))
        return self._answers(trace, program)

    def chip_run(self, x: Samples, engine: Backend, record: Collection[str] = ()) -> Trace:
        """The chip's program on samples."""
        sent = encode(self.made.artifact.inputs, x, self.steps)
        return engine.run(self.program, sent, record=frozenset(record))

    def chip_answers(self, x: Samples, engine: Backend) -> NDArray[Any]:
        """What the chip's program answers."""
        return self.answered(self.chip_run(x, engine))

    def answered(self, trace: Trace) -> NDArray[Any]:
        """What a run of the chip's program answers."""
        return self._answers(trace, self.program)

    def _answers(self, trace: Trace, program: p.Program) -> NDArray[Any]:
        code = only_output(self.made.artifact.outputs)
        read = next(r for r in program.readouts if r.name == code.readout)
        if isinstance(program, WideProgram) and read.register == "v":
            code = replace(code, unit=program.wide[read.population].unit)
        return answers(code, values_of(code, trace.readout, self.steps))

    def build(self, causes: Collection[Cause]) -> WideProgram:
        """The program in which these causes are as on the chip, and nothing else."""
        chosen = frozenset(causes)
        ports = [q for code in self.made.artifact.inputs for q in self._ports(code, chosen)]
        populations, wide, projections = [], {}, []
        for population in self.program.populations:
            new, registers, weights = self._population(population, chosen, {x.name: x for x in ports})
            populations.append(new)
            wide[new.name] = registers
            projections += weights
        chip = self.program
        return WideProgram(
            tuple(ports), tuple(populations), tuple(projections), chip.readouts, chip.steps, chip.slow_down, wide=wide
        )

    def codes(self, causes: Collection[Cause]) -> tuple[InputCode, ...]:
        """How inputs become messages of the ports that are not fine."""
        return tuple(self._code(c, frozenset(causes)) for c in self.made.artifact.inputs)

    def messages(self, causes: Collection[Cause], x: Samples) -> dict[str, NDArray[np.int32]]:
        """Messages of all ports."""
        chosen, sent = frozenset(causes), {}
        for name, payload in encode(self.codes(chosen), x, self.steps).items():
            if self._is_split(name, chosen):
                high = (payload + 2 ** (PAYLOAD - 1)) >> PAYLOAD
                sent[name], sent[name + FINE_PORT] = high, payload - (high << PAYLOAD)
            else:
                sent[name] = payload
        return sent

    def _is_split(self, port: str, chosen: frozenset[Cause]) -> bool:
        cause = Cause(port, Kind.INPUTS)
        return cause in self.causes and cause not in chosen

    def _code(self, code: InputCode, chosen: frozenset[Cause]) -> InputCode:
        if not self._is_split(code.port, chosen):
            return code
        x = by_input([c.port for c in self.made.artifact.inputs], self.x)[code.port]
        low, high = min(0.0, float(np.min(x))), max(0.0, float(np.max(x)))
        return replace(code, low=low, high=high, unit=max(-low, high) / (2.0 ** (2 * PAYLOAD - 1) - 1))

    def _ports(self, code: InputCode, chosen: frozenset[Cause]) -> Iterator[p.InputPort]:
        port = next(x for x in self.program.inputs if x.name == code.port)
        if not self._is_split(code.port, chosen):
            yield port
            return
        fine = self._code(code, chosen)
        half = 2 ** (PAYLOAD - 1)
        yield p.InputPort(port.name, port.shape, True, -half if fine.low < 0 else 0, half)
        yield p.InputPort(port.name + FINE_PORT, port.shape, True, -half, half)

    def _population(
        self, chip: p.Population, chosen: frozenset[Cause], ports: Mapping[str, p.InputPort]
    ) -> tuple[p.Population, WideRegisters, list[p.Projection]]:
        name = chip.name
        op = self._neuron(name, chosen)
        quantized = self.made.quantized[name].op
        assert isinstance(quantized, IntLIF)
        into = [(q, self._weights(q.name, chosen)) for q in self.program.into(name)]
        saturates, truncates = (Cause(name, k) in chosen for k in (Kind.SATURATION, Kind.TRUNCATION))
        reach = sum(_reach(q.connection, w) * self._largest(q) for q, w in into)
        fine = self._fine(op, quantized.scale, reach, saturates)
        unit = 64 * quantized.scale * 2.0**fine
        projections = [part for q, w in into for part in self._projection(q, w, unit, chosen, ports)]
        limit = p.V_MAX << fine if saturates else WIDE_MAX
        v_min = -limit if not isinstance(op, LIF) or not np.isfinite(op.v_min) else round(float(op.v_min) * unit)
        population = p.Population(
            name, chip.shape, du=_int(4095), dv=_int(4096), vth=None, bias_mant=_int(0),
            reset=chip.reset, reset_by=_int(op.reset_by * unit) if isinstance(op, LIF) else 0,
            v_init=_int(op.v_init * unit), v_min=max(v_min, -limit), offset=chip.offset,
        )  # fmt: skip
        registers = WideRegisters(
            kept_u=_int(op.alpha * WIDE_ONE),
            kept_v=_int(op.beta * WIDE_ONE),
            vth=_threshold(op, unit),
            bias=_int(op.bias * unit),
            u_half=(p.U_SPAN // 2) << fine if saturates else WIDE_MAX,
            v_top=limit,
            wraps=saturates,
            grain=fine if truncates else 0,
            unit=1 / unit,
        )  # fmt: skip
        return population, registers, projections

    def _neuron(self, name: str, chosen: frozenset[Cause]) -> Any:
        """The neuron in units of the trained network, with the chosen causes as rounded."""
        rounded = self.rounded_neuron(name)
        if name not in self.trained:
            return rounded
        op: LIF | LI = self.trained[name]
        if Cause(name, Kind.DECAYS) in chosen:
            op = replace(op, alpha=rounded.alpha, beta=rounded.beta)
        if Cause(name, Kind.SCALE) in chosen:
            fields = ("bias", "v_init", "threshold", "reset_by", "v_min", "compare")
            op = replace(op, **{f: getattr(rounded, f) for f in fields if hasattr(op, f)})
        return op

    def _weights(self, name: str, chosen: frozenset[Cause]) -> NDArray[np.float64]:
        """Weights in units of the trained network; the scale moves them from where their bits put them."""
        if name not in self.trained:
            return self._chip_weights(name)
        target = self.made.quantized.out_of(name)[0].target
        rounded, moved = Cause(name, Kind.WEIGHTS) in chosen, Cause(target, Kind.SCALE) in chosen
        if rounded and moved:
            return self._chip_weights(name)
        base = self._by_bits[name] if rounded else self._trained(name)
        return base + (self._chip_weights(name) - self._by_bits[name]) if moved else base

    def _fine(self, op: LIF | LI, scale: float, reach: float, saturates: bool) -> int:
        """Bits by which the unit may be finer than the chip's, so that no sum leaves int32 and no register its range.

        reach: largest |sum W x|, in units of the trained network.
        """
        current = reach / max(1 - float(np.max(op.alpha)), 1 / self.steps)
        lasting = min(1 / max(1 - float(np.max(op.beta)), 1 / self.steps), self.steps)
        largest = (current + float(np.max(np.abs(op.bias)))) * lasting + float(np.max(np.abs(op.v_init)))
        if isinstance(op, LIF):
            largest = max(largest, 4 * float(np.max(op.threshold)), 2 * float(np.max(np.abs(op.reset_by))))
        wanted = max(_room(WIDE_MAX, 64 * scale * largest), LEAST_FINE)
        most = 7 if saturates else FINEST
        return max(0, min(wanted, most, _room(WIDE_MAX, 64 * scale * reach)))

    def _largest(self, q: p.Projection) -> float:
        """Largest message of a source, in units of the trained network."""
        for code in self.made.artifact.inputs:
            if code.port == q.source and code.coding == "graded":
                x = by_input([c.port for c in self.made.artifact.inputs], self.x)[code.port]
                return max(abs(code.low), abs(code.high), float(np.max(np.abs(x))))
        return 1.0

    def _projection(
        self,
        q: p.Projection,
        weights: NDArray[np.float64],
        unit: float,
        chosen: frozenset[Cause],
        ports: Mapping[str, p.InputPort],
    ) -> Iterator[p.Projection]:
        lag = q.lag if Cause(q.name, Kind.TRANSPORT) in chosen else self.trained_lag(q)
        split = self._is_split(q.source, chosen)
        fine_unit = 1.0
        if any(c.port == q.source and c.coding == "graded" for c in self.made.artifact.inputs):
            code = next(c for c in self.codes(chosen) if c.port == q.source)
            fine_unit = code.unit
        sources = [(q.source, fine_unit)]
        if split:
            sources = [(q.source, fine_unit * 2**PAYLOAD), (q.source + FINE_PORT, fine_unit)]
        for source, worth in sources:
            for i, (codes, exponent) in enumerate(_parts(np.rint(weights * (worth * unit)).astype(np.int64))):
                name = q.name if source == q.source and i == 0 else f"{q.name} {source} {i}"
                made = replace(q, name=name, source=source, lag=lag, weight_exp=exponent, connection=_with(q, codes))
                yield self._within(made, ports)

    def _within(self, q: p.Projection, ports: Mapping[str, p.InputPort]) -> p.Projection:
        """The projection with as many low bits dropped as int32 sums ask for."""
        trial = p.Program(
            tuple(ports.values()), self.program.populations, (q,), (), self.program.steps, self.program.slow_down
        )
        excess = sum_bound(trial, q).magnitude >> 31
        if not excess:
            return q
        drop = excess.bit_length()
        codes = np.rint(q.connection.weight / 2.0**drop).astype(np.int64)
        return replace(q, connection=_with(q, codes), weight_exp=q.weight_exp + drop)


def free_rounding(weights: NDArray[np.float64], form: WeightFormat) -> NDArray[np.float64]:
    """Weights rounded to the grid of their bits, with the scale that loses least, whatever threshold and bias ask."""
    peak = float(np.max(np.abs(weights), initial=0.0))
    if peak == 0:
        return weights
    best, least = weights, np.inf
    for top in np.geomspace(grid(form.bits, form.sign_mode).step / 2, 508, 48):
        scale = top / peak
        rounded = round_weights(weights * scale, np.ones(()), form.bits, form.sign_mode, range(1))
        if rounded.error / scale**2 < least:
            best, least = rounded.codes / scale, rounded.error / scale**2
    return np.asarray(best, np.float64)


def _parts(codes: Wide) -> Iterator[tuple[Wide, int]]:
    """Codes as one or two sets of 16 bits, each with its exponent, whose sum they are."""
    every = int(np.bitwise_or.reduce(codes, axis=None)) if codes.size else 0
    common = (every & -every).bit_length() - 1 if every else 0
    codes = codes >> common
    if int(np.max(np.abs(codes), initial=0)) < 2**HALF_CODE:
        yield codes, common
        return
    high = (codes + (1 << (HALF_CODE - 1))) >> HALF_CODE
    yield high, common + HALF_CODE
    yield codes - (high << HALF_CODE), common


def _with(q: p.Projection, codes: Wide) -> p.Connection:
    return replace(q.connection, weight=np.ascontiguousarray(codes.reshape(q.connection.weight.shape), np.int32))


def _threshold(op: LIF | LI, unit: float) -> NDArray[np.int32] | None:
    """vth such that v > vth is what the neuron compares."""
    return _int(np.rint(op.threshold * unit) - (op.compare == "ge")) if isinstance(op, LIF) else None


def _reach(connection: p.Connection, weights: NDArray[np.float64]) -> float:
    """Largest sum of |w| over the synapses of a neuron."""
    size = np.abs(weights).reshape(-1) if isinstance(connection, p.Sparse) else np.abs(weights)
    if isinstance(connection, p.Sparse):
        return float(np.max(np.bincount(connection.rows, weights=size), initial=0.0))
    return float(np.max(size.reshape(len(size), -1).sum(axis=1), initial=0.0))


def _room(limit: float, value: float) -> int:
    """Bits by which a value stays below the limit."""
    return int(np.floor(np.log2(limit / value))) if value > 0 else FINEST


def _differ(a: Any, b: Any) -> bool:
    return not np.allclose(a, b, rtol=0, atol=1e-12)


def _int(value: Any) -> NDArray[np.int32]:
    return np.asarray(np.clip(np.rint(value), -WIDE_MAX, WIDE_MAX), np.int32)
