"""A U-Net for digits scattered on a canvas: a class for each pixel, a module written by hand.

Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation" (arXiv:1505.04597): an
encoder that halves the image twice, a decoder that doubles it twice, and the spikes of each level of the encoder beside
those of the decoder. The first doubling is learnt (a transposed convolution), the second repeats pixels. The image is
shown unchanged in each of 4 steps, the outputs are averaged.
"""

from __future__ import annotations

from typing import Any

import torch

from seamount.models.reference.cells import lif

nn = torch.nn


class DigitsUNet(nn.Module):
    """One step: x (B, 1, 24, 24) and the state of six neuron layers to scores (B, 11, 24, 24) and the next state."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.norm1, self.lif1 = nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), lif()
        self.down2, self.norm2, self.lif2 = nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), lif()
        self.bottom, self.norm3, self.lif3 = nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), lif()
        self.rise, self.norm4, self.lif4 = nn.ConvTranspose2d(32, 16, 2, 2, bias=False), nn.BatchNorm2d(16), lif()
        self.up1, self.norm5, self.lif5 = nn.Conv2d(32, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), lif()
        self.up2, self.norm6, self.lif6 = nn.Conv2d(24, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), lif()
        self.pool, self.repeat = nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="nearest")
        self.classify = nn.Conv2d(16, 11, 1)

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        s = state or [None] * 6
        fine, s1 = self.lif1(self.norm1(self.down1(x)), s[0])
        coarse, s2 = self.lif2(self.norm2(self.down2(self.pool(fine))), s[1])
        deep, s3 = self.lif3(self.norm3(self.bottom(self.pool(coarse))), s[2])
        risen, s4 = self.lif4(self.norm4(self.rise(deep)), s[3])
        mixed, s5 = self.lif5(self.norm5(self.up1(torch.cat([risen, coarse], 1))), s[4])
        mixed, s6 = self.lif6(self.norm6(self.up2(torch.cat([self.repeat(mixed), fine], 1))), s[5])
        return self.classify(mixed), [s1, s2, s3, s4, s5, s6]


def build() -> torch.nn.Module:
    """The untrained network; input (B, 1, 24, 24) per step, output (B, 11, 24, 24)."""
    return DigitsUNet()
