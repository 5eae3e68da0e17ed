"""Where the engine's time goes, layer by layer.

The engine runs a sample in one piece of machine code, so nothing is measured inside it. Instead the network is cut off
behind each layer in turn, and all cut networks are run in turn; what a layer takes is the difference between the
network that ends with it and the one that ends before it. The population that is read stays in all of them, with
nothing that reaches it but in the last. The first network has no other layer: its time is what the input costs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import table
from benchmarks.cases import CASES, Point
from benchmarks.data import samples
from benchmarks.runners import Integers, engine
from benchmarks.work import count
from seamount.backends.simulator.schedule import groups
from seamount.compiler.execution import EventCounts
from seamount.compiler.program.program import Program

ROUNDS, SHORTEST_S = 5, 0.1
"""Runs of each cut network, of which the fastest counts; faster ones are repeated within a run."""


def prefixes(program: Program) -> list[tuple[tuple[str, ...], Program]]:
    """(populations added, network up to them), from none to all; populations on a common cycle are added together."""
    kept = {r.population for r in program.readouts}
    layers = [group for group in groups(program) if not set(group) <= kept]
    last = tuple(p.name for p in program.populations if not any(p.name in group for group in layers))
    added = [(), *layers, *([last] if last else [])]
    known, found = {*kept}, []
    for group in added[:-1]:
        known |= set(group)
        found.append((group, _cut(program, known, kept)))
    return [*found, (added[-1], program)]


def _cut(program: Program, known: set[str], silent: set[str]) -> Program:
    """Only these populations, and nothing that reaches those in `silent`."""
    names = known | {port.name for port in program.inputs}
    return replace(
        program,
        populations=tuple(p for p in program.populations if p.name in known),
        projections=tuple(q for q in program.projections if {q.source, q.target} <= names and q.target not in silent),
    )


def measure(point: Point, threads: int, probes: Mapping[str, Any], rounds: int = ROUNDS) -> dict[str, Any]:
    """Layers of a case with their seconds per run, work, events and bound, ready for JSON."""
    case = CASES[point.case]
    x, _ = samples(case.source, "test", point.steps, point.batch)
    runner = Integers(case, engine("cpu", threads), x, point.steps)
    program = runner.artifact.program
    added, cuts = zip(*prefixes(program), strict=True)
    best, counts = _times(runner, cuts, rounds)
    still = case.encoding == "constant"
    layers = [
        _layer(program, names, seconds, counts, point, still, probes)
        for names, seconds in zip(added, np.diff([0, *best]), strict=True)
    ]
    return {
        "case": point.case, "steps": point.steps, "batch": point.batch, "threads": threads, "whole_s": best[-1],
        "layers": layers,
    }  # fmt: skip


def _times(runner: Integers, cuts: Sequence[Program], rounds: int) -> tuple[list[float], EventCounts]:
    """Seconds of the fastest run of each network, and what happened in the last of them."""
    for cut in cuts:
        runner.backend.run(cut, runner.messages)  # laid out and warm
    best, repeats = [math.inf] * len(cuts), [1] * len(cuts)
    for _ in range(rounds):
        for i, cut in enumerate(cuts):
            begin = time.perf_counter()
            for _ in range(repeats[i]):
                trace = runner.backend.run(cut, runner.messages)
            best[i] = min(best[i], (time.perf_counter() - begin) / repeats[i])
            repeats[i] = max(1, round(SHORTEST_S / best[i]))
    return best, trace.counts


def _layer(
    program: Program, names: Sequence[str], seconds: float, counts: EventCounts, point: Point, still: bool,
    probes: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    into = [q for name in names for q in program.into(name)]
    needed = count(program, point.steps, point.batch, still, names)
    return {
        "layer": " + ".join(names) or "input",
        "seconds": float(seconds),
        "updates": needed.updates,
        "spikes_in": sum(int(np.sum(counts.spikes[name])) for name in {q.source for q in into}),
        "synops": sum(int(np.sum(counts.synops[q.name])) for q in into),
        "bound_s": needed.bound_s(probes),
    }


def rows(profile: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The layers as a table."""
    head = ["layer", "time", "share", "neuron updates", "spikes in", "SynOps", "SynOps/s", "bound", "time / bound"]
    found = []
    for layer in profile["layers"]:
        took, bound = layer["seconds"], layer["bound_s"]
        found.append(
            [
                layer["layer"], table.seconds(max(took, 0.0)), f"{took / profile['whole_s']:.1%}",
                f"{layer['updates']:,}", f"{layer['spikes_in']:,}", f"{layer['synops']:,}",
                f"{layer['synops'] / took:.3g}" if layer["synops"] and took > 0 else "",
                table.seconds(bound) if bound else "", f"{took / bound:.2f}" if bound else "",
            ]
        )  # fmt: skip
    totals = {
        key: sum(layer[key] for layer in profile["layers"]) for key in ("updates", "spikes_in", "synops", "bound_s")
    }
    whole, bound = profile["whole_s"], totals.pop("bound_s")
    rate = f"{totals['synops'] / whole:.3g}"
    cells = [f"{total:,}" for total in totals.values()]
    found.append(["all", table.seconds(whole), "100%", *cells, rate, table.seconds(bound), f"{whole / bound:.2f}"])
    return head, found
