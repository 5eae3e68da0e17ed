"""What each population and projection takes on a chip, as the plan has cut them; the numbers of `seamount fit`.

Stands beside the mapper and not among the analyses of graphs, because it reads programs and targets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seamount.compiler.placement.partition import Slices, codes
from seamount.compiler.placement.plan import Plan
from seamount.compiler.program.program import Need


@dataclass(frozen=True)
class ProjectionResources:
    """encodings: its name -> slices that keep the projection so. alternatives: bytes under every encoding that fits its
    kind, as if on one core; the cheapest is taken slice by slice."""

    name: str
    source: str
    target: str
    kind: str
    bits: int
    delay: int
    synapses: int
    stored: int
    bytes: int
    axons_in: int
    encodings: Mapping[str, int]
    alternatives: Mapping[str, int]


@dataclass(frozen=True)
class PopulationResources:
    """Totals over a population's slices; cores: on which any of them lies. delay_slots: accumulators per neuron.

    decay_profiles, threshold_profiles: distinct ones in the whole population. microcode: what a stock neuron lacks.
    """

    name: str
    neurons: int
    state_bytes: int
    synapses: int
    synaptic_bytes: int
    axons_in: int
    axons_out: int
    delay_slots: int
    decay_profiles: int
    threshold_profiles: int
    parts: tuple[int, int, int]
    slices: int
    cores: int
    microcode: tuple[Need, ...]
    projections: tuple[ProjectionResources, ...]


def resources(made: Plan) -> tuple[PopulationResources, ...]:
    """The resources of every population, in update order."""
    homes: dict[str, set[int]] = {name: set() for name in made.partition.slices}
    for k, core in enumerate(made.cores):
        for piece in core.pieces:
            homes[piece.population].add(k)
    return tuple(_population(made, s, len(homes[name])) for name, s in made.partition.slices.items())


def _population(made: Plan, slices: Slices, cores: int) -> PopulationResources:
    p, total = slices.population, {name: int(x.sum()) for name, x in slices.loads.items()}
    projections = tuple(_projection(made, slices, q.name) for q in made.program.into(p.name))
    return PopulationResources(
        p.name, p.size, p.size * made.limits.state_bytes, total["synapses"], total["synaptic_bytes"],
        total["axons_in"], total["axons_out"], slices.slots, _distinct(p.du, p.dv), _distinct(p.vth),
        slices.blocks.parts, slices.blocks.count, cores, p.needs_microcode, projections,
    )  # fmt: skip


def _projection(made: Plan, slices: Slices, name: str) -> ProjectionResources:
    q = next(q for q in made.program.projections if q.name == name)
    memory, word = slices.memory[name], made.limits.word_bytes
    alternatives = {str(k): words * word for k, words in made.network.wirings[name].alternatives().items()}
    return ProjectionResources(
        name, q.source, q.target, type(q.connection).__name__.lower(), q.bits, q.delay,
        int(memory.synapses.sum()), int(memory.stored.sum()), int(memory.words.sum()) * word,
        int(memory.axons_in.sum()), dict(sorted(Counter(map(str, memory.encoding)).items())), alternatives,
    )  # fmt: skip


def _distinct(*parameters: np.ndarray[tuple[int, ...], np.dtype[np.int32]] | None) -> int:
    """Distinct sets of parameters of a population."""
    code = codes(*parameters)
    return 1 if code is None else int(code.max()) + 1
