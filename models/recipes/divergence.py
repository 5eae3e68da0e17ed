"""Distances between class distributions, as distillation uses them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import kl_div, log_softmax

Tensor = torch.Tensor


def soft_divergence(pupil: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """tau^2 KL(softmax(teacher / tau) || softmax(pupil / tau)), mean over the batch; the teacher gets no gradient.

    pupil, teacher: logits (B, classes). Hinton, Vinyals, Dean, arXiv:1503.02531.
    """
    target = log_softmax(teacher.detach() / temperature, 1)
    return temperature**2 * kl_div(log_softmax(pupil / temperature, 1), target, reduction="batchmean", log_target=True)


def pairwise(outputs: Sequence[Tensor], temperature: float) -> Tensor:
    """Mean soft divergence over all ordered pairs of steps; every step is once pupil and once teacher.

    1 / (T (T - 1)) sum over i != j of soft_divergence(o_i, o_j). Zero for a single step. ETC: Zhao et al.,
    arXiv:2305.14174, after the authors' released code.
    """
    steps = len(outputs)
    if steps < 2:
        return outputs[0].new_zeros(())
    terms = [soft_divergence(outputs[i], outputs[j], temperature) for i in range(steps) for j in range(steps) if i != j]
    return torch.stack(terms).sum() / (steps * (steps - 1))


def mean_of(outputs: Sequence[Tensor]) -> Tensor:
    """Mean logits over the steps."""
    return torch.stack(tuple(outputs)).mean(0)
