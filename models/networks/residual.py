"""Residual networks for 32 x 32 images: sums in the membrane, or sums of spikes (SEW)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from seamount.models.networks.stages import GAMMA, Activation, Network, Task, conv_norm, settled

Form = Literal["membrane", "spikes"]


class MembraneBlock(nn.Module):
    """conv-BN-act-conv-BN, plus the shortcut, then act (He et al., CVPR 2016, with neurons for ReLU).

    The sum is formed in the membrane and the output is binary. Where shape changes, the shortcut is 1x1 conv-BN.
    """

    def __init__(self, before: int, after: int, stride: int, activation: Activation, gamma: float) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *conv_norm(before, after, 3, stride, gamma), activation(), *conv_norm(after, after, 3, 1, gamma)
        )
        same = before == after and stride == 1
        self.shortcut = nn.Sequential() if same else nn.Sequential(*conv_norm(before, after, 1, stride, gamma))
        self.act = activation()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.trunk(x) + self.shortcut(x))
        return y


class SpikeBlock(nn.Module):
    """conv-BN-act-conv-BN-act, plus the shortcut's spikes: 0, 1, 2, ... (SEW-ADD: Fang et al., NeurIPS 2021).

    Where shape changes, the shortcut is 1x1 conv-BN-act.
    """

    def __init__(self, before: int, after: int, stride: int, activation: Activation, gamma: float) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *conv_norm(before, after, 3, stride, gamma), activation(),
            *conv_norm(after, after, 3, 1, gamma), activation(),
        )  # fmt: skip
        same = before == after and stride == 1
        self.shortcut = (
            nn.Sequential() if same else nn.Sequential(*conv_norm(before, after, 1, stride, gamma), activation())
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.trunk(x) + self.shortcut(x)
        return y


def resnet(
    task: Task,
    activation: Activation,
    channels: Sequence[int] = (64, 128, 256, 512),
    blocks: Sequence[int] = (2, 2, 2, 2),
    form: Form = "membrane",
    stem_stride: int = 1,
    gamma: float = GAMMA,
) -> Network:
    """ResNet-18 for 32 x 32 images by default: 3x3 stem, four stages that halve the size from the second on, global
    average pool, linear classifier. Fewer channels and stages make the narrow variants. The stem belongs to stage 1."""
    block = MembraneBlock if form == "membrane" else SpikeBlock
    before, stages = channels[0], []
    for i, (width, count) in enumerate(zip(channels, blocks, strict=True)):
        parts: list[nn.Module] = []
        if i == 0:
            parts += [*conv_norm(task.shape[0], width, 3, stem_stride, gamma), activation()]
        for j in range(count):
            stride = 2 if i > 0 and j == 0 else 1
            parts.append(block(before, width, stride, activation, gamma))
            before = width
        stages.append(nn.Sequential(*parts))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, task.classes))
    return settled(Network(stages, head), task)
