"""TET, temporal efficient training: every step is asked for the class. The rival of ETC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from seamount.models.recipes.recipe import Batch, Recipe, step_loss


@dataclass(frozen=True)
class Tet(Recipe):
    """L = mean_t CE(o_t, y). Deng, Li, Zhang, Gu, ICLR 2022, arXiv:2202.11946, without its mean-squared term."""

    name: ClassVar[str] = "tet"

    @property
    def takes_label_per_step(self) -> bool:
        return True

    def loss(self, trainee: nn.Module, batch: Batch) -> dict[str, Tensor]:
        outputs = batch.outputs(trainee, self.steps)
        if batch.y.ndim == 2:
            return {"per step": step_loss(outputs, batch.y)}
        return {"per step": torch.stack([cross_entropy(o, batch.y) for o in outputs]).mean()}
