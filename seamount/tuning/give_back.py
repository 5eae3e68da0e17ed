"""Tuned weights back into the user's own torch module, by the names of its layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.ir.ops import Sparse
from seamount.compiler.ir.weights import values_of
from seamount.tuning.export import tuned_graph
from seamount.tuning.network import IntegerNetwork

ROUNDING = 1e-4
"""Modules hold float32, and folding rounds."""


@torch.no_grad()
def give_back(net: IntegerNetwork, module: nn.Module) -> tuple[str, ...]:
    """Names of the layers of `module` that took the tuned weights, and their biases where they have some.

    A layer takes them where its weights are those that the network was tuned from, times one factor f per output (a
    gain, a threshold, a batch norm): W = C / f, b += (B - B_before) / f. Raises InputError where no layer fits.
    """
    tuned, layers, taken = tuned_graph(net), dict(module.named_modules()), []
    for name, s in net.synapses.items():
        layer: Any = layers.get(name)
        weight = getattr(layer, "weight", None)
        if isinstance(s.op, Sparse) or not isinstance(weight, torch.Tensor):
            continue
        before, after = (values_of(g[name].op) for g in (net.canonical, tuned))  # type: ignore[arg-type]
        factor = _factor(before, weight.detach().double().cpu().numpy())
        if factor is None:
            continue
        wide = factor.reshape(-1, *(1,) * (after.ndim - 1))
        weight.copy_(torch.from_numpy(np.array(after / wide)))
        _give_bias(net, tuned, s.path.target, layer, factor)
        taken.append(name)
    if not taken:
        found = "has no layer with the name and the weights of one that was tuned"
        raise InputError(Problem("the module", found, "give the module that the network was imported from, untuned"))
    return tuple(taken)


def _factor(folded: Any, own: Any) -> Any:
    """f per output with folded = f own, or None."""
    if own.shape != folded.shape:
        return None
    a, b = (x.reshape(len(x), -1) for x in (folded, own))
    square = np.sum(b * b, axis=1)
    f = np.where(square > 0, np.sum(a * b, axis=1) / np.where(square > 0, square, 1.0), 1.0)
    close = np.all(np.abs(a - f[:, None] * b) <= ROUNDING * np.max(np.abs(a), initial=1e-30))
    return f if close and np.all(f != 0) else None


def _give_bias(net: IntegerNetwork, tuned: Any, target: str, layer: Any, factor: Any) -> None:
    """What the neuron's bias changed by; neurons with synaptic memory keep theirs apart."""
    bias, before, after = getattr(layer, "bias", None), net.canonical[target].op, tuned[target].op
    if not isinstance(bias, torch.Tensor) or np.any(before.alpha != 0):  # type: ignore[union-attr]
        return
    shape = net.neurons[target].shape
    change = np.broadcast_to(after.bias - before.bias, shape).reshape(shape[0], -1).mean(axis=1)  # type: ignore[union-attr]
    bias += torch.from_numpy(np.array(change / factor)).to(bias)
