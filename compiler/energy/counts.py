"""What a run did, as events that cost something: per inference, with where each number comes from.

Nothing is priced here. Counts of spikes, synaptic operations and updates are those of the run, exact; what depends on
the cores is taken from a placement made with the same run, and is unknown without one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seamount.compiler.energy.estimate import Interval
from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.placement import Placement, Traffic
from seamount.compiler.program.fan_out import fan_out
from seamount.compiler.program.program import Conv, Dense, InputPort, Population, Program, Projection

REGISTER_BYTES = 3
"""u, v and the accumulator of a neuron, 24 bits each."""
COUNTED, PLACED, STRUCTURE = "counted in the run", "from the placement and the run", "from the network's structure"


@dataclass(frozen=True)
class Count:
    """Events of one kind at one place, per inference.

    costs: what prices one event; with several names, any cost between theirs. number: None where it is unknown, then
    `missing` says what would tell. basis: where the number comes from. by_rate: whether it grows with the spike rate
    of the network. memory_bytes: size of the memory, where the event is an access to a byte of it.
    bits: of activation and weight, where the cost depends on them.
    """

    event: str
    where: str
    costs: tuple[str, ...]
    number: Interval | None
    basis: str
    by_rate: bool = False
    missing: str = ""
    memory_bytes: float | None = None
    bits: tuple[int, int] | None = None


def ports(program: Program) -> dict[str, InputPort]:
    """Input ports by name."""
    return {port.name: port for port in program.inputs}


def size(program: Program, name: str) -> int:
    """Neurons of a population, or places of an input port."""
    return int(np.prod(program.shapes[name], dtype=np.int64))


def graded(program: Program, name: str) -> bool:
    """Whether the messages of a source carry numbers."""
    port = ports(program).get(name)
    several = any(p.name == name and p.most > 1 for p in program.populations)
    return several or (port is not None and port.graded)


def projection_synapses(program: Program, q: Projection) -> int:
    """Pairs of neurons that the projection joins; borders of convolutions left out."""
    return int(fan_out(program, q).sum())


def weights_stored(q: Projection) -> int:
    """Weights of the projection; the kernel of a convolution counts once."""
    return int(q.connection.weight.size)


def mean_rate(program: Program, counts: EventCounts) -> float:
    """Spikes per neuron and step over all populations that can fire."""
    firing = [p for p in program.populations if p.fires]
    places = sum(p.size for p in firing) * counts.steps * counts.samples
    return sum(counts.spike_totals[p.name] for p in firing) / places if places else 0.0


def encoding(q: Projection) -> str:
    """The cost of one synaptic event of a projection on a chip, by how its synapses are stored."""
    if isinstance(q.connection, Dense):
        return "synapse_dense"
    return "synapse_conv" if isinstance(q.connection, Conv) else "synapse_sparse"


# on a neuromorphic chip


def chip_counts(program: Program, counts: EventCounts, placement: Placement | None) -> Iterator[Count]:
    """Events of the model "events". The way of messages from the host to the mesh is not published, and not in it.

    Neurons are looked at in every step of the chip, also between the steps of a network that is slowed down.
    """
    n = counts.samples
    for q in program.projections:
        number = Interval.at(counts.synop_totals[q.name] / n)
        yield Count("synaptic operation", q.name, (encoding(q),), number, COUNTED, q.source not in ports(program))
    for p in program.populations:
        number = Interval.at(counts.updates[p.name] * program.slow_down / n)
        costs = ("neuron_inactive", "neuron_active")
        yield Count("neuron update, active or not", p.name, costs, number, COUNTED)
    for p in program.populations:
        if p.fires:
            yield Count("spike", p.name, ("spike",), Interval.at(counts.spike_totals[p.name] / n), COUNTED, True)
    for q in program.projections:
        if q.source not in ports(program):
            yield from _traffic(q, _measured(q, placement), n)


def _measured(q: Projection, placement: Placement | None) -> Traffic | str:
    """The traffic of a projection, or what is missing to know it."""
    if placement is None:
        return "a placement on cores"
    if not placement.measured:
        return "a placement made with the counts of a run"
    return placement.projections[q.name]


def _traffic(q: Projection, traffic: Traffic | str, samples: int) -> Iterator[Count]:
    """Messages between cores, and the tiles they cross. A message that leaves no core may or may not count as one."""
    ends: dict[str, tuple[int, int] | None] = dict.fromkeys(
        ("axon_out", "axon_in", "spike_within_tile", "hop_east_west", "hop_north_south")
    )
    if isinstance(traffic, Traffic):
        away = traffic.messages - traffic.within_core
        ends["axon_out"] = ends["axon_in"] = (away, traffic.messages)
        ends["spike_within_tile"] = (traffic.within_tile, traffic.within_tile + traffic.within_core)
        ends["hop_east_west"] = (traffic.hops_east_west, traffic.hops_east_west)
        ends["hop_north_south"] = (traffic.hops_north_south, traffic.hops_north_south)
    for cost, pair in ends.items():
        number = None if pair is None else Interval(pair[0] / samples, pair[1] / samples)
        basis, missing = (PLACED, "") if pair is not None else ("", str(traffic))
        yield Count(cost.replace("_", " "), q.name, (cost,), number, basis, True, missing)


# in any digital circuit


def operation_counts(program: Program, counts: EventCounts, memory: bool) -> Iterator[Count]:
    """Events of the model "operations", event-driven; with the bytes they access if `memory`.

    A weight is read for every event, or once per inference where events of all steps are worked off together.
    """
    n = counts.samples
    for q in program.projections:
        number = Interval.at(counts.synop_totals[q.name] / n)
        by_rate = q.source not in ports(program)
        cost = "multiply_accumulate" if graded(program, q.source) else "accumulate"
        yield Count(cost.replace("_", "-"), q.name, (cost,), number, COUNTED, by_rate)
        if memory:
            reads = Interval(min(weights_stored(q), number.low), number.high) * (q.bits / 8)
            yield access("weight read", q.name, reads, weights_stored(q) * q.bits / 8, by_rate)
            held = REGISTER_BYTES * size(program, q.target)
            yield access("accumulator read and write", q.name, number * (2 * REGISTER_BYTES), held, by_rate)
            sent = Interval.at(counts.spike_totals[q.source] / n)
            yield message_access(program, q, sent, by_rate)
    for p in program.populations:
        yield from update_counts(p, Interval.at(counts.updates[p.name] / n), COUNTED, memory)


def dense_counts(program: Program, steps: int, memory: bool) -> Iterator[Count]:
    """The same network clock-driven: every synapse in every step, whether or not there is a message.

    Accumulators may stay in registers, and a weight may be kept while it serves a step, or not.
    """
    for q in program.projections:
        number = Interval.at(projection_synapses(program, q) * steps)
        cost = "multiply_accumulate" if graded(program, q.source) else "dense_accumulate"
        yield Count(cost.replace("_", "-"), q.name, (cost,), number, STRUCTURE)
        if memory:
            weights = weights_stored(q)
            reads = Interval(weights * steps, max(weights * steps, number.high)) * (q.bits / 8)
            yield access("weight read", q.name, reads, weights * q.bits / 8, basis=STRUCTURE)
            registers = Interval(0, number.high * 2 * REGISTER_BYTES)
            held = REGISTER_BYTES * size(program, q.target)
            yield access("accumulator read and write", q.name, registers, held, basis=STRUCTURE)
    for p in program.populations:
        yield from update_counts(p, Interval.at(p.size * steps), STRUCTURE, memory)


def dense_chip_counts(program: Program, steps: int) -> Iterator[Count]:
    """The same on a chip: every synapse and every neuron in every step."""
    for q in program.projections:
        number = Interval.at(projection_synapses(program, q) * steps)
        yield Count("synaptic operation", q.name, (encoding(q),), number, STRUCTURE)
    for p in program.populations:
        number = Interval.at(p.size * steps)
        yield Count("neuron update", p.name, ("neuron_inactive", "neuron_active"), number, STRUCTURE)


def update_counts(p: Population, number: Interval, basis: str, memory: bool) -> Iterator[Count]:
    """Updates of a population: its registers are read and written, its accumulators read and cleared."""
    yield Count("neuron update", p.name, ("neuron_update",), number, basis)
    if memory:
        state = REGISTER_BYTES * (1 + bool(np.any(np.asarray(p.du) != 4095)))  # du 4095: u is not kept
        moved = number * (2 * state + 2 * REGISTER_BYTES)
        yield access("state and accumulator", p.name, moved, (state + REGISTER_BYTES) * p.size, basis=basis)


def access(event: str, where: str, moved: Interval, held: float, by_rate: bool = False, basis: str = COUNTED) -> Count:
    """Bytes moved from or to a memory of `held` bytes."""
    return Count(f"{event}, bytes", where, ("memory",), moved, basis, by_rate, memory_bytes=held)


def message_access(program: Program, q: Projection, sent: Interval, by_rate: bool) -> Count:
    """A message is written once and read once per projection: an address in whole bytes, and its payload."""
    places = size(program, q.source)
    each = max(1, math.ceil(math.log2(max(2, places)) / 8))
    port = ports(program).get(q.source)
    if port is not None and port.graded:
        each += math.ceil(payload_bits(port) / 8)
    return access("message write and read", q.name, sent * (2 * each), each * places, by_rate)


def payload_bits(port: InputPort) -> int:
    """Bits that hold every message of a port."""
    return max(1, math.ceil(math.log2(port.high - port.low + 1)))
