"""Sinabs' neurons to NIR, so that the sinabs conventions (exact decay, v >= threshold) give back the exact update.

x is the input, a = exp(-1 / tau_mem), b = exp(-1 / tau_syn) (or learned, train_alphas), tau in steps, th the threshold;
lines in the order of evaluation. SingleSpike sends 1 where u >= th, MultiSpike the integer
part of u / th, MaxSpike(k) at most k of it; MembraneSubtract takes th for each. Measured with sinabs 3.1.3.

LIF            i = b (i + x), or i = x without tau_syn      the new input decays too
               u = a v + (1 - a) i                          norm_input=True, LIF's default
               u = a v + i                                  norm_input=False, ExpLeak's default
               v = u - s th (MembraneSubtract) or u (1 - s) (MembraneReset); v = max(v, min_v_mem)
IAF            LIF with a = 1
ExpLeak        LIF without spikes; the output is v
...Recurrent   x + rec_connect(spikes of the step before), with neither weights nor bias in the first step
...Squeeze     the same, over (N * T, *shape)

NIR:  LIF, r = 1 or 1 / (1 - a);  IF, r = 1;  with tau_syn CubaLIF, w_in = b / (1 - b);  LI for ExpLeak.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import nir
import numpy as np
import sinabs.activation as activation
from torch import nn

from seamount.compiler.codes import MESSAGE_MAX
from seamount.compiler.errors import ImportRefused, Problem, raise_all
from seamount.compiler.ir.ops import Array, Shape
from seamount.frontends.conventions import Conventions
from seamount.frontends.frameworks.layers import write_layer
from seamount.frontends.frameworks.parts import Part, array

_FOREVER = 2.0**100
"""A time constant so long that its decay vanishes beside 1 in float64."""


@dataclass(eq=False)
class _Layer:
    """Reads a layer's parameters, spreads each over its shape, and collects what is wrong."""

    name: str
    module: Any
    shape: Shape
    problems: list[Problem] = field(default_factory=list)

    def bad(self, found: str, remedy: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(f"neuron layer '{self.name}' ({type(self.module).__name__})", found, remedy))

    def spread(self, what: str, value: object) -> Array:
        """A parameter, broadcast to the layer's shape as torch broadcasts it."""
        given = array(value)
        try:
            return np.array(np.broadcast_to(given, self.shape), np.float64)
        except ValueError:
            found = f"{what} of shape {given.shape} does not fit the layer's shape {self.shape}"
            self.bad(found, "give a number, or a tensor that broadcasts to the layer")
            return np.ones(self.shape)

    def tau(self, kind: str) -> Array:
        """tau_mem or tau_syn from the decay that the forward pass uses."""
        decay = array(getattr(self.module, f"alpha_{kind}_calculated"))
        if not ((decay > 0) & (decay < 1)).all():
            found = f"its decay {'alpha' if self.module.train_alphas else 'exp(-1 / tau)'}_{kind} is {decay.min():g}"
            self.bad(f"{found} to {decay.max():g}", "train with decays between 0 and 1 (no leak: IAF)")
            return np.ones(self.shape)
        return self.spread(f"tau_{kind}", -1 / np.log(decay))


def objections(name: str, module: Any) -> list[Problem]:
    """What speaks against a neuron layer before it is run, apart from its decays."""
    layer = _Layer(name, module, ())
    if module.spike_fn is not None:
        _object_to_spikes(layer)
        _object_to_reset(layer)
    elif module.min_v_mem is not None:
        layer.bad("min_v_mem clamps a membrane that is read, which has no counterpart", "leave min_v_mem out")
    if module.min_v_mem is not None and module.min_v_mem.numel() != 1:
        layer.bad("min_v_mem differs between neurons", "give one number for the layer")
    for what, parameter in module.named_parameters(recurse=False):
        if not np.isfinite(array(parameter)).all():
            layer.bad(f"{what} holds NaN or infinity", "give finite parameters")
    if hasattr(module, "rec_connect"):
        _object_to_recurrence(layer)
    return layer.problems


def most_spikes(module: Any) -> int | None:
    """Most spikes that a layer sends in one step: 1, or of MultiSpike and MaxSpike; None of a function of one's own."""
    fire = module.spike_fn
    if fire is activation.SingleSpike:
        return 1
    if fire is activation.MultiSpike:
        return MESSAGE_MAX
    return int(fire.max_num_spikes_per_bin) if isinstance(fire, activation.MaxSpike) else None


def _object_to_spikes(layer: _Layer) -> None:
    fire, most = layer.module.spike_fn, most_spikes(layer.module)
    name = getattr(fire, "__name__", type(fire).__name__)
    single = "train with spike_fn=sinabs.activation.SingleSpike"
    if most is None:
        layer.bad(f"its spike_fn {name} is not known", "use sinabs.activation.SingleSpike")
    elif not 1 <= most <= MESSAGE_MAX:
        layer.bad(f"{name} sends up to {most} spikes in one step", single)
    elif most > 1 and not isinstance(layer.module.reset_fn, activation.MembraneSubtract):
        layer.bad(f"{name} sends several spikes in one step, and one reset takes the whole membrane", single)


def _object_to_reset(layer: _Layer) -> None:
    reset = layer.module.reset_fn
    if isinstance(reset, activation.MembraneReset):
        if reset.reset_value != 0:
            found = f"MembraneReset(reset_value={reset.reset_value:g}) adds {reset.reset_value:g} to silent neurons too"
            layer.bad(found, "use MembraneReset(reset_value=0)")
    elif not isinstance(reset, activation.MembraneSubtract):
        layer.bad(f"its reset_fn {type(reset).__name__} is not known", "use MembraneSubtract or MembraneReset")
    elif reset.subtract_value is not None and (array(layer.module.spike_threshold) != reset.subtract_value).any():
        found = f"MembraneSubtract({reset.subtract_value:g}) takes another amount than the threshold"
        layer.bad(found, "use MembraneSubtract() and scale the weights instead")


def _object_to_recurrence(layer: _Layer) -> None:
    inner = layer.module.rec_connect
    if not isinstance(inner, (nn.Linear, nn.Conv2d, nn.Identity)):
        layer.bad(f"its rec_connect is a {type(inner).__name__}", "use a Linear or a Conv2d")


def neuron(name: str, module: Any, shape: Shape) -> Part:
    """Any of sinabs' neuron layers without recurrence."""
    layer = _Layer(name, module, shape)
    node = _node(layer)
    raise_all(ImportRefused, layer.problems)
    return Part({name: node}, name, name, conventions={name: _said(module)})


def recurrent(name: str, module: Any, shape: Shape) -> Part:
    """LIFRecurrent and IAFRecurrent: the neurons, and their weights from the step before."""
    layer, back, late = _Layer(name, module, shape), f"{name}.w_rec", f"{name}.late"
    inner = module.rec_connect
    node = _node(layer)
    if isinstance(inner, nn.Identity):
        weights: nir.NIRNode = nir.Scale(np.ones(shape))
    else:
        weights = write_layer(back, inner, shape, "N", type(inner)).nodes[back]
        if isinstance(weights, nir.Affine) and not np.any(weights.bias):
            weights = nir.Linear(weights.weight)
    raise_all(ImportRefused, layer.problems)
    nodes, ring = {name: node, back: weights}, [name, back, name]
    bias = getattr(weights, "bias", None)
    if bias is not None and np.any(bias):
        nodes[late] = nir.Delay(np.ones(shape))  # one step: dt is 1 (framework.py)
        ring = [name, back, late, name]
    return Part(nodes, name, name, tuple(pairwise(ring)), {name: _said(module)})


def _node(layer: _Layer) -> nir.NIRNode:
    m = layer.module
    leaks = getattr(m, "tau_mem", None) is not None or m.train_alphas
    tau = layer.tau("mem") if leaks else np.full(layer.shape, _FOREVER)
    share = -np.expm1(-1 / tau)
    r = np.ones(layer.shape) if m.norm_input else 1 / share
    fires = {}
    if m.spike_fn is not None:
        fires = {"v_threshold": layer.spread("spike_threshold", m.spike_threshold), "v_reset": np.zeros(layer.shape)}
    leak = np.zeros(layer.shape)
    if m.alpha_syn_calculated is not None:
        tau_syn = layer.tau("syn")
        kept = np.exp(-1 / tau_syn)
        kind = nir.CubaLIF if fires else nir.CubaLI
        return kind(tau_syn=tau_syn, tau_mem=tau, r=r, v_leak=leak, w_in=kept / (1 - kept), **fires)
    if not leaks:
        return nir.IF(r=np.ones(layer.shape), **fires) if fires else nir.I(r=np.ones(layer.shape))
    return (nir.LIF if fires else nir.LI)(tau=tau, r=r, v_leak=leak, **fires)


def _said(module: Any) -> Conventions:
    reset = "zero" if isinstance(module.reset_fn, activation.MembraneReset) else "subtract"
    lowest = None if module.min_v_mem is None else float(module.min_v_mem)
    most = 1 if module.spike_fn is None else most_spikes(module) or 1
    several = {} if most == 1 else {"max_spikes": most}
    spikes = "single" if most == 1 else "multi"
    return Conventions(reset=reset, spikes=spikes, v_min=lowest, **several)  # type: ignore[arg-type]
