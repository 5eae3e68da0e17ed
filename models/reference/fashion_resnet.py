"""Fashion-MNIST, residual: 16C3 (stride 2)-BN-LIF, then blocks of 16, 32, 32 and 64 channels, AP4, FC10.

A SpikingJelly module over all steps at once. A block is C3-BN-LIF-C3-BN plus its skip, and the sum enters the membrane
of one more layer of neurons: nothing but spikes leaves a block. The skip is the identity, or C1 (stride 2)-BN where
the block halves the image. Nine layers of neurons in all. The image is shown unchanged in each of 4 steps; the
outputs of the last layer are averaged over the steps.
"""

from __future__ import annotations

import torch
from spikingjelly.activation_based import functional, layer, neuron

nn = torch.nn


def lif() -> torch.nn.Module:
    """v <- v / 2 + x / 2; s = v >= 0.5; v <- 0 where s. Surrogate gradient of arctan."""
    cell: torch.nn.Module = neuron.LIFNode(tau=2.0, v_threshold=0.5, v_reset=0.0, detach_reset=True)
    return cell


def conv(before: int, after: int, kernel: int, stride: int = 1) -> torch.nn.Module:
    """Convolution and batch norm; the image keeps its size but for the stride."""
    return nn.Sequential(
        layer.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False), layer.BatchNorm2d(after)
    )


class Block(nn.Module):
    """Two convolutions and a skip, summed in the membrane."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.lif1 = conv(before, after, 3, stride), lif()
        self.conv2, self.lif2 = conv(after, after, 3), lif()
        self.skip = nn.Identity() if before == after and stride == 1 else conv(before, after, 1, stride)

    def forward(self, s: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.lif2(self.conv2(self.lif1(self.conv1(s))) + self.skip(s))
        return out


def build() -> torch.nn.Module:
    """The untrained network; input (T, B, 1, 28, 28), output (T, B, 10)."""
    network = nn.Sequential(
        conv(1, 16, 3, stride=2),
        lif(),
        Block(16, 16),
        Block(16, 32, stride=2),
        Block(32, 32),
        Block(32, 64, stride=2),
        layer.AvgPool2d(4),
        layer.Flatten(),
        layer.Linear(64, 10),
    )
    functional.set_step_mode(network, "m")
    return network
