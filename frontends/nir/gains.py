"""Do the gains of a neuron fit the equation of the framework that a preset names?

A preset gives every neuron of a file its framework's update, in which the input has a gain of its own. Of a file whose
gains say something else, either the preset or the file is wrong. Measured on files that the frameworks' own exporters
write (norse 1.1.0, snntorch 1.0.0, spikingjelly 2.0.0; sinabs 3.1.3 by its source): only norse writes gains that are
not those of its cells, 1 for the current of a LIFCell and the input of an IAFCell, which add their input in full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from seamount.compiler.ir.notes import GainSupplied
from seamount.compiler.ir.ops import Array
from seamount.frontends.conventions import PRESETS
from seamount.frontends.nir.log import Log, Site

_ROUNDING = 1e-3
"""Gains and time constants are stored in 32 bits, each rounded for itself."""

Gain = Callable[[Array, float], Array]
"""(time constant of the node, dt) -> a gain that the framework's neurons have."""


def _one(tau: Array, dt: float) -> Array:
    return np.ones_like(tau)


def _full(tau: Array, dt: float) -> Array:
    """One step adds the input in full: k R = 1 with k = dt / tau; tau is 1 where nothing leaks."""
    return np.asarray(tau / dt)


def _full_exact(tau: Array, dt: float) -> Array:
    return np.asarray(1 / -np.expm1(-dt / tau))


def _decayed(tau: Array, dt: float) -> Array:
    """Sinabs: the new input decays too."""
    return np.asarray(np.exp(-dt / tau) / -np.expm1(-dt / tau))


_LEAKY = ("LIF", "LI")
_CURRENT = ("CubaLIF", "CubaLI")
_PLAIN = ("IF", "I")
_MEMBRANE: dict[str, dict[tuple[str, ...], tuple[Gain, ...]]] = {
    "norse": {_LEAKY: (_one,), _CURRENT: (_one,), _PLAIN: (_full,)},
    "snntorch": {_LEAKY: (_full,), _CURRENT: (_full,), _PLAIN: (_full,)},
    "spikingjelly": {_LEAKY: (_one, _full), _CURRENT: (_full,), _PLAIN: (_full,)},
    "sinabs": {_LEAKY: (_one, _full_exact), _CURRENT: (_one, _full_exact), _PLAIN: (_full,)},
}
"""Preset -> kinds of nodes -> what r may be."""
_SYNAPSE: dict[str, Gain] = {"norse": _full, "snntorch": _full, "spikingjelly": _full, "sinabs": _decayed}
"""Preset -> what w_in is."""
_WRITES_ONE = {("norse", "CubaLIF", "w_in"), ("norse", "IF", "r")}
"""Where the framework's own exporter writes 1 for an input that its cell adds in full."""


def with_true_gains(site: Site, log: Log) -> Site:
    """The node with the gains that its framework means; refused, into the log, where they are neither those of its
    framework nor what its exporter writes. Unchanged where no preset was chosen."""
    preset, dt = log.preset, site.conventions.dt
    if preset is None or dt is None or site.kind not in (*_LEAKY, *_CURRENT, *_PLAIN):
        return site
    allowed = next(gains for kinds, gains in _MEMBRANE[preset].items() if site.kind in kinds)
    checks = [("r", "tau_mem" if site.kind in _CURRENT else "tau", allowed)]
    if site.kind in _CURRENT:
        checks.append(("w_in", "tau_syn", (_SYNAPSE[preset],)))
    fields = dict(site.fields)
    for name, constant, gains in checks:
        tau = np.asarray(fields.get(constant, 1.0), np.float64)
        told = np.asarray(fields.get(name, 1.0), np.float64)
        if not (tau > 0).all():
            continue  # refused for that
        wanted = [gain(tau, dt) for gain in gains]
        if any(_alike(told, gain) for gain in wanted):
            continue
        if (preset, site.kind, name) in _WRITES_ONE and _alike(told, np.array(1.0)):
            fields[name] = wanted[0]
            log.note(GainSupplied(site.where, name, preset, _short(wanted[0]), float(dt)))
        else:
            _refuse(site, log, name, told, tau, wanted)
    return replace(site, fields=fields)


def _refuse(site: Site, log: Log, name: str, told: Array, tau: Array, wanted: list[Array]) -> None:
    preset, dt = log.preset, site.conventions.dt
    means = " or ".join(dict.fromkeys(_short(gain) for gain in wanted))
    found = f"its {name} = {_short(told)} is not that of {preset}'s neurons, {means} at dt = {dt:g}"
    step = likely_step(preset, tau, told)
    remedy = f"give the dt it was exported with, --assume dt={step:.3g}" if step is not None else _OTHER
    log.refuse(site.where, found, remedy)


_OTHER = "name the framework that trained it, or give the conventions one by one instead of a preset"


def likely_step(preset: str | None, tau: Array, gain: Array) -> float | None:
    """The dt at which a step adds exactly its input; None where the framework's gains do not tell it.

    SpikingJelly writes r = tau / dt for the dt of the export, snnTorch always for 0.0001; norse's and sinabs' gains
    say nothing of the step.
    """
    if preset not in ("snntorch", "spikingjelly") or np.any(gain <= 0):
        return None
    steps = np.asarray(tau / gain)
    guess = float(steps.flat[0])
    if not _alike(steps, np.array(guess)) or (preset == "snntorch" and not _alike(steps, _SNNTORCH)):
        return None
    return guess


_SNNTORCH = np.array(PRESETS["snntorch"].dt, np.float64)


def _alike(a: Array, b: Array) -> bool:
    return bool(np.allclose(a, b, rtol=_ROUNDING, atol=0))


def _short(value: Array) -> str:
    low, high = float(value.min()), float(value.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


__all__ = ["likely_step", "with_true_gains"]
