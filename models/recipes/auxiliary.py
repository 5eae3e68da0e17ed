"""Classifiers on the way, that training adds after a stage and that never leave it."""

from __future__ import annotations

from torch import Tensor, nn

from seamount.models.networks.stages import Activation, conv_norm

GRID = 2
"""Images are averaged to GRID x GRID before an auxiliary classifier."""


def pooled(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C * GRID^2), means over the grid; (B, n) as it is."""
    return nn.functional.adaptive_avg_pool2d(x, GRID).flatten(1) if x.ndim == 4 else x


class GridClassifier(nn.Module):
    """Pool to the grid, then linear; no spikes of its own. shape: of the stage's output."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(shape[0] * (GRID**2 if len(shape) == 3 else 1), classes)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(pooled(x))
        return y


class Branch(nn.Module):
    """1x1 convolution to `width` channels, batch norm, activation, grid, linear classifier.

    Returns the logits and the pooled features that enter the classifier. A small form of the branch of Guo et al.,
    arXiv:2305.02099, whose code has two further convolutions.
    """

    def __init__(self, before: int, classes: int, activation: Activation, gamma: float, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_norm(before, width, 1, gamma=gamma), activation())
        self.classify = nn.Linear(GRID**2 * width, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = pooled(self.body(x))
        return self.classify(features), features
