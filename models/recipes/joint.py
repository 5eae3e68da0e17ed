"""Joint A-SNN: an artificial and a spiking network trained together, the first teaching the second."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, log_softmax, softmax

from seamount.compiler.errors import InputError, Problem
from seamount.models.networks.neurons import Neuron
from seamount.models.networks.stages import Activation, Network, frames, reset
from seamount.models.recipes.auxiliary import Branch
from seamount.models.recipes.factorised import SharedVectors
from seamount.models.recipes.recipe import Batch, Builder, Phase, Recipe

Exits = tuple[list[Tensor], list[Tensor]]
"""Logits and pooled features, the final ones first, then one entry per branch."""


class Half(nn.Module):
    """A network with its branches. One step: x to the logits of all exits, and the features that enter them."""

    def __init__(self, network: Network, branches: nn.ModuleList) -> None:
        super().__init__()
        self.network, self.branches = network, branches

    def forward(self, x: Tensor) -> Exits:
        found = self.network.features(x)
        last = found[-1]
        logits, features = [self.network.head(last)], [last.flatten(2).mean(2) if last.ndim > 2 else last]
        for branch, at in zip(self.branches, found, strict=False):
            y, f = branch(at)
            logits.append(y)
            features.append(f)
        return logits, features


class Pair(nn.Module):
    """The spiking half, the artificial half if there is one, and what they share.

    Convolutions of the trunk share singular vectors where `factorised`; classifiers have separate weights that start
    equal, and one bias. Batch norms are each half's own.
    """

    def __init__(self, halves: Mapping[str, Half], factorise: bool) -> None:
        super().__init__()
        self.halves = nn.ModuleDict(halves)
        spiking = halves["snn"].network
        names = [n for n, m in spiking.named_modules() if isinstance(m, nn.Conv2d)] if factorise else []
        self.names = [f"{n}.weight" for n in names]
        weights = dict(spiking.named_parameters())
        self.factors = nn.ModuleList(SharedVectors(weights[n], tuple(halves)) for n in self.names)
        if "ann" in halves:
            for ours, theirs in zip(spiking.head.modules(), halves["ann"].network.head.modules(), strict=True):
                if isinstance(ours, nn.Linear) and isinstance(theirs, nn.Linear):
                    theirs.load_state_dict(ours.state_dict())
                    theirs.bias = ours.bias

    def weights(self, member: str) -> dict[str, Tensor]:
        """The multiplied-out weights of a half, under the names they have in its network."""
        factors = cast("list[SharedVectors]", list(self.factors))
        return {n: f.weight(member) for n, f in zip(self.names, factors, strict=True)}

    def run(self, member: str, batch: Batch, steps: int) -> Exits:
        """Logits and features of all exits, summed over the steps."""
        half = self.halves[member]
        reset(half)
        given = {f"network.{n}": w for n, w in self.weights(member).items()}
        found = [functional_call(half, given, (x,)) for x in frames(batch.x, steps, batch.constant)]
        logits, features = ([torch.stack(at).sum(0) for at in zip(*(f[i] for f in found), strict=True)] for i in (0, 1))
        return logits, features


@dataclass(frozen=True)
class Joint(Recipe):
    """L = (1 - alpha) CEall + alpha KDall + beta FE, over the final exit 0 and the branches i of both halves:

    CEall = sum_i CE(a_i, y) + CE(s_i, y)     KDall = sum_{i>0} KD(a_i, a_0) + sum_i KD(s_i, a_i)
    KD(o, t) = -tau^2 mean sum softmax(t / tau) log softmax(o / tau)      FE = sum (f_snn - f_ann)^2 where either is > 0

    a: logits of the artificial half (ReLU, one pass), s: of the spiking half, summed over T; teachers get no gradient.
    Guo et al., Pattern Recognition 142, 109639, 2023 (arXiv:2305.02099); loss and factorization as in the authors'
    released code. Assumed here: small branches (auxiliary.py) after the first `branches` stages, the optimizer of all
    recipes (theirs has no momentum), short schedules.
    In training only: the artificial half, its singular values, both halves' branches. Deployed: the spiking network
    with U diag(sigma_snn) V multiplied out and its own batch norms.
    """

    name: ClassVar[str] = "joint"
    neuron: Neuron = field(default_factory=lambda: Neuron(decay=0.25, detach_reset=False))
    branches: int = 2
    artificial: bool = True
    factorise: bool = True
    summed: bool = True
    """Logits and features summed over the steps, as published; False takes the mean, as plain training does."""
    alpha: float = 0.1
    beta: float = 1e-6
    temperature: float = 3.0

    @property
    def needs_images(self) -> bool:
        return self.artificial

    def trainee(self, build: Builder, phase: Phase) -> nn.Module:
        kinds: dict[str, Activation] = {"snn": self.neuron}
        if self.artificial:
            kinds["ann"] = nn.ReLU
        networks = {m: build(activation) for m, activation in kinds.items()}
        return Pair({m: Half(networks[m], self._branches(networks[m], kinds[m])) for m in kinds}, self.factorise)

    def _branches(self, network: Network, activation: Activation) -> nn.ModuleList:
        shapes = network.shapes[:-1][: self.branches]
        flat = [str(i) for i, shape in enumerate(shapes) if len(shape) != 3]
        if flat:
            found = f"stage {', '.join(flat)} is no image, and the method's branches are convolutions"
            raise InputError(Problem("network", found, "use a network whose stages but the last are convolutions"))
        return nn.ModuleList(Branch(s[0], network.classes, activation, gamma=1.0) for s in shapes)

    def loss(self, trainee: nn.Module, batch: Batch) -> dict[str, Tensor]:
        assert isinstance(trainee, Pair)
        s, f_snn = trainee.run("snn", batch, self.steps)
        if not self.summed:
            s, f_snn = ([x / self.steps for x in part] for part in (s, f_snn))
        if not self.artificial:
            return {f"exit {i}": cross_entropy(x, batch.y) for i, x in enumerate(s)}
        a, f_ann = trainee.run("ann", batch, 1)
        ce = torch.stack([cross_entropy(x, batch.y) for x in (*a, *s)]).sum()
        kd = [self._distil(pupil, a[0]) for pupil in a[1:]]
        kd += [self._distil(pupil, teacher) for pupil, teacher in zip(s, a, strict=True)]
        fe = torch.stack([_feature_error(x, y) for x, y in zip(f_snn, f_ann, strict=True)]).sum()
        terms = {"classes": (1 - self.alpha) * ce, "distillation": self.alpha * torch.stack(kd).sum()}
        return {**terms, "features": self.beta * fe}

    def _distil(self, pupil: Tensor, teacher: Tensor) -> Tensor:
        tau = self.temperature
        return -(tau**2) * (softmax(teacher.detach() / tau, 1) * log_softmax(pupil / tau, 1)).sum(1).mean()

    def deployed(self, trainee: nn.Module) -> nn.Module:
        return member(trainee, "snn")


def member(trainee: nn.Module, name: str) -> Network:
    """A copy of one half's network, "snn" or "ann", with ordinary convolution weights."""
    assert isinstance(trainee, Pair)
    half = trainee.halves[name]
    assert isinstance(half, Half)
    reset(half)
    network = copy.deepcopy(half.network)
    with torch.no_grad():
        parameters = dict(network.named_parameters())
        for key, weight in trainee.weights(name).items():
            parameters[key].copy_(weight)
    return network


def _feature_error(spiking: Tensor, artificial: Tensor) -> Tensor:
    teacher = artificial.detach()
    return ((spiking - teacher) ** 2 * ((spiking > 0) | (teacher > 0))).sum()
