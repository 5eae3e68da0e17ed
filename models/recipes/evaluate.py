"""What a trained network reaches: accuracy at several T from one run, agreement of the steps, spike rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from seamount.models.data.samples import NO_LABEL
from seamount.models.networks.stages import unroll
from seamount.models.recipes.training import Samples


@dataclass(frozen=True)
class Scores:
    """accuracy: T -> share of samples right when the mean logits of the first T steps decide; with a label per step, of
    the labelled ones among the first T that are right. divergence: mean pairwise KL between the steps' class
    distributions, in nats. rates: neuron layer -> spikes per neuron and step."""

    accuracy: dict[int, float]
    divergence: float
    rates: dict[str, float]


@torch.no_grad()
def evaluate(network: nn.Module, data: Samples, steps: Sequence[int], batch: int = 500) -> Scores:
    """Scores over all samples, in evaluation mode."""
    network.eval()
    most = max(steps)
    rates, hooks = _watched_rates(network)
    logits = [
        torch.stack(unroll(network, data.x[i : i + batch], most, data.constant)) for i in range(0, len(data.y), batch)
    ]
    for hook in hooks:
        hook.remove()
    outputs = torch.cat(logits, 1)
    right = {t: _share_right(outputs[:t], data.y) for t in steps}
    return Scores(right, _pairwise_kl(outputs), rates)


def _pairwise_kl(outputs: Tensor) -> float:
    """Mean over ordered pairs of steps and samples of KL(p_j || p_i); 0 for one step. outputs (T, N, classes).

    Sum over j and i of p_j (log p_j - log p_i) = T sum_j p_j log p_j - (sum_j p_j) (sum_i log p_i).
    """
    steps = len(outputs)
    if steps < 2:
        return 0.0
    logs = log_softmax(outputs.double(), 2)
    own = steps * (logs.exp() * logs).sum((0, 2))
    return float((own - (logs.exp().sum(0) * logs.sum(0)).sum(1)).mean()) / (steps * (steps - 1))


def _share_right(outputs: Tensor, y: Tensor) -> float:
    """Of samples by their mean logits; with a label per step, of the labelled steps. outputs (T, N, classes)."""
    if y.ndim == 1:
        return float((outputs.mean(0).argmax(1) == y).double().mean())
    labels = y[:, : len(outputs)].T
    known = labels != NO_LABEL
    return float((outputs.argmax(2) == labels)[known].double().mean()) if known.any() else 0.0


def _watched_rates(network: nn.Module) -> tuple[dict[str, float], list[Any]]:
    """A dictionary that fills with rates while the network runs, and the hooks to remove."""
    totals: dict[str, tuple[float, int]] = {}
    rates: dict[str, float] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            spikes, entries = totals.get(name, (0.0, 0))
            totals[name] = spikes + float(output.sum()), entries + output.numel()
            rates[name] = totals[name][0] / totals[name][1]

        return hook

    named = [(n, m) for n, m in network.named_modules() if isinstance(m, neuron.BaseNode)]
    return rates, [m.register_forward_hook(watch(n)) for n, m in named]
