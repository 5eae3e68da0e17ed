"""Whether an artifact fits a chip or system: resources, every limit exceeded with remedies, and the placement."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seamount.backends.registry import load_system, load_target, sound_systems, sound_targets
from seamount.compiler.artifact import Artifact
from seamount.compiler.errors import ContractError, Problem
from seamount.compiler.execution import EventCounts
from seamount.compiler.kept_run import Run, load_run
from seamount.compiler.placement.as_json import tree
from seamount.compiler.placement.check import check
from seamount.compiler.placement.place import place_plan
from seamount.compiler.placement.placement import LIMITS, Placement
from seamount.compiler.placement.plan import DoesNotFit, Plan, plan
from seamount.compiler.placement.remedies import Remedy, remedies, remedies_for
from seamount.compiler.placement.resources import PopulationResources, ProjectionResources, resources
from seamount.compiler.program.needs import NEED_WORDS
from seamount.compiler.program.verify import check as check_program
from seamount.progress import Progress, watched
from seamount.results.blocks import Block, Shown, table
from seamount.workflows.artifact import load_artifact
from seamount.workflows.run import Run as Ran

CHECKED = 200_000
"""Placements of networks with at most so many synapses are checked in any case; it takes seconds."""
USED = ("chip.", "core.", "encoding.")
"""Sections of a target that placing reads; what is assumed in them is said."""


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Shown):
    """Whether a network fits, and what it takes.

    made: the partition into slices, and every limit exceeded. needed: resources of every population. tried: remedies
    that were tried on what is exceeded. placement: where slices lie; None when it does not fit. checked: whether an
    independent recount confirmed the placement.
    """

    made: Plan
    needed: tuple[PopulationResources, ...]
    tried: tuple[Remedy, ...] = ()
    placement: Placement | None = None
    checked: bool = False

    @property
    def fits(self) -> bool:
        """Whether no limit is exceeded."""
        return self.placement is not None

    @property
    def cores(self) -> int:
        """Cores that the slices take."""
        return len(self.made.cores)

    @property
    def chips(self) -> int:
        """Chips that the slices take."""
        return self.made.chips

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every limit exceeded, with the cheapest changes after which it holds."""
        found = []
        for excess in self.made.excesses:
            mends = remedies_for(excess, self.tried)
            text = "; or ".join(f"{r.text} ({r.price})" for r in mends)
            none = f"none of {len(self.tried)} changes tried helps; make the network smaller"
            found.append(excess.problem(text or (none if self.tried else "none to try")))
        return tuple(found)

    def raise_if_too_large(self) -> None:
        """Raise DoesNotFit with every limit exceeded."""
        if self.made.excesses:
            raise DoesNotFit(self.problems)

    def placement_tree(self) -> dict[str, Any]:
        """The placement as plain values, slice by slice. Raises DoesNotFit where there is none."""
        self.raise_if_too_large()
        assert self.placement is not None
        return tree(self.placement)

    def blocks(self) -> Iterator[Block]:
        yield from resource_tables(self.made, self.needed)
        if self.placement is not None:
            yield from placement_blocks(self.made, self.placement, self.checked)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(str(p) for p in self.problems)])

    def to_dict(self) -> dict[str, Any]:
        found = summary(self.made, self.needed, self.tried, self.placement)
        return {**found, "checked": self.checked} if self.placement is not None else found

    def plot(self, ax: Any = None) -> Any:
        """The core map: how full every core in use is, by synaptic memory or neurons. Needs matplotlib."""
        from seamount.results.plots import cores

        return cores(self.placement, self.problems, ax)


def fit(
    artifact: Artifact | str | os.PathLike[str],
    *,
    chip: str | None = None,
    system: str | None = None,
    run: Any = None,
    neurons_per_core: int | None = None,
    verify: bool | None = None,
    progress: Progress = None,
) -> Fit:
    """Say whether an artifact fits a chip or system, and what it takes.

    chip              a target, or a .toml file; default: what it was compiled for
    system            several chips: a system of `seamount.targets()`, or a .toml file
    run               weigh traffic by the spikes of this run (of `Artifact.run`, or the path of a kept one)
    neurons_per_core  spread over more cores than needed
    verify            check by an independent recount; None: up to 200,000 synapses

    What does not fit is in `.problems`, with remedies that were tried; `.raise_if_too_large()` raises it.
    Raises InputError for what cannot be used.

    Example:
        found = seamount.fit(artifact, chip="loihi2")
        found.fits, found.cores
    """
    loaded = load_artifact(artifact) if isinstance(artifact, str | os.PathLike) else artifact
    check_program(loaded.program)
    target = load_target(chip or loaded.manifest.target.name)
    traffic = _counts(run)
    made = plan(loaded.program, target, load_system(system) if system else None, neurons_per_core)
    needed = tuple(resources(made))
    if made.excesses:
        return Fit(made, needed, _tried(made, neurons_per_core, progress))
    placement = place_plan(made, traffic)
    return Fit(made, needed, (), placement, _verified(made, placement, traffic, verify))


def _counts(run: Any) -> EventCounts | None:
    if run is None or isinstance(run, Run | Ran):
        return None if run is None else run.counts
    return load_run(Path(run)).counts


def _tried(made: Plan, neurons_per_core: int | None, progress: Progress) -> tuple[Remedy, ...]:
    """Every remedy tried on what is exceeded."""
    systems = sound_systems()
    targets = [t for t in sound_targets() if t.name == t.chip]
    with watched(progress, "remedies") as tick:
        return remedies(made, systems, targets, neurons_per_core, tick)


def _verified(made: Plan, placement: Placement, traffic: EventCounts | None, verify: bool | None) -> bool:
    """Whether the independent checker looked at it. Raises ContractError for what it finds: a bug in the mapper."""
    if verify is None:
        verify = sum(load.synapses for load in placement.loads) <= CHECKED
    if verify:
        faults = check(made.program, placement, made.target, made.system, traffic)
        if faults:
            raise ContractError(faults)
    return verify


# as tables and lines


def resource_tables(made: Plan, found: Sequence[PopulationResources]) -> Iterator[Block]:
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
    yield table(f"populations on {where}", columns, rows)
    columns = ("projection", "kind", "kept as", "other encodings, on one core", "bits", "synapses", "stored", "memory")
    yield table("projections", columns, [_projection(q) for p in found for q in p.projections], left=4)
    for p in found:
        if p.microcode:
            yield f"microcode: '{p.name}' needs {', '.join(NEED_WORDS[need] for need in p.microcode)}"


def _projection(q: ProjectionResources) -> tuple[object, ...]:
    kept = ", ".join(q.encodings)
    others = ", ".join(f"{name} {size(n)}" for name, n in q.alternatives.items() if name not in q.encodings)
    return q.name, q.kind, kept, others, q.bits, f"{q.synapses:,}", f"{q.stored:,}", size(q.bytes)


def size(count: int) -> str:
    """Bytes in words; 1 KB is 1,024 bytes."""
    return (
        f"{count:,} B" if count < 1024 else f"{count / 1024:,.1f} KB" if count < 2**20 else f"{count / 2**20:,.1f} MB"
    )


def placement_blocks(made: Plan, placement: Placement, checked: bool) -> Iterator[Block]:
    """Cores and chips in use, the fullest core by each limit, traffic against its lower bound, what is not known."""
    neurons = sum(load.neurons for load in placement.loads)
    chips = made.system.limit("system.chips")
    yield (
        f"fits: {neurons:,} neurons on {len(placement.loads):,} of {placement.mesh.cores:,} cores,"
        f" {placement.chips:,} of {chips:,} chip{'s' * (chips > 1)}"
    )
    yield ""
    rows = [
        (what.replace("_", " "), f"{most:,}", f"{limit:,}" if limit is not None else "unknown", part, source)
        for what, most, limit, part, source in fullest(made, placement)
    ]
    yield table("fullest core", ("number", "most", "limit", "share", "source"), rows)
    yield from _traffic(placement)
    if placement.unchecked:
        text = ", ".join(placement.unchecked)
        yield f"not checked, as not published: {text}"
    assumed = [p for p, q in made.target.quantities.items() if p.startswith(USED) and q.assumed]
    assumed += [p for p, q in made.system.quantities.items() if q.assumed]
    if assumed:
        yield f"assumed, as not published: {', '.join(assumed)}"
    if checked:
        yield "checked by an independent recount: no limit exceeded, every number as stated"


def _traffic(placement: Placement) -> Iterator[Block]:
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
        yield table(f"traffic, {weighed}", columns, rows)
    bound = f"no arrangement of these slices has fewer than {placement.lower_bound:,}"
    yield f"spike-hops {placement.spike_hops:,}; {bound}"
    yield f"busiest link {placement.links.busiest:,} messages"


def fullest(made: Plan, placement: Placement) -> Iterator[tuple[str, int, int | None, str, str]]:
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
