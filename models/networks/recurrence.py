"""Recurrent layers of networks for recipes: neurons that hear each other's spikes of the step before.

Training keeps those spikes in the layer, as SpikingJelly's neurons keep their membranes. A model file wants them handed
from call to call, so that it sees the loop: `HandedOn` is the network in that form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spikingjelly.activation_based import base
from torch import Tensor, nn

GAIN = 0.5
"""The recurrent weights start as GAIN times an orthogonal matrix: spikes circulate and fade."""


class Recurrent(base.MemoryModule):  # type: ignore[misc]  # SpikingJelly ships no types
    """s <- act(feed(x) + R s), with s = 0 before the first step; R all to all, without bias.

    feed: (B, *shape) to currents (B, width), batch norm included.
    """

    spikes: Tensor | None

    def __init__(self, feed: nn.Module, width: int, act: nn.Module) -> None:
        super().__init__()
        self.feed, self.act = feed, act
        self.back = nn.Linear(width, width, bias=False)
        nn.init.orthogonal_(self.back.weight, GAIN)
        self.register_memory("spikes", None)

    def forward(self, x: Tensor) -> Tensor:
        current = self.feed(x)
        if self.spikes is not None:
            current = current + self.back(self.spikes)
        spikes: Tensor = self.act(current)
        self.spikes = spikes
        return spikes


class HandedOn(nn.Module):
    """One step: x (B, *shape) and the spikes of each recurrent layer to logits (B, classes) and the next spikes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, before: Sequence[Any] | None = None) -> tuple[Tensor, tuple[Any, ...]]:
        layers = recurrent_layers(self.network)
        for i, layer in enumerate(layers):
            layer.spikes = None if before is None else before[i]
        logits: Tensor = self.network(x)
        return logits, tuple(layer.spikes for layer in layers)


def recurrent_layers(network: nn.Module) -> list[Recurrent]:
    """The recurrent layers, in the order in which they are called."""
    return [module for module in network.modules() if isinstance(module, Recurrent)]
