"""Charts of accuracy, activity, spikes, membranes, weights and thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from markupsafe import Markup

from seamount.compiler.report.contents import Membrane, Report, Rung, Sample
from seamount.compiler.report.numbers import clipped_name, percent, plural
from seamount.compiler.report.page.svg import (
    Frame,
    dot,
    figure,
    line,
    linear,
    path,
    rect,
    short,
    tag,
    text,
    ticks,
)
from seamount.compiler.report.tables import window_name

WIDE, SMALL = 760, 340
"""Widths of charts, in the units of their text (12 high)."""
DOTS = 64
"""Columns up to which each value of a membrane gets its dot."""


def accuracy(rungs: Sequence[Rung]) -> Markup | None:
    """Accuracy of each form with its 95 % interval. None when no form has one."""
    known = [r for r in rungs if r.accuracy is not None]
    if not known:
        return None
    ends = [x for r in known for x in (r.low, r.high, r.accuracy) if x is not None]
    low, high = max(0.0, min(ends) - 0.01), min(1.0, max(ends) + 0.01)
    frame = Frame(190, 12, WIDE - 70, 12 + 28 * len(known))
    x = linear(low, high, frame.left, frame.right)
    at = ticks(low, high, 6)
    parts = [frame.bottom_axis(x, at, "share of right answers", [percent(v, 1) for v in at])]
    for k, r in enumerate(known):
        y, value = frame.top + 28 * k + 14, r.accuracy or 0.0
        parts.append(text(frame.left - 12, y + 4, r.name, "label", "end"))
        if r.low is not None and r.high is not None:
            parts += [line(x(r.low), y, x(r.high), y, "interval"), _cap(x(r.low), y), _cap(x(r.high), y)]
        parts += [dot(x(value), y, 5, "c1", f"{r.name}: {percent(value)}")]
        parts.append(text(frame.right + 10, y + 4, percent(value), "value"))
    described = "; ".join(f"{r.name} {percent(r.accuracy)}" for r in known)
    return figure(WIDE, frame.bottom + 40, "Accuracy of each form of the network", described, *parts)


def _cap(x: float, y: float) -> Markup:
    return line(x, y - 4, x, y + 4, "interval")


def activity(report: Report) -> Markup:
    """Messages per neuron in each step: one row per population, darker where more neurons speak."""
    populations, window, columns = report.populations, report.window, ceil(report.steps / report.window)
    frame = Frame(190, 8, WIDE - 70, 8 + 24 * len(populations))
    wide = (frame.right - frame.left) / columns
    parts: list[object] = []
    each = "" if window == 1 else " and step"
    for k, p in enumerate(populations):
        y = frame.top + 24 * k
        parts.append(text(frame.left - 12, y + 16, clipped_name(p.name), "label", "end"))
        for t, n in enumerate(p.per_step):
            share = n / max(1, p.neurons)
            when = window_name(t * window, window, report.steps)
            words = f"{p.name}, {when}: {n:,.1f} messages per sample{each}, {percent(share)} of {p.neurons:,}"
            parts.append(
                rect(frame.left + wide * t, y + 1, wide - (1 if wide > 4 else 0), 22, f"heat h{level(share)}", words)
            )
            if wide >= 44:
                side = "on-dark" if level(share) > 4 else "on-light"
                parts.append(text(frame.left + wide * (t + 0.5), y + 16, percent(share, 0), side, "middle"))
    x = linear(0, columns * window, frame.left + wide / 2, frame.right + wide / 2)
    at = [t for t in ticks(0, report.steps - 1, 10) if t == int(t)]
    parts += [text(x(t), frame.bottom + 15, short(t), "tick", "middle") for t in at]
    parts.append(
        text((frame.left + frame.right) / 2, frame.bottom + 31, "own step of each population", "axis", "middle")
    )
    words = (
        "Share of neurons that send a message in each step, population by population; values are in the table below."
    )
    return figure(WIDE, frame.bottom + 40, "Activity in each step", words, *parts)


def level(share: float, levels: int = 9) -> int:
    """Shade 0 (nothing) to levels - 1 (everything)."""
    return 0 if share <= 0 else min(levels - 1, 1 + int(share * (levels - 1)))


def raster(sample: Sample, report: Report) -> Markup:
    """Spikes of one sample: a panel per population, a mark per message, or per window that has one."""
    columns = ceil(report.steps / report.window)
    left, right, top = 190, WIDE - 20, 8.0
    wide, parts, y = (right - left) / columns, [], top
    for r in sample.rasters:
        rows = max(1, len(r.neurons))
        high = max(14.0, rows * (3.0 if rows <= 32 else 1.6))
        each = high / rows
        parts.append(tag("rect", x=left, y=y, width=right - left, height=high, class_="panel"))
        parts.append(text(left - 12, y + high / 2 + 1, clipped_name(r.population), "label", "end"))
        shown = f"{r.of:,} neurons" if r.of == rows else f"{rows} of {r.of:,} neurons"
        parts.append(text(left - 12, y + high / 2 + 14, shown, "tick", "end"))
        marks = "".join(
            f"M{left + wide * t + wide * 0.15:.1f} {y + each * (row + 0.5):.1f}h{wide * 0.7:.1f}" for row, t in r.events
        )
        parts.append(tag("path", d=marks, class_="spike", stroke_width=max(0.8, each * 0.7)))
        y += high + 8
    x = linear(0, columns * report.window, left + wide / 2, right + wide / 2)
    parts += [text(x(t), y + 9, short(t), "tick", "middle") for t in ticks(0, report.steps - 1, 10) if t == int(t)]
    parts.append(text((left + right) / 2, y + 25, "own step of each population", "axis", "middle"))
    words = "; ".join(
        f"{r.population}: {plural(sum(r.per_step), 'message')} of the neurons shown" for r in sample.rasters
    )
    return figure(WIDE, y + 34, f"Messages of sample {sample.number}, neuron by neuron", words, *parts)


def membrane(m: Membrane, window: int) -> Markup:
    """v at the end of each step, with the threshold and the steps in which the neuron fired."""
    frame = Frame(58, 26, SMALL - 12, 132)
    values = [*m.v, 0, *([] if m.threshold is None else [m.threshold])]
    low, high = min(values), max(values)
    room = max(1.0, 0.08 * (high - low))
    y = linear(low - room, high + room, frame.bottom, frame.top)
    last = max(1, len(m.v) - 1)
    x = linear(0, last, frame.left + 8, frame.right - 8)
    at = [t for t in ticks(0, last * window, 6) if t == int(t)]
    axis = linear(0, last * window, frame.left + 8, frame.right - 8)
    parts = [frame.left_axis(y, ticks(low, high, 3)), frame.bottom_axis(axis, at, "own step")]
    if m.threshold is not None:
        parts.append(line(frame.left, y(m.threshold), frame.right, y(m.threshold), "threshold"))
        parts.append(text(frame.right, y(m.threshold) + 12, f"threshold {m.threshold:,}", "tick", "end"))
    parts.append(path([(x(t), y(v)) for t, v in enumerate(m.v)], "trace"))
    if len(m.v) <= DOTS:
        parts += [dot(x(t), y(v), 3, "c1", f"step {t * window + window - 1}: v = {v:,}") for t, v in enumerate(m.v)]
    for t in m.spikes:
        parts.append(
            tag(
                "path",
                tag(
                    "title",
                    f"fired in step {t}" if window == 1 else f"fired in steps {t * window} to {(t + 1) * window - 1}",
                ),
                d=f"M{x(t):.1f} {frame.top - 12:.1f}l4.5 8h-9z",
                class_="fired",
            )
        )
    place = ", ".join(map(str, m.index))
    fired = ", ".join(str(t * window) for t in m.spikes) or "none"
    every = "each step" if window == 1 else f"every {window:,} steps"
    since = "fired in steps" if window == 1 else f"fired within {window:,} steps from"
    words = f"v after {every}: {', '.join(f'{v:,}' for v in m.v)}; {since}: {fired}"
    return figure(SMALL, 172, f"Membrane of {m.population} ({place})", words, *parts)


def histogram(before: Mapping[str, Any], after: Mapping[str, Any], name: str, unit: str) -> Markup:
    """Before as an outline over the bars of after, in the same bins."""
    frame = Frame(48, 14, SMALL - 12, 128)
    low, width, bins = after["low"], after["width"], len(after["counts"])
    largest = max(*before["counts"], *after["counts"], 1)
    x = linear(low, low + width * bins, frame.left, frame.right)
    y = linear(0, largest, frame.bottom, frame.top)
    parts = [frame.left_axis(y, ticks(0, largest, 3)), frame.bottom_axis(x, ticks(low, low + width * bins, 5), unit)]
    for k, n in enumerate(after["counts"]):
        start, end = low + width * k, low + width * (k + 1)
        hover = f"{start:.3g} to {end:.3g}: {before['counts'][k]:,} before, {n:,} after"
        parts.append(rect(x(start), y(n), x(end) - x(start) - 0.5, frame.bottom - y(n), "bar c1", hover))
    parts.append(path(_outline(before["counts"], [x(low + width * k) for k in range(bins + 1)], y), "outline"))
    now, once = (f"{side['smallest']:.3g} to {side['largest']:.3g}" for side in (after, before))
    words = f"{sum(after['counts']):,} weights, from {once} before and from {now} after"
    return figure(SMALL, 168, f"Weights of {name} before and after quantization", words, *parts)


def single_histogram(h: Mapping[str, Any], name: str, unit: str, class_: str) -> Markup:
    """One distribution with its own axis."""
    frame = Frame(48, 14, SMALL - 12, 98)
    bins = len(h["counts"])
    x = linear(h["low"], h["low"] + h["width"] * bins, frame.left, frame.right)
    y = linear(0, max(*h["counts"], 1), frame.bottom, frame.top)
    parts = [frame.left_axis(y, ticks(0, max(h["counts"]), 3))]
    parts.append(frame.bottom_axis(x, ticks(h["low"], h["low"] + h["width"] * bins, 4), unit))
    for k, n in enumerate(h["counts"]):
        start, end = h["low"] + h["width"] * k, h["low"] + h["width"] * (k + 1)
        parts.append(
            rect(
                x(start),
                y(n),
                x(end) - x(start) - 0.5,
                frame.bottom - y(n),
                f"bar {class_}",
                f"{start:.4g} to {end:.4g}: {n:,}",
            )
        )
    return figure(
        SMALL, 138, name, f"{sum(h['counts']):,} values from {h['smallest']:.4g} to {h['largest']:.4g}", *parts
    )


def _outline(counts: Sequence[int], edges: Sequence[float], y: Any) -> list[tuple[float, float]]:
    points = [(edges[0], y(0))]
    for k, n in enumerate(counts):
        points += [(edges[k], y(n)), (edges[k + 1], y(n))]
    return [*points, (edges[-1], y(0))]


def outputs(sample: Sample) -> Markup:
    """The output of every class, as bars from zero."""
    frame = Frame(90, 6, SMALL - 66, 6 + 18 * len(sample.scores))
    values = [v for _, v in sample.scores]
    low, high = min(0.0, *values), max(0.0, *values)
    x = linear(low, high or 1.0, frame.left, frame.right)
    parts: list[object] = [line(x(0), frame.top, x(0), frame.bottom, "zero")]
    for k, (name, v) in enumerate(sample.scores):
        y = frame.top + 18 * k
        mark = "c2" if name == sample.answer else "c1"
        parts.append(
            text(
                frame.left - 8,
                y + 13,
                clipped_name(name, 12),
                "label" + (" strong" if name == sample.label else ""),
                "end",
            )
        )
        parts.append(rect(min(x(0), x(v)), y + 3, abs(x(v) - x(0)), 12, f"bar {mark}", f"{name}: {v:.4g}"))
        parts.append(text(frame.right + 6, y + 13, f"{v:.3g}".replace("-", "\N{MINUS SIGN}"), "tick"))
    words = "; ".join(f"{name} {v:.4g}" for name, v in sample.scores)
    return figure(SMALL, frame.bottom + 6, f"Output of sample {sample.number} per class", words, *parts)
