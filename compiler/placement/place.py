"""Place a program on the cores of a chip or system: plan, partition over chips, arrange on tiles, count the routes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.blocks import Ints
from seamount.compiler.placement.chips import to_chips
from seamount.compiler.placement.graph import CoreEdges, core_edges, core_graph
from seamount.compiler.placement.orders import orders
from seamount.compiler.placement.placement import CoreSlice, Load, Placement
from seamount.compiler.placement.plan import DoesNotFit, Plan, plan
from seamount.compiler.placement.route import hops, links, lower_bound
from seamount.compiler.placement.tiles import to_cores
from seamount.compiler.program.program import Program
from seamount.compiler.target.system import System
from seamount.compiler.target.target import Target


def place(
    program: Program,
    target: Target,
    system: System | None = None,
    traffic: EventCounts | None = None,
    neurons_per_core: int | None = None,
) -> Placement:
    """Place a program so that messages go few hops. The same input gives the same placement.

    system: several chips; default one. traffic: counts of a run of this program, whose messages weigh the routes; by
    default every neuron sends one message. neurons_per_core: spread over more cores than needed.
    Raises DoesNotFit with every limit exceeded; InputError when the counts are not of this program.
    """
    return place_plan(plan(program, target, system, neurons_per_core), traffic)


def place_plan(made: Plan, traffic: EventCounts | None = None) -> Placement:
    """Place what `plan` has cut and packed. Raises as `place` does."""
    if made.excesses:
        raise DoesNotFit([e.problem("see 'seamount fit', which tries remedies") for e in made.excesses])
    edges = core_edges(made.network, made.partition, made.cores, _sent(made.program, traffic))
    graph = core_graph(len(made.cores), edges)
    chip = to_chips(graph, made.capacity, made.mesh, orders(made.cores, made.partition.slices))
    core = to_cores(graph, chip, made.mesh)
    return assemble(made, edges, core, traffic is not None)


def assemble(made: Plan, edges: Mapping[str, CoreEdges], core: Ints, measured: bool) -> Placement:
    """The placement that puts the k-th packed core on core[k] of the system."""
    mesh = made.mesh
    axons_out = _axons_out(made, edges, core)
    order = np.argsort(core, kind="stable").tolist()
    numbers = [made.cores[k].numbers() | {"axons_out": int(axons_out[k]), "core": int(core[k])} for k in order]
    return Placement(
        made.target.name,
        made.system.name,
        mesh,
        tuple(_slices(made, core)),
        tuple(Load(**n) for n in numbers),
        {name: hops(e, core, mesh) for name, e in edges.items()},
        links(edges, core, mesh),
        measured,
        lower_bound(core_graph(len(made.cores), edges), mesh),
        made.limits.unknown,
    )


def _slices(made: Plan, core: Ints) -> list[CoreSlice]:
    """Slices in the order of populations, then of their blocks."""
    home = {(piece.population, piece.number): int(core[k]) for k, c in enumerate(made.cores) for piece in c.pieces}
    found = []
    for name, slices in made.partition.slices.items():
        for k in range(slices.blocks.count):
            encodings = {q: memory.encoding[k] for q, memory in slices.memory.items()}
            found.append(CoreSlice(name, slices.blocks.ranges(k), home[name, k], encodings))
    return found


def _axons_out(made: Plan, edges: Mapping[str, CoreEdges], core: Ints) -> Ints:
    """Output slots of each core: one axon per neuron and slice reached, dearer when shared or on another chip."""
    total = np.zeros(len(made.cores), np.int64)
    for e in edges.values():
        away = core[e.source] // made.mesh.chip_cores != core[e.target] // made.mesh.chip_cores
        slots = np.where(e.shared > 0, made.limits.slots_shared, made.limits.slots_discrete)
        np.add.at(total, e.source, e.neurons * (slots + away * made.limits.slots_off_chip))
    return total


def _sent(program: Program, traffic: EventCounts | None) -> Mapping[str, Ints] | None:
    """Messages per neuron of every population. Raises InputError when they are of another program."""
    if traffic is None:
        return None
    problems = [
        Problem(f"population '{p.name}'", "has no matching counts in the run", "give a run of this artifact")
        for p in program.populations
        if np.size(traffic.sent.get(p.name, ())) != p.size
    ]
    if problems:
        raise InputError(problems)
    return traffic.sent
