"""Analysis: what it costs to delay messages in the synapses, and what it costs to send them through relays instead."""

from __future__ import annotations

from seamount.compiler.analysis.delays import Path
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.notes import Delayed, RelayPrice
from seamount.compiler.ir.ops import LIF, Input, IntLIF
from seamount.compiler.ir.shapes import size


def delay_slots(delay: int, delay_bits: int) -> int:
    """Slots of the dendritic accumulator that a neuron needs to receive messages `delay` steps late: a power of two.

    delay_bits: the least width of a delay, whose slots every neuron has (a target's encoding.delay_width). Loihi's
    sizes, 8 slots by default and 64 for delays up to 62, are two more than the delay (Davies et al. 2018, p. 92),
    which is taken to hold for the sizes between as well.
    """
    return 1 << max((delay + 1).bit_length(), delay_bits)


def free_delay(delay_bits: int) -> int:
    """The longest delay within the slots that a neuron has anyway."""
    return int(2**delay_bits - 2)


def relays_for(delay: int, delay_max: int) -> int:
    """Relays that a delay takes: each brings one step of transport and at most delay_max steps of delay."""
    return delay // (delay_max + 1)


def carries_payload(graph: Graph, source: str) -> bool:
    """Whether the messages of a source are more than spikes, so that no relay can forward them."""
    op = graph[source].op
    several = isinstance(op, (LIF, IntLIF)) and op.most > 1
    return several or (isinstance(op, Input) and op.coding == "graded")


def price_of_delay(graph: Graph, p: Path, delay: int, accumulators: int | None, delay_bits: int) -> Delayed:
    """One delay: its slots, and the relays that would do instead of more than the default slots.

    accumulators: neurons times slots on a core, None where that is not published. delay_bits: as for delay_slots.
    """
    slots, free = delay_slots(delay, delay_bits), free_delay(delay_bits)
    per_core = None if accumulators is None else accumulators // slots
    relays = relays_for(delay, free)
    if not relays or carries_payload(graph, p.source):
        return Delayed(p.weights, delay, p.source, p.target, slots, per_core)
    price = RelayPrice(relays, size(graph[p.source].shape or ()))
    return Delayed(p.weights, delay, p.source, p.target, slots, per_core, free, price)
