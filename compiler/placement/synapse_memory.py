"""How synapses lie in a core's memory: lists of entries behind each input axon, in whole words.

A list holds the synapses of one source. Each entry begins with a header and, where its synapses name no target of
their own, with the index of its first target. A synapse is a weight, a delay where the projection has one, and what
says which neuron it reaches:

    dense           nothing: a weight for every neuron of the slice, in order
    run-length r    r bits: how many neurons lie between this target and the one before; a wider gap takes fillers,
                    one for each 2**r neurons
    indexed         the index of the target in the slice
    shared runs     nothing: one run of channels for each position of the map that a source reaches
    shared indexed  the index relative to the list's base

The last two are for convolutions: sources that lie alike to the slice share one list, replayed at another base.
A slice's neurons are numbered with the first axis (channels) fastest, as runs of channels need.
Source: Rueckauer et al. 2021 (NxTF) and nengo-loihi; the widths are data of the target, section encoding. NxTF adds up
the entries of a list and rounds the list up to whole words; so does this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.analysis.delay_costs import delay_slots as slots_for
from seamount.compiler.program.program import Projection
from seamount.compiler.target.target import Target

Ints = NDArray[np.int64]


class Layout(Enum):
    """How the synapses of a list name their targets."""

    DENSE = "dense"
    RUN_LENGTH = "run-length"
    INDEXED = "indexed"
    SHARED_RUNS = "shared runs"
    SHARED_INDEXED = "shared indexed"


@dataclass(frozen=True)
class Encoding:
    """How a slice keeps a projection. gap_bits: of a run-length encoding, 0 for every other layout."""

    layout: Layout
    gap_bits: int = 0

    def __str__(self) -> str:
        return f"{self.layout.value} {self.gap_bits}" if self.layout is Layout.RUN_LENGTH else self.layout.value

    @property
    def shared(self) -> bool:
        """Whether sources that lie alike share a list."""
        return self.layout in (Layout.SHARED_RUNS, Layout.SHARED_INDEXED)

    @property
    def indexed(self) -> bool:
        """Whether every synapse names its target."""
        return self.layout in (Layout.INDEXED, Layout.SHARED_INDEXED)


DENSE, INDEXED = Encoding(Layout.DENSE), Encoding(Layout.INDEXED)
SHARED_RUNS, SHARED_INDEXED = Encoding(Layout.SHARED_RUNS), Encoding(Layout.SHARED_INDEXED)


def run_length(bits: int) -> Encoding:
    """The run-length encoding with gaps of `bits` bits."""
    return Encoding(Layout.RUN_LENGTH, bits)


@dataclass(frozen=True)
class Coding:
    """The target's numbers for synapse lists, in bits; `per_entry` synapses at most, None where not published."""

    word: int
    header: int
    per_entry: int | None
    run_lengths: tuple[int, int]
    index: tuple[int, int]
    delay: tuple[int, int]
    atoms: int
    widths: tuple[int, ...]

    @classmethod
    def of(cls, target: Target) -> Coding:
        per_entry = target.value("core.synapses_per_entry")
        return cls(
            target.limit("encoding.word"),
            target.limit("encoding.entry_header"),
            per_entry if isinstance(per_entry, int) else None,
            target.bounds("encoding.run_length"),
            target.bounds("encoding.index"),
            target.bounds("encoding.delay_width"),
            2 ** target.limit("encoding.atom"),
            target.weight_widths,
        )

    @property
    def largest_slice(self) -> int:
        """Neurons that the widest index can tell apart."""
        return int(2 ** self.index[1])

    def weight_width(self, q: Projection) -> int:
        """The narrowest width that holds the projection's weights; the widest where none does."""
        return min((w for w in self.widths if w >= q.bits), default=self.widths[-1])

    def delay_width(self, q: Projection) -> int:
        """Bits of a delay: none where there is none, else enough for 2**bits - 2 steps."""
        if q.delay == 0:
            return 0
        return min(max((q.delay + 1).bit_length(), self.delay[0]), self.delay[1])

    def synapse_width(self, q: Projection) -> int:
        """Bits of a synapse without what names its target."""
        return self.weight_width(q) + self.delay_width(q)

    def index_width(self, neurons: int | Ints) -> Ints:
        """Bits that number the neurons of a slice."""
        needed = np.ceil(np.log2(np.maximum(np.asarray(neurons, np.int64), 1)))
        return np.asarray(np.clip(needed, *self.index), np.int64)

    def entries(self, synapses: int | Ints) -> Ints:
        """Entries of a list, or of a run."""
        count = np.asarray(synapses, np.int64)
        return np.minimum(count, 1) if self.per_entry is None else -(-count // self.per_entry)

    def words(self, bits: int | Ints) -> Ints:
        """Whole words."""
        return -(-np.asarray(bits, np.int64) // self.word)

    def list_words(self, synapses: int | Ints, width: int | Ints, prefix: int | Ints) -> Ints:
        """Words of a list of so many synapses of `width` bits, whose entries name their first target in `prefix`."""
        count = np.asarray(synapses, np.int64)
        return self.words(self.entries(count) * (self.header + prefix) + count * width)

    def run_words(self, runs: int, length: int, width: int, prefix: int) -> int:
        """Words of a list of `runs` runs of `length` synapses, each run in entries of its own."""
        return int(self.words(runs * (int(self.entries(length)) * (self.header + prefix) + length * width)))


def delay_slots(delays: tuple[int, ...], coding: Coding) -> int:
    """Slots of a neuron's dendritic accumulators for the longest of the delays that reach it."""
    return slots_for(max(delays, default=0), coding.delay[0])
