"""SpikingJelly's neurons to NIR, so that the spikingjelly conventions (Euler, v >= threshold) give back the exact
update.

x is the input, v_r = v_reset (0 with soft reset), tau in steps; lines in the order of evaluation. A neuron fires where
u >= v_threshold; then v = v_reset (hard reset), or u - v_threshold with v_reset=None (soft reset). Single and multi
step are the same update. Measured with spikingjelly 2.0.0.

IFNode               u = v + x                               starts at v_r
LIFNode              u = v + (x - (v - v_r)) / tau           decay_input=True, starts at v_r
                     u = v - (v - v_r) / tau + x             decay_input=False
ParametricLIFNode    as LIFNode with 1 / tau = sigmoid(w)
ILIFNode             u as LIFNode without decay_input; n = round(clamp(u / v_threshold, 0, D)); v = u - n v_threshold
CUBALIFNode          c = c_decay c + x; u = v_decay v + c    leaks to 0 but starts at v_r

NonSpikingIFNode     v = v + x                               all steps at once, starts at 0; combined as `decode` says
NonSpikingLIFNode    v = v + (x - v) / tau                   the same

NIR:  I, LI without a threshold;  IF, r = 1 / dt;  LIF, tau dt, v_leak = v_r, r = 1 (decay_input) or tau;
CubaLIF, tau_syn = dt / (1 - c_decay), tau_mem = dt / (1 - v_decay), w_in = tau_syn / dt, r = tau_mem / dt,
v_leak = 0;  v_reset, or 0 with soft reset.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nir
import numpy as np
import torch

from seamount.compiler.codes import MESSAGE_MAX
from seamount.compiler.errors import ImportRefused, Problem
from seamount.compiler.ir.ops import Array, Rule, Shape
from seamount.frontends.conventions import PRESETS, Conventions
from seamount.frontends.frameworks.parts import Part

DT = float(PRESETS["spikingjelly"].dt or 0)
"""The step, in seconds, that SpikingJelly's own NIR exchange takes by default."""


def objections(name: str, module: Any) -> list[Problem]:
    """What speaks against a neuron layer before it is run."""
    where = f"neuron layer '{name}' ({type(module).__name__})"
    problems: list[Problem] = []
    if hasattr(module, "decode"):
        return _readout_objections(where, module)

    def bad(found: str, remedy: str) -> None:
        problems.append(Problem(where, found, remedy))

    if not getattr(module.surrogate_function, "spiking", True):
        bad("its surrogate has spiking=False, so it sends real values", "call set_spiking_mode(True) on the surrogate")
    if module._neuron_precision is not None:
        bad("it computes with another precision than its inputs", "build it without a neuron precision")
    for field in ("v_threshold", "v_reset", "tau", "c_decay", "v_decay"):
        value = getattr(module, field, None)
        if value is not None and not isinstance(value, (int, float)):
            bad(f"{field} is a {type(value).__name__}", "give one number for the layer")
            return problems
        if value is not None and not math.isfinite(value) and not (field == "v_threshold" and silent(module)):
            bad(f"{field} is {value}", "give a finite number")
    for found, remedy in _firing_faults(module):
        bad(found, remedy)
    for field in ("c_decay", "v_decay"):
        if not 0 <= getattr(module, field, 0.0) <= 1:
            bad(f"{field} = {getattr(module, field):g} lies outside [0, 1]", "train with a decay between 0 and 1")
    if getattr(module, "tau", 1.0) < 1:
        bad(f"tau = {module.tau:g} steps, so the state overshoots and changes sign", "train with tau >= 1")
    if not all(map(math.isfinite, _weights(module))):
        bad("w holds NaN or infinity", "train again with a smaller learning rate")
    for state, start in (("v", _level(module)), ("c", 0.0)):
        given = module.get_reset_value(state) if state in dict(module.named_memories()) else start
        values = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given, np.float64)
        if (values != start).any():
            low, high = float(values.min()), float(values.max())
            what = f"{state} = {given}" if values.ndim == 0 else f"a {state} of each neuron, {low:g} to {high:g}"
            bad(f"it starts at {what}", f"leave the reset value of {state} at {start:g}")
    return problems


def _firing_faults(module: Any) -> Iterator[tuple[str, str]]:
    """What is found, and the remedy, of infinite thresholds and of messages that are too large."""
    if silent(module) and module.v_reset is None:
        yield (
            "v_threshold is inf, and 0 times inf is no number in its reset by subtraction",
            "build it with v_reset=0.0",
        )
    elif silent(module) and _level(module) and not hasattr(module, "tau"):
        start = f"v_threshold is inf, and its membrane starts at v_reset = {_level(module):g}"
        yield start, "build it with v_reset=0.0"
    if most_spikes(module) > MESSAGE_MAX:
        remedy = f"train with at most {MESSAGE_MAX}, or with one (LIFNode)"
        yield f"sends up to {most_spikes(module)} spikes in one step", remedy


def _readout_objections(where: str, module: Any) -> list[Problem]:
    if module.decode == "max-abs-mem":
        found = "takes the membrane of the largest magnitude over the steps, which is no readout rule"
        return [Problem(where, found, 'use decode=None, "max-mem", "mean-mem" or "last_mem"')]
    tau = getattr(module, "tau", 1.0)
    if not 1 <= tau < math.inf:
        return [Problem(where, f"tau = {tau:g} steps, so the state overshoots or never moves", "train with tau >= 1")]
    return []


_DECODED: dict[str, Rule] = {"max-mem": "max", "mean-mem": "mean", "last_mem": "last"}


def combined(module: Any) -> Rule | None:
    """How a readout combines its membranes over the steps itself."""
    return _DECODED.get(module.decode)


def unrolled(module: Any, given: Any) -> torch.Tensor:
    """The membranes of a readout at all steps, (T, N, *shape)."""
    whole = copy.copy(module)
    whole.decode = None
    return torch.stack(whole.forward(*given))


def silent(module: Any) -> bool:
    """Whether a layer's threshold is infinite."""
    level = getattr(module, "v_threshold", None)
    return isinstance(level, float) and level == math.inf


@contextmanager
def sending(module: Any) -> Iterator[None]:
    """The layer sends its membrane of each step."""
    several, kept = module.step_mode == "m", module.store_v_seq
    module.store_v_seq = kept or several
    handle = module.register_forward_hook(lambda m, given, spikes: m.v_seq if several else m.v)
    try:
        yield
    finally:
        handle.remove()
        module.store_v_seq = kept


def non_spiking(name: str, module: Any, shape: Shape) -> Part:
    """NonSpikingIFNode: I with r = 1 / dt; NonSpikingLIFNode: LI with r = 1."""
    if not hasattr(module, "tau"):
        return Part({name: nir.I(r=np.full(shape, 1 / DT))}, name, name)
    tau = np.full(shape, float(module.tau) * DT)
    return Part({name: nir.LI(tau=tau, r=np.ones(shape), v_leak=np.zeros(shape))}, name, name)


def _weights(module: Any) -> list[float]:
    return [float(n) for n in module.w.detach().ravel()] if hasattr(module, "w") else []


def _level(module: Any) -> float:
    """Where v starts, and where it leaks to in a LIF."""
    return 0.0 if module.v_reset is None else float(module.v_reset)


def integrate_and_fire(name: str, module: Any, shape: Shape) -> Part:
    """IFNode: IF with r = 1 / dt."""
    kind = nir.I if silent(module) else nir.IF
    return _part(name, module, kind(r=np.full(shape, 1 / DT), **_fires(module, shape)))


def lif(name: str, module: Any, shape: Shape) -> Part:
    """LIFNode: LIF with r = 1 (decay_input) or tau."""
    return _lif(name, module, float(module.tau), shape)


def parametric_lif(name: str, module: Any, shape: Shape) -> Part:
    """ParametricLIFNode: LIF with 1 / tau = sigmoid(w), one w for the layer."""
    share = float(module.w.detach().sigmoid())
    if not share > 0:
        found = f"w = {float(module.w):g}, so 1 / tau = sigmoid(w) = 0 in 32 bits"
        where = f"neuron layer '{name}' (ParametricLIFNode)"
        raise ImportRefused(Problem(where, found, "train again with weight decay on w, or use an IFNode"))
    return _lif(name, module, 1 / share, shape)


def most_spikes(module: Any) -> int:
    """Most spikes that a layer sends in one step: those of an ILIFNode, else 1."""
    return int(getattr(module.surrogate_function, "max_spike_count", 1)) if hasattr(module, "surrogate_function") else 1


def integer_lif(name: str, module: Any, shape: Shape) -> Part:
    """ILIFNode: LIF of w = v + th / 2, whose levels are whole thresholds; at half a threshold, 1.5, ... it differs from
    the framework, which rounds to even."""
    tau, level = float(module.tau), np.full(shape, float(module.v_threshold))
    node = nir.LIF(
        tau=np.full(shape, tau * DT), r=np.full(shape, tau), v_leak=level / 2, v_threshold=level,
        v_reset=np.zeros(shape),
    )  # fmt: skip
    said = Conventions(
        reset="subtract", compare="gt", start="leak", spikes="multi", max_spikes=most_spikes(module), timing="immediate"
    )
    return Part({name: node}, name, name, conventions={name: said})


def cuba_lif(name: str, module: Any, shape: Shape) -> Part:
    """CUBALIFNode: CubaLIF with w_in = tau_syn / dt and r = tau_mem / dt."""
    tau_syn, tau_mem = (np.full(shape, _tau(float(d))) for d in (module.c_decay, module.v_decay))
    node = (nir.CubaLI if silent(module) else nir.CubaLIF)(
        tau_syn=tau_syn, tau_mem=tau_mem, r=tau_mem / DT, v_leak=np.zeros(shape), w_in=tau_syn / DT,
        **_fires(module, shape),
    )  # fmt: skip
    return _part(name, module, node)


def _tau(decay: float) -> float:
    """The time constant of a decay; for 1 a finite one so long that dt / tau vanishes beside 1 in float64."""
    return DT / (1 - decay) if decay < 1 else DT * 2.0**100


def _lif(name: str, module: Any, tau: float, shape: Shape) -> Part:
    node = (nir.LI if silent(module) else nir.LIF)(
        tau=np.full(shape, tau * DT), r=np.full(shape, 1.0 if module.decay_input else tau),
        v_leak=np.full(shape, _level(module)), **_fires(module, shape),
    )  # fmt: skip
    return _part(name, module, node)


def _fires(module: Any, shape: Shape) -> dict[str, Array]:
    if silent(module):
        return {}
    return {"v_threshold": np.full(shape, float(module.v_threshold)), "v_reset": np.full(shape, _level(module))}


def _part(name: str, module: Any, node: nir.NIRNode) -> Part:
    if silent(module):  # starts at v_reset, which is where it leaks to
        return Part({name: node}, name, name, conventions={name: Conventions(start="leak")})
    said = Conventions(reset="subtract" if module.v_reset is None else "zero")
    return Part({name: node}, name, name, conventions={name: said})
