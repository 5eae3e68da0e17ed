"""Wiring of a dense connection without zero weights: every source reaches every slice, in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seamount.compiler.placement.blocks import Blocks, Ints
from seamount.compiler.placement.synapse_memory import DENSE, INDEXED, Coding, Encoding, run_length
from seamount.compiler.placement.wiring import Edges, Memory, Reached


@dataclass(frozen=True, eq=False)
class DenseWiring:
    """n_in sources, n_out targets; width: bits of a synapse."""

    n_in: int
    n_out: int
    width: int
    coding: Coding

    def memory(self, blocks: Blocks, most_words: int | None) -> Memory:
        sizes, coding = blocks.sizes, self.coding
        longest = coding.list_words(sizes, self.width, coding.index_width(sizes))
        every = np.full(blocks.count, self.n_in, np.int64)
        names = np.full(blocks.count, DENSE, np.object_)
        return Memory(names, sizes * self.n_in, sizes * self.n_in, longest * self.n_in, longest, every, 0 * every)

    def alternatives(self) -> Mapping[Encoding, int]:
        coding, index = self.coding, int(self.coding.index_width(self.n_out))
        gap = coding.run_lengths[0]
        bits = {DENSE: (0, index), run_length(gap): (gap, index), INDEXED: (index, 0)}
        return {
            name: self.n_in * int(coding.list_words(self.n_out, self.width + own, prefix))
            for name, (own, prefix) in bits.items()
        }

    def reached(self, blocks: Blocks) -> Reached:
        one = np.ones(1, np.int64)
        return Reached((np.full(self.n_in, blocks.count, np.int64), one, one))

    def edges(self, target: Blocks, source: Blocks, sent: Ints | None) -> Edges:
        messages = source.sizes if sent is None else source.sums(sent)
        to, come = np.divmod(np.arange(target.count * source.count, dtype=np.int64), source.count)
        return Edges(come, to, source.sizes[come], messages[come])
