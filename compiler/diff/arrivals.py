"""What reaches one neuron in one step: every message, through which weight, and what it adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.diff.side import Place, Side
from seamount.compiler.program.fan_out import index_of, synapses_into
from seamount.compiler.program.program import Program, Projection, Shape

Wide = NDArray[np.int64]


@dataclass(frozen=True)
class Message:
    """A message other than 0 that arrived through one synapse.

    weight_index: place of the weight in the array of the projection. product = weight * payload, before the exponent.
    """

    source: str
    neuron: int
    index: Shape
    payload: int
    weight: int
    weight_index: Shape
    product: int


@dataclass(frozen=True)
class Inflow:
    """What one projection brings to a neuron in one step.

    sent: the source's local step in which the messages were sent; None when nothing can have arrived yet (step < lag).
    total: sum of the products. share = total * 2**exponent, rounded down: its part in a.
    """

    projection: str
    source: str
    lag: int
    sent: int | None
    exponent: int
    messages: tuple[Message, ...]
    total: int
    share: int


def inflows(program: Program, side: Side, place: Place) -> tuple[Inflow, ...]:
    """Everything that arrives at a neuron in a step, projection by projection, as the program has it."""
    return tuple(_inflow(program, q, side, place) for q in program.into(place.layer))


def _inflow(program: Program, q: Projection, side: Side, place: Place) -> Inflow:
    sent = place.step - q.lag
    if sent < 0:
        return Inflow(q.name, q.source, q.lag, None, q.weight_exp, (), 0, 0)
    shape = program.shapes[q.source]
    pre, weight, places = synapses_into(q, shape, program.shapes[q.target], place.neuron)
    sources = side.messages if q.source in side.messages else side.spikes
    payload = sources[q.source][place.sample, sent].reshape(-1).astype(np.int64)[pre]
    product = weight * payload
    messages = tuple(
        Message(
            q.source, int(pre[k]), index_of(int(pre[k]), shape),
            int(payload[k]), int(weight[k]), places[k], int(product[k]),
        )
        for k in np.flatnonzero(payload)
    )  # fmt: skip
    total = int(product.sum())
    share = total << q.weight_exp if q.weight_exp >= 0 else total >> -q.weight_exp
    return Inflow(q.name, q.source, q.lag, sent, q.weight_exp, messages, total, share)
