"""A placement as plain data for JSON, in an order that does not change."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from seamount.compiler.placement.placement import Placement

FORMAT, VERSION = "seamount-placement", 1


def tree(placement: Placement) -> dict[str, Any]:
    """Everything in a placement: mesh, slices with their ranges, loads, traffic, loads of links that carry any."""
    links = {
        way: [[int(r), int(c), int(loads[r, c])] for r, c in zip(*loads.nonzero(), strict=True)]
        for way in ("east", "west", "north", "south")
        for loads in (getattr(placement.links, way),)
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "target": placement.target,
        "system": placement.system,
        "mesh": asdict(placement.mesh),
        "traffic": "measured" if placement.measured else "one message per neuron",
        "spike_hops": placement.spike_hops,
        "lower_bound": placement.lower_bound,
        "unchecked": list(placement.unchecked),
        "slices": [
            {
                "population": s.population,
                "core": s.core,
                "neurons": s.neurons.tolist(),
                "encodings": {q: str(encoding) for q, encoding in s.encodings.items()},
            }
            for s in placement.slices
        ],
        "loads": [asdict(load) for load in placement.loads],
        "projections": {name: asdict(t) for name, t in placement.projections.items()},
        "links": links,
    }
