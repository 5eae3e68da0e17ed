"""Networks as a chain of stages and a classifier: the form that every training recipe works on.

A recipe may look at the output of each stage (auxiliary classifiers, distillation) and may build the same network with
another activation (ReLU, an annealed clip). Neither leaves anything in the network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly.activation_based import base
from torch import nn

from seamount.compiler.errors import InputError, Problem
from seamount.models.networks.recurrence import Recurrent

Tensor = torch.Tensor
Activation = Callable[[], nn.Module]
"""Makes a fresh activation layer: a neuron layer for one step, or nn.ReLU."""

GAMMA = 0.5
"""Batch norm starts at this scale, the firing threshold (tdBN: Zheng et al., arXiv:2011.05280)."""


class Network(nn.Module):
    """One step: x (B, *shape) to logits (B, classes). Neuron layers keep their state between calls.

    shapes: of the output of each stage, without the batch; with `classes` set by `settled`.
    """

    def __init__(self, stages: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head
        self.shapes: tuple[tuple[int, ...], ...] = ()
        self.classes = 0

    def features(self, x: Tensor) -> list[Tensor]:
        """Output of each stage."""
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x)[-1])
        return logits


@dataclass(frozen=True)
class Task:
    """What a network is built for: the shape of one step's input and the number of classes."""

    shape: tuple[int, ...]
    classes: int


_TOKEN = re.compile(
    r"(?P<conv>\d+)C(?P<kernel>\d+)(/(?P<stride>\d+))?|AP(?P<pool>\d+)|(?P<global>GAP)|FC(?P<full>\d+)|R(?P<loop>\d+)"
)


def chain(layers: str, task: Task, activation: Activation, gamma: float = GAMMA) -> Network:
    """A plain network from its short form, e.g. "16C5/2-32C3-AP2-32C3".

    nCk/s: convolution with n channels, kernel k and stride s, batch norm, activation; a stage each. FCn: the same with
    a linear layer. Rn: the same, and the n neurons hear each other's spikes of the step before. APk: average pool over
    k x k. GAP: over the whole image. The linear classifier follows.
    Raises InputError for a word that is none of these, or that cannot stand where it does.
    """
    stages: list[list[nn.Module]] = []
    channels = task.shape[0]
    flat = len(task.shape) == 1
    for word in layers.split("-"):
        found = _understood(word, layers, first=not stages, flat=flat)
        if found["conv"]:
            n, k, s = int(found["conv"]), int(found["kernel"]), int(found["stride"] or 1)
            stages.append([*conv_norm(channels, n, k, s, gamma), activation()])
            channels = n
        elif found["full"] or found["loop"]:
            n = int(found["full"] or found["loop"])
            before: list[nn.Module] = [] if flat else [nn.Flatten()]
            linear = [*before, nn.LazyLinear(n, bias=False), norm(nn.BatchNorm1d(n), gamma)]
            loop = found["loop"] is not None
            stages.append([Recurrent(nn.Sequential(*linear), n, activation())] if loop else [*linear, activation()])
            flat = True
        else:
            stages[-1].append(nn.AvgPool2d(int(found["pool"])) if found["pool"] else nn.AdaptiveAvgPool2d(1))
    head = nn.Sequential(*([] if flat else [nn.Flatten()]), nn.LazyLinear(task.classes))
    return settled(Network([nn.Sequential(*s) for s in stages], head), task)


def _understood(word: str, layers: str, first: bool, flat: bool) -> re.Match[str]:
    """The parts of a word. flat: what it takes has no image plane."""
    where, found = f"network '{layers}'", _TOKEN.fullmatch(word)
    if found is None or (first and not (found["conv"] or found["full"] or found["loop"])):
        remedy = "use nCk, nCk/s, FCn, Rn, APk and GAP, the first with weights"
        raise InputError(Problem(where, f"'{word}' is not understood here", remedy))
    if flat and not (found["full"] or found["loop"]):
        remedy = "use FCn and Rn, or data that are images" if first else "put it before the first FCn or Rn"
        raise InputError(Problem(where, f"'{word}' needs an image, and gets a row of numbers", remedy))
    return found


def conv_norm(before: int, after: int, kernel: int, stride: int = 1, gamma: float = GAMMA) -> tuple[nn.Module, ...]:
    """Convolution that keeps the size (divided by the stride), without bias, and batch norm."""
    conv = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, norm(nn.BatchNorm2d(after), gamma)


def norm(layer: Any, gamma: float) -> nn.Module:
    """The batch norm with its scale set."""
    nn.init.constant_(layer.weight, gamma)
    made: nn.Module = layer
    return made


def settled(network: Network, task: Task) -> Network:
    """The network after one silent step, which gives lazy layers their shapes; batch norms are untouched."""
    network.eval()
    with torch.no_grad():
        found = network.features(torch.zeros(1, *task.shape))
        network.classes = network.head(found[-1]).shape[1]
    network.shapes = tuple(tuple(f.shape[1:]) for f in found)
    reset(network)
    network.train()
    return network


def reset(network: nn.Module) -> None:
    """Clear the state of every neuron layer, as before each batch."""
    for module in network.modules():
        if isinstance(module, base.MemoryModule):
            module.reset()


def frames(x: Tensor, steps: int, constant: bool) -> list[Tensor]:
    """What is shown in each step. x: (B, *shape), at every step when `constant`, else the first of (B, T, *shape)."""
    return [x if constant else x[:, t] for t in range(steps)]


def unroll(network: nn.Module, x: Tensor, steps: int, constant: bool) -> list[Any]:
    """What the network gives in each step, from cleared states: of a network alone logits (B, classes).

    x, constant: as for `frames`. Step by step, so that the first t logits are those of a run over t steps, batch norm
    included.
    """
    reset(network)
    return [network(frame) for frame in frames(x, steps, constant)]
