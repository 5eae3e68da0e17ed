"""Rows of norse."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.conformance.case import NEURONS, Case, dense


def _network(kind: str, **parameters: Any) -> nn.Module:
    import norse.torch as norse
    from norse.torch.functional.reset import reset_subtract

    if parameters.pop("soft", False):
        parameters["reset_method"] = reset_subtract
    tuples = {"LIFBoxCell": norse.LIFBoxParameters, "IAFCell": norse.IAFParameters, "IAF": norse.IAFParameters}
    more = {k: parameters.pop(k) for k in ("dt", "autapses") if k in parameters}
    p = tuples.get(kind, norse.LIFParameters)(
        **{k: v if callable(v) else torch.as_tensor(v) for k, v in parameters.items()}
    )
    sizes = (NEURONS, NEURONS) if "Recurrent" in kind else ()
    return norse.SequentialState(dense(), getattr(norse, kind)(*sizes, p=p, **more))


def _case(kind: str, reset: str = "to 0", options: str = "", scale: float = 4.0, **parameters: Any) -> Case:
    grid = bool(parameters.pop("grid", False))
    build = lambda: _network(kind, **parameters)  # noqa: E731
    return Case("norse", kind, reset, "immediate", ">", build, options, grid, scale)


def cases() -> list[Case]:
    """Every firing neuron with each of its resets."""
    return [
        _case("LIFBoxCell"),
        _case("LIFBoxCell", "to 0.2", "v_leak = -0.2", v_reset=0.2, v_leak=-0.2, v_th=0.6),
        _case("LIFBoxCell", "subtract", soft=True, v_th=0.5),
        _case("LIFBoxCell", options="dt = 4 ms, tau = 5 ms", dt=0.004, tau_mem_inv=200.0, v_th=0.8, scale=2.0),
        _case("LIFCell", scale=3.0),
        _case("LIFCell", "to -0.2", "tau_syn = 2 ms, v_leak = 0.05", tau_syn_inv=500.0, v_reset=-0.2, v_leak=0.05),
        _case("LIF", options="layer over all steps", scale=3.0),
        _case("LIFRecurrentCell", scale=2.0),
        _case("LIFRecurrentCell", "to 0.1", "autapses", autapses=True, v_reset=0.1, v_th=0.8, scale=2.0),
        _case("LIFRecurrent", options="layer over all steps", scale=2.0),
        _case("IAFCell", v_th=2.0, scale=1.5),
        _case("IAFCell", "to -0.5", v_th=2.0, v_reset=-0.5, scale=1.5),
        _case("IAFCell", options="weights k/4", v_th=2.0, grid=True, scale=1.5),
        _case("IAF", options="layer over all steps", v_th=2.0, scale=1.5),
    ]
