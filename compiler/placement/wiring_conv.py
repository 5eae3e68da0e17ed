"""Wiring of a convolution with shared kernels, in closed form from its geometry: no synapse is ever written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seamount.compiler.placement.axis import Axis, Cover
from seamount.compiler.placement.blocks import Blocks, Ints
from seamount.compiler.placement.synapse_memory import INDEXED, SHARED_INDEXED, SHARED_RUNS, Coding, Encoding
from seamount.compiler.placement.wiring import Edges, Memory, Reached

Piece = tuple[int, int]
"""(target channels, source channels): so many source channels reach so many channels of the block each."""


@dataclass(frozen=True, eq=False)
class ConvWiring:
    """groups, per_in, per_out: groups, and channels of source and target in each; width: bits of a synapse."""

    rows: Axis
    columns: Axis
    groups: int
    per_in: int
    per_out: int
    width: int
    coding: Coding

    @property
    def box_in(self) -> tuple[int, int, int]:
        return self.groups * self.per_in, self.rows.size_in, self.columns.size_in

    @property
    def box_out(self) -> tuple[int, int, int]:
        return self.groups * self.per_out, self.rows.size_out, self.columns.size_out

    def memory(self, blocks: Blocks, most_words: int | None) -> Memory:
        kinds = [self._kinds(blocks, axis) for axis in range(3)]
        shape = [len(unique) for unique, _ in kinds]
        names = np.empty(shape, np.object_)
        numbers = np.empty((5, *shape), np.int64)
        for at in np.ndindex(*shape):
            channels, rows, columns = (kinds[axis][0][i] for axis, i in enumerate(at))
            names[at], numbers[:, *at] = self._block(channels, rows, columns, most_words)
        grid = np.ix_(*(place for _, place in kinds))
        synapses, stored, words, longest, axons = (n[grid].reshape(-1) for n in numbers)
        return Memory(names[grid].reshape(-1), synapses, stored, words, longest, axons, np.ones(blocks.count, np.int64))

    def alternatives(self) -> Mapping[Encoding, int]:
        rows, columns = self.rows.cover(0, self.rows.size_out), self.columns.cover(0, self.columns.size_out)
        pieces = self._pieces(0, self.groups * self.per_out)
        index = int(self.coding.index_width(int(np.prod(self.box_out, dtype=np.int64))))
        shared = self._words(rows, columns, pieces, index, shared=True)
        return {name: total for name, (total, _) in shared.items()} | {
            INDEXED: self._words(rows, columns, pieces, index, shared=False)[SHARED_INDEXED][0]
        }

    def reached(self, blocks: Blocks) -> Reached:
        c, h, w = (self._seen_by(blocks, axis) for axis in range(3))
        return Reached((c, h, w))

    def edges(self, target: Blocks, source: Blocks, sent: Ints | None) -> Edges:
        if source.box != self.box_in:
            return self._edges_from_ranges(target, source, sent)
        shape = [self._overlaps(target, source, axis) for axis in range(3)]
        to = _join([s[0] for s in shape], target.parts)
        come = _join([s[1] for s in shape], source.parts)
        neurons = _product([np.array([len(i) for i in s[2]], np.int64) for s in shape])
        messages = neurons if sent is None else self._messages([s[2] for s in shape], sent)
        return Edges(come, to, neurons, messages)

    # memory

    def _kinds(self, blocks: Blocks, axis: int) -> tuple[list[tuple[int, object]], Ints]:
        """Distinct (size, what is seen) of the ranges of an axis, and which of them each range is."""
        known: dict[tuple[int, object], int] = {}
        place = []
        for a, b in zip(blocks.bounds[axis][:-1].tolist(), blocks.bounds[axis][1:].tolist(), strict=True):
            seen: object = self._pieces(a, b) if axis == 0 else (self.rows, self.columns)[axis - 1].cover(a, b)
            place.append(known.setdefault((b - a, seen), len(known)))
        return list(known), np.array(place, np.int64)

    def _pieces(self, start: int, stop: int) -> tuple[Piece, ...]:
        """How the source channels reach channels [start, stop) of the target, group by group, alike ones together."""
        found: dict[int, int] = {}
        for group in range(start // self.per_out, -(-stop // self.per_out)):
            first = group * self.per_out
            out = min(stop, first + self.per_out) - max(start, first)
            found[out] = found.get(out, 0) + self.per_in
        return tuple(sorted(found.items()))

    def _block(
        self, channels: tuple[int, object], rows: tuple[int, object], columns: tuple[int, object], most: int | None
    ) -> tuple[Encoding, tuple[int, int, int, int, int]]:
        """Encoding of a block, and (synapses, stored, words, longest list, axons in)."""
        pieces, seen_rows, seen_columns = channels[1], rows[1], columns[1]
        assert isinstance(pieces, tuple) and isinstance(seen_rows, Cover) and isinstance(seen_columns, Cover)
        index = int(self.coding.index_width(channels[0] * rows[0] * columns[0]))
        ways = self._words(seen_rows, seen_columns, pieces, index, shared=True)
        name = min(ways, key=lambda n: (most is not None and ways[n][1] > most, ways[n]))
        per_position = sum(out * sources for out, sources in pieces)
        taps = sum(r for r, _ in seen_rows.classes) * sum(c for c, _ in seen_columns.classes)
        sources = sum(n for _, n in pieces)
        axons = seen_rows.inputs * seen_columns.inputs * -(-sources // self.coding.atoms)
        pairs = seen_rows.pairs * seen_columns.pairs
        return name, (pairs * per_position, taps * per_position, *ways[name], axons)

    def _words(
        self, rows: Cover, columns: Cover, pieces: tuple[Piece, ...], index: int, shared: bool
    ) -> dict[Encoding, tuple[int, int]]:
        """Encoding -> words of all lists, and of the longest; unshared lists are there once per source."""
        totals = {SHARED_RUNS: 0, SHARED_INDEXED: 0}
        longest = dict(totals)
        for r, r_inputs in rows.classes:
            for c, c_inputs in columns.classes:
                times = 1 if shared else r_inputs * c_inputs
                for out, sources in pieces:
                    each = {
                        SHARED_RUNS: self.coding.run_words(r * c, out, self.width, index),
                        SHARED_INDEXED: int(self.coding.list_words(r * c * out, self.width + index, 0)),
                    }
                    for name, words in each.items():
                        totals[name] += words * sources * times
                        longest[name] = max(longest[name], words)
        return {name: (totals[name], longest[name]) for name in totals}

    # who reaches whom

    def _inputs(self, axis: int, start: int, stop: int) -> Ints:
        """Places on an axis of the source that outputs [start, stop) see, rising."""
        if axis > 0:
            return (self.rows, self.columns)[axis - 1].inputs(start, stop)
        first, last = start // self.per_out, (stop - 1) // self.per_out
        return np.arange(first * self.per_in, (last + 1) * self.per_in, dtype=np.int64)

    def _seen_by(self, blocks: Blocks, axis: int) -> Ints:
        """For each place on an axis of the source, how many ranges of the target see it."""
        count = np.zeros(self.box_in[axis], np.int64)
        for a, b in zip(blocks.bounds[axis][:-1].tolist(), blocks.bounds[axis][1:].tolist(), strict=True):
            count[self._inputs(axis, a, b)] += 1
        return count

    def _overlaps(self, target: Blocks, source: Blocks, axis: int) -> tuple[Ints, Ints, list[Ints]]:
        """Ranges of target and source that meet on an axis, and the places of the source they meet in."""
        to, come, where = [], [], []
        bounds = target.bounds[axis]
        for k, (a, b) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
            inputs = self._inputs(axis, a, b)
            blocks = np.searchsorted(source.bounds[axis], inputs, side="right") - 1
            cuts = np.flatnonzero(np.diff(blocks)) + 1
            for places in np.split(inputs, cuts) if inputs.size else ():
                to.append(k)
                come.append(int(np.searchsorted(source.bounds[axis], places[0], side="right")) - 1)
                where.append(places)
        return np.array(to, np.int64), np.array(come, np.int64), where

    def _messages(self, where: list[list[Ints]], sent: Ints) -> Ints:
        """Messages of the sources at every product of places; float64 is exact, as counts stay below 2**53."""
        total = sent.reshape(self.box_in).astype(np.float64)
        for places in where:
            member = np.zeros((len(places), total.shape[0]))
            for k, inputs in enumerate(places):
                member[k, inputs] = 1
            total = np.moveaxis(np.tensordot(member, total, axes=1), 0, -1)
        return np.rint(total).astype(np.int64).reshape(-1)

    def _edges_from_ranges(self, target: Blocks, source: Blocks, sent: Ints | None) -> Edges:
        """Edges from a source that is cut into ranges of flattened indices, slice by slice of the target."""
        owner = source.owner.reshape(self.box_in)
        amount = np.ones(source.neurons, np.int64) if sent is None else sent
        parts = []
        for k, at in enumerate(np.ndindex(*target.parts)):
            ranges = [(int(b[i]), int(b[i + 1])) for b, i in zip(target.bounds, at, strict=True)]
            place = np.ix_(*(self._inputs(axis, a, b) for axis, (a, b) in enumerate(ranges)))
            owners, values = owner[place].reshape(-1), amount.reshape(self.box_in)[place].reshape(-1)
            neurons = np.bincount(owners, minlength=source.count)
            messages = np.bincount(owners, values, source.count).astype(np.int64)
            come = np.flatnonzero(neurons)
            parts.append(np.stack([come, np.full(come.size, k), neurons[come], messages[come]]))
        come, to, neurons, messages = np.concatenate(parts, axis=1).astype(np.int64)
        return Edges(come, to, neurons, messages)


def _product(along: list[Ints]) -> Ints:
    c, h, w = along
    return np.asarray(c[:, None, None] * h[:, None] * w, np.int64).reshape(-1)


def _join(along: list[Ints], parts: tuple[int, int, int]) -> Ints:
    """Numbers of slices from the numbers of their ranges."""
    c, h, w = along
    return np.asarray((c[:, None, None] * parts[1] + h[:, None]) * parts[2] + w, np.int64).reshape(-1)
