"""Digits, convolutional: 8C3-BN-LIF-AP2-16C3-BN-LIF-FC10, a module written by hand.

The image is shown unchanged in each of 4 steps; the outputs of the last layer are averaged over the steps.
"""

from __future__ import annotations

from typing import Any

import torch

from seamount.models.reference.cells import lif

nn = torch.nn


class DigitsConv(nn.Module):
    """One step: x (B, 1, 8, 8) and the state of the two neuron layers to scores (B, 10) and the next state."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.lif1 = lif()
        self.pool = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.lif2 = lif()
        self.flatten = nn.Flatten()
        self.classify = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        if state is None:
            state = (None, None)
        s, state1 = self.lif1(self.norm1(self.conv1(x)), state[0])
        s, state2 = self.lif2(self.norm2(self.conv2(self.pool(s))), state[1])
        return self.classify(self.flatten(s)), (state1, state2)


def build() -> torch.nn.Module:
    """The untrained network; input (B, 1, 8, 8) per step, output (B, 10)."""
    return DigitsConv()
