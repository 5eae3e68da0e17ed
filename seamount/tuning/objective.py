"""What tuning minimises: the distance from labels, from what the float network answers, or from both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from seamount.compiler.codes import BY_VALUE, OutputCode, Task

CONFIDENT = 0.9
"""Mean probability of the float network's own answer at the sharpness that is chosen."""
SHARPNESS = tuple(2.0**k for k in range(-12, 13))


@dataclass(frozen=True)
class Objective:
    """The loss of one output. sharpness: what its values are multiplied by before softmax; a real value is divided by
    `spread`, the standard deviation of the float network's."""

    code: OutputCode
    sharpness: float = 1.0
    spread: float = 1.0

    def logits(self, values: Tensor) -> Tensor:
        """(M, classes) of (N, [T,] *shape)."""
        lead = self.code.lead
        if self.code.task is Task.PIXELS:
            return values.movedim(lead, -1).flatten(0, -2)
        flat = values.flatten(0, lead - 1).flatten(1)
        if self.code.task is Task.POPULATION:
            flat = flat.reshape(len(flat), self.code.groups, -1).sum(dim=-1)
        return flat

    def from_labels(self, values: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, over the entries whose label is not negative; of real values the mean squared error."""
        if self.code.task in BY_VALUE:
            return ((values - labels) / self.spread).square().mean()
        if self.code.lead == 2:
            labels = labels[:, : values.shape[1]]
        logits, wanted = self.logits(values) * self.sharpness, labels.flatten()
        known = wanted >= 0
        return F.cross_entropy(logits[known], wanted[known]) if bool(known.any()) else logits.sum() * 0

    def from_float(self, values: Tensor, trained: Tensor) -> Tensor:
        """Kullback-Leibler divergence from what the float network answers (Hinton et al. 2015, arXiv:1503.02531); of
        real values the mean squared difference."""
        if self.code.task in BY_VALUE:
            return ((values - trained) / self.spread).square().mean()
        ours, theirs = (F.log_softmax(self.logits(v) * self.sharpness, dim=-1) for v in (values, trained))
        return F.kl_div(ours, theirs, log_target=True, reduction="batchmean")


def objective(code: OutputCode, trained: Tensor, labels: Tensor | None = None) -> Objective:
    """The objective for an output of which the float network gives `trained`, (N, [T,] *shape).

    Its sharpness makes the float network `CONFIDENT` on average; less sharp where that fits the labels better.
    """
    if code.task in BY_VALUE:
        spread = float(trained.std()) if trained.numel() > 1 else 0.0
        return Objective(code, spread=spread or 1.0)
    logits = Objective(code).logits(trained.double())

    def surety(sharpness: float) -> float:
        return float(torch.softmax(logits * sharpness, dim=-1).amax(dim=-1).mean())

    most = min(SHARPNESS, key=lambda s: abs(surety(s) - CONFIDENT))
    if labels is None:
        return Objective(code, sharpness=most)
    able = [Objective(code, sharpness=s) for s in SHARPNESS if s <= most]
    return min(able, key=lambda o: float(o.from_labels(trained.double(), labels)))
