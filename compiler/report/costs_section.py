"""Energy and mapping for the report, as plain trees; nothing is priced or placed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from seamount.compiler.energy import text as text
from seamount.compiler.energy.assessment import Assessment, tree
from seamount.compiler.energy.price import Line
from seamount.compiler.placement.placement import LIMITS, Placement
from seamount.compiler.report.excerpt import LINES, folded
from seamount.compiler.target.target import Target

Tree = dict[str, Any]
SHOWN = ("neurons", "memory_bytes", "axons_in", "axons_out")
"""Numbers of a core's load that the report shows against their limits."""


def energy_tree(chip: str, found: Sequence[Assessment]) -> Tree:
    """Every set with its first and last lines, and in sentences how the spiking network compares with its ANN."""
    return {"chip": chip, "sets": [{**tree(one, _ledger), "sentences": _sentences(one)} for one in found]}


def _ledger(lines: Sequence[Line]) -> Sequence[Line]:
    return folded(lines, LINES)


def _sentences(found: Assessment) -> list[str]:
    sentences = []
    for form, comparison in found.comparisons.items():
        words = text.verdict(comparison, form)
        crossing = text.crossing(comparison)
        sentences.append(f"{words[:1].upper()}{words[1:]}{f'; {crossing}' if crossing else ''}.")
    return sentences


def mapping_tree(placement: Placement, target: Target, remark: str) -> Tree:
    """Loads of cores with where they lie, the limits they are under, and traffic."""
    cores = np.array([load.core for load in placement.loads], np.int64)
    columns, rows = placement.mesh.tiles(cores)
    held: dict[int, list[str]] = {}
    for s in placement.slices:
        held.setdefault(s.core, []).append(s.population)
    loads = [
        {**asdict(load), "column": int(x), "row": int(y), "populations": sorted(set(held.get(load.core, ())))}
        for load, x, y in zip(placement.loads, columns, rows, strict=True)
    ]
    return {
        "target": placement.target,
        "system": placement.system,
        "remark": remark,
        "mesh": asdict(placement.mesh),
        "chips": placement.chips,
        "cores": len(loads),
        "loads": loads,
        "limits": {name: _limit(target, LIMITS[name]) for name in SHOWN},
        "projections": {name: {**asdict(t), "hops": t.hops} for name, t in placement.projections.items()},
        "spike_hops": placement.spike_hops,
        "lower_bound": placement.lower_bound,
        "busiest_link": placement.links.busiest,
        "measured": placement.measured,
        "unchecked": list(placement.unchecked),
    }


def _limit(target: Target, path: str) -> Tree:
    quantity = target.quantity(path)
    value = quantity.value
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return {"path": path, "value": number, "unit": quantity.unit, "source": quantity.source}


def shares(load: Mapping[str, Any], limits: Mapping[str, Tree]) -> dict[str, float]:
    """Load of a core as shares of the limits that are known."""
    return {name: load[name] / limit["value"] for name, limit in limits.items() if limit["value"]}
