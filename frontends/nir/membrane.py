"""Differential equations of NIR's neurons to one step of the graph's LIF and LI.

Discretization of tau v' = (v_leak - v) + R x with step dt, after which the graph knows no time constant:

    k    = dt / tau (euler)  or  1 - exp(-dt / tau) (exact, for an input constant over the step)
    beta = 1 - k ;  gain = k R ;  bias = k v_leak
    With a current i[t] = alpha i[t-1] + (1 - alpha) w_in x[t] the graph's u is i / ((1 - alpha) w_in), and
    gain = k R (1 - alpha) w_in. The membrane uses the new current, as all frameworks that have one do.
    IF and I: beta = 1, gain = R dt, since one step of v' = R x adds R dt x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seamount.compiler.ir.ops import Array
from seamount.frontends.conventions import PRESETS
from seamount.frontends.nir.gains import likely_step
from seamount.frontends.nir.log import Log, Site

_ROUNDING = 1e-6
"""dt may exceed tau by this share: time constants pass through float32 on their way."""
ZERO, ONE = np.array(0.0, np.float64), np.array(1.0, np.float64)


@dataclass(frozen=True, eq=False)
class Membrane:
    """u = alpha u + x ; v = beta v + gain u + bias."""

    alpha: Array
    beta: Array
    gain: Array
    bias: Array


def leaky(site: Site, log: Log) -> Membrane | None:
    """LI, LIF: tau v' = (v_leak - v) + R x. None after a question or a refusal."""
    p = site.fields
    k = _share(site, log, "tau", "r")
    return None if k is None else Membrane(ZERO, 1 - k, k * p["r"], k * p["v_leak"])


def current_based(site: Site, log: Log) -> Membrane | None:
    """CubaLI, CubaLIF: tau_syn i' = -i + w_in x ; tau_mem v' = (v_leak - v) + R i."""
    p = site.fields
    k, k_syn = _share(site, log, "tau_mem", "r"), _share(site, log, "tau_syn", "w_in")
    if k is None or k_syn is None:
        return None
    return Membrane(1 - k_syn, 1 - k, k * p["r"] * k_syn * p.get("w_in", ONE), k * p["v_leak"])


def integrating(site: Site, log: Log) -> Membrane | None:
    """I, IF: v' = R x."""
    dt = log.value(site, "dt")
    return None if dt is None else Membrane(ZERO, ONE, site.fields["r"] * dt, ZERO)


def _share(site: Site, log: Log, name: str, gain: str) -> Array | None:
    """k = 1 - beta of the time constant `name`, whose input is scaled by `gain`."""
    dt, integrate = log.value(site, "dt"), log.value(site, "integrate")
    if dt is None or integrate is None:
        return None
    tau: Array = site.fields[name]
    smallest = float(tau.min())
    if smallest <= 0:
        remedy = "snntorch writes this for beta > 1: clamp beta below 1 and export again"
        log.refuse(site.where, f"{name} = {smallest:g} is not positive, so its state would grow", remedy)
        return None
    if integrate == "exact":
        return np.asarray(-np.expm1(-dt / tau))
    if dt > smallest * (1 + _ROUNDING):
        log.refuse(
            site.where,
            f"dt = {dt:g} is larger than the smallest {name} = {smallest:g}, so one step would overshoot",
            f"give the dt it was trained with, at most {smallest:g}{_likely(log, tau, site.fields.get(gain, ONE))}",
            "integrate=euler needs dt <= tau",
        )
        return None
    return np.asarray(np.minimum(dt / tau, 1.0))


def _likely(log: Log, tau: Array, gain: Array) -> str:
    """What a framework's export says of its dt."""
    step = None if np.all(gain == 1) else likely_step(log.preset, tau, gain)
    if step is not None and step <= tau.min() * (1 + _ROUNDING):
        return f"; its gains suggest {step:.3g}"
    if log.preset not in (None, "norse"):
        return ""
    default = float(PRESETS["norse"].dt or 0)
    return (
        f" (norse multiplies time constants by the dt of its to_nir: give that times the dt of the cells, "
        f"{default**2:g} where both are {default:g}, their default)"
    )
