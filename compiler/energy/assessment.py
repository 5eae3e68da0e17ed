"""Everything about the cost of a run by one cost set: the priced run, the ANN in every format, both side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seamount.compiler.artifact import Artifact
from seamount.compiler.energy import text as text
from seamount.compiler.energy.ann import FORMATS, Comparison, Format, Twin, compare, twin
from seamount.compiler.energy.cost_set import CostSet
from seamount.compiler.energy.counts import mean_rate
from seamount.compiler.energy.estimate import Estimate, Interval
from seamount.compiler.energy.price import Costs, Line, price_run
from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.placement import Placement

Tree = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Assessment:
    """run: the spiking network. twins: the ANN by format. comparisons: both, by format."""

    run: Costs
    twins: Mapping[Format, Twin]
    comparisons: Mapping[Format, Comparison]


def assess(
    artifact: Artifact,
    counts: EventCounts,
    costs: CostSet,
    chip: str,
    placement: Placement | None = None,
    remark: str = "",
) -> Assessment:
    """Price a run of an artifact.

    chip: what it was compiled for. placement: made with the same counts, if any. remark: on the placement, noted where
    the set prices what a chip does.
    """
    program = artifact.program
    run = price_run(program, counts, costs, placement, chip)
    if remark and costs.model == "events":
        run = replace(run, notes=(remark, *run.notes))
    sequence = any(code.encoding == "sequence" for code in artifact.inputs)
    trained = artifact.analysis.trained
    twins = {form: twin(program, counts.steps, costs, form, sequence, trained) for form in FORMATS}
    rate = mean_rate(program, counts)
    return Assessment(run, twins, {form: compare(run, t.energy, rate) for form, t in twins.items()})


# as JSON; infinities become None, which means "no upper bound known"


def tree(found: Assessment, shown: Callable[[Sequence[Line]], Sequence[Line]] = tuple) -> Tree:
    """Every number with its source, for JSON and for a report; energies in pJ, times in ns, per inference.

    shown: which lines of a ledger to list; default: all.
    """
    run, when = found.run, found.run.delay
    return {
        "set": run.costs.name,
        "title": run.costs.title,
        "process": run.costs.process,
        "members": list(run.costs.members),
        "samples": run.samples,
        "steps": run.steps,
        "lines": [line_tree(line) for line in shown(run.lines)],
        "dynamic_pj": estimate_tree(run.dynamic),
        "places_pj": {where: estimate_tree(value) for where, value in run.places.items()},
        "fixed_pj": estimate_tree(run.fixed),
        "growing_pj": estimate_tree(run.growing),
        "static": None if run.static is None else line_tree(run.static),
        "energy_pj": estimate_tree(run.energy),
        "energy_delay_pj_ns": None if run.energy_delay is None else estimate_tree(run.energy_delay),
        "dense_pj": estimate_tree(run.dense),
        "time": None if when is None else {
            "step_ns": estimate_tree(when.step_ns),
            "inference_ns": estimate_tree(when.inference_ns),
            "throughput_ns": estimate_tree(when.throughput_ns),
            "depth": when.depth,
            "busiest_core": when.core,
            "basis": when.basis,
        },
        "ann": {form: twin_tree(t, found.comparisons[form], shown) for form, t in found.twins.items()},
        "notes": list(run.notes),
        "sources": dict(run.costs.sources),
    }  # fmt: skip


def line_tree(line: Line) -> Tree:
    """One line: count, cost with source and conditions, energy."""
    count, cost = line.count, line.cost
    return {
        "event": count.event,
        "where": count.where,
        "count": None if count.number is None else _ends(count.number),
        "basis": count.basis,
        "missing": count.missing,
        "by_rate": count.by_rate,
        "memory_bytes": count.memory_bytes,
        "cost": {
            "unit": cost.low.unit,
            "low": _end(cost.low.value),
            "high": _end(cost.high.value),
            "low_source": cost.low.source,
            "high_source": cost.high.source,
            "low_conditions": cost.low.terms,
            "high_conditions": cost.high.terms,
            "text": text.cost(cost),
        },
        "energy_pj": estimate_tree(line.energy),
        "text": text.energy(line.energy),
    }


def twin_tree(twin: Twin, found: Comparison, shown: Callable[[Sequence[Line]], Sequence[Line]] = tuple) -> Tree:
    """The ANN in one format, and how the spiking network compares."""
    return {
        "passes": twin.passes,
        "macs": twin.macs,
        "lines": [line_tree(line) for line in shown(twin.lines)],
        "energy_pj": estimate_tree(twin.energy),
        "text": text.energy(twin.energy),
        "verdict": found.verdict,
        "why": found.why,
        "snn_over_ann": None if found.ratio is None else _ends(found.ratio),
        "rate": found.rate,
        "crossing_rate": None if found.crossing_rate is None else _ends(found.crossing_rate),
        "crossing_steps": None if found.crossing_steps is None else _ends(found.crossing_steps),
    }


def estimate_tree(value: Estimate) -> Tree:
    """Bounds of an estimate, and what is missing in it."""
    return {"low": value.bounds.low, "high": _end(value.bounds.high), "unknown": value.unknown,
            "missing": list(value.missing)}  # fmt: skip


def _ends(value: Interval) -> list[float | None]:
    return [value.low, _end(value.high)]


def _end(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
