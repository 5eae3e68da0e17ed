"""Rows of sinabs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.conformance.case import NEURONS, Case, dense

_SEVERAL = "sends several spikes in one step, and one reset takes the whole membrane"


def neuron(kind: str, reset: str = "subtract", spike: str = "SingleSpike", **more: Any) -> nn.Module:
    """A neuron layer. amount: what its reset sets or takes; max_spikes: MaxSpike; bias: of recurrent weights."""
    import sinabs.activation as activation
    import sinabs.layers as layers

    resets = {"subtract": activation.MembraneSubtract, "to 0": activation.MembraneReset}
    amount = (more.pop("amount"),) if "amount" in more else ()
    options: dict[str, Any] = {"reset_fn": resets["subtract" if reset.startswith("subtract") else "to 0"](*amount)}
    limit = more.pop("max_spikes", None)
    options["spike_fn"] = getattr(activation, spike) if limit is None else activation.MaxSpike(limit)
    if kind.endswith("Recurrent"):
        inner = nn.Linear(NEURONS, NEURONS, bias=more.pop("bias", False))
        with torch.no_grad():
            inner.weight.mul_(2.0)
        options["rec_connect"] = inner
    if kind.startswith("LIF"):
        options["tau_mem"] = 6.0
    if kind.endswith("Squeeze"):
        options["batch_size"] = 1
    module: nn.Module = getattr(layers, kind)(**{**options, **more})
    return module


def _case(
    kind: str, reset: str = "subtract", options: str = "", refused: str = "", scale: float = 2.0, **more: Any
) -> Case:
    grid = bool(more.pop("grid", False))

    def build() -> nn.Module:
        return nn.Sequential(dense(), neuron(kind, reset, **more))

    return Case("sinabs", kind, reset, "immediate", ">=", build, options, grid, scale, refused)


def matrix() -> list[Case]:
    """Every firing neuron with every reset."""
    rows = []
    for reset in ("subtract", "to 0"):
        rows += [_case("IAF", reset), _case("IAFSqueeze", reset), _case("IAFRecurrent", reset, scale=1.0)]
        for kind in ("LIF", "LIFSqueeze", "LIFRecurrent"):
            size = 1.5 if kind == "LIFRecurrent" else 4.0
            rows.append(_case(kind, reset, "norm_input=True", scale=2 * size))
            rows.append(_case(kind, reset, "norm_input=False", norm_input=False, scale=0.7 * size))
    return rows


def parameters() -> list[Case]:
    """Parameters that the matrix leaves at their defaults."""
    own = torch.linspace(2.0, 9.0, NEURONS)
    sizes = {"IAF": 4.0, "IAFSqueeze": 4.0, "LIF": 30.0, "LIFSqueeze": 30.0, "IAFRecurrent": 2.0, "LIFRecurrent": 12.0}
    several = [
        _case(kind, options="MultiSpike (default)", spike="MultiSpike", scale=size) for kind, size in sizes.items()
    ]
    return [
        _case("LIF", options="tau_syn = 3", tau_syn=3.0, scale=4.0),
        _case("LIF", "to 0", "tau_syn = 3, norm_input=False", tau_syn=3.0, norm_input=False),
        _case("IAF", options="tau_syn = 3", tau_syn=3.0),
        _case("LIFRecurrent", options="tau_syn = 2, norm_input=False", tau_syn=2.0, norm_input=False, scale=1.0),
        _case("LIFRecurrent", options="rec_connect with bias", bias=True, scale=3.0),
        _case("IAFRecurrent", "to 0", "rec_connect with bias", bias=True),
        _case("LIFRecurrent", options="rec_connect with bias, tau_syn = 2", bias=True, tau_syn=2.0, scale=3.0),
        _case("LIF", options="train_alphas", train_alphas=True, scale=8.0),
        _case("LIF", options="train_alphas, tau per neuron", train_alphas=True, tau_mem=own, scale=6.0),
        _case("LIF", options="tau and threshold per neuron", tau_mem=own, scale=6.0,
              spike_threshold=torch.linspace(0.5, 1.5, NEURONS)),
        _case("IAF", options="min_v_mem = -0.5", min_v_mem=-0.5),
        _case("LIF", "to 0", "min_v_mem = -0.2", min_v_mem=-0.2, scale=6.0),
        _case("IAF", options="weights k/4", grid=True, spike_threshold=torch.tensor(1.0)),
        _case("IAF", "to 0", "weights k/4", grid=True, spike_threshold=torch.tensor(1.0)),
        _case("IAF", options="MaxSpike(1)", max_spikes=1),
        *several,
        _case("LIF", options="MaxSpike(3)", max_spikes=3, scale=30.0),
        _case("IAF", options="MultiSpike, weights k/4", grid=True, spike="MultiSpike", scale=3.0,
              spike_threshold=torch.tensor(1.0)),
    ]  # fmt: skip


def refusals() -> list[Case]:
    """Options without a counterpart."""
    return [
        _case("IAF", "to 0", "MultiSpike", _SEVERAL, spike="MultiSpike"),
        _case("IAF", options="MaxSpike(200)", refused="up to 200 spikes in one step", max_spikes=200),
        _case("IAF", "to 0.3", "MembraneReset(0.3)", "adds 0.3 to silent neurons too", amount=0.3),
        _case("IAF", "subtract 0.5", "MembraneSubtract(0.5)", "another amount than the threshold", amount=0.5),
        _case("IAF", options="spike_threshold = 0", refused="is not positive", spike_threshold=torch.tensor(0.0)),
        _adaptive(),
    ]


def _adaptive() -> Case:
    def build() -> nn.Module:
        import sinabs.layers as layers

        return nn.Sequential(dense(), layers.ALIF(tau_mem=6.0, tau_adapt=8.0))

    return Case("sinabs", "ALIF", "its own", "its own", "its own", build, refused="adaptive threshold")


def cases() -> list[Case]:
    """All rows."""
    return matrix() + parameters() + refusals()
