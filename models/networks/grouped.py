"""A one-step network whose image quadrants are visited in turn, each handing state to the next.

The idea of Yao et al., arXiv:2401.10843: with a single time step no time axis carries memory, so groups of the image
plane take its place. As published the state is a real number that goes through 2 sin(pi/4 m_o cos(pi/4 m_n)), next to
an analog residual stream, GELU and LSTM gates; none of that is a spiking program, and Seamount refuses it. This is
a spiking rewrite (carry "spikes"): a neuron layer gets, besides its own input, the spikes of the same layer in the
group before it through a learned 1x1 convolution. What differs: spikes are carried instead of membranes, no projection,
disjoint quadrants only, no overlap to average, no Bernoulli sampling of the input, no MLP.

The graph over (layer, quadrant) has no cycle, so it unrolls to a feed-forward network (`unrolled`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from seamount.models.networks.neurons import Neuron
from seamount.models.networks.stages import GAMMA, Task, norm

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
    """One step: x (B, C, H, W) to logits (B, classes). All groups share their weights; each has its own neurons.

    order: in which the groups are visited; changing it after training is the control of the mechanism test.
    """

    def __init__(self, task: Task, neuron: Neuron, plan: Plan) -> None:
        super().__init__()
        self.plan, self.task, self.order = plan, task, ORDER
        before = (task.shape[0], *plan.channels[:-1])
        self.convs = nn.ModuleList(
            nn.Conv2d(b, c, 3, padding=1, bias=False) for b, c in zip(before, plan.channels, strict=True)
        )
        self.norms = nn.ModuleList(norm(nn.BatchNorm2d(c), GAMMA) for c in plan.channels)
        self.neurons = nn.ModuleList(nn.ModuleList(neuron() for _ in ORDER) for _ in plan.channels)
        side = (task.shape[1] // 2 // 2 ** sum(plan.pool), task.shape[2] // 2 // 2 ** sum(plan.pool))
        groups = 1 if plan.last_only else len(ORDER)
        self.head = nn.Linear(groups * plan.channels[-1] * side[0] * side[1], task.classes)
        lateral = plan.channels if plan.carry == "spikes" else ()
        self.lateral = nn.ModuleList(nn.Conv2d(c, c, 1, bias=False) for c in lateral)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[2] // 2, x.shape[3] // 2
        parts = [x[:, :, i : i + rows, j : j + columns] for i in (0, rows) for j in (0, columns)]
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
            x = self.neurons[i][q](current)  # type: ignore[index]
            carried[i] = x
            if self.plan.pool[i]:
                x = nn.functional.avg_pool2d(x, 2)
        return x


class Unrolled(nn.Module):
    """The same function as layers that a chip has: no slicing, no weight used twice, no batch norm in the first layer.

    The first layer of each group is a linear layer over the whole image that is zero outside its quadrant. The
    classifier is one linear layer per group, added up.
    """

    def __init__(self, network: GroupNetwork) -> None:
        super().__init__()
        plan = network.plan
        self.first = nn.ModuleList(_cut(network, q) for q in ORDER)
        shape = (network.task.shape[1] // 2, network.task.shape[2] // 2)
        self.shape = nn.Unflatten(1, (plan.channels[0], *shape))
        self.convs = nn.ModuleList(_copies(network.convs[i]) for i in range(1, len(plan.channels)))
        self.norms = nn.ModuleList(_copies(network.norms[i]) for i in range(1, len(plan.channels)))
        self.lateral = nn.ModuleList(_copies(layer) for layer in network.lateral)
        self.neurons = copy.deepcopy(network.neurons)
        self.pool = nn.ModuleList(nn.ModuleList(nn.AvgPool2d(2) for _ in ORDER) for _ in plan.channels)
        self.heads = nn.ModuleList(_heads(network))
        self.flatten, self.plan, self.order = nn.Flatten(), plan, network.order

    def forward(self, x: Tensor) -> Tensor:
        image = self.flatten(x)
        carried: list[Any] = [None] * len(self.plan.channels)
        logits: Any = None
        for q in self.order:
            s: Any = None
            for i in range(len(self.plan.channels)):
                if i == 0:
                    current = self.shape(self.first[q](image))
                else:
                    current = self.norms[i - 1][q](self.convs[i - 1][q](s))  # type: ignore[index]
                if carried[i] is not None and self.lateral:
                    current = current + self.lateral[i][q](carried[i])  # type: ignore[index]
                s = carried[i] = self.neurons[i][q](current)  # type: ignore[index]
                if self.plan.pool[i]:
                    s = self.pool[i][q](s)  # type: ignore[index]
            if not self.plan.last_only or q == self.order[-1]:
                part = self.heads[0 if self.plan.last_only else q](self.flatten(s))
                logits = part if logits is None else logits + part
        return logits  # type: ignore[no-any-return]


def unrolled(network: GroupNetwork) -> Unrolled:
    """The network as it is deployed, in evaluation mode."""
    return Unrolled(network).eval()


def _copies(layer: nn.Module) -> nn.ModuleList:
    return nn.ModuleList(copy.deepcopy(layer) for _ in ORDER)


def _cut(network: GroupNetwork, q: int) -> nn.Linear:
    """Quadrant, convolution and batch norm of the first layer as one linear layer, by its columns."""
    conv, batchnorm = network.convs[0], network.norms[0]
    was = batchnorm.training
    batchnorm.eval()
    _, height, width = network.task.shape
    rows, columns = height // 2, width // 2
    top, left = rows * (q // 2), columns * (q % 2)
    with torch.no_grad():
        size = int(torch.tensor(network.task.shape).prod())
        basis = torch.eye(size).reshape(size, *network.task.shape)
        part = slice(top, top + rows), slice(left, left + columns)
        bias = batchnorm(conv(torch.zeros(1, network.task.shape[0], rows, columns))).flatten()
        answers = batchnorm(conv(basis[:, :, part[0], part[1]])).flatten(1) - bias
        layer = nn.Linear(size, bias.numel())
        layer.weight.copy_(answers.T)
        layer.bias.copy_(bias)
    batchnorm.train(was)
    return layer


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
