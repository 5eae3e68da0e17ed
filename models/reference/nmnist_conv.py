"""N-MNIST, convolutional with reset by subtraction: 16C5-BN-LIF-32C3-BN-LIF-64C3-BN-LIF-FC10, each stride 2.

A SpikingJelly module over all steps at once. Step t sees the events of its time bin, counted per pixel and polarity;
the outputs of the last layer are averaged over the steps.
"""

from __future__ import annotations

import torch
from spikingjelly.activation_based import functional, layer, neuron

nn = torch.nn


def lif() -> torch.nn.Module:
    """v <- v / 2 + x; s = v >= 1; v <- v - s. Surrogate gradient of arctan."""
    cell: torch.nn.Module = neuron.LIFNode(tau=2.0, decay_input=False, v_threshold=1.0, v_reset=None, detach_reset=True)
    return cell


def build() -> torch.nn.Module:
    """The untrained network; input (T, B, 2, 34, 34), output (T, B, 10)."""
    network = nn.Sequential(
        layer.Conv2d(2, 16, 5, stride=2, padding=2, bias=False),
        layer.BatchNorm2d(16),
        lif(),
        layer.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        layer.BatchNorm2d(32),
        lif(),
        layer.Conv2d(32, 64, 3, stride=2, padding=1, bias=False),
        layer.BatchNorm2d(64),
        lif(),
        layer.Flatten(),
        layer.Dropout(0.3),
        layer.Linear(64 * 5 * 5, 10),
    )
    functional.set_step_mode(network, "m")
    return network
