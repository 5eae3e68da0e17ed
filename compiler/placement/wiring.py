"""What every kind of connection tells the mapper: memory of its slices, who sends to whom, output slots.

wire(program, q, coding)   the Wiring of a projection, by the kind of its connection
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.placement.blocks import Blocks, Ints
from seamount.compiler.placement.synapse_memory import Encoding


@dataclass(frozen=True, eq=False)
class Memory:
    """Synapses of a projection in each slice of its target, arrays of one number per slice.

    encoding: of compiler/placement/synapse_memory.py. words: of all lists. list_words: of the longest.
    """

    encoding: NDArray[np.object_]
    synapses: Ints
    stored: Ints
    words: Ints
    list_words: Ints
    axons_in: Ints
    groups: Ints


@dataclass(frozen=True, eq=False)
class Edges:
    """Messages from slices of the source to slices of the target; neurons: how many neurons send them."""

    source: Ints
    target: Ints
    neurons: Ints
    messages: Ints


@dataclass(frozen=True, eq=False)
class Reached:
    """How many slices of a target each source neuron reaches: a product along axes, or one number per neuron."""

    along: tuple[Ints, Ints, Ints] | None
    each: Ints | None = None

    def sums(self, blocks: Blocks) -> Ints:
        """Pairs of (neuron, slice reached), summed over each slice of the source."""
        if self.along is not None and tuple(map(len, self.along)) == blocks.box:
            c, h, w = (np.add.reduceat(f, b[:-1]) for f, b in zip(self.along, blocks.bounds, strict=True))
            return np.asarray(c[:, None, None] * h[:, None] * w, np.int64).reshape(-1)
        return blocks.sums(self.flat)

    @property
    def most(self) -> int:
        """Slices that the busiest neuron reaches."""
        if self.along is not None:
            c, h, w = (int(f.max(initial=0)) for f in self.along)
            return c * h * w
        return int(self.flat.max(initial=0))

    @property
    def flat(self) -> Ints:
        if self.each is not None:
            return self.each
        assert self.along is not None
        c, h, w = self.along
        return np.asarray(c[:, None, None] * h[:, None] * w, np.int64).reshape(-1)


class Wiring(Protocol):
    """A projection, as far as mapping goes."""

    def memory(self, blocks: Blocks, most_words: int | None) -> Memory:
        """The cheapest encoding of each slice, by words; if one has no list above `most_words`, the cheapest such."""
        ...

    def alternatives(self) -> Mapping[Encoding, int]:
        """Words of the whole projection under every encoding that fits its kind, as if on one core."""
        ...

    def reached(self, blocks: Blocks) -> Reached:
        """Slices of the target that each neuron of the source reaches."""
        ...

    def edges(self, target: Blocks, source: Blocks, sent: Ints | None) -> Edges:
        """Messages between slices: `sent` of each source neuron, or one each."""
        ...


def cheapest(words: list[Ints], longest: list[Ints], most_words: int | None) -> tuple[Ints, Ints]:
    """(index of the best encoding of each slice, its words): fewest words among those without too long a list.

    A slice that no encoding fits takes the one with the shortest longest list.
    """
    total, peak = np.stack(words), np.stack(longest)
    if most_words is not None:
        fits = peak <= most_words
        penalty = np.where(fits, 0, 1) * (total.max() + 1 + peak)
        total = np.where(fits, total, penalty + total.max())
    best = np.asarray(total.argmin(axis=0), np.int64)
    return best, np.take_along_axis(np.stack(words), best[None], 0)[0]
