"""A one-step network whose image quadrants are visited in turn, each handing state to the next.

The idea of Yao et al., arXiv:2401.10843: with a single time step no time axis carries memory, so groups of the image
plane take its place. As published the state is a real number that goes through 2 sin(pi/4 m_o cos(pi/4 m_n)), next to
an analog residual stream, GELU and LSTM gates; none of that is a spiking program, and Seamount refuses it. This is
a spiking rewrite (carry "spikes"): a neuron layer gets, besides its own input, the spikes of the same layer in the
group before it through a learned 1x1 convolution. What differs: spikes are carried instead of membranes, no projection,
disjoint quadrants only, no overlap to average, no Bernoulli sampling of the input, no MLP.

The graph over (layer, quadrant) has no cycle, so it unrolls to a feed-forward network (`unrolled`). The image arrives
cut into its quadrants, stacked as channels: cutting is no layer of a chip, and the host sends pixels in any order.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from seamount.models.networks.neurons import Neuron
from seamount.models.networks.stages import GAMMA, Task, norm, reset

Carry = Literal["none", "spikes"]
ORDER = (0, 1, 2, 3)
"""Top left, top right, bottom left, bottom right."""


@dataclass(frozen=True)
class Plan:
    """channels of the 3x3 layers; pool: halve the image after layer i; last_only: classify from the last group."""

    channels: tuple[int, ...] = (16, 32, 32)
    pool: tuple[bool, ...] = (False, True, False)
    carry: Carry = "spikes"
    last_only: bool = False


class GroupNetwork(nn.Module):
    """One step: x (B, 4 C, H, W), the quadrants, to logits (B, classes). All groups share their weights; each has its
    own neurons. task.shape: (4 C, H, W).

    order: in which the groups are visited; changing it after training is the control of the mechanism test.
    """

    def __init__(self, task: Task, neuron: Neuron, plan: Plan) -> None:
        super().__init__()
        self.plan, self.task, self.order = plan, task, ORDER
        before = (task.shape[0] // len(ORDER), *plan.channels[:-1])
        self.convs = nn.ModuleList(
            nn.Conv2d(b, c, 3, padding=1, bias=False) for b, c in zip(before, plan.channels, strict=True)
        )
        self.norms = nn.ModuleList(norm(nn.BatchNorm2d(c), GAMMA) for c in plan.channels)
        self.neurons = nn.ModuleList(nn.ModuleList(neuron() for _ in ORDER) for _ in plan.channels)
        pixels = task.shape[1] * task.shape[2] // 4 ** sum(plan.pool)
        groups = 1 if plan.last_only else len(ORDER)
        self.head = nn.Linear(groups * plan.channels[-1] * pixels, task.classes)
        lateral = plan.channels if plan.carry == "spikes" else ()
        self.lateral = nn.ModuleList(nn.Conv2d(c, c, 1, bias=False) for c in lateral)

    def forward(self, x: Tensor) -> Tensor:
        parts = x.chunk(len(ORDER), 1)
        carried: list[Tensor | None] = [None] * len(self.convs)
        ends = []
        for q in self.order:
            ends.append(self._group(parts[q], q, carried))
        found = ends[-1:] if self.plan.last_only else [ends[self.order.index(q)] for q in ORDER]
        logits: Tensor = self.head(torch.cat([e.flatten(1) for e in found], 1))
        return logits

    def _group(self, x: Tensor, q: int, carried: list[Tensor | None]) -> Tensor:
        for i, conv in enumerate(self.convs):
            current = self.norms[i](conv(x))
            before = carried[i]
            if self.plan.carry == "spikes" and before is not None:
                current = current + self.lateral[i](before)
            x = _at(self.neurons, i, q)(current)
            carried[i] = x
            if self.plan.pool[i]:
                x = nn.functional.avg_pool2d(x, 2)
        return x


class Unrolled(nn.Module):
    """The same function as layers that a chip has: no slicing, no weight used twice.

    The first convolution of a group has zeros for the other quadrants' channels. The classifier is one linear layer
    per group, added up.
    """

    def __init__(self, network: GroupNetwork) -> None:
        super().__init__()
        plan = network.plan
        first = nn.ModuleList(_first(network, q) for q in ORDER)
        self.convs = nn.ModuleList([first, *map(_copies, list(network.convs)[1:])])
        self.norms = nn.ModuleList(map(_copies, network.norms))
        self.lateral = nn.ModuleList(map(_copies, network.lateral))
        self.neurons = copy.deepcopy(network.neurons)
        self.pool = nn.ModuleList(nn.ModuleList(nn.AvgPool2d(2) for _ in ORDER) for _ in plan.channels)
        self.heads = nn.ModuleList(_heads(network))
        self.flatten, self.plan, self.order = nn.Flatten(), plan, network.order

    def forward(self, x: Tensor) -> Tensor:
        carried: list[Tensor | None] = [None] * len(self.plan.channels)
        parts = []
        for q in self.order:
            s = x
            for i in range(len(carried)):
                s = self._layer(i, q, s, carried[i])
                carried[i] = s
                if self.plan.pool[i]:
                    s = _at(self.pool, i, q)(s)
            if not self.plan.last_only or q == self.order[-1]:
                parts.append(self.heads[0 if self.plan.last_only else q](self.flatten(s)))
        logits: Tensor = sum(parts[1:], parts[0])
        return logits

    def _layer(self, i: int, q: int, x: Tensor, before: Tensor | None) -> Tensor:
        current = _at(self.norms, i, q)(_at(self.convs, i, q)(x))
        if before is not None and len(self.lateral):
            current = current + _at(self.lateral, i, q)(before)
        spikes: Tensor = _at(self.neurons, i, q)(current)
        return spikes


def _at(layers: nn.ModuleList, i: int, q: int) -> Any:
    """Layer i of group q."""
    return cast("nn.ModuleList", layers[i])[q]


def unrolled(network: GroupNetwork) -> Unrolled:
    """The network as it is deployed, in evaluation mode."""
    reset(network)
    return Unrolled(network).eval()


def _copies(layer: nn.Module) -> nn.ModuleList:
    return nn.ModuleList(copy.deepcopy(layer) for _ in ORDER)


def _first(network: GroupNetwork, q: int) -> nn.Conv2d:
    """The first convolution of a group, over the channels of all quadrants."""
    shared = cast("nn.Conv2d", network.convs[0])
    wide = nn.Conv2d(len(ORDER) * shared.in_channels, shared.out_channels, 3, padding=1, bias=False)
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, q * shared.in_channels : (q + 1) * shared.in_channels] = shared.weight
    return wide


def _heads(network: GroupNetwork) -> Sequence[nn.Linear]:
    """The classifier cut into one linear layer per group; the first has the bias."""
    groups = 1 if network.plan.last_only else len(ORDER)
    weights = network.head.weight.detach().chunk(groups, 1)
    heads = []
    for i, weight in enumerate(weights):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=i == 0)
        with torch.no_grad():
            layer.weight.copy_(weight)
            if i == 0:
                layer.bias.copy_(network.head.bias)
        heads.append(layer)
    return heads
