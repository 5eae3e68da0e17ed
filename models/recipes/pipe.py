"""pipe-S and pipe-D: pretraining without time as a bridge from an artificial to a spiking network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from seamount.models.networks.neurons import Neuron
from seamount.models.recipes.recipe import Batch, Builder, Phase, Recipe, task_loss


class Ramp(torch.autograd.Function):
    """0 below lo, 1 above hi, a line between. Backward: 1 where |x - 0.5| < 0.5, the surrogate of the neuron."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, lo: float, hi: float) -> Tensor:
        ctx.save_for_backward(x)
        return ((x - lo) / (hi - lo)).clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return gradient * ((x - 0.5).abs() < 0.5), None, None


class Clip(nn.Module):
    """The activation of pretraining: a ramp that narrows to a step at the firing threshold 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.lo, self.hi = 0.0, 1.0

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = Ramp.apply(x, self.lo, self.hi)  # type: ignore[no-untyped-call]
        return y


def ramp_ends(e: float) -> tuple[float, float]:
    """(lo, hi) of the ramp at epoch e of 100: lo = min(e / 200, 0.49), hi = 1 - e / 200."""
    return min(e / 200, 0.49), 1 - e / 200


@dataclass(frozen=True)
class PipeS(Recipe):
    """Static images. Phase 1: one pass per image, the clip annealed to a step. Phase 2: the same weights with neurons,
    trained further at T steps with cross-entropy, or with `tuning`.

    Lin, Hu, Ma, Yu, Li, IEEE TNNLS 35(7), 2024 (arXiv:2203.01158); ramp, surrogate and phases as in the authors'
    released code. Assumed here: the ramp is scaled to the length of phase 1, batch norm step by step (theirs is joint
    over time), a cosine in phase 2 that starts at `tuning_rate` of the rate (theirs steps down by 0.3), both phases
    with the optimizer of all recipes. activation "relu" transplants an ordinary ReLU network instead (the rival).
    In training only: the clip. With tuning_epochs = 0 the network is one of binary activations, fit for T = 1.
    """

    name: ClassVar[str] = "pipe-s"
    neuron: Neuron = field(default_factory=lambda: Neuron(decay=0.25))
    activation: Literal["clip", "relu"] = "clip"
    tuning: Recipe | None = None
    """Recipe whose loss phase 2 takes instead of plain cross-entropy, e.g. Etc()."""
    tuning_epochs: int = 2
    tuning_rate: float = 0.4

    @property
    def needs_images(self) -> bool:
        return True

    def at(self, steps: int) -> PipeS:
        return replace(self, steps=steps, tuning=self.tuning and self.tuning.at(steps))

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        return Phase("pretrain", epochs), Phase("fine-tune", self.tuning_epochs, self.tuning_rate)

    def trainee(self, build: Builder, phase: Phase) -> nn.Module:
        if phase.name != "pretrain":
            return super().trainee(build, phase)
        network: nn.Module = build(Clip if self.activation == "clip" else nn.ReLU)
        return network

    def loss(self, trainee: nn.Module, batch: Batch) -> dict[str, Tensor]:
        if batch.phase.name == "pretrain":
            lo, hi = ramp_ends(100 * (batch.epoch + 1) / batch.phase.epochs)
            for module in trainee.modules():
                if isinstance(module, Clip):
                    module.lo, module.hi = lo, hi
            return {"task": task_loss(batch.outputs(trainee, 1), batch.y)}
        if self.tuning is not None:
            return self.tuning.loss(trainee, batch)
        return super().loss(trainee, batch)


@dataclass(frozen=True)
class PipeD(Recipe):
    """Event data from a network trained on images: its weights, a new classifier, the first kernels averaged over the
    image's channels for each of the event channels; at first only these two are trained, then everything.

    Same source as PipeS. The published script assigns the averaged kernels to a temporary, which leaves the first layer
    random; here they are copied (`adapt`). Decays are learned, one per layer, from 0.62.
    Deployed: the plain network, with its learned decays.
    """

    name: ClassVar[str] = "pipe-d"
    neuron: Neuron = field(default_factory=lambda: Neuron(decay=0.62, learned=True))
    frozen_epochs: int = 2

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        held = min(self.frozen_epochs, epochs)
        return Phase("new layers", held, shape="constant", fresh=("stages.0.0.", "head.")), Phase("all", epochs - held)


def adapt(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights of a network for images as weights for `network`, which takes another number of channels.

    The first kernel (C, c, k, k) becomes the mean over its c channels, once per new channel, scaled by c / new so that
    equal inputs give equal sums. What has another shape, or does not exist there, keeps the weights of `network`.
    """
    own = network.state_dict()
    first = next(k for k, v in own.items() if v.ndim == 4)
    source = state[first]
    if source.shape[1] != own[first].shape[1]:
        mean = source.mean(1, keepdim=True) * source.shape[1] / own[first].shape[1]
        state = {**state, first: mean.expand_as(own[first]).contiguous()}
    return {k: state[k] if k in state and state[k].shape == v.shape else v for k, v in own.items()}
