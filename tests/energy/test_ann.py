"""The ANN beside a spiking network: same connections, formats, and where both cost the same."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.backends.registry import list_costs, load_costs
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.analysis.operations import Products
from seamount.compiler.energy.ann import FORMATS, activation_bits, compare, twin
from seamount.compiler.energy.cost_set import Coefficient
from seamount.compiler.energy.counts import Count, mean_rate
from seamount.compiler.energy.estimate import Estimate, Interval
from seamount.compiler.energy.price import Costs, price, price_run
from seamount.compiler.program.program import Dense, InputPort, Program, Projection, Readout, synapses
from seamount.compiler.target.target import Quantity
from tests.program_samples import i32, population, small_program
from tests.program_strategies import cases


@given(cases(), st.sampled_from(FORMATS), st.booleans())
@settings(max_examples=40, deadline=None)
def test_one_product_per_synapse_and_pass(case, form, sequence):
    program, _ = case
    found = twin(program, program.steps, load_costs("45nm"), form, sequence)
    pairs = sum(
        len(synapses(q.connection, program.shapes[q.source], program.shapes[q.target])[0]) for q in program.projections
    )
    loops = any(q.lag for q in program.projections)
    assert found.passes == (program.steps if loops or sequence else 1)
    assert found.macs == pairs * found.passes
    products = [line.count.number.low for line in found.lines if line.count.event == "multiply-accumulate"]
    assert sum(products) == found.macs


def test_bits_of_activations_tell_apart_what_the_steps_can():
    program = small_program()
    for steps, bits in ((1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (15, 4), (16, 5)):
        assert activation_bits(program, "conv", steps, "bit-matched") == bits == math.ceil(math.log2(steps + 1))
    assert activation_bits(program, "x", 4, "bit-matched") == 8, "payloads 0 .. 255"
    assert activation_bits(program, "conv", 4, "int8") == 8
    assert activation_bits(program, "conv", 4, "float32") == 32


def test_formats_are_priced_from_the_same_set():
    program = small_program()
    for name in ("45nm", "45nm-memory"):
        energy = {form: twin(program, 4, load_costs(name), form).energy.bounds for form in FORMATS}
        assert energy["bit-matched"].low < energy["int8"].low < energy["float32"].low
        assert energy["bit-matched"].high <= energy["int8"].high < energy["float32"].high
    found = twin(program, 4, load_costs("45nm-fp32"), "float32")
    assert found.energy.bounds.low == pytest.approx(4.6 * found.macs) == found.energy.bounds.high
    assert twin(program, 4, load_costs("45nm-fp32"), "bit-matched").energy.unknown
    gpu = twin(program, 4, load_costs("gpu-a100"), "bit-matched")
    assert gpu.energy.bounds == twin(program, 4, load_costs("gpu-a100"), "int8").energy.bounds, "the 8-bit unit does it"
    assert twin(program, 4, load_costs("loihi1"), "int8").energy.missing == (
        "multiply-accumulate: the set loihi1 prices none",
    )


def test_a_product_of_few_bits_by_hand():
    """3-bit activations (T = 4), 8-bit weights: 0.2 x 3 x 8 / 64 + 0.03 = 0.105 pJ at least, an 8-bit unit at most."""
    lines = twin(small_program(), 4, load_costs("45nm"), "bit-matched").lines
    cost = {line.count.where: line.cost.ends for line in lines if line.count.event == "multiply-accumulate"}
    assert cost["conv->out"] == pytest.approx((0.105, 0.3))
    assert cost["x->conv"] == pytest.approx((0.23, 0.3)), "8 x 8 bits"
    assert cost["loop->loop"] == pytest.approx((0.2 * 3 * 4 / 64 + 0.03, 0.3)), "4-bit weights"


POOLED = (
    Products("conv", False, 90, 9, 16, 16, ("x",), True),
    Products("pool", True, 16, 0, 16, 4, ("conv",), False),
    Products("x->conv", False, 40, 36, 4, 10, ("conv", "loop"), False),
)


def test_layers_as_trained_take_the_place_of_projections():
    """A pool costs additions, not products, and the folded kernel's synapses do not count."""
    program = small_program()
    for form, cost in (("float32", 4.6), ("int8", 0.3)):
        found = twin(program, 4, load_costs("45nm"), form, trained=POOLED)
        lines = {(line.count.event, line.count.where): line.energy.bounds for line in found.lines}
        assert found.macs == 130 * found.passes
        for where, macs in (("conv", 90), ("x->conv", 40)):
            assert lines["multiply-accumulate", where].high == pytest.approx(cost * macs * found.passes)
        added = lines["addition of a pool", "pool"]
        relu = next(v / p.size for p in program.populations for v in [lines["bias and ReLU", p.name].high])
        assert added.high == pytest.approx(16 * relu)
    bits = {line.count.where: line.count.bits for line in twin(program, 4, load_costs("45nm"), FORMATS[0],
            trained=POOLED).lines if line.count.bits}  # fmt: skip
    assert bits["conv"][0] == 8, "payloads 0 .. 255"
    assert bits["x->conv"][0] == math.ceil(math.log2(2 * 4 + 1)), "a sum of two layers of spikes"


def test_a_pool_reads_and_writes_but_stores_no_weights():
    lines = twin(small_program(), 4, load_costs("45nm-memory"), "int8", trained=POOLED).lines
    moved = {line.count.event for line in lines if line.count.where == "pool"}
    assert moved == {
        "addition of a pool", "accumulator read and write, bytes", "activation read, bytes", "activation write, bytes"
    }  # fmt: skip


# side by side


def chain(weight=2):
    """2 spiking inputs to 2 neurons to 1 output; the first layer fires as often as input arrives."""
    h, o = population("h", (2,), dv=4096, vth=0), population("o", (1,), vth=None, offset=2)
    links = (
        Projection("x->h", "x", "h", Dense(i32(np.full((2, 2), weight)))),
        Projection("h->o", "h", "o", Dense(i32([[2, 2]]))),
    )
    return Program((InputPort("x", (2,), False),), (h, o), links, (Readout("y", "o", "v", "last"),), 4)


def priced(x, name):
    program = chain()
    counts = ReferenceSimulator().run(program, {"x": np.asarray(x, np.int32)}).counts
    return program, counts, price_run(program, counts, load_costs(name))


def test_verdicts_by_hand():
    """x sends 1 message in one of 4 steps, so h fires twice: 2 x 0.9 + 2 x 0.9 = 3.6 pJ; the ANN 6 x 4.6 = 27.6 pJ."""
    program, counts, run = priced([[[1, 0], [0, 0], [0, 0], [0, 0]]], "45nm-fp32")
    ann = twin(program, 4, load_costs("45nm-fp32"), "float32").energy
    found = compare(run, ann, mean_rate(program, counts))
    assert run.dynamic.known.high == pytest.approx(3.6) and ann.known.low == pytest.approx(27.6)
    assert found.verdict == "SNN cheaper" and found.ratio is not None
    assert (found.ratio.low, found.ratio.high) == pytest.approx((3.6 / 27.6, 3.6 / 27.6))
    assert found.rate == 2 / (2 * 4)
    assert found.crossing_rate is None, "25.8 pJ would need 14 times the rate, 3.6 spikes per neuron and step"
    assert found.why == "the SNN costs less even with a spike of every neuron in every step"
    assert found.crossing_steps is not None
    assert found.crossing_steps.low == pytest.approx(27.6 / 0.9), "0.9 pJ per step as measured"


def test_at_the_crossing_rate_both_cost_the_same():
    program, counts, run = priced([[[1, 1], [1, 0], [0, 0], [0, 0]]], "45nm-fp32")
    ann = Estimate(Interval.at(8.0))
    found = compare(run, ann, mean_rate(program, counts))
    assert found.crossing_rate is not None
    factor = found.crossing_rate.low / found.rate
    spikes = {k: v * factor for k, v in counts.synop_totals.items()}
    assert 0.9 * (counts.synop_totals["x->h"] + spikes["h->o"]) == pytest.approx(8.0)


def costing(low, high, fixed=0.0):
    """A run with one event that grows with the rate and one that does not, of given costs."""
    base = load_costs("45nm-fp32")
    counts = (
        Count("a", "q", ("event",), Interval.at(1.0), "test", by_rate=True),
        Count("b", "q", ("accumulate",), Interval.at(fixed / 0.9), "test"),
    )
    ends = (Quantity(x, "pJ", "test") for x in (low, high))
    base = replace(base, energy={**base.energy, "event": Coefficient(*ends)})
    return Costs(base, 1, 4, price(counts, base), None, None, Estimate(), ())


@given(*[st.floats(1, 1e6) for _ in range(4)])
def test_overlapping_intervals_decide_nothing(a, b, c, d):
    (low, high), (least, most) = sorted((a, b)), sorted((c, d))
    found = compare(costing(low, high), Estimate(Interval(least, most)), 0.1)
    expected = (
        "SNN cheaper" if high < least * (1 - 1e-9) else "ANN cheaper" if most < low * (1 - 1e-9) else "cannot tell"
    )
    if abs(high - least) > 1e-6 * high and abs(most - low) > 1e-6 * low:
        assert found.verdict == expected
    assert found.ratio is not None and found.ratio.low <= found.ratio.high


@given(st.floats(1, 1e3), st.floats(1, 1e3), st.floats(0, 1e3), st.floats(1, 1e4), st.floats(1, 1e4))
def test_every_crossing_of_numbers_inside_lies_inside(a, b, fixed, c, d):
    (low, high), (least, most) = sorted((a, b)), sorted((c, d))
    found = compare(costing(low, high, fixed), Estimate(Interval(least, most)), 0.001)
    for growing in (low, high):
        for ann in (least, most):
            factor = (ann - fixed) / growing
            if factor > 1e-9 and found.crossing_rate is not None:
                assert found.crossing_rate.low * (1 - 1e-9) <= 0.001 * factor <= found.crossing_rate.high * (1 + 1e-9)
            if factor > 1e-9 and found.crossing_rate is None:
                assert found.why.startswith("the SNN costs less") and 0.001 * factor > 1


def test_a_count_that_may_grow_less_than_the_rate_leaves_the_upper_end_open():
    base = load_costs("45nm-fp32")
    kept = Count("weight read", "q", ("accumulate",), Interval(1.0, 4.0), "test", by_rate=True)
    run = Costs(base, 1, 4, price((kept,), base), None, None, Estimate(), ())
    found = compare(run, Estimate(Interval.at(0.9)), 0.1)
    assert found.crossing_rate is not None
    assert found.crossing_rate.low == pytest.approx(0.1 * 0.9 / 3.6) and found.crossing_rate.high == math.inf


def test_what_cannot_be_compared():
    program, counts, run = priced([[[0, 0]] * 4], "45nm-fp32")
    found = compare(run, Estimate(Interval.at(5.0)), mean_rate(program, counts))
    assert found.crossing_rate is None and "the rate does not enter" in found.why
    assert compare(costing(5, 5, fixed=10), Estimate(Interval.at(3.0)), 0.1).why.startswith("neuron updates and input")
    unknown = compare(run, Estimate(missing=("a price",)), 0.1)
    assert (unknown.verdict, unknown.ratio, unknown.why) == ("unknown", None, "ANN: a price")
    partly = replace(run, lines=price([Count("c", "q", ("accumulate",), None, "", missing="x")], run.costs) + run.lines)
    assert compare(partly, Estimate(Interval.at(5.0)), 0.1).verdict == "unknown", "nothing of the SNN is known"


@given(cases(), st.sampled_from(list_costs()))
@settings(max_examples=30, deadline=None)
def test_every_set_compares_every_network(case, name):
    program, messages = case
    counts = ReferenceSimulator().run(program, messages).counts
    run = price_run(program, counts, load_costs(name))
    for form in FORMATS:
        ann = twin(program, counts.steps, load_costs(name), form).energy
        found = compare(run, ann, mean_rate(program, counts))
        assert (found.verdict == "unknown") == (run.dynamic.unknown or ann.unknown)
