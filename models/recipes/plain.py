"""Plain training: cross-entropy of the logits averaged over the steps, by backpropagation through time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seamount.models.recipes.recipe import Recipe


@dataclass(frozen=True)
class Plain(Recipe):
    """L = CE(mean_t o_t, y). Surrogate gradients: Neftci, Mostafa, Zenke, IEEE SPM 36(6), 2019.

    Trained at the T at which it is used this is also the rival "direct"; read earlier than trained, it is "cut".
    """

    name: ClassVar[str] = "plain"

    @property
    def takes_label_per_step(self) -> bool:
        return True
