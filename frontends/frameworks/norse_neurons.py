"""Norse's neurons to NIR, so that the norse conventions (Euler, v > threshold) give back the exact update.

x is the input, k_m = dt tau_mem_inv, k_s = dt tau_syn_inv; lines in the order of evaluation. Measured with 1.1.0.

LIFBoxCell   u = v + k_m (v_leak - v + x);                      v = v_reset or u - th where u > th
LIFCell      j = i + x; u = v + k_m (v_leak - v + j); i = j (1 - k_s);  v = v_reset where u > th
             (so j[t] = (1 - k_s) j[t-1] + x[t]: v sees the new input at once)
recurrent    x = W_in input + W_rec spikes of the step before, no biases
IAFCell      u = v + x;                                         v = v_reset where u > th
LIBoxCell, LICell    as above without spikes; the output is v

NIR:  tau = 1 / tau_inv;  LIF, LI: r = 1;  IF: r = 1 / dt;  CubaLIF, CubaLI: w_in = tau_syn / dt, r = 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nir
import norse.torch as norse
import norse.torch.functional.reset as norse_reset
import numpy as np

from seamount.compiler.errors import ImportRefused, Problem
from seamount.compiler.ir.ops import Array, Shape
from seamount.frontends.conventions import Conventions
from seamount.frontends.frameworks.parts import Part, array

_METHODS = ("heaviside", "super", "triangle", "tanh", "circ", "heavi_erfc", "adjoint")
"""Surrogates whose forward pass is v > threshold."""


class _Parameters:
    """Reads a cell's parameter tuple, spreads each value over the layer's shape, and collects what is wrong."""

    def __init__(self, name: str, module: Any, shape: Shape) -> None:
        self.where = f"neuron layer '{name}' ({type(module).__name__})"
        self.module, self.shape = module, shape
        self.problems: list[Problem] = []
        method = getattr(module.p, "method", "super")
        if method not in _METHODS:
            self._bad(f"method={method!r} does not fire at v > threshold", f"use one of {', '.join(_METHODS)}")
        self.dt = float(module.dt)
        if not (np.isfinite(self.dt) and self.dt > 0):
            self._bad(f"dt is {self.dt}", "give a time step above 0")

    def _bad(self, found: str, remedy: str) -> None:
        self.problems.append(Problem(self.where, found, remedy))

    def get(self, field: str) -> Array:
        """A parameter, broadcast to the layer's shape as torch broadcasts it, without the batch axis."""
        value = array(getattr(self.module.p, field))
        if value.ndim > len(self.shape) and value.shape[0] == 1:
            value = value[0]
        try:
            spread = np.broadcast_to(value, self.shape)
        except ValueError:
            found = f"{field} of shape {value.shape} does not fit the layer's shape {self.shape}"
            self._bad(found, "give a number, or one that broadcasts to the layer")
            return np.ones(self.shape)
        if not np.isfinite(spread).all():
            self._bad(f"{field} holds NaN or infinity", "give finite parameters")
            return np.ones(self.shape)
        return np.array(spread, dtype=np.float64)

    def tau(self, field: str) -> Array:
        """A time constant in seconds from its inverse; dt / tau must lie in (0, 1]."""
        inverse = self.get(field)
        if not (inverse > 0).all():
            self._bad(f"{field} is {inverse.min():g}", "give an inverse time constant above 0")
            return np.ones(self.shape)
        if (self.dt * inverse > 1 + 1e-6).any():
            self._bad(
                f"dt * {field} = {self.dt * inverse.max():g}, so the state overshoots and changes sign at each step",
                f"choose dt <= 1 / {field} = {1 / inverse.max():g} s",
            )
        return 1 / inverse

    def done(self) -> None:
        """Raise ImportRefused with everything that is wrong."""
        if self.problems:
            raise ImportRefused(self.problems)


def silent(module: Any) -> bool:
    """Whether a cell's threshold is infinite."""
    level = getattr(getattr(module, "p", None), "v_th", None)
    return level is not None and bool(np.isinf(array(level)).all())


def objections(name: str, module: Any) -> list[Problem]:
    """What speaks against a cell before it is run: an infinite threshold where its membrane cannot be read."""
    where = f"neuron layer '{name}' ({type(module).__name__})"
    if not silent(module):
        return []
    if isinstance(module, _WHOLE):
        found = "its v_th is infinite, and it returns the membrane of the last step alone"
        return [Problem(where, found, "use an LI layer, or the cell in a loop over the steps")]
    if getattr(module.p, "reset_method", None) is norse_reset.reset_subtract:
        found = "its v_th is infinite, and 0 times infinity is no number in its reset by subtraction"
        return [Problem(where, found, "use norse's reset_value, or an LIBoxCell")]
    return []


_WHOLE = (norse.LIF, norse.LIFRecurrent, norse.IAF)
"""Layers that run over all steps themselves."""


@contextmanager
def sending(module: Any) -> Iterator[None]:
    """The cell sends its membrane in place of its spikes."""
    handle = module.register_forward_hook(lambda module, given, output: (output[1].v.clone(), *output[1:]))
    try:
        yield
    finally:
        handle.remove()


def _fires(p: _Parameters) -> dict[str, Array]:
    return {} if silent(p.module) else {"v_threshold": p.get("v_th"), "v_reset": p.get("v_reset")}


def _part(name: str, node: nir.NIRNode, dt: float, reset: str | None = None, start: str = "leak") -> Part:
    said = Conventions(dt=dt, reset=reset, start=start)  # type: ignore[arg-type]
    return Part({name: node}, name, name, conventions={name: said})


def lif_box(name: str, module: Any, shape: Shape) -> Part:
    """LIFBoxCell: LIF with r = 1."""
    p = _Parameters(name, module, shape)
    kind = nir.LI if silent(module) else nir.LIF
    node = kind(tau=p.tau("tau_mem_inv"), r=np.ones(shape), v_leak=p.get("v_leak"), **_fires(p))
    kinds = {norse_reset.reset_value: "zero", norse_reset.reset_subtract: "subtract"}
    reset = None if silent(module) else kinds.get(module.p.reset_method)
    if reset is None and not silent(module):
        p._bad("its reset_method is a function of your own", "use norse's reset_value or reset_subtract")
    p.done()
    return _part(name, node, p.dt, reset)


def lif(name: str, module: Any, shape: Shape) -> Part:
    """LIFCell and LIF: CubaLIF with w_in = tau_syn / dt, so that (1 - beta) w_in = 1."""
    p = _Parameters(name, module, shape)
    tau_syn = p.tau("tau_syn_inv")
    kind = nir.CubaLI if silent(module) else nir.CubaLIF
    node = kind(
        tau_syn=tau_syn, tau_mem=p.tau("tau_mem_inv"), r=np.ones(shape), v_leak=p.get("v_leak"), w_in=tau_syn / p.dt,
        **_fires(p),
    )  # fmt: skip
    p.done()
    return _part(name, node, p.dt, None if silent(module) else "zero")


def lif_recurrent(name: str, module: Any, shape: Shape) -> Part:
    """LIFRecurrentCell and LIFRecurrent: bias-free input weights, CubaLIF, recurrent weights back into it.

    The diagonal is written as it is: norse clears it at construction only, and the forward pass uses what is there.
    """
    inner = lif(name, module, (int(module.hidden_size),))
    w_in, w_rec = f"{name}.w_in", f"{name}.w_rec"
    nodes = {
        w_in: nir.Linear(array(module.input_weights)),
        **inner.nodes,
        w_rec: nir.Linear(array(module.recurrent_weights)),
    }
    _check_vector(name, module, shape)
    edges = ((w_in, name), (name, w_rec), (w_rec, name))
    return Part(nodes, w_in, name, edges, inner.conventions)


def iaf(name: str, module: Any, shape: Shape) -> Part:
    """IAFCell and IAF: IF with r = 1 / dt, so that an input of 1 adds 1. Starts at v_reset."""
    p = _Parameters(name, module, shape)
    if silent(module):
        if p.get("v_reset").any():
            p._bad("its v_th is infinite, and its membrane starts at v_reset", "build it with v_reset = 0")
        p.done()
        return _part(name, nir.I(r=np.full(shape, 1 / p.dt)), p.dt)
    node = nir.IF(r=np.full(shape, 1 / p.dt), **_fires(p))
    p.done()
    return _part(name, node, p.dt, "zero", "reset")


def li_box(name: str, module: Any, shape: Shape) -> Part:
    """LIBoxCell: LI with r = 1."""
    p = _Parameters(name, module, shape)
    node = nir.LI(tau=p.tau("tau_mem_inv"), r=np.ones(shape), v_leak=p.get("v_leak"))
    p.done()
    return _part(name, node, p.dt)


def li(name: str, module: Any, shape: Shape) -> Part:
    """LICell and LI: CubaLI with w_in = tau_syn / dt."""
    p = _Parameters(name, module, shape)
    tau_syn = p.tau("tau_syn_inv")
    node = nir.CubaLI(
        tau_syn=tau_syn, tau_mem=p.tau("tau_mem_inv"), r=np.ones(shape),
        v_leak=p.get("v_leak"), w_in=tau_syn / p.dt,
    )  # fmt: skip
    p.done()
    return _part(name, node, p.dt)


def li_linear(name: str, module: Any, shape: Shape) -> Part:
    """LILinearCell: bias-free weights before an LICell."""
    _check_vector(name, module, shape)
    inner = li(name, module, (int(module.hidden_size),))
    weights = f"{name}.w_in"
    nodes = {weights: nir.Linear(array(module.input_weights)), **inner.nodes}
    return Part(nodes, weights, name, ((weights, name),), inner.conventions)


def _check_vector(name: str, module: Any, shape: Shape) -> None:
    if len(shape) != 1:
        where = f"neuron layer '{name}' ({type(module).__name__})"
        raise ImportRefused(Problem(where, f"its weights act on the last axis of {shape}", "flatten to one axis first"))
