"""The neurons' step, a row at a time and in one pass over the memory.

|x| * d >> 12 fits 32 bits as (|x| >> 12) * d + (((|x| & 4095) * d) >> 12), for |x| < 2**23 and d <= 4096. The fast
steps use it; where u may wrap more than once or its decay turns its sign, which the bounds of the program tell, 64 bits
are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seamount.backends.cpu.compiled import compiled
from seamount.compiler.program.program import DECAY_ONE, U_SPAN, V_MAX
from seamount.compiler.program.wide import WIDE_ONE

HALF = U_SPAN // 2
TOP = np.int32(V_MAX)
LOW_BITS = np.uint32(DECAY_ONE - 1)
TWELVE = np.uint32(12)
WIDE_BITS = WIDE_ONE.bit_length() - 1


@compiled
def decayed(x: Any, kept: Any) -> Any:
    """x * kept / 4096, rounded toward zero, for int32 x within 24 bits and kept in 0..4096."""
    size, factor = np.uint32(abs(x)), np.uint32(kept)
    high = np.uint32((size >> TWELVE) * factor)
    low = np.uint32(np.uint32((size & LOW_BITS) * factor) >> TWELVE)
    size = np.uint32(high + low)
    return np.int32(size) if x >= 0 else np.int32(-np.int32(size))


@compiled
def settled(now: Any, vth: Any, by: Any, keep: Any, least: Any) -> Any:
    """v once it is saturated, reset if it fires, and clamped; whether it fires."""
    now = min(now, TOP)
    fires = now > vth
    now = max(now, -TOP)
    if fires:
        now = np.int32(np.int32(now - by) & keep)
    return max(now, least), fires


@compiled
def plain_row(
    sums: Any, v: Any, kept: Any, vth: Any, bias: Any, flags: Any, shift: Any, by: Any, keep: Any, least: Any,
) -> None:  # fmt: skip
    """A row of neurons without memory in u."""
    for j in range(v.shape[0]):
        now = np.int32(decayed(v[j], kept[j]) + np.int32(np.int32(sums[j]) << shift) + bias[j])
        sums[j] = 0
        v[j], flags[j] = settled(now, vth[j], by[j], keep, least)


@compiled
def memory_row(
    sums: Any, u: Any, v: Any, kept_u: Any, kept: Any, vth: Any, bias: Any, flags: Any, shift: Any, by: Any,
    keep: Any, least: Any,
) -> None:  # fmt: skip
    """A row of neurons whose u lasts, and cannot wrap."""
    for j in range(v.shape[0]):
        current = np.int32(decayed(u[j], kept_u[j]) + np.int32(np.int32(sums[j]) << shift))
        sums[j] = 0
        u[j] = current
        now = np.int32(decayed(v[j], kept[j]) + current + bias[j])
        v[j], flags[j] = settled(now, vth[j], by[j], keep, least)


@compiled
def wrapping_row(
    sums: Any, u: Any, v: Any, kept_u: Any, kept: Any, vth: Any, bias: Any, flags: Any, shift: Any, by: Any,
    keep: Any, least: Any,
) -> None:  # fmt: skip
    """As `memory_row` for neurons whose u may wrap, once at most."""
    half, span = np.int32(HALF), np.int32(U_SPAN)
    for j in range(v.shape[0]):
        current = np.int32(decayed(u[j], kept_u[j]) + np.int32(np.int32(sums[j]) << shift))
        sums[j] = 0
        over, under = current > half, current <= -half
        current = np.int32(current - (span if over else np.int32(0)))
        current = np.int32(current + (span if under else np.int32(0)))
        u[j] = current
        now = np.int32(decayed(v[j], kept[j]) + current + bias[j])
        v[j], flags[j] = settled(now, vth[j], by[j], keep, least)


@compiled
def truncated(x: int) -> int:
    """x / 4096, rounded toward zero, 64 bits."""
    return x // DECAY_ONE if x >= 0 else -(-x // DECAY_ONE)


@compiled
def general_row(
    sums: Any, u: Any, v: Any, kept_u: Any, kept: Any, vth: Any, bias: Any, flags: Any, shift: int, by: Any,
    keep: int, least: int,
) -> None:  # fmt: skip
    """A row of any neurons: docs/semantics.md in 64 bits."""
    for j in range(v.shape[0]):
        current = truncated(np.int64(u[j]) * kept_u[j]) + (np.int64(sums[j]) << shift)
        sums[j] = 0
        if current > HALF:
            current -= U_SPAN
        elif current <= -HALF:
            current += U_SPAN
        u[j] = current
        now = truncated(np.int64(v[j]) * kept[j]) + current + bias[j]
        now = min(max(now, -V_MAX), V_MAX)
        fires = now > vth[j]
        flags[j] = fires
        if fires:
            now = (now - by[j]) & keep
        v[j] = max(now, least)


@compiled
def wide_row(
    sums: Any, u: Any, v: Any, kept_u: Any, kept: Any, vth: Any, bias: Any, by: Any, flags: Any, p: Any,
) -> None:  # fmt: skip
    """A row of wide neurons (compiler/program/wide.py), 64 bits."""
    for j in range(v.shape[0]):
        current = coarse(np.int64(u[j]) * kept_u[j], p.grain) + (np.int64(sums[j]) << p.shift)
        sums[j] = 0
        if p.wraps:
            if current > p.u_half:
                current -= 2 * p.u_half
            elif current <= -p.u_half:
                current += 2 * p.u_half
        current = min(max(current, -p.u_half), p.u_half)
        u[j] = current
        now = coarse(np.int64(v[j]) * kept[j], p.grain) + current + bias[j]
        now = min(max(now, -p.v_top), p.v_top)
        fires = now > vth[j]
        flags[j] = fires
        if fires:
            now = (now - by[j]) & p.keep
        v[j] = max(now, p.v_min)


@compiled
def coarse(x: int, grain: int) -> int:
    """x / 2**24, rounded toward zero to a multiple of 2**grain."""
    return (x >> (WIDE_BITS + grain)) << grain if x >= 0 else -((-x >> (WIDE_BITS + grain)) << grain)


@compiled
def update(p: Any, node: Any, sums: Any, parameters: Any, all_u: Any, all_v: Any, all_flags: Any) -> None:
    """One step of a population: registers and `flags` from its sums, which begin anew."""
    lanes = node.words * 64
    shift, keep, least = np.int32(p.shift), np.int32(p.keep), np.int32(p.v_min)
    for y in range(node.rows):
        first = p.start + y * p.pitch
        row, at = sums[first : first + lanes], node.lane + y * lanes
        u, v, flags = all_u[at : at + lanes], all_v[at : at + lanes], all_flags[y * lanes : (y + 1) * lanes]
        kept = parameters[p.dv + y * p.dv_step :][:lanes]
        vth = parameters[p.vth + y * p.vth_step :][:lanes]
        bias = parameters[p.bias + y * p.bias_step :][:lanes]
        by = parameters[p.reset_by + y * p.reset_by_step :][:lanes]
        if p.is_wide:
            kept_u = parameters[p.du + y * p.du_step :][:lanes]
            wide_row(row, u, v, kept_u, kept, vth, bias, by, flags, p)
        elif p.general:
            kept_u = parameters[p.du + y * p.du_step :][:lanes]
            general_row(row, u, v, kept_u, kept, vth, bias, flags, p.shift, by, p.keep, p.v_min)
        elif p.wraps:
            kept_u = parameters[p.du + y * p.du_step :][:lanes]
            wrapping_row(row, u, v, kept_u, kept, vth, bias, flags, shift, by, keep, least)
        elif p.memory:
            kept_u = parameters[p.du + y * p.du_step :][:lanes]
            memory_row(row, u, v, kept_u, kept, vth, bias, flags, shift, by, keep, least)
        else:
            plain_row(row, v, kept, vth, bias, flags, shift, by, keep, least)


@compiled
def start(p: Any, node: Any, parameters: Any, u: Any, v: Any) -> None:
    """Registers at the beginning of a sample."""
    lanes = node.words * 64
    for y in range(node.rows):
        at = node.lane + y * lanes
        # Slices tell LLVM that indices are not negative; else it scatters number by number.
        no_current, begin = u[at : at + lanes], v[at : at + lanes]
        given = parameters[p.v_init + y * p.v_init_step :][:lanes]
        for j in range(lanes):
            no_current[j] = 0
        for j in range(lanes):
            begin[j] = given[j]
