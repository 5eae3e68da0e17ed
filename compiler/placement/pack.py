"""Slices that share a core: small ones are put together, in order, as long as every limit holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import add

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.placement.limits import CoreLimits
from seamount.compiler.placement.partition import Partition, Slices, codes
from seamount.compiler.placement.synapse_memory import Coding, Encoding
from seamount.compiler.program.program import Program, Projection

WINDOW = 8
"""A slice may join one of so many cores that were opened last: cost stays linear, and neighbours stay together."""

ADDED = ("neurons", "synapses", "stored", "synaptic_bytes", "memory_bytes", "axons_in", "axons_out", "groups")
"""Numbers of a Load that add up over the slices of a core."""

Key = tuple[object, ...]


@dataclass(frozen=True)
class Piece:
    """One slice: its population, its number there, its additive numbers (as ADDED), and what it shares with others."""

    population: str
    number: int
    added: tuple[int, ...]
    list_words: int
    slots: int
    formats: frozenset[Key]
    decays: frozenset[Key]
    thresholds: frozenset[Key]


@dataclass(eq=False)
class CoreLoad:
    """Slices of one core and their joint load, which is kept up to date."""

    pieces: list[Piece] = field(default_factory=list)
    added: tuple[int, ...] = (0,) * len(ADDED)
    list_words: int = 0
    slots: int = 0
    formats: set[Key] = field(default_factory=set)
    decays: set[Key] = field(default_factory=set)
    thresholds: set[Key] = field(default_factory=set)

    def add(self, piece: Piece) -> None:
        """Put one more slice onto the core."""
        self.pieces.append(piece)
        self.added = tuple(map(add, self.added, piece.added))
        self.list_words, self.slots = max(self.list_words, piece.list_words), max(self.slots, piece.slots)
        self.formats |= piece.formats
        self.decays |= piece.decays
        self.thresholds |= piece.thresholds

    def numbers(self, more: Piece | None = None) -> dict[str, int]:
        """What the core carries, with one more slice if given; names as in Load."""
        if more is not None:
            joint = replace(self, formats=set(self.formats), decays=set(self.decays), thresholds=set(self.thresholds))
            joint.pieces = []
            joint.add(more)
            return joint.numbers()
        total = dict(zip(ADDED, self.added, strict=True))
        return {
            **total,
            "formats": len(self.formats),
            "decay_profiles": len(self.decays),
            "threshold_profiles": len(self.thresholds),
            "list_words": self.list_words,
            "accumulators": total["neurons"] * self.slots,
        }


def pack(program: Program, partition: Partition, limits: CoreLimits, coding: Coding) -> list[CoreLoad]:
    """Cores in the order of their first slices. Each slice joins the first open core that has room, else a new one."""
    cores: list[CoreLoad] = []
    window: deque[CoreLoad] = deque(maxlen=WINDOW)
    for slices in partition.slices.values():
        for piece in _pieces(program, slices, coding):
            home = None
            if not _large(piece, limits):
                home = next((c for c in window if _has_room(c, piece, limits)), None)
            if home is None:
                home = CoreLoad()
                cores.append(home)
                window.append(home)
            home.add(piece)
    return cores


def _large(piece: Piece, limits: CoreLimits) -> bool:
    """Whether the slice fills more than nine tenths of a core; looking for room would be in vain."""
    return any(
        10 * n > 9 * limits.known[name] for name, n in zip(ADDED, piece.added, strict=True) if name in limits.known
    )


def _has_room(core: CoreLoad, piece: Piece, limits: CoreLimits) -> bool:
    for k, name in enumerate(ADDED):
        if name in limits.known and core.added[k] + piece.added[k] > limits.known[name]:
            return False
    numbers = core.numbers(piece)
    return all(numbers[name] <= limit for name, limit in limits.known.items())


def _pieces(program: Program, slices: Slices, coding: Coding) -> Iterator[Piece]:
    loads, p = slices.loads, slices.population
    into = {q.name: q for q in program.into(p.name)}
    decays = _profiles(slices, p.du, p.dv)
    thresholds = _profiles(slices, *(() if p.vth is None else (p.vth,)))
    added = np.stack([loads[name] for name in ADDED], axis=1).tolist()
    words, sizes = loads["list_words"].tolist(), loads["neurons"].tolist()
    known: dict[Key, frozenset[Key]] = {}
    for k in _place_by_place(slices):
        names = tuple(slices.memory[q].encoding[k] for q in into)
        key = (sizes[k], names)
        if key not in known:
            known[key] = frozenset(
                format_of(q, name, sizes[k], coding) for q, name in zip(into.values(), names, strict=True)
            )
        yield Piece(p.name, k, tuple(added[k]), words[k], slices.slots, known[key], decays[k], thresholds[k])


def _place_by_place(slices: Slices) -> list[int]:
    """Slices row by row, column by column, all channels of a place together: they have the same sources."""
    numbers = np.arange(slices.blocks.count).reshape(slices.blocks.parts)
    return [int(k) for k in np.moveaxis(numbers, 0, -1).reshape(-1)]


def format_of(q: Projection, encoding: Encoding, neurons: int, coding: Coding) -> Key:
    """What tells a synapse format from another: encoding, widths, exponent and signs."""
    index = int(coding.index_width(neurons)) if encoding.indexed else 0
    return encoding, coding.weight_width(q), coding.delay_width(q), index, q.weight_exp, q.sign_mode


def _profiles(slices: Slices, *parameters: NDArray[np.int32]) -> Mapping[int, frozenset[Key]]:
    """Distinct sets of parameters of each slice; one set for a population that has none."""
    blocks, code = slices.blocks, codes(*parameters)
    if code is None:
        same = frozenset({tuple(int(np.asarray(x).reshape(-1)[0]) for x in parameters)})
        return dict.fromkeys(range(blocks.count), same)
    flat = [np.broadcast_to(x, slices.population.shape).reshape(-1) for x in parameters]
    _, first = np.unique(code, return_index=True)
    values = [tuple(int(x[i]) for x in flat) for i in first]
    span = len(values)
    pairs = np.unique(blocks.owner * span + code)
    cuts = np.searchsorted(pairs, np.arange(blocks.count + 1) * span)
    return {
        k: frozenset(values[c] for c in (pairs[a:b] % span).tolist())
        for k, (a, b) in enumerate(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    }
