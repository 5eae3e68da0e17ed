"""Charts of energy as intervals, of where spiking network and ANN cross, and of the load of cores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from seamount.compiler.report.costs_section import shares
from seamount.compiler.report.numbers import bounds, joules, percent, plural
from seamount.compiler.report.page.charts import WIDE, level
from seamount.compiler.report.page.svg import (
    Frame,
    decades,
    figure,
    line,
    linear,
    logarithmic,
    path,
    rect,
    tag,
    text,
    ticks,
)

Tree = Mapping[str, Any]
MANY_TILES = 1024
"""Core maps are drawn of systems with at most so many tiles."""


def energy_bars(tree: Tree, key: str) -> Markup | None:
    """Intervals of energy on a logarithmic axis; each bar leads to its lines. None when nothing is known."""
    rows = [
        ("spiking network", tree["dynamic_pj"], f"lines-{key}", "c1"),
        ("the same, clock-driven", tree["dense_pj"], f"lines-{key}", "c3"),
    ]
    rows += [(f"ANN, {form}", twin["energy_pj"], f"lines-{key}-{form}", "c2") for form, twin in tree["ann"].items()]
    known = [r for r in rows if not r[1]["unknown"] and r[1]["high"] is not None and r[1]["low"] > 0]
    if not known:
        return None
    low, high = min(r[1]["low"] for r in known) / 1.5, max(r[1]["high"] for r in known) * 1.5
    frame = Frame(170, 8, WIDE - 170, 8 + 30 * len(known))
    x = logarithmic(low, high, frame.left, frame.right)
    at = decades(low, high)
    parts: list[object] = [frame.bottom_axis(x, at, "energy per inference", [joules(v) for v in at])]
    for k, (name, value, lines, colour) in enumerate(known):
        y, words = frame.top + 30 * k, bounds(value)
        bar = rect(
            x(value["low"]),
            y + 7,
            max(3.0, x(value["high"]) - x(value["low"])),
            16,
            f"bar {colour}",
            f"{name}: {words}",
        )
        parts.append(tag("a", bar, href=f"#table-{lines}"))
        parts += [text(frame.left - 12, y + 19, name, "label", "end"), text(frame.right + 10, y + 19, words, "tick")]
    described = "; ".join(f"{name} {bounds(value)}" for name, value, _, _ in known)
    return figure(WIDE, frame.bottom + 40, f"Energy per inference by {tree['set']}, as intervals", described, *parts)


def crossover(tree: Tree, form: str) -> Markup | None:
    """Energy over the spike rate: a band for the spiking network, one for the ANN. None where a bound is missing."""
    twin = tree["ann"][form]
    fixed, growing, ann, rate = tree["fixed_pj"], tree["growing_pj"], twin["energy_pj"], twin["rate"]
    if any(v["unknown"] or v["high"] is None for v in (fixed, growing, ann)) or not rate:
        return None
    crossing = [c for c in twin["crossing_rate"] or () if c is not None]
    last = min(1.0, 1.4 * max(rate * 1.5, *crossing)) if crossing else min(1.0, rate * 3)
    ends = [(fixed[e], fixed[e] + growing[e] * last / rate) for e in ("low", "high")]
    top = 1.06 * max(ends[1][1], ann["high"])
    frame = Frame(76, 12, WIDE - 150, 240)
    x, y = linear(0, last, frame.left, frame.right), linear(0, top, frame.bottom, frame.top)
    parts: list[object] = [frame.bottom_axis(x, ticks(0, last, 6), "spike rate, per neuron and step")]
    for v in ticks(0, top, 4):
        parts += [
            line(frame.left, y(v), frame.right, y(v), "grid"),
            text(frame.left - 6, y(v) + 4, joules(v), "tick", "end"),
        ]
    parts.append(
        _band(
            [(x(0), y(ends[1][0])), (x(last), y(ends[1][1])), (x(last), y(ends[0][1])), (x(0), y(ends[0][0]))], "band1"
        )
    )
    parts.append(
        _band(
            [(x(0), y(ann["high"])), (x(last), y(ann["high"])), (x(last), y(ann["low"])), (x(0), y(ann["low"]))],
            "band2",
        )
    )
    parts += [path([(x(0), y(a)), (x(last), y(b))], "curve1") for a, b in ends]
    parts += [path([(x(0), y(ann[e])), (x(last), y(ann[e]))], "curve2") for e in ("low", "high")]
    parts += [
        line(x(rate), frame.top, x(rate), frame.bottom, "interval"),
        text(x(rate) + 5, frame.top + 10, f"this run: {rate:.3g}", "tick"),
    ]
    parts.append(text(frame.right + 8, y((ends[0][1] + ends[1][1]) / 2) + 4, "spiking network", "label"))
    parts.append(text(frame.right + 8, y((ann["low"] + ann["high"]) / 2) + 16, f"ANN, {form}", "label"))
    ours, theirs = bounds(tree["dynamic_pj"]), bounds(ann)
    words = f"At this run's rate of {rate:.3g}: spiking network {ours}, ANN {theirs}; {twin['verdict']}."
    return figure(WIDE, frame.bottom + 40, f"Energy over the spike rate, beside the {form} ANN", words, *parts)


def _band(points: list[tuple[float, float]], class_: str) -> Markup:
    return tag("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z", class_=class_)


def core_map(mapping: Tree) -> Markup | None:
    """Every core of the chips in use where it lies, darker the fuller; None for very many tiles."""
    mesh, loads = mapping["mesh"], mapping["loads"]
    rows, columns = mesh["tile_rows"] * mesh["chip_rows"], mesh["tile_columns"] * mesh["chip_columns"]
    if rows * columns > MANY_TILES:
        return None
    each = max(1, mesh["tile_cores"])
    tile = min(96.0, (WIDE - 20) / columns)
    high = max(16.0, tile / 3)
    parts: list[object] = [
        tag("rect", x=10 + c * tile, y=10 + r * (high + 6), width=tile - 4, height=high, class_="panel")
        for r in range(rows)
        for c in range(columns)
    ]
    for load in loads:
        used = shares(load, mapping["limits"])
        full = max(used.values(), default=0.0)
        place = load["core"] % mesh["chip_cores"] % each
        most = max(used, key=lambda name: used[name], default="")
        words = f"core {load['core']}: {', '.join(load['populations'])}; {plural(load['neurons'], 'neuron')}"
        words += f"; fullest: {most.replace('_', ' ')}, {percent(full, 0)}" if most else ""
        wide = (tile - 8) / each
        parts.append(
            rect(
                12 + load["column"] * tile + place * wide,
                12 + load["row"] * (high + 6),
                wide - 1.5,
                high - 4,
                f"heat h{level(full)}",
                words,
            )
        )
    busy = f"{plural(mapping['cores'], 'core')} in use on {plural(mapping['chips'], 'chip')}; loads are in the table."
    return figure(WIDE, 16 + rows * (high + 6), f"Cores of {mapping['system']}", busy, *parts)
