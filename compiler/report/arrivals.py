"""What reaches one neuron in one step: every message, through which weight, and what it adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Conv, Dense, Program, Projection, Shape, Sparse, as_chw
from seamount.compiler.report.side import Place, Side, index_of

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


def synapses_into(
    projection: Projection, source: Shape, target: Shape, neuron: int
) -> tuple[Wide, Wide, tuple[Shape, ...]]:
    """(source neurons, weights, places in the weight array) of the stored synapses that end at one neuron."""
    connection = projection.connection
    if isinstance(connection, Dense):
        weight = connection.weight[neuron].astype(np.int64)
        return np.arange(weight.size, dtype=np.int64), weight, tuple((neuron, k) for k in range(weight.size))
    if isinstance(connection, Sparse):
        chosen = np.flatnonzero(connection.rows == neuron)
        pre, weight = connection.cols[chosen].astype(np.int64), connection.weight[chosen].astype(np.int64)
        return pre, weight, tuple((int(k),) for k in chosen)
    return _conv_into(connection, as_chw(source), as_chw(target), neuron)


def _conv_into(conv: Conv, source: Shape, target: Shape, neuron: int) -> tuple[Wide, Wide, tuple[Shape, ...]]:
    channels_out, (_, height, width) = conv.weight.shape[0], source
    o, i, j = index_of(neuron, target)
    c, kh, kw = (x.reshape(-1) for x in np.indices(conv.weight.shape[1:], np.int64))
    channel = (o // (channels_out // conv.groups)) * conv.weight.shape[1] + c
    y = i * conv.stride[0] - conv.padding[0] + kh * conv.dilation[0]
    x = j * conv.stride[1] - conv.padding[1] + kw * conv.dilation[1]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    pre = ((channel * height + y) * width + x)[inside]
    weight = conv.weight[o].reshape(-1).astype(np.int64)[inside]
    taps = zip(c[inside].tolist(), kh[inside].tolist(), kw[inside].tolist(), strict=True)
    return pre, weight, tuple((o, *tap) for tap in taps)


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
