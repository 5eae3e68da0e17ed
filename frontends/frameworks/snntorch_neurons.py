"""snnTorch's neurons to NIR, so that the snntorch conventions (Euler, v > threshold) give back the exact update.

x is the input, s_prev the spikes of the step before, H(z) = 1 where z > 0; lines in the order of evaluation. alpha and
beta are clamped to [0, 1] at each call. Measured with snntorch 1.0.0.

Leaky        u = beta v + x - s_prev th                subtract      v = u
             u = beta v (1 - s_prev) + x               zero          v = u: the same as an immediate reset to 0
             u = beta v + x                            none          v = u
Synaptic     i = alpha i + x; x replaced by i; zero:   u = (beta v + i)(1 - s_prev), so v is held at 0 for one step
RLeaky       x replaced by x + recurrent(s_prev);      zero: as Synaptic
RSynaptic    i = alpha i + x + recurrent(s_prev);      zero: as Synaptic
Lapicque     beta = 1 - time_step / (R C), x replaced by x time_step / C; zero: as Synaptic
reset_delay=False (Leaky, Synaptic, RLeaky):  zero     u = beta v + x;  v = u (1 - s), an immediate reset
                                              subtract r = H(v - th); u = beta v + x - r th; v = u - (s - r) th, which
             is an immediate subtraction whose threshold is 2 th while v stays above th after it: timing "guarded"
RSynaptic    reset_delay=False does nothing when states are handed over, and raises TypeError when they are not
recurrent    a Linear or Conv2d, whose bias acts from the first step on, or V times the neuron's own spike

NIR:  tau = dt / (1 - beta), r = tau / dt;  tau_syn = dt / (1 - alpha), w_in = tau_syn / dt;  beta = 1 throughout: IF,
r = 1 / dt. A membrane that is read is an LI of the same input, from which the spikes of the step before take th.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import nir
import numpy as np
import torch

from seamount.compiler.errors import ImportRefused, Problem, raise_all
from seamount.compiler.ir.ops import Array, Shape
from seamount.frontends.conventions import PRESETS, Conventions
from seamount.frontends.frameworks.layers import write_layer
from seamount.frontends.frameworks.parts import Part, array

DT = float(PRESETS["snntorch"].dt or 0)
"""The step, in seconds, that snnTorch's own NIR export and import take."""

Mechanism = Literal["subtract", "zero", "none"]
_MECHANISMS: dict[str, Mechanism] = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}
_VALUES = ("subtract", "zero", "none")
"""By the number in the buffer reset_mechanism_val."""


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

    def done(self) -> None:
        """Raise ImportRefused with everything that is wrong."""
        raise_all(ImportRefused, self.problems)

    def get(self, name: str) -> Array:
        """A parameter, broadcast to the layer's shape as torch broadcasts it, without the batch axis."""
        value = array(getattr(self.module, name))
        if value.ndim > len(self.shape) and value.shape[0] == 1:
            value = value[0]
        try:
            spread = np.broadcast_to(value, self.shape)
        except ValueError:
            found = f"{name} of shape {value.shape} does not fit the layer's shape {self.shape}"
            self.bad(found, "give a number, or a tensor that broadcasts to the layer")
            return np.ones(self.shape)
        if not np.isfinite(spread).all():
            self.bad(f"{name} holds NaN or infinity", "give finite parameters")
            return np.ones(self.shape)
        return np.array(spread, dtype=np.float64)

    def threshold(self) -> Array | None:
        """The threshold, or None where it is infinite."""
        return None if silent(self.module) else self.get("threshold")

    def decay(self, name: str) -> Array:
        """alpha or beta as the forward pass takes it, clamped to [0, 1]."""
        return np.clip(self.get(name), 0.0, 1.0)


def objections(name: str, module: Any) -> list[Problem]:
    """What speaks against a neuron layer before it is run, apart from its parameters."""
    layer = _Layer(name, module, ())
    _object_to_extras(layer)
    if module.state_function.__name__ not in _MECHANISMS:
        layer.bad("its state_function is a function of your own", "use the layer as snntorch builds it")
        return layer.problems
    reset, delayed = _mechanism(module), getattr(module, "reset_delay", True)
    told = _VALUES[int(module.reset_mechanism_val)]
    if told != reset:
        found = f"it was built with reset_mechanism={reset!r} and told {told!r} afterwards, and does some of both"
        layer.bad(found, f"build it with reset_mechanism={told!r} and load the parameters again")
    elif not delayed and _kind(module) == "RSynaptic":
        layer.bad("snntorch 1.0.0 does not carry out its reset_delay=False", "build it with reset_delay=True")
    elif silent(module) and reset == "subtract":
        found = "its threshold is inf, and 0 times inf is no number in its reset by subtraction"
        layer.bad(found, 'build it with reset_mechanism="none"')
    elif delayed and reset == "zero" and _kind(module) != "Leaky" and not silent(module):
        # RSynaptic ignores reset_delay=False, and Lapicque has no such option.
        free = _kind(module) in ("Synaptic", "RLeaky")
        layer.bad(
            'reset_mechanism="zero" with a delay holds the membrane at 0 for one step, whatever arrives',
            f'train with {"reset_delay=False, or " if free else ""}reset_mechanism="subtract"',
        )
    return layer.problems


def silent(module: Any) -> bool:
    """Whether a layer's threshold is infinite."""
    return bool(torch.isinf(torch.as_tensor(module.threshold)).all())


@contextmanager
def sending(module: Any) -> Iterator[None]:
    """The layer sends its membrane in place of its spikes."""

    def membrane(module: Any, given: Any, output: Any) -> Any:
        return (output[-1].clone(), *output[1:]) if isinstance(output, tuple) else module.mem

    handle = module.register_forward_hook(membrane)
    try:
        yield
    finally:
        handle.remove()


def _kind(module: Any) -> str:
    """The name of snnTorch's class; of a sub-class, that of its base."""
    return next(cls.__name__ for cls in type(module).__mro__ if cls.__module__.startswith("snntorch."))


def _object_to_extras(layer: _Layer) -> None:
    """What NIR has no field for."""
    m = layer.module
    if m.state_quant:
        layer.bad("state_quant rounds its state in the framework", "train without state_quant; compiling quantizes")
    if m.inhibition:
        layer.bad("inhibition lets one neuron of the layer fire", "use inhibition=False and lateral weights")
    factor = array(m.graded_spikes_factor)
    if (factor != 1).any():
        found = f"graded_spikes_factor = {factor.flat[0]:g} scales its spikes"
        layer.bad(found, "use graded_spikes_factor=1 and put the factor into the weights of the next layer")


def _mechanism(module: Any) -> Mechanism:
    """What the forward pass does; it is fixed at construction."""
    return _MECHANISMS[module.state_function.__name__]


def _said(module: Any) -> Conventions:
    """The conventions of a layer's reset, for what `objections` lets pass."""
    reset = _mechanism(module)
    if reset == "subtract":
        return Conventions(reset=reset, timing="next" if getattr(module, "reset_delay", True) else "guarded")
    return Conventions(reset=reset, timing="immediate")


def leaky(name: str, module: Any, shape: Shape) -> Part:
    """Leaky: LIF with r = tau / dt, or IF."""
    layer = _Layer(name, module, shape)
    return _alone(layer, _membrane(layer.decay("beta"), layer.threshold()))


def lapicque(name: str, module: Any, shape: Shape) -> Part:
    """Lapicque: LIF with beta = 1 - time_step / (R C) and r = time_step / C / (1 - beta)."""
    layer = _Layer(name, module, shape)
    beta, gain = _circuit(layer)
    return _alone(layer, _membrane(beta, layer.threshold(), gain))


def synaptic(name: str, module: Any, shape: Shape) -> Part:
    """Synaptic: CubaLIF with w_in = tau_syn / dt and r = tau_mem / dt."""
    layer = _Layer(name, module, shape)
    return _alone(layer, _current(layer.decay("alpha"), layer.decay("beta"), layer.threshold()))


def rleaky(name: str, module: Any, shape: Shape) -> Part:
    """RLeaky: as Leaky, and recurrent weights back into it."""
    layer = _Layer(name, module, shape)
    return _recurrent(layer, _membrane(layer.decay("beta"), layer.threshold()))


def rsynaptic(name: str, module: Any, shape: Shape) -> Part:
    """RSynaptic: as Synaptic, and recurrent weights back into it."""
    layer = _Layer(name, module, shape)
    return _recurrent(layer, _current(layer.decay("alpha"), layer.decay("beta"), layer.threshold()))


def leaky_membrane(name: str, module: Any, shape: Shape) -> Part:
    """The membrane of a Leaky: LI; a spike of the step before takes th."""
    layer = _Layer(name, module, shape)
    return _read(layer, _membrane(layer.decay("beta")), layer.threshold())


def lapicque_membrane(name: str, module: Any, shape: Shape) -> Part:
    """The membrane of a Lapicque: LI; a spike of the step before takes th, through the gain of the input."""
    layer = _Layer(name, module, shape)
    beta, gain = _circuit(layer)
    return _read(layer, _membrane(beta, None, gain), layer.threshold(), gain)


def synaptic_membrane(name: str, module: Any, shape: Shape) -> Part:
    """The membrane of a Synaptic: CubaLI. Without reset alone, since what is taken from v would have to pass i."""
    layer = _Layer(name, module, shape)
    if _mechanism(module) == "subtract":
        layer.bad("its membrane is read, which has no counterpart while spikes reset it", _READ)
    return _read(layer, _current(layer.decay("alpha"), layer.decay("beta")), layer.threshold())


def needs_spikes(module: Any) -> bool:
    """Whether the membrane depends on the layer's own spikes."""
    return _mechanism(module) == "subtract"


_READ = 'build the layer whose membrane is read with reset_mechanism="none", or read its spikes'


def _read(layer: _Layer, node: nir.NIRNode, threshold: Array | None, gain: Array | float = 1.0) -> Part:
    """A readout of the membrane; the threshold is taken, through the gain of the input, for each spike of the step
    before."""
    name = layer.name
    if _mechanism(layer.module) == "zero" and threshold is not None:
        layer.bad("its membrane is read, which has no counterpart while spikes set it", _READ)
    layer.done()
    if needs_spikes(layer.module) and not getattr(layer.module, "reset_delay", True):
        layer.bad("its membrane is read, which has no counterpart while spikes reset it at once", _READ)
        layer.done()
    if not needs_spikes(layer.module) or threshold is None:
        return Part({name: node}, name, name)
    back = f"{name}.reset"
    return Part({name: node, back: nir.Scale(-threshold / gain)}, name, name, ((back, name),), feedback=back)


def _alone(layer: _Layer, node: nir.NIRNode) -> Part:
    """A layer of one node. Raises ImportRefused."""
    _check_memory(layer)
    layer.done()
    said = {} if silent(layer.module) else {layer.name: _said(layer.module)}
    return Part({layer.name: node}, layer.name, layer.name, conventions=said)


def _check_memory(layer: _Layer) -> None:
    """With beta = 0 nothing that was taken at once would be left to take in the next step."""
    beta = _circuit(layer)[0] if hasattr(layer.module, "R") else layer.decay("beta")
    if _said(layer.module).timing == "next" and (beta == 0).any():
        layer.bad(
            'beta is 0, so reset_mechanism="subtract" takes the threshold from the next input alone',
            'train with beta > 0 or reset_mechanism="zero"',
        )


def _tau(decay: Array) -> Array:
    """The time constant of a decay; for 1 a finite one so long that dt / tau vanishes beside 1 in float64."""
    with np.errstate(divide="ignore"):
        return np.where(decay < 1, DT / (1 - decay), DT * 2.0**100)


def _membrane(beta: Array, threshold: Array | None = None, gain: Array | float = 1.0) -> nir.NIRNode:
    """v = beta v + gain x: LIF or IF with a threshold, LI or I without."""
    fires = {} if threshold is None else {"v_threshold": threshold, "v_reset": np.zeros_like(beta)}
    if (beta == 1).all():
        kind = nir.I if threshold is None else nir.IF
        return kind(r=gain * np.ones_like(beta) / DT, **fires)
    tau = _tau(beta)
    kind = nir.LI if threshold is None else nir.LIF
    return kind(tau=tau, r=gain * tau / DT, v_leak=np.zeros_like(beta), **fires)


def _current(alpha: Array, beta: Array, threshold: Array | None = None) -> nir.NIRNode:
    """i = alpha i + x; v = beta v + i: CubaLIF with a threshold, CubaLI without."""
    tau_syn, tau_mem = _tau(alpha), _tau(beta)
    kind = nir.CubaLI if threshold is None else nir.CubaLIF
    fires = {} if threshold is None else {"v_threshold": threshold, "v_reset": np.zeros_like(beta)}
    none = np.zeros_like(beta)
    return kind(tau_syn=tau_syn, tau_mem=tau_mem, r=tau_mem / DT, v_leak=none, w_in=tau_syn / DT, **fires)


def _circuit(layer: _Layer) -> tuple[Array, Array]:
    """beta and gain of a Lapicque, from what its forward pass uses: R, C and time_step, not its beta."""
    capacity = layer.get("C")
    beta, gain = 1 - layer.get("time_step") / (layer.get("R") * capacity), layer.get("time_step") / capacity
    if not ((beta >= 0) & (beta <= 1)).all():
        found = f"time_step / (R C) is {1 - beta.min():g}, so the state overshoots and changes sign at each step"
        layer.bad(found, "choose time_step <= R C")
        return np.ones(layer.shape), np.ones(layer.shape)
    return beta, gain


def _recurrent(layer: _Layer, node: nir.NIRNode) -> Part:
    """The neurons and their weights from the step before. Raises ImportRefused."""
    name, inner = layer.name, layer.module.recurrent
    back = f"{name}.w_rec"
    if isinstance(inner, (torch.nn.Linear, torch.nn.Conv2d)):
        weights = write_layer(back, inner, layer.shape, "N", type(inner)).nodes[back]
    elif isinstance(getattr(inner, "V", None), torch.Tensor):
        # RecurrentOneToOne: V times the neuron's own spike.
        weights = nir.Scale(_Layer(name, inner, layer.shape, layer.problems).get("V"))
    else:
        weights = nir.Scale(np.zeros(layer.shape))
        layer.bad(f"its recurrent module is a {type(inner).__name__}", "use a Linear, a Conv2d, or all_to_all=False")
    _check_memory(layer)
    layer.done()
    edges = ((name, back), (back, name))
    return Part({name: node, back: weights}, name, name, edges, {name: _said(layer.module)})
