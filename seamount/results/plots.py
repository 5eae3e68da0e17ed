"""Pictures of results, through matplotlib where that is installed; every function returns the axes it drew on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.energy.ann import Format
from seamount.compiler.energy.assessment import Assessment
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.placement import Placement
from seamount.compiler.program.program import VTH_SHIFT, Program

Arrays = Mapping[str, NDArray[Any]]


def axes(ax: Any) -> Any:
    """The axes to draw on; new ones if none are given. Raises InputError when matplotlib is missing."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError:
        remedy = "pip install matplotlib, or read the numbers: str(), .to_dict()"
        raise InputError(Problem("plot", "matplotlib is not installed", remedy)) from None
    return pyplot.figure(layout="constrained").add_subplot()


def raster(spikes: Arrays, sample: int, layers: Collection[str], ax: Any) -> Any:
    """Spikes of one sample: neurons of the chosen layers above each other, over steps."""
    chosen = [name for name in spikes if not layers or name in layers]
    if not chosen:
        known = ", ".join(spikes) or "nothing was recorded; run with record=['spikes']"
        raise InputError(Problem("raster", "no recorded layer was chosen", f"layers: {known}"))
    ax = axes(ax)
    base = 0
    places = []
    for name in chosen:
        fired = spikes[name][sample].reshape(len(spikes[name][sample]), -1)
        steps, neurons = np.nonzero(fired)
        ax.scatter(steps, neurons + base, s=4, marker="|", label=name)
        places.append(base + fired.shape[1] / 2)
        base += fired.shape[1]
        ax.axhline(base - 0.5, lw=0.5, color="0.8")
    ax.set_yticks(places, chosen)
    ax.set(xlabel="step", title=f"spikes of sample {sample}", ylim=(-0.5, base - 0.5))
    return ax


def membranes(program: Program, v: Arrays, layer: str, neurons: Sequence[int], sample: int, ax: Any) -> Any:
    """v of chosen neurons over steps, in threshold units where one threshold serves the layer."""
    if layer not in v:
        known = ", ".join(v) or "nothing was recorded; run with record=['v']"
        raise InputError(Problem(f"layer '{layer}'", "has no recorded membrane", f"layers: {known}"))
    ax = axes(ax)
    values = v[layer][sample].reshape(len(v[layer][sample]), -1)
    for neuron in neurons:
        if neuron < values.shape[1]:
            ax.plot(values[:, neuron], label=f"neuron {neuron}", drawstyle="steps-post")
    vth = program.population(layer).vth
    if vth is not None and np.min(vth) == np.max(vth):
        ax.axhline(int(np.min(vth)) << VTH_SHIFT, color="0.5", ls="--", lw=1, label="threshold")
    ax.set(xlabel="step", ylabel="v, integer units", title=f"membranes of {layer}, sample {sample}")
    ax.legend()
    return ax


def rates(counts: EventCounts, ax: Any) -> Any:
    """Messages per neuron and step of every source."""
    ax = axes(ax)
    names = list(counts.sent)
    found = [counts.sent[n].sum() / (counts.samples * counts.steps * max(1, counts.sent[n].size)) for n in names]
    ax.barh(names, found)
    ax.invert_yaxis()
    ax.set(xlabel="messages per neuron and step", title="rates")
    return ax


def ladder(forms: Sequence[tuple[str, float]], ax: Any) -> Any:
    """Accuracy of every form of a network."""
    ax = axes(ax)
    bars = ax.barh([name for name, _ in forms], [100 * value for _, value in forms])
    ax.bar_label(bars, fmt="%.2f %%", padding=3)
    ax.invert_yaxis()
    ax.set(xlabel="accuracy, %", title="accuracy from the framework to the integers", xlim=(0, 115))
    return ax


def energies(found: Sequence[Assessment], form: Format, ax: Any) -> Any:
    """Intervals of energy per inference: the spiking network's and the ANN's, by every cost set that knows them."""
    ax = axes(ax)
    rows = []
    for one in found:
        for label, value in (
            (one.run.costs.name, one.run.dynamic),
            (f"{one.run.costs.name}, ANN", one.twins[form].energy),
        ):
            if not value.unknown and np.isfinite(value.bounds.high):
                rows.append((label, value.bounds.low * 1e-6, value.bounds.high * 1e-6))
    for k, (_, low, high) in enumerate(rows):
        ax.barh(k, max(high - low, high * 1e-3), left=low)
    ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    ax.invert_yaxis()
    ax.set(xlabel="energy per inference, µJ", title="energy, modelled", xscale="log" if rows else "linear")
    return ax


def cores(placement: Placement | None, problems: Sequence[Problem], ax: Any) -> Any:
    """The core map: neurons on every core in use."""
    if placement is None:
        raise InputError(problems or Problem("fit", "there is no placement", "see .problems"))
    ax = axes(ax)
    held = [load.neurons for load in placement.loads]
    ax.bar(range(len(held)), held)
    ax.set(xlabel="core in use", ylabel="neurons", title=f"{len(held)} cores of {placement.system}")
    return ax


def front(models: Sequence[Mapping[str, Any]], costs: str, ax: Any) -> Any:
    """Accuracy against energy of every model, width and T. Raises InputError where there is no accuracy at all."""
    if all(row["accuracy"] is None for tree in models for row in tree["integers"]):
        raise InputError(Problem("plot", "nothing was judged by accuracy", "read .to_frame()"))
    ax = axes(ax)
    for tree in models:
        points = [
            ((row["energy"]["sets"][costs]["snn_pj"]["high"] or float("nan")) * 1e-6, 100 * row["accuracy"], row)
            for row in tree["integers"]
            if row["accuracy"] is not None
        ]
        ax.scatter([x for x, _, _ in points], [y for _, y, _ in points], label=tree["file"])
        for x, y, row in points:
            ax.annotate(f"{row['bits']} bits, T = {row['steps']}", (x, y), fontsize=7)
    ax.set(xlabel=f"energy per inference by {costs}, upper end, µJ", ylabel="accuracy, %", title="accuracy and energy")
    ax.legend()
    return ax
