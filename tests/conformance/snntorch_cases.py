"""Rows of snnTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.conformance.case import NEURONS, Case, dense

_HELD = "holds the membrane at 0"
_IGNORED = "does not carry out its reset_delay=False"


def neuron(kind: str, reset: str, delayed: bool = True, **more: Any) -> nn.Module:
    """A neuron layer that holds its state itself."""
    import snntorch

    options: dict[str, Any] = {"beta": 0.85, "threshold": 0.8, "init_hidden": True, "reset_mechanism": reset}
    if kind != "Lapicque":
        options["reset_delay"] = delayed
    if "Synaptic" in kind:
        options["alpha"] = 0.6
    if kind.startswith("R") and more.get("all_to_all", True):
        options["linear_features"] = NEURONS
    module: nn.Module = getattr(snntorch, kind)(**{**options, **more})
    return module


def _network(kind: str, reset: str, delayed: bool, more: dict[str, Any]) -> nn.Module:
    return nn.Sequential(dense(), neuron(kind, reset, delayed, **more))


def _case(
    kind: str, reset: str, delayed: bool, refused: str = "", options: str = "", grid: bool = False,
    scale: float | None = None, **more: Any,
) -> Case:  # fmt: skip
    words = {"subtract": "subtract", "zero": "to 0", "none": "none"}
    timing = "reset_delay=True" if delayed else "reset_delay=False"
    size = scale if scale is not None else {"Lapicque": 5.0, "Leaky": 2.0, "RLeaky": 1.5}.get(kind, 0.8)
    build = lambda: _network(kind, reset, delayed, more)  # noqa: E731
    return Case("snntorch", kind, words[reset], timing, ">", build, options, grid, size, refused)


def _refused(kind: str, reset: str, delayed: bool) -> str:
    """The expected cause, from the measured updates in frontends/frameworks/snntorch_neurons.py."""
    if not delayed and kind == "RSynaptic":
        return _IGNORED
    return _HELD if delayed and reset == "zero" and kind != "Leaky" else ""


def matrix() -> list[Case]:
    """Every neuron with every reset and timing."""
    return [
        _case(kind, reset, delayed, _refused(kind, reset, delayed))
        for kind in ("Leaky", "Synaptic", "RLeaky", "RSynaptic", "Lapicque")
        for reset in ("subtract", "zero", "none")
        for delayed in ((True, False) if kind != "Lapicque" else (True,))
    ]


def parameters() -> list[Case]:
    """Parameters that the matrix leaves at their defaults."""
    own = torch.linspace(0.5, 1.1, NEURONS)
    return [
        _case("Leaky", "subtract", True, options="beta and threshold per neuron, beta clamped to 1", beta=own,
              threshold=torch.linspace(0.5, 1.5, NEURONS), learn_beta=True, learn_threshold=True),
        _case("Leaky", "zero", False, options="beta per neuron", beta=own.clamp(max=0.95)),
        _case("Leaky", "subtract", True, options="beta = 1", beta=1.0, scale=1.0),
        _case("Leaky", "zero", True, options="beta = 0.5, weights k/4", beta=0.5, threshold=0.75, grid=True),
        _case("Leaky", "subtract", True, options="beta = 1, weights k/4", grid=True, scale=1.0,
              beta=1.0, threshold=1.0),
        _case("Leaky", "subtract", True, "beta is 0", "beta = 0", beta=0.0),
        _case("Synaptic", "subtract", True, options="alpha and beta learned per neuron", learn_alpha=True,
              learn_beta=True, alpha=own - 0.2, beta=own.clamp(max=0.9)),
        _case("RLeaky", "subtract", True, options="one to one, V learned", all_to_all=False, V=0.7),
        _case("RLeaky", "zero", False, options="one to one, V per neuron", all_to_all=False, V=own - 0.8),
        _case("RSynaptic", "subtract", True, options="one to one", all_to_all=False, V=-0.5, scale=1.0),
        _case("Lapicque", "subtract", True, options="R = 5, C = 2", beta=False, R=5, C=2, scale=4.0),
        _case("Lapicque", "subtract", True, "overshoots", "R C < time_step", beta=False, R=0.5, C=0.5),
    ]  # fmt: skip


def extras() -> list[Case]:
    """Options that no graph holds."""
    options: list[tuple[str, str, dict[str, Any]]] = [
        ("graded_spikes_factor = 2", "scales its spikes", {"graded_spikes_factor": 2.0}),
        ("inhibition", "one neuron of the layer", {"inhibition": True}),
        ("state_quant", "rounds its state", {"state_quant": torch.round}),
        ("threshold = 0", "is not positive", {"threshold": 0.0}),
    ]
    return [_case("Leaky", "subtract", True, cause, words, **more) for words, cause, more in options]


def cases() -> list[Case]:
    """All rows."""
    return matrix() + parameters() + extras()
