"""Synaptic sums from spikes: the weights of every neuron that fired are added, those of silent ones never touched.

Integers are added, in int16 where the bounds of the weights prove that no sum leaves it, else in int32; so the order of
additions changes nothing. Spikes of one pixel reach the same sums, which stay in registers while their rows are added.
All functions return the synaptic events that they delivered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seamount.backends.cpu.compiled import compiled
from seamount.backends.cpu.vectors import (
    LANES,
    MOST,
    add_chosen,
    add_rows,
    add_times,
    count_bits,
    lowest_bit,
    peek,
    poke,
)

ONE = np.uint64(1)


@compiled
def spikes_of(words: Any, at: int, count: int, index: Any) -> int:
    """Columns that fired in a row of `count` words, in order, into `index`; how many there are."""
    n = 0
    for w in range(count):
        bits = words[at + w]
        while bits:
            index[n] = (w << 6) + lowest_bit(bits)
            n += 1
            bits &= bits - ONE
    return n


@compiled
def spread(
    q: Any, node: Any, words: Any, at: int, pixels: Any, runs: Any, columns: Any, channels: Any, weights: Any,
    sums: Any, rows: Any,
) -> int:  # fmt: skip
    """One step of dense or convolutional synapses; `at` is where the source's words of this step begin.

    The spikes of a pixel are gathered, then their rows of weights are added together. That is written out twice: as an
    inlined function, which the arrays are handed to, it took a third more time in a recurrent network.
    """
    events: Any = np.int64(0)
    size, step = q.channels, q.row
    for y in range(node.rows):
        line, first_pixel = at + y * node.words, q.pixel + y * q.per_row
        n = end = base = first = last = reached = begin = np.int64(0)
        for w in range(node.words):
            bits = peek(words, line + w)
            while bits:
                column = (w << 6) + lowest_bit(bits)
                bits &= bits - ONE
                if column >= end or n == MOST:
                    if n and last > first:
                        poke(rows, n, np.int64(-1))
                        add_rows(sums, base, weights, runs, first, last, rows)
                    events += n * reached
                    n = np.int64(0)
                    x = peek(columns, q.column + column)
                    pixel, left = 5 * (first_pixel + x), x * size
                    base, first, last = peek(pixels, pixel), peek(pixels, pixel + 1), peek(pixels, pixel + 2)
                    reached = peek(pixels, pixel + 3)
                    begin = q.weight + (peek(pixels, pixel + 4) - left) * step
                    end = left + size
                    if q.groups:
                        base += peek(channels, q.channel + column - left)
                        end = column + 1
                poke(rows, n, begin + column * step)
                n += 1
        if n and last > first:
            poke(rows, n, np.int64(-1))
            add_rows(sums, base, weights, runs, first, last, rows)
        events += n * reached
    return events  # type: ignore[no-any-return]


@compiled
def pass_on(q: Any, node: Any, words: Any, at: int, weights: Any, sums: Any) -> int:
    """One step of synapses that lead from each place to the same place, as the sum of a residual block does."""
    events: Any = np.int64(0)
    for y in range(node.rows):
        for w in range(node.words):
            bits = peek(words, at + y * node.words + w)
            if bits:
                add_chosen(sums, q.pixel + y * q.per_row + w * 64, weights, q.weight + w * 64, bits)
                events += count_bits(bits)
    return events  # type: ignore[no-any-return]


@compiled
def spread_values(
    q: Any, node: Any, values: Any, at: int, pixels: Any, runs: Any, channels: Any, weights: Any, sums: Any,
) -> int:  # fmt: skip
    """As `spread`, for a graded source: each message other than 0 multiplies the weights."""
    events = 0
    lanes = node.words * 64
    for y in range(node.rows):
        for column in range(q.per_row * q.channels):
            value = values[at + y * lanes + column]
            if value == 0:
                continue
            x = column // q.channels
            pixel = 5 * (q.pixel + y * q.per_row + x)
            channel = column - x * q.channels
            base = pixels[pixel]
            if q.groups:
                base += channels[q.channel + channel]
            row = q.weight + (pixels[pixel + 4] + channel) * q.row
            for k in range(pixels[pixel + 1], pixels[pixel + 2]):
                to, of = base + runs[3 * k], row + runs[3 * k + 1]
                for j in range(0, runs[3 * k + 2] * LANES, LANES):
                    add_times(sums, to + j, weights, of + j, value)
            events += pixels[pixel + 3]
    return events


@compiled
def follow(
    q: Any, node: Any, words: Any, at: int, starts: Any, targets: Any, weights: Any, sums: Any, index: Any
) -> int:
    """One step of synapses as lists."""
    events = 0
    for y in range(node.rows):
        n = spikes_of(words, at + y * node.words, node.words, index)
        for i in range(n):
            place = q.pixel + y * node.words * 64 + index[i]
            first, last = starts[place], starts[place + 1]
            for k in range(first, last):
                sums[targets[k]] += weights[k]
            events += last - first
    return events


@compiled
def follow_values(
    q: Any, node: Any, values: Any, at: int, starts: Any, targets: Any, weights: Any, sums: Any,
) -> int:  # fmt: skip
    """As `follow`, for a graded source."""
    events = 0
    for place in range(node.rows * node.words * 64):
        value = values[at + place]
        if value != 0:
            first, last = starts[q.pixel + place], starts[q.pixel + place + 1]
            for k in range(first, last):
                sums[targets[k]] += value * weights[k]
            events += last - first
    return events
