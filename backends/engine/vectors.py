"""A few operations on whole vectors, for numba: sums of weight rows, and sets of spikes as bits.

They are written in LLVM's own terms, because a loop over 32 weights would spend more time on its entry (do the arrays
overlap? how many are left over?) than on its additions. LLVM turns them into whatever the processor has.
Rows are padded to whole vectors by whoever builds them; nothing is checked here.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic

LANES = 32
"""Weights per vector: one 512-bit register of 16-bit sums."""
WORD = 64
"""Spikes per word."""


def _vector(context: Any, builder: Any, kind: Any, array: Any, index: Any, lanes: int) -> Any:
    """Pointer to `lanes` elements of an array from an index on."""
    data = context.make_array(kind)(context, builder, array).data
    element = ir.VectorType(ir.IntType(kind.dtype.bitwidth), lanes)
    return builder.bitcast(builder.gep(data, [index]), element.as_pointer())


def _load(builder: Any, pointer: Any, kind: Any) -> Any:
    value = builder.load(pointer)
    value.align = max(kind.dtype.bitwidth // 8, 1)
    return value


def _adder(rows: int) -> Any:
    """sums[i:i+32] += weights[r0:r0+32] + ... for so many rows; as many numbers r0, r1, ... are taken, the rest not."""

    @intrinsic  # type: ignore[untyped-decorator]
    def add_rows(typing: Any, sums: Any, i: Any, weights: Any, r0: Any, r1: Any, r2: Any, r3: Any) -> Any:
        signature = types.void(sums, types.int64, weights, *[types.int64] * 4)

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind, narrow = sig.args[0], sig.args[2]
            place = _vector(context, builder, kind, args[0], args[1], LANES)
            total = _load(builder, place, kind)
            for row in args[3 : 3 + rows]:
                part = _load(builder, _vector(context, builder, narrow, args[2], row, LANES), narrow)
                if kind.dtype.bitwidth > narrow.dtype.bitwidth:
                    part = builder.sext(part, total.type)
                total = builder.add(total, part)
            builder.store(total, place).align = kind.dtype.bitwidth // 8
            return context.get_dummy_value()

        return signature, build

    return add_rows


add_one, add_two, add_four = _adder(1), _adder(2), _adder(4)


@intrinsic  # type: ignore[untyped-decorator]
def add_times(typing: Any, sums: Any, i: Any, weights: Any, row: Any, factor: Any) -> Any:
    """sums[i:i+32] += factor * weights[row:row+32], int32."""
    signature = types.void(sums, types.int64, weights, types.int64, types.int32)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind, narrow = sig.args[0], sig.args[2]
        place = _vector(context, builder, kind, args[0], args[1], LANES)
        part = _load(builder, _vector(context, builder, narrow, args[2], args[3], LANES), narrow)
        wide = builder.sext(part, ir.VectorType(ir.IntType(32), LANES))
        one = builder.insert_element(ir.Constant(wide.type, ir.Undefined), args[4], ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        factors = builder.shuffle_vector(one, ir.Constant(wide.type, ir.Undefined), mask)
        total = builder.add(_load(builder, place, kind), builder.mul(wide, factors))
        builder.store(total, place).align = 4
        return context.get_dummy_value()

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def add_bytes(typing: Any, sums: Any, i: Any, bytes_: Any, j: Any) -> Any:
    """sums[i:i+64] += bytes[j:j+64], modulo 256."""
    signature = types.void(sums, types.int64, bytes_, types.int64)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _vector(context, builder, sig.args[0], args[0], args[1], WORD)
        more = _load(builder, _vector(context, builder, sig.args[2], args[2], args[3], WORD), sig.args[2])
        builder.store(builder.add(_load(builder, place, sig.args[0]), more), place).align = 1
        return context.get_dummy_value()

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def copy_lanes(typing: Any, to: Any, i: Any, of: Any, j: Any) -> Any:
    """to[i:i+32] = of[j:j+32], of one type."""
    signature = types.void(to, types.int64, of, types.int64)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.args[0]
        values = _load(builder, _vector(context, builder, kind, args[2], args[3], LANES), kind)
        place = _vector(context, builder, kind, args[0], args[1], LANES)
        builder.store(values, place).align = kind.dtype.bitwidth // 8
        return context.get_dummy_value()

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def clear_lanes(typing: Any, to: Any, i: Any) -> Any:
    """to[i:i+32] = 0."""
    signature = types.void(to, types.int64)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.args[0]
        place = _vector(context, builder, kind, args[0], args[1], LANES)
        nothing = ir.Constant(ir.VectorType(ir.IntType(kind.dtype.bitwidth), LANES), None)
        builder.store(nothing, place).align = kind.dtype.bitwidth // 8
        return context.get_dummy_value()

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def bits_of(typing: Any, flags: Any, i: Any) -> Any:
    """64 bytes from index i on as a word: bit k is set where byte k is not 0."""
    signature = types.uint64(flags, types.int64)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.args[0]
        flags = _load(builder, _vector(context, builder, kind, args[0], args[1], WORD), kind)
        return builder.bitcast(builder.icmp_unsigned("!=", flags, ir.Constant(flags.type, None)), ir.IntType(64))

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def lowest_bit(typing: Any, word: Any) -> Any:
    """Index of the lowest set bit of a word that is not 0."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


@intrinsic  # type: ignore[untyped-decorator]
def count_bits(typing: Any, word: Any) -> Any:
    """Set bits of a word."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), build
