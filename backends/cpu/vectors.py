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


SIZE = ir.IntType(64)


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Pointer to the elements of an array; a number as it is."""
    return context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value


def _vector(context: Any, builder: Any, kind: Any, array: Any, index: Any, lanes: int) -> Any:
    """Pointer to `lanes` elements of an array from an index on."""
    element = ir.VectorType(ir.IntType(kind.dtype.bitwidth), lanes)
    return builder.bitcast(builder.gep(_data(context, builder, kind, array), [index]), element.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    """A vector from wherever an element may lie."""
    value = builder.load(pointer)
    value.align = value.type.element.width // 8
    return value


def _store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, pointer).align = value.type.element.width // 8


PIECES = (1, 2, 3, 4, 6, 8, 12, 16)
"""Vectors that a run may be long: so many sums stay in registers while rows are added to them."""
MOST = 255
"""Rows of int8 whose sum always fits int16."""


@intrinsic  # type: ignore[untyped-decorator]
def peek(typing: Any, array: Any, i: Any) -> Any:
    """array[i] for i that is not negative: without numba's question whether it is."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(builder.gep(_data(context, builder, sig.args[0], args[0]), [args[1]]))

    return array.dtype(array, types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def poke(typing: Any, array: Any, i: Any, value: Any) -> Any:
    """array[i] = value for i that is not negative."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], builder.gep(_data(context, builder, sig.args[0], args[0]), [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.int64, array.dtype), build


@intrinsic  # type: ignore[untyped-decorator]
def add_rows(typing: Any, sums: Any, base: Any, weights: Any, runs: Any, first: Any, last: Any, rows: Any) -> Any:
    """Add rows of weights to every run of a pixel; the rows begin at rows[0], rows[1], ... up to a negative number.

    A run (to, of, vectors) adds weights[row + of : ...] to sums[base + to : ...]; vectors is one of PIECES. There is at
    least one row and one run. Sums stay in registers while the rows are added; int8 rows are added in int16, which so
    few as MOST cannot leave, and are widened at the end where the sums are int32.
    """
    size = types.int64
    signature = types.void(sums, size, weights, runs, size, size, rows)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = [_data(context, builder, kind, value) for kind, value in zip(sig.args, args, strict=True)]
        _RowAdder(builder, sig.args[0].dtype.bitwidth, sig.args[2].dtype.bitwidth, data).build()
        return context.get_dummy_value()

    return signature, build


class _RowAdder:
    """Writes the loops of `add_rows`: over the runs, and for each length of a run over the rows.

    That a negative number ends the rows spares a counter, and keeps LLVM from unrolling a loop that runs a few times.
    """

    def __init__(self, builder: Any, bits: int, narrow: int, data: list[Any]) -> None:
        self.builder = builder
        self.sums, self.base, self.weights, self.runs, self.first, self.last, self.rows = data
        self.sum, self.part = (ir.VectorType(ir.IntType(n), LANES) for n in (bits, narrow))
        self.direct = bits == 16 or narrow == 16
        self.inside = self.sum if self.direct else ir.VectorType(ir.IntType(16), LANES)

    def build(self) -> None:
        b = self.builder
        before = b.block
        begin, following, done = (b.append_basic_block(name) for name in ("run", "next", "done"))
        b.branch(begin)
        b.position_at_end(begin)
        k = b.phi(SIZE)
        k.add_incoming(self.first, before)
        at = b.gep(self.runs, [b.mul(k, SIZE(3))])
        to, of, vectors = (b.load(b.gep(at, [SIZE(i)])) for i in range(3))
        self.place, self.piece = b.gep(self.sums, [b.add(self.base, to)]), b.gep(self.weights, [of])
        blocks = [b.append_basic_block(f"vectors{n}") for n in PIECES]
        switch = b.switch(vectors, blocks[-1])
        for n, block in zip(PIECES[:-1], blocks, strict=False):
            switch.add_case(SIZE(n), block)
        for n, block in zip(PIECES, blocks, strict=True):
            b.position_at_end(block)
            self.add(n)
            b.branch(following)
        b.position_at_end(following)
        later = b.add(k, SIZE(1))
        k.add_incoming(later, following)
        b.cbranch(b.icmp_signed("<", later, self.last), begin, done)
        b.position_at_end(done)

    def add(self, vectors: int) -> None:
        """All rows to one run."""
        b = self.builder
        places = [self.vector(self.place, self.sum, v) for v in range(vectors)]
        begin = [_load(b, p) if self.direct else ir.Constant(self.inside, None) for p in places]
        top = b.load(self.rows)
        before, loop, after = b.block, b.append_basic_block("rows"), b.append_basic_block("added")
        b.branch(loop)
        b.position_at_end(loop)
        k, row = b.phi(SIZE), b.phi(SIZE)
        totals = [b.phi(self.inside) for _ in places]
        start = b.gep(self.piece, [row])
        added = []
        for v, total in enumerate(totals):
            value = _load(b, self.vector(start, self.part, v))
            added.append(b.add(total, value if self.part == self.inside else b.sext(value, self.inside)))
        later = b.add(k, SIZE(1))
        following = b.load(b.gep(self.rows, [later]))
        for phi, first, last in zip((k, row, *totals), (SIZE(0), top, *begin), (later, following, *added), strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(last, loop)
        b.cbranch(b.icmp_signed(">=", following, SIZE(0)), loop, after)
        b.position_at_end(after)
        for place, value in zip(places, added, strict=True):
            if not self.direct:
                value = b.add(_load(b, place), b.sext(value, self.sum))
            _store(b, value, place)

    def vector(self, data: Any, kind: Any, v: int) -> Any:
        pointer = self.builder.gep(data, [SIZE(LANES * v)])
        return self.builder.bitcast(pointer, kind.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def add_times(typing: Any, sums: Any, i: Any, weights: Any, row: Any, factor: Any) -> Any:
    """sums[i:i+32] += factor * weights[row:row+32], int32."""
    signature = types.void(sums, types.int64, weights, types.int64, types.int32)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind, narrow = sig.args[0], sig.args[2]
        place = _vector(context, builder, kind, args[0], args[1], LANES)
        part = _load(builder, _vector(context, builder, narrow, args[2], args[3], LANES))
        wide = builder.sext(part, ir.VectorType(ir.IntType(32), LANES))
        one = builder.insert_element(ir.Constant(wide.type, ir.Undefined), args[4], ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        factors = builder.shuffle_vector(one, ir.Constant(wide.type, ir.Undefined), mask)
        total = builder.add(_load(builder, place), builder.mul(wide, factors))
        _store(builder, total, place)
        return context.get_dummy_value()

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def add_bytes(typing: Any, sums: Any, i: Any, bytes_: Any, j: Any) -> Any:
    """sums[i:i+64] += bytes[j:j+64], modulo 256."""
    signature = types.void(sums, types.int64, bytes_, types.int64)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _vector(context, builder, sig.args[0], args[0], args[1], WORD)
        more = _load(builder, _vector(context, builder, sig.args[2], args[2], args[3], WORD))
        _store(builder, builder.add(_load(builder, place), more), place)
        return context.get_dummy_value()

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def add_chosen(typing: Any, sums: Any, i: Any, weights: Any, j: Any, bits: Any) -> Any:
    """sums[i+k] += weights[j+k] for every k < 64 whose bit is set."""
    signature = types.void(sums, types.int64, weights, types.int64, types.uint64)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind, narrow = sig.args[0], sig.args[2]
        place = _vector(context, builder, kind, args[0], args[1], WORD)
        total = _load(builder, place)
        part = _load(builder, _vector(context, builder, narrow, args[2], args[3], WORD))
        if kind.dtype.bitwidth > narrow.dtype.bitwidth:
            part = builder.sext(part, total.type)
        chosen = builder.bitcast(args[4], ir.VectorType(ir.IntType(1), WORD))
        part = builder.select(chosen, part, ir.Constant(total.type, None))
        _store(builder, builder.add(total, part), place)
        return context.get_dummy_value()

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def copy_lanes(typing: Any, to: Any, i: Any, of: Any, j: Any) -> Any:
    """to[i:i+32] = of[j:j+32], of one type."""
    signature = types.void(to, types.int64, of, types.int64)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.args[0]
        values = _load(builder, _vector(context, builder, kind, args[2], args[3], LANES))
        place = _vector(context, builder, kind, args[0], args[1], LANES)
        _store(builder, values, place)
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
        _store(builder, nothing, place)
        return context.get_dummy_value()

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def bits_of(typing: Any, flags: Any, i: Any) -> Any:
    """64 bytes from index i on as a word: bit k is set where byte k is not 0."""
    signature = types.uint64(flags, types.int64)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.args[0]
        flags = _load(builder, _vector(context, builder, kind, args[0], args[1], WORD))
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


@intrinsic  # type: ignore[untyped-decorator]
def time_stamp(typing: Any) -> Any:
    """The processor's time stamp: ticks of a constant rate since some moment."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        counter = builder.module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(SIZE, []))
        return builder.call(counter, [])

    return types.int64(), build


@intrinsic  # type: ignore[untyped-decorator]
def borrowed(typing: Any, arrays: Any) -> Any:
    """The same named tuple of arrays, or array, without counting references to them: whoever called holds them.

    numba counts at every slice and call, with an atomic operation each time: a third of a dense network's time.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def without_owner(kind: Any, value: Any) -> Any:
            array = context.make_array(kind)(context, builder, value)
            array.meminfo = ir.Constant(array.meminfo.type, None)
            array.parent = ir.Constant(array.parent.type, None)
            return array._getvalue()

        if isinstance(arrays, types.Array):
            return without_owner(arrays, args[0])
        whole = args[0]
        for i, kind in enumerate(arrays.types):
            part = without_owner(kind, builder.extract_value(args[0], i))
            whole = builder.insert_value(whole, part, i)
        return whole

    return arrays(arrays), build
