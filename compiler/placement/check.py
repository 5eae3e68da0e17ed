"""Independent check of a placement: everything recounted from the program, synapse by synapse.

Shares no code with the mapper, only the types it returns. Where the mapper has closed formulas, this writes every
synapse list down and measures it, and walks every route tile by tile. Slow, and meant to be: for small networks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np

from seamount.compiler.errors import Problem
from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.check_routes import Message, route_faults
from seamount.compiler.placement.placement import LIMITS, CoreSlice, Load, Placement
from seamount.compiler.placement.synapse_memory import Encoding, Layout
from seamount.compiler.program.program import Conv, Population, Program, Projection, synapses
from seamount.compiler.target.system import System
from seamount.compiler.target.target import Target

BUG = "report this as a bug in the mapper"
Lists = dict[int, list[tuple[int, int]]]
"""Source neuron -> (number of the target neuron in its slice, which weight) of each synapse."""


@dataclass
class _Count:
    """What one core carries, recounted."""

    neurons: int = 0
    synapses: int = 0
    stored: int = 0
    words: int = 0
    list_words: int = 0
    axons_in: int = 0
    axons_out: int = 0
    groups: int = 0
    slots: int = 0
    formats: set[object] = field(default_factory=set)
    decays: set[object] = field(default_factory=set)
    thresholds: set[object] = field(default_factory=set)


def check(
    program: Program,
    placement: Placement,
    target: Target,
    system: System | None = None,
    traffic: EventCounts | None = None,
) -> tuple[Problem, ...]:
    """Every violated limit, and every number of the placement that is not what a recount gives; empty when sound."""
    faults = [*_coverage(program, placement)]
    if faults:
        return tuple(faults)
    found = _Recount(program, placement, target, traffic)
    faults += _load_faults(found, placement, target)
    faults += _chip_faults(found, placement, target, system)
    faults += route_faults(placement, found.messages)
    return tuple(faults)


def _coverage(program: Program, placement: Placement) -> Iterator[Problem]:
    """Every neuron lies in exactly one slice, and every slice on a core that exists."""
    sizes = {p.name: p.size for p in program.populations}
    seen: dict[str, Counter[int]] = {name: Counter() for name in sizes}
    for s in placement.slices:
        if s.population not in sizes:
            yield Problem(f"slice of '{s.population}'", "is of no population", BUG)
            continue
        seen[s.population].update(i for a, b in s.neurons.tolist() for i in range(a, b))
        if not 0 <= s.core < placement.mesh.cores:
            yield Problem(f"slice of '{s.population}'", f"is on core {s.core}", BUG, f"{placement.mesh.cores} cores")
    for name, size in sizes.items():
        if seen[name] != Counter(range(size)):
            yield Problem(f"population '{name}'", "is not cut into slices that hold each neuron once", BUG)


class _Recount:
    """Loads of every core, and messages between cores."""

    def __init__(self, program: Program, placement: Placement, target: Target, traffic: EventCounts | None) -> None:
        self.program, self.placement, self.target = program, placement, target
        self.sent = None if traffic is None else traffic.sent
        self.cores: defaultdict[int, _Count] = defaultdict(_Count)
        self.messages: list[Message] = []
        self.slices: dict[str, list[CoreSlice]] = {p.name: [] for p in program.populations}
        for s in placement.slices:
            self.slices[s.population].append(s)
        self.home = {(s.population, i): s.core for s in placement.slices for i in s.indices().tolist()}
        for p in program.populations:
            self._neurons(p)
            for q in program.into(p.name):
                self._projection(p, q)

    def number(self, path: str) -> int:
        return self.target.limit(path)

    def _neurons(self, p: Population) -> None:
        longest = max((q.delay for q in self.program.into(p.name)), default=0)
        slots = 8
        while slots < longest + 2:
            slots *= 2
        values = [np.broadcast_to(x, p.shape).reshape(-1).tolist() for x in (p.du, p.dv)]
        vth = None if p.vth is None else np.broadcast_to(p.vth, p.shape).reshape(-1).tolist()
        for s in self.slices[p.name]:
            count = self.cores[s.core]
            count.neurons += s.size
            count.slots = max(count.slots, slots)
            for i in s.indices().tolist():
                count.decays.add((values[0][i], values[1][i]))
                count.thresholds.add("never" if vth is None else vth[i])

    def _projection(self, p: Population, q: Projection) -> None:
        """Write the synapse lists of every slice down, and measure them."""
        conv = isinstance(q.connection, Conv)
        labelled = q.connection
        if conv:
            weight = labelled.weight
            labelled = replace(labelled, weight=np.arange(weight.size, dtype=np.int32).reshape(weight.shape) + 1)
        source = self.program.shapes[q.source]
        posts, pres, labels = (x.tolist() for x in synapses(labelled, source, p.shape))
        blocked = any(isinstance(other.connection, Conv) for other in self.program.into(p.name))
        owner: dict[int, int] = {}
        number: dict[int, int] = {}
        for k, s in enumerate(self.slices[p.name]):
            inner = p.size // p.shape[0] if blocked else p.size
            members = sorted(s.indices().tolist(), key=lambda i: (i % inner, i // inner))
            owner |= dict.fromkeys(members, k)
            number |= {i: n for n, i in enumerate(members)}
        lists: list[Lists] = [defaultdict(list) for _ in self.slices[p.name]]
        for post, pre, label in zip(posts, pres, labels, strict=True):
            s = self.slices[p.name][owner[post]]
            self.cores[s.core].synapses += 1
            if label != 0:
                lists[owner[post]][pre].append((number[post] if not conv else post, label))
        for s, made in zip(self.slices[p.name], lists, strict=True):
            self._measure(p, q, s, made)
            self._axons(q, s, made)

    def _measure(self, p: Population, q: Projection, s: CoreSlice, lists: Lists) -> None:
        """Words of the lists of one slice in the encoding that the placement names."""
        count, encoding = self.cores[s.core], s.encodings[q.name]
        width = min((w for w in self.target.weight_widths if w >= q.bits), default=max(self.target.weight_widths))
        low, high = self.target.bounds("encoding.delay_width")
        delay = 0 if q.delay == 0 else next((d for d in range(low, high) if 2**d >= q.delay + 2), high)
        low, high = self.target.bounds("encoding.index")
        index = next((i for i in range(low, high) if 2**i >= s.size), high)
        explicit = index if encoding.indexed else 0
        count.formats.add((encoding, width, delay, explicit, q.weight_exp, q.sign_mode))
        if encoding.shared:
            made = self._shared(p, q, lists, not encoding.indexed)
            count.groups += 1
            inner = int(np.prod(self.program.shapes[q.source][1:]))
            channels = Counter(pre % inner for pre in lists)
            count.axons_in += sum(ceil(n / 2 ** self.number("encoding.atom")) for n in channels.values())
        else:
            made = [self._own(encoding, s.size, sorted(members)) for members in lists.values()]
            count.axons_in += len(lists)
        for runs, stored in made:
            count.stored += stored
            words = self._words(runs, width + delay, index, encoding)
            count.words += words
            count.list_words = max(count.list_words, words)

    def _own(self, encoding: Encoding, size: int, members: list[tuple[int, int]]) -> tuple[list[int], int]:
        """Runs of a list that belongs to one source, and the weights in it."""
        if encoding.layout is Layout.DENSE:
            return [size], size
        if encoding.layout is Layout.INDEXED:
            return [len(members)], len(members)
        reach, length, before = 2**encoding.gap_bits, 0, members[0][0] - 1
        for place, _ in members:
            skipped = place - before - 1
            while skipped >= reach:
                skipped -= reach
                length += 1
            length, before = length + 1, place
        return [length], len(members)

    def _shared(self, p: Population, q: Projection, lists: Lists, runs: bool) -> list[tuple[list[int], int]]:
        """Distinct lists of a convolution: same source channel, same taps at the same relative places."""
        inner = int(np.prod(self.program.shapes[q.source][1:]))
        height, wide = (p.shape[1], p.shape[2]) if len(p.shape) == 3 else (1, p.shape[1])
        kept: dict[object, list[tuple[int, int]]] = {}
        for pre, members in lists.items():
            places = [(i // wide % height, i % wide) for i, _ in members]
            top, left = min(r for r, _ in places), min(c for _, c in places)
            key = frozenset((r - top, c - left, label) for (r, c), (_, label) in zip(places, members, strict=True))
            kept.setdefault((pre // inner, key), places)
        made = []
        for places in kept.values():
            lengths = list(Counter(places).values()) if runs else [len(places)]
            made.append((lengths, len(places)))
        return made

    def _words(self, runs: list[int], width: int, index: int, encoding: Encoding) -> int:
        """Whole words of a list: every entry has a header and names its first target, unless all synapses do."""
        limit = self.target.value("core.synapses_per_entry")
        explicit = encoding.indexed
        bits = 0
        for run in runs:
            left = run
            while left > 0:
                entry = left if limit is None else min(left, self.number("core.synapses_per_entry"))
                bits += self.number("encoding.entry_header") + (0 if explicit else index)
                bits += entry * (width + encoding.gap_bits + (index if explicit else 0))
                left -= entry
        return ceil(bits / self.number("encoding.word"))

    def _axons(self, q: Projection, s: CoreSlice, lists: Lists) -> None:
        """Output slots of the sources, and the messages they send to the slice."""
        if q.source not in self.slices:
            return
        kind = "shared" if s.encodings[q.name].shared else "discrete"
        chip = self.placement.mesh.chip_cores
        for pre in lists:
            home = self.home[q.source, pre]
            slots = self.number(f"core.axon_slots_{kind}")
            if home // chip != s.core // chip:
                slots += self.number("core.axon_slots_off_chip")
            self.cores[home].axons_out += slots
            messages = 1 if self.sent is None else int(np.asarray(self.sent[q.source]).reshape(-1)[pre])
            self.messages.append(Message(q.name, home, s.core, messages))


def _numbers(count: _Count, target: Target) -> dict[str, int]:
    """A recount under the names of Load."""
    synaptic = count.words * (target.limit("encoding.word") // 8)
    return {
        "neurons": count.neurons,
        "synapses": count.synapses,
        "stored": count.stored,
        "synaptic_bytes": synaptic,
        "memory_bytes": synaptic + count.neurons * target.limit("core.neuron_state"),
        "list_words": count.list_words,
        "formats": len(count.formats),
        "axons_in": count.axons_in,
        "axons_out": count.axons_out,
        "decay_profiles": len(count.decays),
        "threshold_profiles": len(count.thresholds),
        "accumulators": count.neurons * count.slots,
        "groups": count.groups,
    }


def _load_faults(found: _Recount, placement: Placement, target: Target) -> Iterator[Problem]:
    """Limits of cores, and loads that differ from the recount."""
    stated: Mapping[int, Load] = {load.core: load for load in placement.loads}
    if stated.keys() != found.cores.keys():
        yield Problem("placement", "states loads of other cores than those in use", BUG)
    for core, count in sorted(found.cores.items()):
        for name, value in _numbers(count, target).items():
            limit = target.value(LIMITS[name]) if name in LIMITS else None
            if isinstance(limit, int) and value > limit:
                yield Problem(
                    f"core {core}", f"{name} is {value}, {value - limit} over", BUG, target.cite(LIMITS[name])
                )
            if core in stated and getattr(stated[core], name) != value:
                yield Problem(f"core {core}", f"{name} is {value}, not {getattr(stated[core], name)} as stated", BUG)


def _chip_faults(found: _Recount, placement: Placement, target: Target, system: System | None) -> Iterator[Problem]:
    """Limits of chips and of the system."""
    cores = target.limit("chip.cores") if system is None else system.limit("system.cores_per_chip")
    chips = 1 if system is None else system.limit("system.chips")
    if placement.mesh.chip_cores != cores or placement.mesh.cores != cores * chips:
        yield Problem("placement", f"has {placement.mesh.cores} cores", BUG, f"{chips} chips of {cores} cores")
    for path, name in (("chip.neurons", "neurons"), ("chip.synapses", "stored")):
        limit = target.value(path)
        total: Counter[int] = Counter()
        for core, count in found.cores.items():
            total[core // placement.mesh.chip_cores] += getattr(count, name)
        for chip, value in sorted(total.items()):
            if isinstance(limit, int) and value > limit:
                yield Problem(f"chip {chip}", f"{name} is {value}, {value - limit} over", BUG, target.cite(path))
