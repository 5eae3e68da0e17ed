"""NIR's neurons to the graph's LIF and LI: one function per type, one table.

A reset by subtraction inside the next update (timing "next") is an immediate one of threshold / beta: the leak that
follows turns it into threshold again. No reset is one by subtraction of 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seamount.compiler.codes import MESSAGE_MAX
from seamount.compiler.ir.notes import ClampUnused, Convention, ResetUnused
from seamount.compiler.ir.ops import LI, LIF, Array, freeze
from seamount.frontends.nir.log import Log, Site
from seamount.frontends.nir.membrane import ZERO, Membrane, current_based, integrating, leaky
from seamount.frontends.nir.parameters import compact

Importer = Callable[[Site, Log], LIF | LI | None]


def lif(site: Site, log: Log) -> LIF | None:
    """tau v' = (v_leak - v) + R x, spike above v_threshold."""
    return _firing(site, log, leaky(site, log))


def cuba_lif(site: Site, log: Log) -> LIF | None:
    """tau_syn i' = -i + w_in x ; tau_mem v' = (v_leak - v) + R i, spike above v_threshold."""
    return _firing(site, log, current_based(site, log))


def integrate_and_fire(site: Site, log: Log) -> LIF | None:
    """v' = R x, spike above v_threshold."""
    return _firing(site, log, integrating(site, log))


def threshold(site: Site, log: Log) -> LIF | None:
    """1 where x > threshold: a neuron that forgets everything in each step."""
    compare, level = log.value(site, "compare"), site.fields["threshold"]
    if not _is_positive(site, log, level) or compare is None:
        return None
    none = freeze(0.0)
    return LIF(none, none, freeze(1.0), none, compact(level), none, none, none, compare=compare)


def li(site: Site, log: Log) -> LI | None:
    """tau v' = (v_leak - v) + R x, read as v."""
    return _readout(site, log, leaky(site, log))


def cuba_li(site: Site, log: Log) -> LI | None:
    """tau_syn i' = -i + w_in x ; tau_mem v' = (v_leak - v) + R i, read as v."""
    return _readout(site, log, current_based(site, log))


def integrator(site: Site, log: Log) -> LI | None:
    """v' = R x, read as v."""
    return _readout(site, log, integrating(site, log))


NEURONS: dict[str, Importer] = {
    "LIF": lif,
    "CubaLIF": cuba_lif,
    "IF": integrate_and_fire,
    "Threshold": threshold,
    "LI": li,
    "CubaLI": cuba_li,
    "I": integrator,
}
"""NIR type -> importer; fields are fitted to the layer's shape."""


def _readout(site: Site, log: Log, m: Membrane | None) -> LI | None:
    start = _start(site, log)
    v_min = site.conventions.v_min
    if v_min is not None and np.isfinite(v_min):
        log.note(ClampUnused(site.where))
    if m is None or start is None:
        return None
    return LI(compact(m.alpha), compact(m.beta), compact(m.gain), compact(m.bias), compact(start))


def _firing(site: Site, log: Log, m: Membrane | None) -> LIF | None:
    """A LIF from its membrane equation and its reset; None after a question or a refusal."""
    compare, reset, spikes = (log.value(site, key) for key in ("compare", "reset", "spikes"))
    level: Array = site.fields["v_threshold"]
    start, positive = _start(site, log), _is_positive(site, log, level)
    if m is None or start is None or not positive or reset is None or compare is None:
        return None
    v_reset = _v_reset(site, log, reset)
    if site.conventions.start != "leak":  # a leak above the threshold fires without input, from the first step on
        _check_below(site, log, level, start, "the membrane starts at")
    _check_below(site, log, level, v_reset, "v_reset is")
    reset_by = _reset_by(site, log, m, reset)
    v_min = _v_min(site, log, min(float(start.min()), float(v_reset.min())), reset)
    most, guarded = _most(site, log, reset), reset == "subtract" and site.conventions.timing == "guarded"
    if reset_by is None or v_min is None or most is None or spikes is None:
        return None
    return LIF(
        alpha=compact(m.alpha),
        beta=compact(m.beta),
        gain=compact(m.gain),
        bias=compact(m.bias),
        threshold=compact(level),
        v_reset=compact(v_reset),
        v_init=compact(start),
        reset_by=compact(reset_by),
        v_min=v_min,
        reset="subtract" if reset == "none" else reset,
        compare=compare,
        most=most,
        guarded=guarded,
    )


def _most(site: Site, log: Log, reset: str) -> int | None:
    """Most spikes in one step; None after a refusal."""
    if site.conventions.spikes != "multi":
        return 1
    remedy = "train with one spike per step (sinabs: spike_fn=SingleSpike) and add --assume spikes=single"
    found = "may send several spikes in one step (spikes=multi)"
    if reset != "subtract" or log.value(site, "timing") != "immediate":
        log.refuse(site.where, f"{found}, and its reset is no immediate subtraction", remedy)
        return None
    most = site.conventions.max_spikes or MESSAGE_MAX
    if not 1 <= most <= MESSAGE_MAX:
        log.refuse(site.where, f"{found}, up to {most}", remedy, f"max_spikes of 1 to {MESSAGE_MAX}")
        return None
    return most


def _is_positive(site: Site, log: Log, level: Array) -> bool:
    lowest = float(level.min())
    if lowest <= 0:
        found = f"the threshold {lowest:g} is not positive, so it fires without input"
        log.refuse(site.where, found, "train with a positive threshold")
    return lowest > 0


def _check_below(site: Site, log: Log, level: Array, value: Array, what: str) -> None:
    if np.any(value >= level):
        found = f"{what} {float(np.max(value)):g}, not below the threshold {float(np.min(level)):g}"
        log.refuse(site.where, found, "check v_threshold, v_reset, v_leak and --assume start")


def _start(site: Site, log: Log) -> Array | None:
    """v before the first step. "leak" without a v_leak is v_reset, as norse's IAF has it."""
    leak, reset = site.fields.get("v_leak"), site.fields.get("v_reset")
    if not any(x is not None and np.any(x) for x in (leak, reset)):
        return ZERO
    start = log.value(site, "start")
    if start is None or start == "zero":
        return None if start is None else ZERO
    if start == "reset" and site.kind in ("LI", "CubaLI"):
        log.refuse(site.where, "has no v_reset to start at (start=reset)", "add --assume start=zero or start=leak")
        return None
    chosen = reset if start == "reset" or leak is None else leak
    return ZERO if chosen is None else chosen


def _v_reset(site: Site, log: Log, reset: str) -> Array:
    value: Array = site.fields.get("v_reset", ZERO)
    if reset == "zero":
        return value
    if np.any(value):
        log.note(ResetUnused(site.where, reset == "subtract"))
    return ZERO


def _reset_by(site: Site, log: Log, m: Membrane, reset: str) -> Array | None:
    """What a spike takes from v; None after a question or a refusal."""
    level: Array = site.fields["v_threshold"]
    if reset == "none":
        return ZERO
    if reset == "zero":
        # Without current and recurrence, v = v_reset now or at the start of the next update is the same thing.
        if site.conventions.timing == "guarded":
            log.refuse(site.where, "timing=guarded is of a reset by subtraction", "add --assume timing=immediate")
            return None
        if (site.recurrent or np.any(m.alpha)) and log.value(site, "timing") == "next":
            log.refuse(
                site.where,
                "with timing=next a reset to zero also drops the next step's current or recurrent input",
                "train with reset_delay=False and add --assume timing=immediate",
                "a reset acts on the membrane alone",
            )
        return ZERO
    if np.all(m.beta == 1) and site.conventions.timing != "guarded":
        return level
    timing = log.value(site, "timing")
    if timing == "next" and np.any(m.beta == 0):
        found = "keeps nothing of its membrane (beta = 0), so timing=next would subtract from the next input alone"
        log.refuse(site.where, found, "train with beta > 0, or with reset_delay=False and --assume timing=immediate")
        return None
    if timing == "next":
        return np.asarray(level / m.beta)
    return None if timing is None else level


def _v_min(site: Site, log: Log, highest: float, reset: str) -> float | None:
    if site.conventions.v_min is None:
        log.note(Convention("v_min", "-inf", (), "NIR has no lower clamp"))
        return float("-inf")
    v_min = float(log.value(site, "v_min"))
    if not v_min <= highest:
        found = f"v_min = {v_min:g} lies above {highest:g}, where the membrane starts or resets to"
        log.refuse(site.where, found, "give a lower v_min")
        return None
    if np.isfinite(v_min) and reset == "subtract" and site.conventions.timing == "next":
        found = "with timing=next it is undefined whether v_min acts before or after the reset"
        log.refuse(site.where, found, "add --assume timing=immediate or --assume v_min=-inf")
        return None
    return v_min
