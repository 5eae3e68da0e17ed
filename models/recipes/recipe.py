"""What a training recipe is. Every file beside this one holds one, all of the same inner shape.

A recipe is a frozen dataclass whose fields are its hyperparameters. It says how the trained thing is built around
the network (`trainee`), what its loss is (`loss`), and which network is left when training is over (`deployed`). The
loop (training.py) needs nothing else of it. A term whose weight is 0 is not computed, so that a recipe with its
terms off is plain training bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from seamount.models.data.samples import NO_LABEL
from seamount.models.networks.neurons import Neuron
from seamount.models.networks.stages import Activation, unroll
from seamount.models.recipes.divergence import mean_of

Tensor = torch.Tensor
Builder = Callable[[Activation], Any]
"""Builds the chosen network with an activation; fresh weights, from torch's seed."""


@dataclass(frozen=True)
class Phase:
    """A part of training with a learning-rate cycle of its own.

    rate: times the rate of the schedule, at the start. shape: "cosine" falls to 0, "constant" stays.
    fresh: prefixes of parameters; if any, all others are frozen during the phase.
    """

    name: str
    epochs: int
    rate: float = 1.0
    shape: Literal["cosine", "constant"] = "cosine"
    fresh: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Batch:
    """x: (B, *shape) shown at every step when `constant`, else (B, T, *shape). y: (B,) classes, or (B, T), a class per
    step or NO_LABEL. epoch: in the phase, from 0."""

    x: Tensor
    y: Tensor
    constant: bool
    phase: Phase
    epoch: int = 0

    def outputs(self, network: nn.Module, steps: int) -> list[Tensor]:
        """Logits of each step."""
        return unroll(network, self.x, steps, self.constant)


@dataclass(frozen=True)
class Recipe:
    """The base: one phase, the network alone is trained, and it is what is deployed."""

    name: ClassVar[str] = ""
    steps: int = 4
    """T for which the network is meant; what is deployed reads the mean over so many steps."""
    neuron: Neuron = field(default_factory=Neuron)

    @property
    def training_steps(self) -> int:
        """Steps that training runs, where they are more than `steps`."""
        return self.steps

    @property
    def takes_label_per_step(self) -> bool:
        """Whether the loss is one for samples whose every step has a class of its own."""
        return False

    @property
    def needs_images(self) -> bool:
        """Whether a part of training sees a sample as one image, which a sequence of frames is not."""
        return False

    def at(self, steps: int) -> Self:
        """The same recipe for another T."""
        return replace(self, steps=steps)

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        """Parts of training, in order, for a budget of `epochs`."""
        return (Phase("train", epochs),)

    def trainee(self, build: Builder, phase: Phase) -> nn.Module:
        """What the optimizer sees: the network, and whatever exists in training only. The network is built first, so
        that its initial weights are those of plain training with the same seed."""
        network: nn.Module = build(self.neuron)
        return network

    def transfer(self, before: nn.Module, after: nn.Module) -> None:
        """What a phase takes over from the one before it: everything of the same name."""
        after.load_state_dict(before.state_dict(), strict=False)

    def loss(self, trainee: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Weighted terms of the loss by name; their sum is minimized. Here cross-entropy of the mean logits alone."""
        return {"task": task_loss(batch.outputs(trainee, self.steps), batch.y)}

    def deployed(self, trainee: nn.Module) -> nn.Module:
        """The network without anything that only training needs: one step, x to logits."""
        return trainee


def task_loss(outputs: list[Tensor], y: Tensor) -> Tensor:
    """Cross-entropy of the mean logits; with a label per step, of each step's own."""
    return step_loss(outputs, y) if y.ndim == 2 else cross_entropy(mean_of(outputs), y)


def step_loss(outputs: list[Tensor], y: Tensor) -> Tensor:
    """Mean over samples and steps of the cross-entropy of each step's logits with its label, of y (B, T or more); steps
    without a label do not count."""
    return cross_entropy(torch.cat(outputs), y[:, : len(outputs)].T.flatten(), ignore_index=NO_LABEL)
