"""Fashion-MNIST, convolutional: 16C5 (stride 2)-BN-LIF-32C3-BN-LIF-AP2-64C3-BN-LIF-FC10.

A norse SequentialState. The image is shown unchanged in each of 4 steps as an analog current in [0, 1]. The last
layer has no neurons: its outputs, averaged over the steps, are the class scores.
"""

from __future__ import annotations

import torch
from norse.torch import SequentialState

from seamount.models.reference.cells import lif

nn = torch.nn


def build() -> torch.nn.Module:
    """The untrained network; input (B, 1, 28, 28) per step, output (B, 10)."""
    network: torch.nn.Module = SequentialState(
        nn.Conv2d(1, 16, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(16),
        lif(),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        lif(),
        nn.AvgPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        lif(),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 10),
    )
    return network
