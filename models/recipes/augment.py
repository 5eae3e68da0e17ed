"""Random changes of training images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Augment:
    """crop: shift by up to so many pixels, zeros move in; flip: mirror left to right with probability 1/2.

    The same change for every step of a sample. The usual pair for CIFAR is crop=4, flip=True (He et al., CVPR 2016).
    """

    crop: int = 0
    flip: bool = False

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """x (B, ..., H, W), changed sample by sample."""
        if self.flip:
            mirrored = torch.rand(len(x), generator=generator).to(x.device) < 0.5
            x = torch.where(mirrored.reshape(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)
        if not self.crop:
            return x
        height, width = x.shape[-2:]
        padded = pad(x, (self.crop,) * 4)
        shift = torch.randint(0, 2 * self.crop + 1, (len(x), 2), generator=generator).tolist()
        return torch.stack([p[..., i : i + height, j : j + width] for p, (i, j) in zip(padded, shift, strict=True)])
