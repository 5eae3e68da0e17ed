"""ETC, temporal consistency: the class distributions of the steps are pulled towards one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from seamount.models.recipes.divergence import pairwise
from seamount.models.recipes.recipe import Batch, Recipe, task_loss


@dataclass(frozen=True)
class Etc(Recipe):
    """L = CE(mean_t o_t, y) + weight * mean over i != j of tau^2 KL(softmax(o_j / tau) || softmax(o_i / tau)).

    Zhao, Shen, Dong, Li, Zeng, Pattern Recognition, 111094, 2024 (arXiv:2305.14174); loss, weight and temperature as
    in the authors' released code. Assumed here: the neuron of all recipes (decay 0.5, input gain 1, rectangular
    surrogate) for the paper's (gain 0.5, triangular surrogate), and short schedules for its 600 epochs.
    In training only: the loss. Deployed: the plain network, at any T from 1 up.
    """

    name: ClassVar[str] = "etc"
    weight: float = 1.0
    temperature: float = 4.0

    def loss(self, trainee: nn.Module, batch: Batch) -> dict[str, Tensor]:
        outputs = batch.outputs(trainee, self.steps)
        terms = {"task": task_loss(outputs, batch.y)}
        if self.weight and self.steps > 1:
            terms["consistency"] = self.weight * pairwise(outputs, self.temperature)
        return terms
