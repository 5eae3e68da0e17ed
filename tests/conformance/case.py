"""One row of the conformance table: 16 neurons of one kind behind one dense layer, and what is expected of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

STEPS, INPUTS, NEURONS = 1000, 12, 16
"""Every row compares STEPS x NEURONS entries."""

RATE = 0.4
"""Share of input spikes."""


@dataclass(frozen=True)
class Case:
    """A neuron, how it is set, and whether it is accepted.

    options: what the row sets beside the reset, in the framework's words. grid: weights are multiples of 1/4, so that
    membranes land on the threshold exactly, where > and >= differ. build: the network, with weights still to be drawn.
    scale: size of the weights. refused: words of the expected cause; empty where the case must be accepted.
    """

    framework: str
    neuron: str
    reset: str
    timing: str
    compare: str
    build: Callable[[], nn.Module]
    options: str = ""
    grid: bool = False
    scale: float = 1.0
    refused: str = ""

    @property
    def id(self) -> str:
        """A name for test reports."""
        words = [self.neuron, self.reset, self.timing, self.options, "grid" if self.grid else ""]
        return "-".join(w.replace(" ", "") for w in words if w)

    @property
    def several(self) -> bool:
        """Whether its neurons may send several spikes in one step."""
        return self.neuron == "ILIFNode" or "MultiSpike" in self.options or "MaxSpike(3)" in self.options

    def network(self) -> nn.Module:
        """The network in eval mode, with random weights."""
        torch.manual_seed(0)
        model = self.build().eval()
        generator = torch.Generator().manual_seed(1)
        first = next(m for m in model.modules() if isinstance(m, nn.Linear))
        with torch.no_grad():
            weight = self.scale * (torch.randn(first.weight.shape, generator=generator) + 0.3) / INPUTS**0.5
            bias = 0.2 * torch.randn(first.bias.shape, generator=generator)
            first.weight.copy_(torch.round(4 * weight) / 4 if self.grid else weight)
            first.bias.copy_(torch.round(4 * bias) / 4 if self.grid else bias)
        return model


def installed(framework: str) -> bool:
    """Whether the framework can be imported."""
    return find_spec(framework) is not None


def sample() -> torch.Tensor:
    """One sample, (1, STEPS, INPUTS), of 0 and 1."""
    drawn = torch.rand(1, STEPS, INPUTS, generator=torch.Generator().manual_seed(2))
    return (drawn < RATE).float()


def dense() -> nn.Linear:
    """The layer before the neurons."""
    return nn.Linear(INPUTS, NEURONS)


def sampled(cases: Mapping[str, Case], every: int = 4) -> list[Any]:
    """Names as test parameters: refusals, rows on a grid and every fourth of the rest run by default."""
    import pytest

    accepted = [name for name, case in cases.items() if not case.refused and not case.grid]
    late = {name for k, name in enumerate(accepted) if k % every}
    return [pytest.param(name, marks=pytest.mark.slow) if name in late else name for name in cases]
