"""TSSD, temporal-spatial self-distillation: a longer run teaches the short one, the end teaches the middle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from seamount.models.networks.stages import Network, unroll
from seamount.models.recipes.auxiliary import GridClassifier
from seamount.models.recipes.divergence import mean_of, soft_divergence
from seamount.models.recipes.recipe import Batch, Builder, Phase, Recipe, task_loss


class WithWeakClassifier(nn.Module):
    """The network, and a classifier after its middle stage that training needs and nothing else."""

    def __init__(self, network: Network, middle: int) -> None:
        super().__init__()
        self.network, self.middle = network, middle
        self.weak = GridClassifier(network.shapes[middle], network.classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        found = self.network.features(x)
        return self.network.head(found[-1]), self.weak(found[self.middle])


@dataclass(frozen=True)
class Tssd(Recipe):
    """With logits o_t, s = mean of the first T_s, q = mean of all T_t, w = mean of the weak classifier's first T_s:

    L = CE(s, y) + temporal * D(s, q) + spatial * D(w, q) [+ CE(q, y) when `both`],  D = tau^2 KL to the stopped teacher

    Zuo, Ding, Jing, Yang, Yu, arXiv:2406.07862, 2024. The total form is theirs; unknown and assumed here: D, tau, both
    weights, T_t = 2 T_s, one linear weak classifier on a 2 x 2 grid after the middle stage without spikes of its
    own, zero reset (theirs is by subtraction; `neuron` takes it), and the extra CE(q, y), which makes one network
    serve both T.
    In training only: steps beyond T_s, the weak classifier. With both weights 0 and `both` off, only T_s steps run.
    """

    name: ClassVar[str] = "tssd"
    steps: int = 2
    teacher_steps: int = 4
    temporal: float = 0.5
    spatial: float = 0.5
    temperature: float = 2.0
    both: bool = True

    @property
    def training_steps(self) -> int:
        return max(self.steps, self.teacher_steps)

    def at(self, steps: int) -> Tssd:
        return replace(self, steps=steps, teacher_steps=2 * steps)

    def trainee(self, build: Builder, phase: Phase) -> nn.Module:
        network = build(self.neuron)
        return WithWeakClassifier(network, (len(network.stages) - 1) // 2) if self.spatial else network

    def loss(self, trainee: nn.Module, batch: Batch) -> dict[str, Tensor]:
        longer = bool(self.temporal or self.spatial or self.both)
        outputs, weak = self._outputs(trainee, batch, self.teacher_steps if longer else self.steps)
        short = outputs[: self.steps]
        terms = {"task": task_loss(short, batch.y)}
        teacher = mean_of(outputs)
        if self.temporal:
            terms["temporal"] = self.temporal * soft_divergence(mean_of(short), teacher, self.temperature)
        if self.spatial:
            pupil = mean_of(weak[: self.steps])
            terms["spatial"] = self.spatial * soft_divergence(pupil, teacher, self.temperature)
        if self.both:
            terms["task, all steps"] = cross_entropy(teacher, batch.y)
        return terms

    def _outputs(self, trainee: nn.Module, batch: Batch, steps: int) -> tuple[list[Tensor], list[Tensor]]:
        """Logits per step of the network and of the weak classifier, which is absent without a spatial term."""
        if not isinstance(trainee, WithWeakClassifier):
            return batch.outputs(trainee, steps), []
        pairs = unroll(trainee, batch.x, steps, batch.constant)
        return [p[0] for p in pairs], [p[1] for p in pairs]

    def deployed(self, trainee: nn.Module) -> nn.Module:
        return trainee.network if isinstance(trainee, WithWeakClassifier) else trainee
