"""Partition: each population into the fewest slices that fit a core.

Populations are cut from the outputs back, so that the slices a population sends to are known when it is cut; loops
are cut again until nothing changes. A population that a convolution ends in is cut into blocks of channels, rows and
columns, any other into ranges. For every number of parts along two axes the third takes the fewest parts that fit,
by bisection; of all such cuts with at most SLACK times the fewest slices, the one with the fewest input axons is
taken. All formulas are closed for dense connections and convolutions, so that cost grows with slices, not synapses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.placement.blocks import Blocks, Box, Ints, box_of
from seamount.compiler.placement.limits import CoreLimits, Excess
from seamount.compiler.placement.synapse_memory import Coding, delay_slots
from seamount.compiler.placement.wiring import Memory, Reached, Wiring
from seamount.compiler.placement.wirings import wire
from seamount.compiler.program.program import Population, Program, Projection

SLACK = 1.125
"""A cut may take so many times the fewest slices where that saves input axons, and with them messages."""

ROUNDS = 50
"""A loop settles within a few rounds, as cuts only get finer; this many are allowed."""


@dataclass(frozen=True, eq=False)
class Slices:
    """A population's slices and what each needs; arrays of one number per slice, named as in Load."""

    population: Population
    blocks: Blocks
    memory: Mapping[str, Memory]
    slots: int
    loads: Mapping[str, Ints]

    @property
    def name(self) -> str:
        return self.population.name


@dataclass(frozen=True, eq=False)
class Partition:
    """slices: population -> its slices, in update order. excesses: limits that no cut keeps."""

    slices: Mapping[str, Slices]
    excesses: tuple[Excess, ...]


class Network:
    """A program seen as wirings, with what each population sends and receives."""

    def __init__(self, program: Program, coding: Coding) -> None:
        self.program, self.coding = program, coding
        self.wirings: dict[str, Wiring] = {q.name: wire(program, q, coding) for q in program.projections}
        self.boxes: dict[str, Box] = {p.name: box_of(program, p.name) for p in program.populations}

    @cached_property
    def out(self) -> Mapping[str, tuple[Projection, ...]]:
        names = [p.name for p in self.program.populations]
        return {n: tuple(q for q in self.program.projections if q.source == n) for n in names}


def partition(network: Network, limits: CoreLimits, off_chip: bool = False) -> Partition:
    """Cut every population; limits that even single neurons exceed are reported, and left out of what follows."""
    done: dict[str, Slices] = {}
    excesses: dict[tuple[str, str], Excess] = {}
    order = network.program.populations[::-1]
    for _ in range(ROUNDS):
        settled = True
        for p in order:
            waived = {limit for name, limit in excesses if name == p.name}
            cutter = _Cutter(network, p, limits, done, off_chip, waived)
            now = cutter.slices(done[p.name].blocks) if p.name in done else None
            if now is None or not cutter.fits(now):
                now, settled = cutter.best(), False
                excesses |= {(p.name, limit): x for limit, x in cutter.excesses.items()}
            done[p.name] = now
        if settled:
            break
    return Partition({p.name: done[p.name] for p in network.program.populations}, tuple(excesses.values()))


class _Cutter:
    """Cuts one population, given how the populations it sends to are cut; in a loop, not coarser than before."""

    def __init__(
        self,
        network: Network,
        population: Population,
        limits: CoreLimits,
        done: Mapping[str, Slices],
        off_chip: bool,
        waived: set[str],
    ) -> None:
        self.network, self.population, self.limits, self.waived = network, population, limits, waived
        self.into = network.program.into(population.name)
        self.slots = delay_slots(tuple(q.delay for q in self.into), network.coding)
        self.box = network.boxes[population.name]
        self.decays = codes(population.du, population.dv)
        self.thresholds = codes(population.vth)
        self.least = done[population.name].blocks.count if population.name in done else 1
        self.excesses: dict[str, Excess] = {}
        self._most = 0
        self.out: list[tuple[Reached, int]] = []
        for q in network.out[population.name]:
            end = done.get(q.target)
            blocks = end.blocks if end else Blocks.cut(network.boxes[q.target], (1, 1, 1))
            shared = is_shared(end.memory[q.name]) if end else False
            self.out.append((network.wirings[q.name].reached(blocks), limits.slots(shared, off_chip)))

    def slices(self, blocks: Blocks) -> Slices:
        """What every slice of a cut needs."""
        most = None if "list_words" in self.waived else self.limits.known.get("list_words")
        memory = {q.name: self.network.wirings[q.name].memory(blocks, most) for q in self.into}
        zero = np.zeros(blocks.count, np.int64)

        def total(field: str) -> Ints:
            return np.asarray(sum((getattr(m, field) for m in memory.values()), zero), np.int64)

        synaptic = total("words") * self.limits.word_bytes
        loads = self._apart_from_synapses(blocks) | {
            "synapses": total("synapses"),
            "stored": total("stored"),
            "synaptic_bytes": synaptic,
            "memory_bytes": synaptic + blocks.sizes * self.limits.state_bytes,
            "list_words": np.max([zero, *(m.list_words for m in memory.values())], axis=0),
            "formats": zero + len(memory),  # an upper bound; packing counts the distinct ones
            "axons_in": total("axons_in"),
            "groups": total("groups"),
        }
        return Slices(self.population, blocks, memory, self.slots, loads)

    def _apart_from_synapses(self, blocks: Blocks) -> dict[str, Ints]:
        """What is quickly counted, as it does not depend on synapse lists."""
        zero = np.zeros(blocks.count, np.int64)
        return {
            "neurons": blocks.sizes,
            "axons_out": np.asarray(sum((r.sums(blocks) * slots for r, slots in self.out), zero), np.int64),
            "decay_profiles": self._distinct(blocks, "decay_profiles", self.decays),
            "threshold_profiles": self._distinct(blocks, "threshold_profiles", self.thresholds),
            "accumulators": blocks.sizes * self.slots,
        }

    def _distinct(self, blocks: Blocks, name: str, codes_: Ints | None) -> Ints:
        """Distinct parameters, counted where a limit is there to keep."""
        return blocks.distinct(codes_ if name in self.limits.known else None)

    def fits(self, slices: Slices) -> bool:
        return not self._exceeded(slices.loads)

    def _exceeded(self, loads: Mapping[str, Ints]) -> list[tuple[str, int]]:
        """Limits exceeded by any slice, and the most that one needs."""
        return [
            (name, int(loads[name].max()))
            for name, limit in self.limits.known.items()
            if name in loads and name not in self.waived and int(loads[name].max()) > limit
        ]

    def best(self) -> Slices:
        """The cut with few slices and input axons. What even single neurons exceed is waived."""
        found = self._best()
        if found is None:
            exceeded = self._exceeded(self.slices(self._cut(self.box)).loads)
            self.waived |= {name for name, _ in exceeded}
            self.excesses = {n: self.limits.excess(self.population.name, n, needed) for n, needed in exceeded}
            found = self._best()
        return found or self.slices(self._cut(self.box))

    def _best(self) -> Slices | None:
        found = list(self._candidates())
        least = min((s.blocks.count for s in found), default=0)
        near = [s for s in found if s.blocks.count <= SLACK * least]
        return min(near, key=lambda s: (int(s.loads["axons_in"].sum()), s.blocks.count), default=None)

    def _candidates(self) -> Iterator[Slices]:
        """For each number of parts along two axes, the fewest parts of the third that fit."""
        self._most = int(np.prod(self.box, dtype=np.int64))
        _, h, w = self.box
        main = 0 if (h, w) == (1, 1) else 1 + int(w > h)
        first, second = (axis for axis in range(3) if axis != main)
        pairs = [(a, b) for a in steps(self.box[first]) for b in steps(self.box[second])]
        for a, b in sorted(pairs, key=lambda ab: (ab[0] * ab[1], ab)):
            if a * b > self._most:
                return
            parts = {first: a, second: b}
            found = self._fewest(parts, main)
            if found is not None:
                self._most = min(self._most, int(SLACK * found.blocks.count))
                yield found

    def _fewest(self, parts: dict[int, int], main: int) -> Slices | None:
        """The cut with the fewest parts along the main axis that fits: doubling steps up, then bisection."""
        across = int(np.prod([-(-self.box[axis] // n) for axis, n in parts.items()], dtype=np.int64))
        room = min(self.limits.known["neurons"] // across, self.box[main])
        if room == 0:
            return None
        least = -(-self.least // int(np.prod(list(parts.values()))))
        low, step = max(-(-self.box[main] // room), least) - 1, 1
        most = min(self.box[main], self._most // int(np.prod(list(parts.values()))))
        while True:
            high = min(low + step, most)
            if high <= low:
                return None
            found = self._at(parts, main, high)
            if found is not None:
                break
            low, step = high, 2 * step
        while high - low > 1:
            middle = (low + high) // 2
            better = self._at(parts, main, middle)
            low, high, found = (low, middle, better) if better else (middle, high, found)
        return found

    def _at(self, parts: dict[int, int], main: int, n: int) -> Slices | None:
        """The cut with n parts along the main axis, if it fits."""
        c, h, w = (n if axis == main else parts[axis] for axis in range(3))
        blocks = self._cut((c, h, w))
        if self._exceeded(self._apart_from_synapses(blocks)):
            return None
        slices = self.slices(blocks)
        return slices if self.fits(slices) else None

    def _cut(self, parts: Box) -> Blocks:
        return Blocks.cut(self.box, parts)


def steps(size: int) -> list[int]:
    """Numbers of parts that are tried: 1, 2, 3, 4, 6, 8, 12, 16, ... and one for each place."""
    powers = [2**k for k in range(size.bit_length())]
    return sorted({n for p in powers for n in (p, 3 * p // 2) if n < size} | {size})


def is_shared(memory: Memory) -> bool:
    """Whether any slice keeps the projection as shared kernels."""
    return any(encoding.shared for encoding in memory.encoding)


def codes(*parameters: NDArray[np.int32] | None) -> Ints | None:
    """A number for each distinct set of parameters, per neuron; None where all neurons have the same."""
    arrays = [np.asarray(p).reshape(-1) for p in parameters if p is not None and np.ndim(p)]
    if not arrays:
        return None
    _, code = np.unique(np.stack(arrays), axis=1, return_inverse=True)
    return np.asarray(code, np.int64).reshape(-1)
