"""The tables that the compiled network reads: records of numbers, offsets into a few long arrays.

Everything is kept in flat arrays, so that a whole sample runs in machine code without coming back to Python.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


def _record(*fields: str) -> np.dtype[Any]:
    return np.dtype([(name, np.int64) for name in fields])


NODE = _record(
    "rows", "words",  # rows, and words per row
    "lane",           # first place among those of all nodes
    "word",           # where its spikes begin in the array of its kind, per sample
    "stride",         # words from one step to the next; 0 where all steps are the same
    "port",           # 1: an input port, whose spikes lie apart
    "graded",         # 1: messages are values, not bits
    "value", "step",  # where a graded port's values begin, and places from one step to the next
)  # fmt: skip
"""An input port or a population."""

POPULATION = _record(
    "node",
    "narrow",             # 1: sums are int16
    "low", "high",        # its stretch of the sums, margins included
    "start", "pitch",     # first sum of row 0, and sums from one row to the next
    "shift",              # 64 a = sum << shift
    "memory",             # 1: u is kept, since du lets it last or somebody reads it
    "wraps",              # 1: u may wrap, once at most
    "general",            # 1: u may wrap further or change its sign; 64-bit arithmetic
    "is_wide", "u_half", "v_top", "grain",  # of a wide population (compiler/program/wide.py)
    "keep",               # at a spike v becomes (v - reset_by) & keep
    "v_min",
    "du", "dv", "vth", "bias", "v_init", "reset_by",  # first parameter of each kind
    "du_step", "dv_step", "vth_step", "bias_step", "v_init_step", "reset_by_step",  # to the next row; 0: all rows alike
    "first_in", "last_in", "first_read", "last_read",
    "rest",               # 1: some sums are the same in all steps and kept
)  # fmt: skip
"""A population, in the order of the groups."""

PROJECTION = _record(
    "source", "target", "lag",
    "list",               # 1: synapses as lists
    "beside",             # 1: each place leads to the same one; `pixel`: the first sum, `per_row`: from row to row
    "graded", "constant", # constant: the same in every step, summed once
    "narrow", "wide",     # sums are int16; weights are int16, not int8
    "own", "own_low", "own_high", "shift",  # own = 1: sums apart, added to the others as sum << shift (>> if < 0)
    "pixel", "per_row",   # first pixel, pixels per row
    "channels", "groups", # bits per pixel; whether channels lead to different places
    "column", "channel",  # tables: column of the source -> pixel; channel -> shift of the sums
    "weight", "row",      # first weight, weights per channel
)  # fmt: skip
"""A projection, sorted by target."""

READOUT = _record("register", "rule", "start")
"""register 0 s, 1 u, 2 v; rule 0 sum, 1 max, 2 last, 3 each; start: among the answers of a sample."""

GROUP = _record("first", "last")
"""Populations that advance step by step together."""

PHASES = ("synapses", "neurons", "readout")
"""What of a population is timed: sums from spikes; registers and spikes from sums; what the host reads or records."""

PIXEL = ("base", "first", "last", "synapses", "row")
"""Sums that a pixel's spikes reach: base and runs first..last, synapses per spike, first row of weights."""

RUN = ("to", "of", "vectors")
"""A stretch of sums from base + to on, its stretch in the row of weights, and its length, one of vectors.PIECES."""


class Tables(NamedTuple):
    """A program laid out for the engine. The same for all samples."""

    nodes: NDArray[Any]
    populations: NDArray[Any]
    projections: NDArray[Any]
    readouts: NDArray[Any]
    groups: NDArray[Any]
    parameters: NDArray[np.int32]
    pixels: NDArray[np.int64]
    """As PIXEL, one after the other."""
    runs: NDArray[np.int64]
    """As RUN, one after the other."""
    columns: NDArray[np.int64]
    channels: NDArray[np.int64]
    weights8: NDArray[np.int8]
    weights16: NDArray[np.int16]
    list_starts: NDArray[np.int64]
    """Place of a source -> its first synapse in the two arrays below; a projection's begin at `pixel`."""
    list_targets: NDArray[np.int64]
    list_weights: NDArray[np.int32]


class Work(NamedTuple):
    """What one thread writes while it runs one sample."""

    words: NDArray[np.uint64]
    sums16: NDArray[np.int16]
    sums32: NDArray[np.int32]
    rest16: NDArray[np.int16]
    rest32: NDArray[np.int32]
    u: NDArray[np.int32]
    v: NDArray[np.int32]
    flags: NDArray[np.uint8]
    """Spikes of one population in one step, a byte each."""
    recent: NDArray[np.uint8]
    """Spikes of each neuron since they were last added to `sent`."""
    fired: NDArray[np.int64]
    """Where rows of weights begin, of the spikes that are added together."""
    ticks: NDArray[np.int64]
    """(populations, PHASES) ticks of the time stamp spent; without populations where nobody asks."""


class Answers(NamedTuple):
    """What one thread has found: counts over its samples, and per sample readouts and what is recorded."""

    spikes: NDArray[np.int64]
    """(nodes, T)."""
    synops: NDArray[np.int64]
    """(projections, T), by the source's step."""
    sent: NDArray[np.int64]
    """(places,)."""
    readout: NDArray[np.int64]
    """(samples, places read)."""
    s: NDArray[np.int8]
    u: NDArray[np.int32]
    v: NDArray[np.int32]
    """(samples, T, places), or without samples where it is not recorded."""


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """Zeros that start at a multiple of 64 bytes, as vectors like it."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size * item + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size * item].view(dtype)
