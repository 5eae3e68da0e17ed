"""Words of synapse lists, by hand from the formulas of docs/mapping.md."""

from __future__ import annotations

import numpy as np
import pytest

from seamount.backends.registry import load_target
from seamount.compiler.placement.blocks import Blocks
from seamount.compiler.placement.synapse_memory import Coding, delay_slots
from seamount.compiler.placement.wirings import wire
from seamount.compiler.program.program import Connection, Conv, Dense, InputPort, Program, Projection, Readout, Sparse
from tests.placement.targets import chip
from tests.program_samples import i32, population

LOIHI = Coding.of(load_target("loihi1"))


def net(connection: Connection, source: tuple[int, ...], target: tuple[int, ...], **more: object) -> Program:
    q = Projection("q", "x", "p", connection, **more)  # type: ignore[arg-type]
    return Program(
        (InputPort("x", source, False),), (population("p", target),), (q,), (Readout("y", "p", "v", "sum"),), 1
    )


def whole(program: Program, coding: Coding = LOIHI) -> tuple[str, int, int, int]:
    """(encoding, words, longest list, input axons) of the only projection on one core."""
    shape = program.populations[0].shape
    conv = isinstance(program.projections[0].connection, Conv)
    box = shape if conv else (int(np.prod(shape)), 1, 1)
    memory = wire(program, program.projections[0], coding).memory(Blocks.cut(box, (1, 1, 1)), None)  # type: ignore[arg-type]
    return str(memory.encoding[0]), int(memory.words[0]), int(memory.list_words[0]), int(memory.axons_in[0])


def test_dense() -> None:
    # 128 weights of 8 bits in entries of 60, 60 and 8, each with a header of 10 and an index of 7 bits: 1,075 bits
    assert whole(net(Dense(np.full((128, 64), 2, np.int32)), (64,), (128,))) == ("dense", 17 * 64, 17, 64)


def test_dense_without_a_published_limit_of_entries() -> None:
    # one entry: 10 + 7 + 1,024 bits
    loihi2 = Coding.of(load_target("loihi2"))
    assert whole(net(Dense(np.full((128, 64), 2, np.int32)), (64,), (128,)), loihi2)[2] == 17
    assert loihi2.per_entry is None and int(loihi2.list_words(128, 8, 7)) == -(-1041 // 64)


def test_a_source_without_weights_has_no_list() -> None:
    weight = np.full((40, 3), 2, np.int32)
    weight[:, 1] = 0
    assert whole(net(Dense(weight), (3,), (40,)))[3] == 2


def test_run_length_takes_fillers_for_wide_gaps() -> None:
    # targets 0, 5 and 90 of 100: gaps of 4 and 84. Gaps of 5 bits: 84 takes 2 fillers, 5 synapses of 13 bits and 17
    # for header and index: 82 bits, 2 words. Indices: 3 x 15 + 10 = 55 bits, one word. Dense: 100 weights, 834 bits.
    rows, cols = i32([0, 5, 90]), i32([0, 0, 0])
    assert whole(net(Sparse(rows, cols, i32([2, 2, 2])), (1,), (100,))) == ("indexed", 1, 1, 1)
    ways = wire(net(Sparse(rows, cols, i32([2, 2, 2])), (1,), (100,)), net(Sparse(rows, cols, i32([2, 2, 2])),
                (1,), (100,)).projections[0], LOIHI).alternatives()  # fmt: skip
    named = {str(encoding): words for encoding, words in ways.items()}
    assert named == {"dense": 14, "run-length 2": 5, "run-length 3": 3, "run-length 4": 2, "run-length 5": 2,
                    "indexed": 1}  # fmt: skip


def test_shared_kernels_are_stored_once_per_kind_of_place() -> None:
    # a 3 x 3 kernel on a 5 x 5 map with padding: along an axis, inputs are seen through 2, 3, 3, 3 or 2 taps, in
    # three ways. Lists of 4, 6 and 9 runs, 4 + 4 + 1 kinds of place; runs of 2 channels: 10 + 6 + 16 bits.
    conv = Conv(np.full((2, 1, 3, 3), 2, np.int32), (1, 1), (1, 1), (1, 1), 1)
    encoding, words, longest, axons = whole(net(conv, (1, 5, 5), (2, 5, 5)))
    each = [-(-runs * 32 // 64) for runs in (4, 4, 4, 4, 6, 6, 6, 6, 9)]
    assert (encoding, words, longest, axons) == ("shared runs", sum(each), max(each), 25)


def test_channels_of_a_pixel_share_an_axon() -> None:
    conv = Conv(np.full((2, 6, 1, 1), 2, np.int32), (1, 1), (0, 0), (1, 1), 1)
    program = net(conv, (6, 4, 4), (2, 4, 4))
    assert whole(program)[3] == 16
    assert whole(program, Coding.of(chip("loihi1", encoding_atom=2)))[3] == 32


@pytest.mark.parametrize(("delay", "slots", "bits"), [(0, 8, 0), (1, 8, 3), (6, 8, 3), (7, 16, 4), (62, 64, 6)])
def test_delays(delay: int, slots: int, bits: int) -> None:
    q = net(Dense(i32([[2]])), (1,), (1,), delay=delay).projections[0]
    assert (delay_slots((delay,), LOIHI), LOIHI.delay_width(q)) == (slots, bits)


@pytest.mark.parametrize(("bits", "loihi1", "loihi2"), [(8, 8, 8), (7, 8, 7), (6, 6, 6), (3, 3, 3)])
def test_weights_take_the_next_width_that_can_be_stored(bits: int, loihi1: int, loihi2: int) -> None:
    q = net(Dense(i32([[0]])), (1,), (1,), bits=bits).projections[0]
    assert (LOIHI.weight_width(q), Coding.of(load_target("loihi2")).weight_width(q)) == (loihi1, loihi2)
