"""Rows of SpikingJelly."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.conformance.case import INPUTS, NEURONS, Case

SCALES = {"IFNode": 1.5, "CUBALIFNode": 1.0}
"""Size of the weights; 5 with decay_input=True, 1.5 with False."""


def _network(kind: str, mode: str, more: dict[str, Any]) -> nn.Module:
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    if more.get("analog"):
        more = {k: v for k, v in more.items() if k != "analog"} | {
            "surrogate_function": surrogate.Sigmoid(spiking=False)
        }
    if kind == "ILIFNode":
        more = {k: v for k, v in more.items() if k != "v_reset"}
    model = nn.Sequential(layer.Linear(INPUTS, NEURONS), getattr(neuron, kind)(**more))
    functional.set_step_mode(model, mode)
    return model


def _case(
    kind: str, v_reset: float | None, mode: str = "m", options: str = "", refused: str = "", grid: bool = False,
    scale: float | None = None, **more: Any,
) -> Case:  # fmt: skip
    reset = "subtract" if v_reset is None else f"to {v_reset:g}"
    more = {"v_threshold": 0.8, "v_reset": v_reset, **more}
    size = scale or SCALES.get(kind, 4.0 if more.get("decay_input", True) else 1.5)
    words = f"{'single' if mode == 's' else 'multi'} step{', ' if options else ''}{options}"
    build = lambda: _network(kind, mode, more)  # noqa: E731
    fires = "> (rounded)" if kind == "ILIFNode" else ">="
    return Case("spikingjelly", kind, reset, "immediate", fires, build, words, grid, size, refused)


def matrix() -> list[Case]:
    """Every neuron with every reset, step mode and way of decaying its input."""
    rows = []
    for kind in ("IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode"):
        tau = {"LIFNode": {"tau": 3.0}, "ParametricLIFNode": {"init_tau": 3.0}}.get(kind, {})
        for v_reset in (0.0, None, -0.3):
            for mode in ("s", "m"):
                if not tau:
                    rows.append(_case(kind, v_reset, mode))
                for decays in (True, False) if tau else ():
                    words = f"decay_input={decays}"
                    rows.append(_case(kind, v_reset, mode, words, decay_input=decays, **tau))
    return rows


def parameters() -> list[Case]:
    """Parameters and thresholds that the matrix leaves aside."""
    return [
        _case("IFNode", 0.0, options="weights k/4", v_threshold=2.0, grid=True),
        _case("IFNode", None, options="weights k/4", v_threshold=2.0, grid=True),
        _case("LIFNode", 0.0, options="tau = 2, weights k/4", v_threshold=1.0, tau=2.0, grid=True, scale=3.0),
        _case("LIFNode", 0.25, options="tau = 2, weights k/4", v_threshold=0.75, tau=2.0, grid=True, scale=3.0),
        _case("CUBALIFNode", 0.2, options="c_decay = 0.8, v_decay = 1", c_decay=0.8, v_decay=1.0, scale=0.5),
        _case("ILIFNode", None, "s", options="up to 4 spikes", tau=2.0, scale=3.0),
        _case("ILIFNode", None, options="up to 4 spikes", tau=2.0, scale=3.0),
        _case("CUBALIFNode", 0.0, options="c_decay = 1.2", refused="outside [0, 1]", c_decay=1.2),
        _case("IFNode", None, options="v_threshold = inf", refused="0 times inf", v_threshold=float("inf")),
        _case("IFNode", -0.5, options="v_threshold = 0", refused="is not positive", v_threshold=0.0),
        _case("IFNode", 1.0, options="v_threshold = 0.8", refused="not below the threshold"),
        _case("LIFNode", 0.0, options="surrogate not spiking", refused="sends real values", analog=True),
    ]


KINDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("KLIFNode", "rectifying the membrane", {}),
    ("QIFNode", "quadratic membrane", {}),
    ("EIFNode", "exponential membrane", {}),
    ("IzhikevichNode", "recovery variable", {}),
    ("TernaryIFNode", "negative spikes", {}),
    ("PSN", "several steps of input at once", {"T": 1000}),
    ("GatedLIFNode", "gates", {"T": 1000}),
)


def kinds() -> list[Case]:
    """Neurons without a counterpart."""
    return [_refused(kind, cause, more) for kind, cause, more in KINDS]


def _refused(kind: str, cause: str, more: dict[str, Any]) -> Case:
    def build() -> nn.Module:
        from spikingjelly.activation_based import layer, neuron

        module = getattr(neuron, kind)(**more)
        torch.manual_seed(0)
        return nn.Sequential(layer.Linear(INPUTS, NEURONS, step_mode="m"), module)

    return Case("spikingjelly", kind, "its own", "its own", "its own", build, refused=cause)


def cases() -> list[Case]:
    """All rows."""
    return matrix() + parameters() + kinds()
