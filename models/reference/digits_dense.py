"""Digits, dense: FC128-BN-LIF-FC10-LI, a norse SequentialState.

The image is shown unchanged in each of 6 steps. The class scores are the membranes of ten leaky integrators
after the last step.
"""

from __future__ import annotations

import torch
from norse.torch import SequentialState

from seamount.models.reference.cells import leaky_readout, lif

nn = torch.nn


def build() -> torch.nn.Module:
    """The untrained network; input (B, 1, 8, 8) per step, output (B, 10)."""
    network: torch.nn.Module = SequentialState(
        nn.Flatten(),
        nn.Linear(64, 128, bias=False),
        nn.BatchNorm1d(128),
        lif(),
        nn.Linear(128, 10),
        leaky_readout(beta=0.75),
    )
    return network
