"""Random changes of training images."""

from __future__ import annotations

from collections.abc import Sequence
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
            x = mirrored(x, torch.rand(len(x), generator=generator).to(x.device) < 0.5)
        if not self.crop:
            return x
        shift = torch.randint(0, 2 * self.crop + 1, (len(x), 2), generator=generator)
        return shifted(x, shift[:, 0].tolist(), shift[:, 1].tolist(), self.crop)


def mirrored(x: Tensor, which: Tensor) -> Tensor:
    """x (B, ..., H, W) with the samples mirrored left to right where `which`, (B,), says so."""
    return torch.where(which.reshape(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)


def shifted(x: Tensor, down: Sequence[int], right: Sequence[int], far: int) -> Tensor:
    """x (B, ..., H, W), of each sample the window that begins so far down and right in it with `far` zeros around.

    down, right: 0 to 2 far, a number per sample; far leaves it where it is.
    """
    height, width = x.shape[-2:]
    padded = pad(x, (far,) * 4)
    windows = zip(padded, down, right, strict=True)
    return torch.stack([p[..., i : i + height, j : j + width] for p, i, j in windows])
