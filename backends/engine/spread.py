"""Synaptic sums from spikes: the weights of every neuron that fired are added, those of silent ones never touched.

Integers are added, in int16 where the bounds of the weights prove that no sum leaves it, else in int32; so the order of
additions changes nothing. Spikes of one pixel reach the same sums, and are added four at a time to spare the memory.
All functions return the synaptic events that they delivered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seamount.backends.engine.compiled import compiled
from seamount.backends.engine.vectors import LANES, add_four, add_one, add_times, add_two, lowest_bit

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
def add_pixel(
    runs: Any, first: int, last: int, base: int, sums: Any, weights: Any, row: int, n: int, rows: Any
) -> None:
    """Add n rows of weights (1, 2 or 4, at rows[row:row+n]) to all runs of a pixel."""
    for k in range(first, last):
        to, of, length = base + runs[k, 0], runs[k, 1], runs[k, 2]
        r0 = rows[row] + of
        if n == 4:
            r1, r2, r3 = rows[row + 1] + of, rows[row + 2] + of, rows[row + 3] + of
            for j in range(0, length, LANES):
                add_four(sums, to + j, weights, r0 + j, r1 + j, r2 + j, r3 + j)
        elif n == 2:
            r1 = rows[row + 1] + of
            for j in range(0, length, LANES):
                add_two(sums, to + j, weights, r0 + j, r1 + j, r0, r0)
        else:
            for j in range(0, length, LANES):
                add_one(sums, to + j, weights, r0 + j, r0, r0, r0)


@compiled
def spread(
    q: Any, node: Any, words: Any, at: int, pixels: Any, runs: Any, columns: Any, channels: Any, weights: Any,
    sums: Any, index: Any,
) -> int:  # fmt: skip
    """One step of dense or convolutional synapses; `at` is where the source's words of this step begin."""
    events = 0
    size = q.channels
    most = 1 if q.groups else 4
    for y in range(node.rows):
        n = spikes_of(words, at + y * node.words, node.words, index)
        i: Any = np.int64(0)
        while i < n:
            x = columns[q.column + index[i]]
            pixel = q.pixel + y * q.per_row + x
            left = x * size
            base, row = pixels[pixel, 0], pixels[pixel, 4]
            if q.groups:
                base += channels[q.channel + index[i] - left]
            k = 1
            while k < most and i + k < n and index[i + k] < left + size:
                k += 1
            if k == 3:
                k = 2
            for j in range(i, i + k):
                index[j] = q.weight + (row + index[j] - left) * q.row
            add_pixel(runs, pixels[pixel, 1], pixels[pixel, 2], base, sums, weights, i, k, index)
            events += k * pixels[pixel, 3]
            i += k
    return events


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
            pixel = q.pixel + y * q.per_row + x
            channel = column - x * q.channels
            base = pixels[pixel, 0]
            if q.groups:
                base += channels[q.channel + channel]
            row = q.weight + (pixels[pixel, 4] + channel) * q.row
            for k in range(pixels[pixel, 1], pixels[pixel, 2]):
                to, of = base + runs[k, 0], row + runs[k, 1]
                for j in range(0, runs[k, 2], LANES):
                    add_times(sums, to + j, weights, of + j, value)
            events += pixels[pixel, 3]
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
