"""What `seamount fit` prints and writes: resources, limits exceeded, and a summary of the placement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from seamount.cli.console import out, table
from seamount.compiler.errors import Problem
from seamount.compiler.placement.placement import LIMITS, Placement
from seamount.compiler.placement.plan import Plan
from seamount.compiler.placement.remedies import Remedy, remedies_for
from seamount.compiler.placement.resources import PopulationResources, ProjectionResources
from seamount.compiler.program.needs import NEED_WORDS

USED = ("chip.", "core.", "encoding.")
"""Sections of a target that placing reads; what is assumed in them is said."""


def show_resources(made: Plan, found: Sequence[PopulationResources]) -> None:
    """Populations, then projections with the encodings that were compared."""
    where = f"{made.target.name}, {made.system.name}"
    columns: tuple[str, ...] = (
        "population", "neurons", "state", "synapses", "synaptic memory", "axons in", "axons out", "delay slots",
        "decays", "thresholds", "slices", "cores",
    )  # fmt: skip
    rows = [
        (
            p.name, f"{p.neurons:,}", size(p.state_bytes), f"{p.synapses:,}", size(p.synaptic_bytes), f"{p.axons_in:,}",
            f"{p.axons_out:,}", p.delay_slots, p.decay_profiles, p.threshold_profiles, p.slices, p.cores,
        )
        for p in found
    ]  # fmt: skip
    table(f"populations on {where}", columns, rows)
    columns = ("projection", "kind", "kept as", "other encodings, on one core", "bits", "synapses", "stored", "memory")
    table("projections", columns, [_projection(q) for p in found for q in p.projections], left=4)
    for p in found:
        if p.microcode:
            out.print(
                f"microcode: '{p.name}' needs {', '.join(NEED_WORDS[need] for need in p.microcode)}",
                markup=False,
                soft_wrap=True,
            )


def _projection(q: ProjectionResources) -> tuple[object, ...]:
    kept = ", ".join(q.encodings)
    others = ", ".join(f"{name} {size(n)}" for name, n in q.alternatives.items() if name not in q.encodings)
    return q.name, q.kind, kept, others, q.bits, f"{q.synapses:,}", f"{q.stored:,}", size(q.bytes)


def size(count: int) -> str:
    """Bytes in words; 1 KB is 1,024 bytes."""
    return (
        f"{count:,} B" if count < 1024 else f"{count / 1024:,.1f} KB" if count < 2**20 else f"{count / 2**20:,.1f} MB"
    )


def problems(made: Plan, tried: Sequence[Remedy]) -> list[Problem]:
    """Every limit exceeded, with the cheapest changes after which it holds."""
    found = []
    for excess in made.excesses:
        mends = remedies_for(excess, tried)
        text = "; or ".join(f"{r.text} ({r.price})" for r in mends)
        none = f"none of {len(tried)} changes tried helps; make the network smaller" if tried else "none to try"
        found.append(excess.problem(text or none))
    return found


def show_placement(made: Plan, placement: Placement, checked: bool) -> None:
    """Cores and chips in use, the fullest core by each limit, traffic against its lower bound, what is not known."""
    neurons = sum(load.neurons for load in placement.loads)
    chips = made.system.limit("system.chips")
    out.print(
        f"fits: {neurons:,} neurons on {len(placement.loads):,} of {placement.mesh.cores:,} cores,"
        f" {placement.chips:,} of {chips:,} chip{'s' * (chips > 1)}",
        markup=False,
    )
    out.print()
    rows = [
        (what.replace("_", " "), f"{most:,}", f"{limit:,}" if limit is not None else "unknown", part, source)
        for what, most, limit, part, source in fullest(made, placement)
    ]
    table("fullest core", ("number", "most", "limit", "share", "source"), rows)
    _show_traffic(placement)
    if placement.unchecked:
        text = ", ".join(placement.unchecked)
        out.print(f"not checked, as not published: {text}", markup=False, soft_wrap=True)
    assumed = [p for p, q in made.target.quantities.items() if p.startswith(USED) and q.assumed]
    assumed += [p for p, q in made.system.quantities.items() if q.assumed]
    if assumed:
        out.print(f"assumed, as not published: {', '.join(assumed)}", markup=False, soft_wrap=True)
    if checked:
        out.print("checked by an independent recount: no limit exceeded, every number as stated", markup=False)


def _show_traffic(placement: Placement) -> None:
    rows = [
        (name, f"{t.messages:,}", f"{t.within_core:,}", f"{t.within_tile:,}", f"{t.hops_east_west:,}",
         f"{t.hops_north_south:,}", f"{t.chip_hops:,}")
        for name, t in placement.projections.items()
    ]  # fmt: skip
    weighed = "messages of the run" if placement.measured else "one message of every neuron"
    columns = (
        "projection",
        "messages",
        "within core",
        "within tile",
        "hops east-west",
        "hops north-south",
        "chip hops",
    )
    if rows:
        table(f"traffic, {weighed}", columns, rows)
    bound = f"no arrangement of these slices has fewer than {placement.lower_bound:,}"
    out.print(f"spike-hops {placement.spike_hops:,}; {bound}", markup=False)
    out.print(f"busiest link {placement.links.busiest:,} messages", markup=False)


def fullest(made: Plan, placement: Placement) -> Iterable[tuple[str, int, int | None, str, str]]:
    """(number, most on any core, limit, share, source) of everything that a core limits."""
    for name, path in LIMITS.items():
        most = max(getattr(load, name) for load in placement.loads)
        limit = made.limits.known.get(name)
        share = f"{100 * most / limit:.0f} %" if limit else ""
        yield name, most, limit, share, f"{path}: {made.target.quantity(path).source}"


def summary(
    made: Plan, found: Sequence[PopulationResources], tried: Sequence[Remedy], placement: Placement | None
) -> dict[str, Any]:
    """The same as plain data."""
    result: dict[str, Any] = {
        "fits": placement is not None,
        "target": made.target.name,
        "system": made.system.name,
        "cores": len(made.cores),
        "chips": made.chips,
        "populations": [asdict(p) | {"microcode": [NEED_WORDS[n] for n in p.microcode]} for p in found],
        "exceeded": [
            {
                "where": e.where, "path": e.path, "what": e.what, "needed": e.needed, "limit": e.limit, "over": e.over,
                "source": e.cite, "remedies": [_remedy(r) for r in remedies_for(e, tried)],
            }
            for e in made.excesses
        ],
        "tried": [_remedy(r) for r in tried],
        "unchecked": list(made.limits.unknown),
    }  # fmt: skip
    if placement is not None:
        result["placement"] = {
            "cores": len(placement.loads),
            "chips": placement.chips,
            "spike_hops": placement.spike_hops,
            "lower_bound": placement.lower_bound,
            "busiest_link": placement.links.busiest,
            "measured": placement.measured,
            "projections": {name: asdict(t) for name, t in placement.projections.items()},
        }
    return result


def _remedy(r: Remedy) -> dict[str, Any]:
    left = [f"{e.where}: {e.path}" for e in r.left]
    return {"text": r.text, "cores": r.cores, "chips": r.chips, "another_network": r.network, "left": left}
