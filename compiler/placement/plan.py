"""Whether a program fits: its slices on cores, and every limit of target and system that it exceeds, at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seamount.compiler.errors import CheckFailed, CompileError, Problem
from seamount.compiler.placement.chips import Capacity, in_order
from seamount.compiler.placement.features import unrepresentable
from seamount.compiler.placement.limits import CoreLimits, Excess, Kind
from seamount.compiler.placement.pack import CoreLoad, pack
from seamount.compiler.placement.partition import Network, Partition, partition
from seamount.compiler.placement.placement import Mesh
from seamount.compiler.placement.synapse_memory import Coding
from seamount.compiler.program.program import Program
from seamount.compiler.target.system import System, one_chip
from seamount.compiler.target.target import Target


class DoesNotFit(CheckFailed):
    """A program exceeds limits of a target or system; one problem for each."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A program cut for a target and packed onto cores, not yet placed.

    chips: in use, in the order of cores. off_chip: whether axons were counted as leaving their chip.
    excesses: limits exceeded; with any, the plan cannot be placed.
    """

    program: Program
    target: Target
    system: System
    limits: CoreLimits
    network: Network
    partition: Partition
    cores: list[CoreLoad]
    capacity: Capacity
    chips: int
    off_chip: bool
    excesses: tuple[Excess, ...]

    @property
    def mesh(self) -> Mesh:
        return mesh_of(self.target, self.system)


def mesh_of(target: Target, system: System) -> Mesh:
    """The mesh of a system of the target's chips. Raises CompileError when its chips are of another kind."""
    if system.chip != target.chip:
        found = f"is made of {system.chip}, the target is {target.chip}"
        raise CompileError(Problem(f"system '{system.name}'", found, f"give --chip {system.chip}, or another system"))
    tiles = [target.limit(f"chip.tile_{n}") for n in ("cores", "columns", "rows")]
    cores, columns, rows = (system.limit(f"system.{n}") for n in ("cores_per_chip", "columns", "rows"))
    if cores > tiles[0] * tiles[1] * tiles[2]:
        found = f"has {cores} cores per chip, the target's tiles hold {tiles[0] * tiles[1] * tiles[2]}"
        raise CompileError(Problem(f"system '{system.name}'", found, "correct chip.tile_* or system.cores_per_chip"))
    return Mesh(tiles[0], tiles[1], tiles[2], cores, columns, rows)


def plan(program: Program, target: Target, system: System | None = None, neurons_per_core: int | None = None) -> Plan:
    """Cut and pack a program. Never raises for what does not fit: `excesses` lists it.

    system: several chips; default one. neurons_per_core: spread over more cores than needed.
    """
    system = system or one_chip(target)
    mesh, coding = mesh_of(target, system), Coding.of(target)
    limits, network = CoreLimits.of(target, neurons_per_core), Network(program, coding)
    for off_chip in (False, True):
        parts = partition(network, limits, off_chip)
        cores = pack(program, parts, limits, coding)
        capacity = _capacity(cores, mesh, target)
        chips = int(in_order(capacity).max(initial=0)) + 1
        if chips == 1 or "axons_out" not in limits.known:
            break  # else every axon may have to leave its chip, which takes more slots
    excesses = (*unrepresentable(program, target), *parts.excesses, *_beyond(capacity, chips, target, system))
    return Plan(program, target, system, limits, network, parts, cores, capacity, chips, off_chip, excesses)


def _capacity(cores: list[CoreLoad], mesh: Mesh, target: Target) -> Capacity:
    """One core each, its neurons and stored synapses; numbers without a published limit take no room."""
    kinds, room, amounts = ["cores"], [mesh.chip_cores], [np.ones(len(cores), np.int64)]
    for what, name in (("neurons", "neurons"), ("synapses", "stored")):
        limit = target.value(f"chip.{what}")
        if isinstance(limit, int):
            kinds.append(what)
            room.append(limit)
            amounts.append(np.array([core.numbers()[name] for core in cores], np.int64))
    return Capacity(tuple(kinds), np.stack(amounts, axis=1), np.array(room, np.int64))


def _beyond(capacity: Capacity, chips: int, target: Target, system: System) -> Iterator[Excess]:
    """Limits of the system as a whole: cores, neurons and synapses on all of its chips, and what it states itself."""
    available = system.limit("system.chips")
    found = False
    needs = dict(zip(capacity.kinds, capacity.amounts.sum(axis=0).tolist(), strict=True))
    room = dict(zip(capacity.kinds, capacity.room.tolist(), strict=True))
    for what, needed in needs.items():
        path = f"chip.{what}"
        cite = system.cite("system.cores_per_chip") if what == "cores" and available > 1 else target.cite(path)
        stated = system.quantities.get(f"system.{what}")
        if needed > available * room[what]:
            found = True
            cite += f", times {available} chips" if available > 1 else ""
            yield Excess(Kind.SYSTEM, system.name, path, what, needed, available * room[what], cite)
        elif available > 1 and stated and isinstance(stated.value, int) and needed > stated.value:
            found = True
            path = f"system.{what}"
            yield Excess(Kind.SYSTEM, system.name, path, what, needed, stated.value, system.cite(path))
    if chips > available and not found:
        yield Excess(Kind.SYSTEM, system.name, "system.chips", "chips", chips, available, system.cite("system.chips"))
