"""One-time-step training, for networks whose groups hand spikes on within the step (networks/grouped.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from seamount.models.networks.neurons import Neuron
from seamount.models.recipes.recipe import Recipe


@dataclass(frozen=True)
class OneStep(Recipe):
    """L = CE(o_1, y) at T = 1. What is particular is the network: image groups visited in turn, spikes carried.

    Yao, Wu, Chen, Zhang, arXiv:2401.10843. Their loss was not found; plain cross-entropy is assumed. Of their network
    only the order of groups and the hand-over remain; networks/grouped.py says what differs and why.
    Nothing is training-only: the whole network is deployed, unrolled over its groups.
    """

    name: ClassVar[str] = "one-step"
    steps: int = 1
    neuron: Neuron = field(default_factory=lambda: Neuron(decay=0.4))
