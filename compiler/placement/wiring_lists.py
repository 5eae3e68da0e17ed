"""Wiring of synapses as lists: sparse connections, and dense ones with zero weights, which need not be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seamount.compiler.placement.blocks import Blocks, Ints
from seamount.compiler.placement.synapse_memory import DENSE, INDEXED, Coding, Encoding, run_length
from seamount.compiler.placement.wiring import Edges, Memory, Reached, cheapest


@dataclass(frozen=True, eq=False)
class ListWiring:
    """rows, cols: targets and sources of the weights other than 0. pairs: synapses of each target, zeros included."""

    rows: Ints
    cols: Ints
    pairs: Ints
    n_in: int
    width: int
    coding: Coding

    def memory(self, blocks: Blocks, most_words: int | None) -> Memory:
        lists = self._lists(blocks)
        names, words, longest = self._encodings(lists, blocks)
        best, total = cheapest(words, longest, most_words)
        per_slice = np.bincount(lists.slice, minlength=blocks.count).astype(np.int64)
        weights = np.bincount(lists.slice, lists.synapses, blocks.count).astype(np.int64)
        chosen = np.array(names, np.object_)[best]
        return Memory(
            chosen,
            blocks.sums(self.pairs),
            np.where(chosen == DENSE, blocks.sizes * per_slice, weights),
            total,
            np.take_along_axis(np.stack(longest), best[None], 0)[0],
            per_slice,
            0 * per_slice,
        )

    def alternatives(self) -> Mapping[Encoding, int]:
        whole = Blocks.cut((self.pairs.size, 1, 1), (1, 1, 1))
        names, words, _ = self._encodings(self._lists(whole), whole)
        return {name: int(w[0]) for name, w in zip(names, words, strict=True)}

    def reached(self, blocks: Blocks) -> Reached:
        lists = self._lists(blocks)
        return Reached(None, np.bincount(lists.source, minlength=self.n_in).astype(np.int64))

    def edges(self, target: Blocks, source: Blocks, sent: Ints | None) -> Edges:
        lists = self._lists(target)
        key = lists.slice * source.count + source.owner[lists.source]
        pairs, place = np.unique(key, return_inverse=True)
        neurons = np.bincount(place, minlength=pairs.size).astype(np.int64)
        messages = neurons
        if sent is not None:
            messages = np.zeros(pairs.size, np.int64)
            np.add.at(messages, place, sent[lists.source])
        return Edges(pairs % source.count, pairs // source.count, neurons, messages)

    @cached_property
    def _last(self) -> dict[int, _Lists]:
        return {}

    def _lists(self, blocks: Blocks) -> _Lists:
        """The lists of every slice; the last answer is kept, as callers ask several times for the same blocks."""
        if id(blocks) not in self._last or self._last[id(blocks)].blocks is not blocks:
            self._last.clear()
            self._last[id(blocks)] = self._sorted(blocks)
        return self._last[id(blocks)]

    def _sorted(self, blocks: Blocks) -> _Lists:
        span = int(blocks.sizes.max())
        place = (blocks.owner[self.rows] * self.n_in + self.cols) * span + blocks.number[self.rows]
        place.sort()
        key, number = np.divmod(place, span)
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        gaps = np.diff(number, prepend=0) - 1
        gaps[starts] = 0
        counts = np.diff(np.append(starts, key.size))
        return _Lists(blocks, key[starts] // self.n_in, key[starts] % self.n_in, counts.astype(np.int64), starts, gaps)

    def _encodings(self, lists: _Lists, blocks: Blocks) -> tuple[list[Encoding], list[Ints], list[Ints]]:
        """Encoding, words and longest list of each slice, encoding by encoding."""
        sizes = blocks.sizes[lists.slice]
        index = self.coding.index_width(sizes)
        ways = {DENSE: (sizes, self.width + 0 * index, index)}
        for r in range(self.coding.run_lengths[0], self.coding.run_lengths[1] + 1):
            ways[run_length(r)] = (lists.synapses + lists.fillers(r), self.width + r + 0 * index, index)
        ways[INDEXED] = (lists.synapses, self.width + index, 0 * index)
        words, longest = [], []
        for count, width, prefix in ways.values():
            each = self.coding.list_words(count, width, prefix)
            words.append(np.bincount(lists.slice, each, blocks.count).astype(np.int64))
            most = np.zeros(blocks.count, np.int64)
            np.maximum.at(most, lists.slice, each)
            longest.append(most)
        return list(ways), words, longest


@dataclass(frozen=True, eq=False)
class _Lists:
    """One entry per list, sorted by slice and source: its slice, its source, its synapses; gaps of all synapses."""

    blocks: Blocks
    slice: Ints
    source: Ints
    synapses: Ints
    starts: Ints
    gaps: Ints

    def fillers(self, bits: int) -> Ints:
        """Fillers that each list needs when a gap has `bits` bits."""
        if not self.starts.size:
            return np.zeros(0, np.int64)
        return np.asarray(np.add.reduceat(self.gaps >> bits, self.starts), np.int64)
