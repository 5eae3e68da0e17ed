"""Where the time of the engine `cpu` goes, layer by layer, by the engine's own time stamps and on one thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks import table
from benchmarks.cases import CASES, Point
from benchmarks.data import samples
from benchmarks.runners import Integers, engine
from benchmarks.work import count
from seamount.backends.cpu.profile import Profile, profile
from seamount.backends.cpu.tables import PHASES
from seamount.compiler.program.program import Program

ROUNDS = 5
"""Runs, of which the fastest counts."""


def measure(point: Point, probes: Mapping[str, Any], rounds: int = ROUNDS) -> dict[str, Any]:
    """Layers of a case with their seconds, work, events and bound, ready for JSON. probes: limits of one thread."""
    case = CASES[point.case]
    x, _ = samples(case.source, "test", point.steps, point.batch)
    runner = Integers(case, engine("cpu", 1), x, point.steps)
    program = runner.artifact.program
    found = min((profile(program, runner.messages) for _ in range(rounds)), key=lambda p: p.total)
    still = case.encoding == "constant"
    layers = [_layer(program, name, found, point, still, probes) for name in found.populations]
    inside = sum(sum(layer["phases_s"].values()) for layer in layers)
    return {
        "case": point.case, "steps": point.steps, "batch": point.batch, "whole_s": found.total,
        "outside_s": found.total - inside, "layers": layers,
    }  # fmt: skip


def _layer(
    program: Program, name: str, found: Profile, point: Point, still: bool, probes: Mapping[str, Any]
) -> dict[str, Any]:
    into, counts = program.into(name), found.counts
    needed = count(program, point.steps, point.batch, still, (name,))
    return {
        "layer": name,
        "phases_s": dict(found.populations[name]),
        "updates": needed.updates,
        "spikes_in": sum(int(np.sum(counts.spikes[source])) for source in {q.source for q in into}),
        "synops": sum(int(np.sum(counts.synops[q.name])) for q in into),
        "bound_s": needed.bound_s(probes),
    }


def rows(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The layers as a table, with what is outside of them and the sum."""
    layers, whole = found["layers"], found["whole_s"]
    head = [
        "layer", "time", "share", *PHASES, "neuron updates", "spikes in", "SynOps", "SynOps/s", "bound", "time / bound",
    ]  # fmt: skip
    keys = ("updates", "spikes_in", "synops", "bound_s")
    total = {"layer": "all", "phases_s": {p: sum(layer["phases_s"][p] for layer in layers) for p in PHASES}}
    total |= {key: sum(layer[key] for layer in layers) for key in keys}
    outside = found["outside_s"]
    return head, [
        *(_row(layer, sum(layer["phases_s"].values()), whole) for layer in layers),
        ["inputs, answers, Python", table.seconds(outside), f"{outside / whole:.1%}", *[""] * (len(head) - 3)],
        _row(total, whole, whole),
    ]


def _row(layer: Mapping[str, Any], took: float, whole: float) -> list[str]:
    return [
        layer["layer"], table.seconds(took), f"{took / whole:.1%}",
        *(table.seconds(layer["phases_s"][phase]) for phase in PHASES),
        *(f"{layer[key]:,}" for key in ("updates", "spikes_in", "synops")),
        f"{layer['synops'] / took:.3g}", table.seconds(layer["bound_s"]), f"{took / layer['bound_s']:.2f}",
    ]  # fmt: skip
