"""Every term of every energy formula on one small network, with the arithmetic in the comments.

    x (1, 1, 4), graded 0 .. 300  --conv, kernel 1 x 2, 2 channels-->  c (2, 1, 3), keeps u  --dense-->  o (2)
    x  --sparse, 3 synapses-->  o

T = 3, two samples. Pixel 0 is seen by one place of the convolution, pixels 1 and 2 by two, pixel 3 by one; times two
channels that is 2, 4, 4 and 2 synapses. The sparse projection joins pixels 0, 1 and 3 to one output each.
A neuron of c that got a message fires in that step and, as u only halves, in every later one of the sample:

    sample 0: pixel 0, pixel 2, nothing;  operations 2 + 4 + 0;  c fires 2 + 6 + 6 = 14 times;  sparse 1 + 0 + 0
    sample 1: nothing, pixel 3, pixel 0;  operations 0 + 2 + 2;  c fires 0 + 2 + 4 = 6 times;   sparse 0 + 1 + 1

Per inference: 2 messages of x, 5 operations x->c, 10 spikes of c, 20 operations c->o, 1.5 operations x->o,
6 x 3 = 18 updates of c and 2 x 3 = 6 of o.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from seamount.backends.registry import load_costs
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.analysis.operations import Products
from seamount.compiler.energy.ann import compare, twin
from seamount.compiler.energy.cost_set import Coefficient, CostSet
from seamount.compiler.energy.counts import (
    chip_counts,
    dense_chip_counts,
    dense_counts,
    mean_rate,
    message_access,
    operation_counts,
    payload_bits,
)
from seamount.compiler.energy.estimate import Estimate, Interval
from seamount.compiler.energy.price import price_run
from seamount.compiler.placement.placement import CoreSlice, Links, Load, Mesh, Placement, Traffic
from seamount.compiler.program.program import Conv, Dense, InputPort, Program, Projection, Readout, Sparse
from seamount.compiler.target.target import Quantity
from tests.program_samples import i32, population


def network() -> Program:
    """The network of this file."""
    c = population("c", (2, 1, 3), du=2048, dv=4096, vth=0)
    o = population("o", (2,), dv=0, vth=None, offset=2)
    conv = Conv(i32(np.full((2, 1, 1, 2), 32)), (1, 1), (0, 0), (1, 1), 1)
    sparse = Sparse(i32([0, 1, 1]), i32([0, 1, 3]), i32([32, 32, 32]))
    links = (
        Projection("x->c", "x", "c", conv, 0, 6),
        Projection("c->o", "c", "o", Dense(i32(np.full((2, 6), 32))), 0, 4),
        Projection("x->o", "x", "o", sparse, 0, 8, delay=1),
    )
    return Program((InputPort("x", (1, 1, 4), True, 0, 300),), (c, o), links, (Readout("y", "o", "v", "last"),), 3)


PROGRAM = network()


@pytest.fixture(scope="module")
def counts():
    """Those of the two samples."""
    x = np.zeros((2, 3, 1, 1, 4), np.int32)
    x[0, 0, 0, 0, 0], x[0, 1, 0, 0, 2] = 5, 7
    x[1, 1, 0, 0, 3], x[1, 2, 0, 0, 0] = 9, 300
    found = ReferenceSimulator().run(PROGRAM, {"x": x}).counts
    assert found.synop_totals == {"x->c": 10, "c->o": 40, "x->o": 3}
    assert found.sent["c"].tolist() == [4, 2, 4, 4, 2, 4], "places 0 and 2 fire 3 + 1 and 2 + 2 times, place 1 twice"
    assert found.updates == {"c": 36, "o": 12}
    return found


def table(found):
    """(event, where) -> (least, most, bytes of the memory, whether it grows with the rate)."""
    return {
        (c.event.removesuffix(", bytes"), c.where): (c.number.low, c.number.high, c.memory_bytes, c.by_rate)
        for c in found
        if c.number is not None
    }


ACCUMULATOR, MESSAGE, STATE = "accumulator read and write", "message write and read", "state and accumulator"


def test_event_driven_with_memory(counts):
    """A register is 3 bytes; a weight read costs its bits, at least once per inference if there are more events.

    Messages of x: an address among 4 in 1 byte, a payload of 301 values in 9 bits, so 2 bytes: 3 bytes, written and
    read; those of c an address among 6. c keeps u and v, o only v (6 and 3 bytes), each read and written in an update,
    as is the accumulator.
    """
    assert table(operation_counts(PROGRAM, counts, memory=True)) == {
        ("multiply-accumulate", "x->c"): (5, 5, None, False),
        ("weight read", "x->c"): (3, 3.75, 3, False),  # (4 stored .. 5 events) x 6 / 8; 4 x 6 / 8 held
        (ACCUMULATOR, "x->c"): (30, 30, 18, False),  # 5 x 2 x 3; 6 neurons x 3 held
        (MESSAGE, "x->c"): (12, 12, 12, False),  # 2 messages x 2 x 3; 4 places x 3 held
        ("accumulate", "c->o"): (20, 20, None, True),
        ("weight read", "c->o"): (6, 10, 6, True),  # (12 stored .. 20 events) x 4 / 8; 12 x 4 / 8
        (ACCUMULATOR, "c->o"): (120, 120, 6, True),  # 20 x 2 x 3; 2 neurons x 3
        (MESSAGE, "c->o"): (20, 20, 6, True),  # 10 spikes x 2 x 1; 6 places x 1
        ("multiply-accumulate", "x->o"): (1.5, 1.5, None, False),
        ("weight read", "x->o"): (1.5, 1.5, 3, False),  # fewer events than the 3 stored; 3 x 8 / 8
        (ACCUMULATOR, "x->o"): (9, 9, 6, False),  # 1.5 x 2 x 3; 2 x 3
        (MESSAGE, "x->o"): (12, 12, 12, False),  # as x->c
        ("neuron update", "c"): (18, 18, None, False),
        (STATE, "c"): (324, 324, 54, False),  # 18 x 2 x (6 + 3); 6 neurons x (6 + 3)
        ("neuron update", "o"): (6, 6, None, False),
        (STATE, "o"): (72, 72, 12, False),  # 6 x 2 x (3 + 3); 2 neurons x (3 + 3)
    }
    without = table(operation_counts(PROGRAM, counts, memory=False))
    assert [event for event, _ in without] == [
        "multiply-accumulate", "accumulate", "multiply-accumulate", "neuron update", "neuron update"
    ]  # fmt: skip


def test_clock_driven_with_memory():
    """Every synapse in each of 3 steps: 12, 12 and 3. A weight is read once per step, or for every synapse."""
    assert table(dense_counts(PROGRAM, 3, memory=True)) == {
        ("multiply-accumulate", "x->c"): (36, 36, None, False),
        ("weight read", "x->c"): (9, 27, 3, False),  # (4 x 3 .. 36) x 6 / 8
        (ACCUMULATOR, "x->c"): (0, 216, 18, False),  # none .. 36 x 2 x 3
        ("dense-accumulate", "c->o"): (36, 36, None, False),
        ("weight read", "c->o"): (18, 18, 6, False),  # 12 x 3 x 4 / 8, no weight is shared
        (ACCUMULATOR, "c->o"): (0, 216, 6, False),
        ("multiply-accumulate", "x->o"): (9, 9, None, False),
        ("weight read", "x->o"): (9, 9, 3, False),
        (ACCUMULATOR, "x->o"): (0, 54, 6, False),
        ("neuron update", "c"): (18, 18, None, False),
        (STATE, "c"): (324, 324, 54, False),
        ("neuron update", "o"): (6, 6, None, False),
        (STATE, "o"): (72, 72, 12, False),
    }
    assert len(table(dense_counts(PROGRAM, 3, memory=False))) == 5


def test_energy_with_memory(counts):
    """The set 45nm-memory: every memory here is below 8 KiB, where a byte costs 1.25 pJ at most, and at least
    1.25 pJ x sqrt(held / 8192)."""

    def byte(held):
        return 1.25 * math.sqrt(held / 8192)

    low = (
        (5 + 1.5) * 0.23 + 20 * 0.03 + (18 + 6) * 0.23
        + 3 * byte(3) + 30 * byte(18) + 12 * byte(12)
        + 6 * byte(6) + 120 * byte(6) + 20 * byte(6)
        + 1.5 * byte(3) + 9 * byte(6) + 12 * byte(12)
        + 324 * byte(54) + 72 * byte(12)
    )  # fmt: skip
    moved = 3.75 + 30 + 12 + 10 + 120 + 20 + 1.5 + 9 + 12 + 324 + 72
    high = (5 + 1.5) * 0.3 + 20 * 0.1 + (18 + 6) * 6.6 + 1.25 * moved
    run = price_run(PROGRAM, counts, load_costs("45nm-memory"))
    assert (run.dynamic.known.low, run.dynamic.known.high) == (pytest.approx(low), pytest.approx(high))
    dense = (
        (36 + 9) * 0.23 + 36 * 0.03 + (18 + 6) * 0.23
        + 9 * byte(3) + 18 * byte(6) + 9 * byte(3) + 324 * byte(54) + 72 * byte(12),
        (36 + 9) * 0.3 + 36 * 0.1 + (18 + 6) * 6.6 + 1.25 * (27 + 216 + 18 + 216 + 9 + 54 + 324 + 72),
    )  # fmt: skip
    assert (run.dense.known.low, run.dense.known.high) == (pytest.approx(dense[0]), pytest.approx(dense[1]))


@pytest.mark.parametrize(
    ("places", "address"), [(1, 1), (2, 1), (256, 1), (257, 2), (65536, 2), (65537, 3)], ids=lambda n: str(n)
)
def test_an_address_has_whole_bytes(places, address):
    """Written and read: twice the bytes, for each of 5 messages."""
    p = population("p", (1,), vth=None)
    link = Projection("x->p", "x", "p", Dense(np.zeros((1, places), np.int32)))
    program = Program((InputPort("x", (places,), False),), (p,), (link,), (Readout("y", "p", "v", "last"),), 1)
    found = message_access(program, link, Interval.at(5), False)
    assert (found.number, found.memory_bytes) == (Interval.at(10 * address), address * places)


@pytest.mark.parametrize(
    ("low", "high", "bits"), [(0, 1, 1), (0, 3, 2), (0, 4, 3), (0, 255, 8), (0, 256, 9), (-128, 127, 8), (-1, 1, 2)]
)
def test_a_payload_tells_all_its_values_apart(low, high, bits):
    assert payload_bits(InputPort("x", (1,), True, low, high)) == bits


# on a chip


def known(low, high=None, unit="pJ"):
    """A cost made up for this test."""
    return Coefficient(Quantity(low, unit, "test", ""), Quantity(low if high is None else high, unit, "test", ""))


CHIP = CostSet(
    "chip", "", "", "events",
    {"synapse_conv": known(2), "synapse_dense": known(3), "synapse_sparse": known(5), "neuron_inactive": known(7),
     "neuron_active": known(11), "spike": known(13), "axon_out": known(17), "axon_in": known(19),
     "spike_within_tile": known(23), "hop_east_west": known(29), "hop_north_south": known(31)},
    {"synapse_conv": known(2), "synapse_dense": known(3), "synapse_sparse": known(6), "neuron_inactive": known(5),
     "neuron_active": known(7), "spike": known(4), "barrier_least": known(100), "barrier_most": known(200)},
    {"static_per_chip": known(10, unit="mW")}, {}, {},
)  # fmt: skip


def placed() -> Placement:
    """Channel 0 of c on core 0; channel 1 and o on core 1. The traffic is made up: 20 messages of c, 8 stay in the
    core, 6 in the tile, 10 and 4 tiles are crossed."""

    def part(name, start, stop, core):
        return CoreSlice(name, np.array([[start, stop]], np.int64), core, MappingProxyType({}))

    slices = (part("c", 0, 3, 0), part("c", 3, 6, 1), part("o", 0, 2, 1))
    loads = tuple(Load(core, *([0] * 13)) for core in range(2))
    none = np.zeros((1, 1), np.int64)
    return Placement(
        "chip", "one", Mesh(4, 8, 4, 128, 1, 1), slices, loads, {"c->o": Traffic(20, 8, 6, 10, 4, 0)},
        Links(none, none, none, none), True, 0, (),
    )  # fmt: skip


def test_events_of_a_chip(counts):
    found = table(chip_counts(PROGRAM, counts, placed()))
    assert found == {
        ("synaptic operation", "x->c"): (5, 5, None, False),
        ("synaptic operation", "c->o"): (20, 20, None, True),
        ("synaptic operation", "x->o"): (1.5, 1.5, None, False),
        ("neuron update, active or not", "c"): (18, 18, None, False),
        ("neuron update, active or not", "o"): (6, 6, None, False),
        ("spike", "c"): (10, 10, None, True),
        ("axon out", "c->o"): (6, 10, None, True),  # (20 - 8 .. 20) / 2: one that leaves no core may count
        ("axon in", "c->o"): (6, 10, None, True),
        ("spike within tile", "c->o"): (3, 7, None, True),  # (6 .. 6 + 8) / 2
        ("hop east west", "c->o"): (5, 5, None, True),  # 10 / 2
        ("hop north south", "c->o"): (2, 2, None, True),  # 4 / 2
    }
    slowed = table(chip_counts(replace(PROGRAM, slow_down=3), counts, placed()))
    assert slowed["neuron update, active or not", "c"][0] == 3 * 18, "neurons are looked at between steps too"
    assert slowed["synaptic operation", "c->o"] == (20, 20, None, True)
    assert table(dense_chip_counts(PROGRAM, 3)) == {
        ("synaptic operation", "x->c"): (36, 36, None, False),
        ("synaptic operation", "c->o"): (36, 36, None, False),
        ("synaptic operation", "x->o"): (9, 9, None, False),
        ("neuron update", "c"): (18, 18, None, False),
        ("neuron update", "o"): (6, 6, None, False),
    }


def test_energy_of_a_chip(counts):
    """Fixed:   5 x 2 + 1.5 x 5 + 24 x (7 .. 11)                            = 185.5 .. 281.5
    Growing:  20 x 3 + 10 x 13 + (6 .. 10) x (17 + 19) + (3 .. 7) x 23 + 5 x 29 + 2 x 31
              = 60 + 130 + 216 + 69 + 145 + 62 = 682, .. 60 + 130 + 360 + 161 + 145 + 62 = 918
    Dense:    36 x 2 + 36 x 3 + 9 x 5 + 24 x (7 .. 11)                      = 393 .. 489
    Places:   c: 18 x (7 .. 11) + 10 x 13 = 256 .. 328; o: 6 x (7 .. 11) = 42 .. 66
    """
    run = price_run(PROGRAM, counts, CHIP, placed())
    assert run.fixed.known == Interval(185.5, 281.5)
    assert run.growing.known == Interval(682, 918)
    assert run.dynamic.known == Interval(867.5, 1199.5)
    assert run.dense.known == Interval(393, 489)
    places = {where: (e.known.low, e.known.high) for where, e in run.places.items()}
    assert places == {"x->c": (10, 10), "x->o": (7.5, 7.5), "c": (256, 328), "o": (42, 66), "c->o": (552, 788)}
    assert (run.samples, run.steps) == (2, 3)


def test_time_and_static_energy(counts):
    """Per step, means over 6 steps; times of neurons 5 .. 7 ns.

    core 0: 3 neurons (15 .. 21), 10 / 6 spikes x 4, 5 / 6 events x 2             = 15 .. 21 + 50 / 6
    core 1: the same, 2 neurons (10 .. 14), 40 / 6 events x 3, 3 / 6 events x 6   = 25 .. 35 + 50 / 6 + 23
    step:   (100 .. 200) + core 1 = 156 1/3 .. 266 1/3
    An inference takes 3 steps and as many as the path is long, two layers; another can begin after 3.
    Static: 1 chip x 3 steps x 10 mW; 1 mW x 1 ns = 1 pJ: 4690 .. 7990.
    """
    run = price_run(PROGRAM, counts, CHIP, placed())
    step = (469 / 3, 799 / 3)
    assert run.delay is not None and run.static is not None and run.energy_delay is not None
    assert ends(run.delay.step_ns) == pytest.approx(step)
    assert (run.delay.core, run.delay.steps, run.delay.depth) == (1, 3, 2)
    assert ends(run.delay.throughput_ns) == pytest.approx((3 * step[0], 3 * step[1]))
    assert ends(run.delay.inference_ns) == pytest.approx((5 * step[0], 5 * step[1]))
    assert ends(run.static.energy) == pytest.approx((4690, 7990))
    assert ends(run.energy) == pytest.approx((867.5 + 4690, 1199.5 + 7990))
    assert ends(run.energy_delay) == pytest.approx((5557.5 * 5 * step[0], 9189.5 * 5 * step[1]))
    # Without a placement: the barrier alone, or all on one core, 40 .. 56 + 100 / 6 + 23; chips are unknown.
    loose = price_run(PROGRAM, counts, CHIP)
    assert loose.delay is not None and loose.static is not None
    assert ends(loose.delay.step_ns) == pytest.approx((100, 200 + 56 + 100 / 6 + 23))
    assert loose.static.energy.unknown
    # Slowed down by 2, each step of the network is two of the chip, with half of the events in each.
    slow = price_run(replace(PROGRAM, slow_down=2), counts, CHIP, placed()).delay
    assert slow is not None and slow.steps == 6
    assert ends(slow.step_ns) == pytest.approx((125 + 25 / 6 + 11.5, 235 + 25 / 6 + 11.5))


def ends(estimate: Estimate) -> tuple[float, float]:
    """Of an estimate in which nothing is missing."""
    assert estimate.missing == ()
    return estimate.known.low, estimate.known.high


# the ANN


def test_terms_of_the_ann():
    """One pass, bit-matched: x has 9 bits, spikes of 3 steps ceil(log2(4)) = 2; weights 6, 4 and 8; accumulators 4
    bytes, read and written for each product or never."""
    costs = load_costs("45nm-memory")
    found = twin(PROGRAM, 3, costs, "bit-matched")
    assert (found.passes, found.macs) == (1, 12 + 12 + 3)
    lines = table(line.count for line in found.lines)
    assert {key: value[:3] for key, value in lines.items()} == {
        ("multiply-accumulate", "x->c"): (12, 12, None),
        ("weight read", "x->c"): (3, 9, 3),  # (4 .. 12) x 6 / 8
        (ACCUMULATOR, "x->c"): (0, 96, 24),  # 12 x 2 x 4; 6 x 4
        ("activation read", "x->c"): (4.5, 4.5, 4.5),  # 4 x 9 / 8
        ("multiply-accumulate", "c->o"): (12, 12, None),
        ("weight read", "c->o"): (6, 6, 6),  # 12 x 4 / 8
        (ACCUMULATOR, "c->o"): (0, 96, 8),  # 12 x 2 x 4; 2 x 4
        ("activation read", "c->o"): (1.5, 1.5, 1.5),  # 6 x 2 / 8
        ("multiply-accumulate", "x->o"): (3, 3, None),
        ("weight read", "x->o"): (3, 3, 3),
        (ACCUMULATOR, "x->o"): (0, 24, 8),
        ("activation read", "x->o"): (4.5, 4.5, 4.5),
        ("bias and ReLU", "c"): (6, 6, None),
        ("activation write", "c"): (1.5, 1.5, 1.5),  # 6 x 2 / 8
        ("bias and ReLU", "o"): (2, 2, None),
        ("activation write", "o"): (0.5, 0.5, 0.5),
    }
    bits = {line.count.where: line.count.bits for line in found.lines if line.count.bits}
    assert bits == {"x->c": (9, 6), "c->o": (2, 4), "x->o": (9, 8)}
    # A sequence takes a pass per step: all moves are threefold, no memory is larger.
    threefold = table(line.count for line in twin(PROGRAM, 3, costs, "bit-matched", sequence=True).lines)
    assert threefold == {key: (3 * a, 3 * b, held, rate) for key, (a, b, held, rate) in lines.items()}
    for form, size in (("int8", 1), ("float32", 4)):
        other = table(line.count for line in twin(PROGRAM, 3, costs, form).lines)
        assert other["weight read", "x->c"][:3] == (4 * size, 12 * size, 4 * size)
        assert other["activation read", "c->o"][:3] == (6 * size, 6 * size, 6 * size)
        assert other["activation write", "o"][:3] == (2 * size, 2 * size, 2 * size)
        assert other[ACCUMULATOR, "x->c"][:3] == (0, 96, 24)


def test_terms_of_an_ann_with_a_pool():
    """As trained: a pool of 8 x 8 to 2 x 2 in front. Its 64 additions read 64 activations and write 4.

    A layer that became no projection has the bits of the widest weights, 8; two layers of spikes summed in 3 steps
    tell 7 values apart, in 3 bits; an analog input that is no port, 8 bits.
    """
    trained = (
        Products("pool", True, 64, 0, 64, 4, ("x",), True),
        Products("x->c", False, 12, 4, 4, 6, ("x",), True),
        Products("gone", False, 20, 10, 5, 6, ("c", "o"), False),
        Products("analog", False, 7, 7, 7, 1, ("z",), True),
    )
    found = twin(PROGRAM, 3, load_costs("45nm-memory"), "bit-matched", trained=trained)
    assert found.macs == 12 + 20 + 7
    lines = table(line.count for line in found.lines)
    assert lines["addition of a pool", "pool"][:3] == (64, 64, None)
    assert lines[ACCUMULATOR, "pool"][:3] == (0, 512, 16)  # 64 x 2 x 4; 4 x 4
    assert lines["activation read", "pool"][:3] == (72, 72, 72)  # 64 x 9 / 8
    assert lines["activation write", "pool"][:3] == (4.5, 4.5, 4.5)  # 4 x 9 / 8
    assert ("weight read", "pool") not in lines
    bits = {line.count.where: line.count.bits for line in found.lines if line.count.bits}
    assert bits == {"x->c": (9, 6), "gone": (3, 8), "analog": (8, 8)}


# side by side


def test_spiking_and_not_side_by_side(counts):
    """20 spikes of 6 neurons in 3 steps of 2 samples: a rate of 20 / 36 = 5 / 9.

    An ANN of 1500 .. 3000 pJ against 867.5 .. 1199.5:
      ratio 867.5 / 3000 .. 1199.5 / 1500
      as much energy after 3 x 1500 / 1199.5 .. 3 x 3000 / 867.5 steps
      rates: at least (1500 - 281.5) / 918 times as high; at most (3000 - 185.5) / 397 times, as only 60 + 130 + 145
      + 62 = 397 pJ surely grow in proportion to it
    """
    run, rate = price_run(PROGRAM, counts, CHIP, placed()), mean_rate(PROGRAM, counts)
    assert rate == pytest.approx(5 / 9)
    found = compare(run, Estimate(Interval(1500, 3000)), rate)
    assert found.verdict == "SNN cheaper" and found.ratio is not None and found.crossing_steps is not None
    assert (found.ratio.low, found.ratio.high) == pytest.approx((867.5 / 3000, 1199.5 / 1500))
    steps = found.crossing_steps
    assert (steps.low, steps.high) == pytest.approx((3 * 1500 / 1199.5, 3 * 3000 / 867.5))
    assert found.crossing_rate is not None
    crossing = (found.crossing_rate.low, found.crossing_rate.high)
    assert crossing == pytest.approx((1218.5 / 918 * 5 / 9, 2814.5 / 397 * 5 / 9))
    # An ANN below what grows: the rate may have to be 0.
    cheap = compare(run, Estimate(Interval(200, 300)), rate)
    assert cheap.verdict == "ANN cheaper" and cheap.crossing_rate is not None
    assert (cheap.crossing_rate.low, cheap.crossing_rate.high) == pytest.approx((0, 114.5 / 397 * 5 / 9))
    # Below what is fixed, no rate helps; far above, none harms: (2100 - 281.5) / 918 x 5 / 9 > 1.
    assert compare(run, Estimate(Interval(100, 185.5)), rate).why.startswith("neuron updates and input alone")
    assert compare(run, Estimate(Interval(2100, 3000)), rate).why.startswith("the SNN costs less even with a spike")
    assert compare(run, Estimate(Interval(1000, 3000)), rate).verdict == "cannot tell"
