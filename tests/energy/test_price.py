"""Prices of runs: linear, equal to a sum by plain loops, unknown where something is missing."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.backends.registry import list_costs, load_costs
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.energy.cost_set import MEMORIES
from seamount.compiler.energy.counts import Count, chip_counts, operation_counts
from seamount.compiler.energy.estimate import Interval, total
from seamount.compiler.energy.price import memory_cost, price, price_run
from seamount.compiler.energy.step_time import delay
from seamount.compiler.execution import join_counts
from seamount.compiler.placement.placement import CoreSlice, Links, Load, Mesh, Placement, Traffic
from seamount.compiler.program.fan_out import events_per_target, fan_out
from seamount.compiler.program.program import Conv, Dense, Sparse, synapses
from tests.program_samples import small_program
from tests.program_strategies import cases

SETS = list_costs()
EVENTS = [name for name in SETS if load_costs(name).model == "events"]
POINTS = ("45nm-fp32", "davies2018", "sanafe")


def ran(case):
    program, messages = case
    return program, ReferenceSimulator().run(program, messages).counts


def small_run(samples=3):
    program = small_program()
    messages = {"x": np.random.default_rng(0).integers(0, 256, (samples, 4, 1, 4, 4)).astype(np.int32)}
    return program, ReferenceSimulator().run(program, messages).counts


# prices


@given(st.sampled_from(SETS), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 50))
def test_price_is_linear_in_counts(name, a, b, factor):
    costs = load_costs(name)
    for event in costs.energy:

        def priced(low, high, event=event):
            return price([Count(event, "q", (event,), Interval(low, high), "test")], costs)[0].energy.known

        one, two = sorted((a, b))
        assert close(priced(one, two) + priced(two, two), priced(one + two, 2 * two))
        assert close(priced(one, two) * factor, priced(one * factor, two * factor))


def close(a, b):
    return all(x == y or math.isclose(x, y, rel_tol=1e-12) for x, y in ((a.low, b.low), (a.high, b.high)))


@given(cases(), st.sampled_from([*EVENTS, "45nm", "45nm-fp32"]))
@settings(max_examples=40, deadline=None)
def test_samples_together_cost_their_mean(case, name):
    program, messages = case
    parts = [
        ReferenceSimulator().run(program, {k: x[n : n + 1] for k, x in messages.items()}).counts
        for n in range(len(next(iter(messages.values()))))
    ]
    whole = price_run(program, join_counts(parts), load_costs(name)).dynamic
    alone = total(price_run(program, part, load_costs(name)).dynamic for part in parts)
    assert close(whole.known * len(parts), alone.known)
    assert set(whole.missing) == set(alone.missing) or not all(c.sum() for p in parts for c in p.synops.values())


@given(cases())
@settings(max_examples=40, deadline=None)
def test_energy_on_loihi_1_by_plain_loops(case):
    """Formula and coefficients written out; without a placement, so that no message is priced."""
    program, counts = ran(case)
    low = high = 0.0
    for q in program.projections:
        n = int(counts.synops[q.name].sum())
        low += 23.6 * n
        high += (35.5 if isinstance(q.connection, Dense) else 24.0 if isinstance(q.connection, Conv) else 33.6) * n
    for p in program.populations:
        low += 51.2 * counts.updates[p.name]
        high += 81 * counts.updates[p.name]
        high += 69.3 * int(counts.spikes[p.name].sum()) if p.fires else 0
    found = price_run(program, counts, load_costs("loihi1")).dynamic.known
    assert found.low == pytest.approx(low / counts.samples) and found.high == pytest.approx(high / counts.samples)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_the_convention_of_training_papers(case):
    """4.6 pJ x MACs of graded input + 0.9 pJ x accumulates, from first principles: messages times synapse lists."""
    program, messages = case
    trace = ReferenceSimulator().run(program, messages, frozenset({"spikes"}))
    sent = {**messages, **trace.spikes}
    graded = {port.name for port in program.inputs if port.graded}
    expected = 0.0
    for q in program.projections:
        _, pre, _ = synapses(q.connection, program.shapes[q.source], program.shapes[q.target])
        steps = max(0, trace.counts.steps - q.lag)
        for sample in sent[q.source]:
            for t in range(steps):
                active = np.flatnonzero(sample[t].reshape(-1))
                expected += (4.6 if q.source in graded else 0.9) * np.isin(pre, active).sum()
    found = price_run(program, trace.counts, load_costs("45nm-fp32")).dynamic
    assert found.missing == () and found.known.low == pytest.approx(expected / trace.counts.samples)


@given(cases(), st.sampled_from(SETS))
@settings(max_examples=40, deadline=None)
def test_lines_add_up_and_carry_their_source(case, name):
    program, counts = ran(case)
    run = price_run(program, counts, load_costs(name))
    assert run.dynamic == total(line.energy for line in run.lines)
    for line in run.lines:
        count = line.count
        assert line.cost.low.source and line.cost.high.source
        assert bool(count.basis) != bool(count.missing), "a number says where it is from, or what is missing"
        if count.number is not None and line.cost.known:
            assert close(line.energy.known, count.number * Interval(*line.cost.ends))
        assert not line.energy.missing or count.number is None or not line.cost.known


def test_members_of_the_bracket_lie_inside_it():
    program, counts = small_run()
    both = price_run(program, counts, load_costs("loihi1")).dynamic.known
    for name in ("davies2018", "sanafe"):
        assert price_run(program, counts, load_costs(name)).dynamic.known.inside(both)


# memory


def test_bytes_cost_by_the_square_root_between_listed_sizes():
    costs = load_costs("45nm-memory")
    for held, low, high in ((2**13, 1.25, 1.25), (2**14, 1.25 * math.sqrt(2), 2.5), (2**15, 2.5, 2.5),
                            (2**17, 5.0, 12.5), (2**11, 0.625, 1.25), (2**22, 25.0, 325.0)):  # fmt: skip
        assert memory_cost(held, costs).ends == pytest.approx((low, high)), held


@given(st.floats(1, 1e12), st.floats(1, 1e12))
def test_a_larger_memory_is_never_cheaper(a, b):
    costs = load_costs("45nm-memory")
    small, large = (memory_cost(x, costs).ends for x in sorted((a, b)))
    assert small[0] <= large[0] * (1 + 1e-12) and small[1] <= large[1]
    assert small[0] <= small[1]


def test_every_memory_is_listed():
    assert set(load_costs("45nm-memory").memory) == set(MEMORIES)


@given(cases())
@settings(max_examples=30, deadline=None)
def test_a_memory_set_prices_what_the_arithmetic_set_prices_and_more(case):
    program, counts = ran(case)
    without = price_run(program, counts, load_costs("45nm")).dynamic.known
    with_memory = price_run(program, counts, load_costs("45nm-memory")).dynamic.known
    assert without.low <= with_memory.low and without.high <= with_memory.high
    kinds = {c.event for c in operation_counts(program, counts, True)} - {
        c.event for c in operation_counts(program, counts, False)
    }
    assert all(kind.endswith(", bytes") for kind in kinds)


# what is unknown


def test_without_a_placement_messages_are_unknown_not_free():
    program, counts = small_run()
    run = price_run(program, counts, load_costs("loihi1"))
    assert "hop east west: a placement on cores" in run.dynamic.missing
    assert run.dynamic.bounds.high == math.inf and run.dynamic.bounds.low > 0
    assert run.static is not None and run.static.energy.missing == (
        "idle chip, ns: number of chips, from a placement on cores",
    )


def test_loihi_2_has_counts_and_no_energy():
    program, counts = small_run()
    run = price_run(program, counts, load_costs("loihi2"))
    assert run.dynamic.unknown and "cost of synapse_conv: not published" in run.dynamic.missing
    assert all(line.energy.known == Interval(0, 0) for line in run.lines)
    assert [line.count.number.low for line in run.lines if line.count.event == "spike"]
    assert run.delay is not None and run.delay.step_ns.unknown


def test_constants_of_another_chip_are_named():
    program, counts = small_run()
    notes = price_run(program, counts, load_costs("loihi1"), chip="loihi2").notes
    assert "constants of loihi1 applied to a network compiled for loihi2; they were not measured there" in notes
    assert "graded messages are priced as spikes; Loihi 1 has none" in notes


def test_a_gpu_computes_every_synapse_in_every_step():
    program, counts = small_run()
    run = price_run(program, counts, load_costs("gpu-a100"))
    places = sum(int(fan_out(program, q).sum()) for q in program.projections)
    assert run.dynamic.bounds == run.dense.bounds
    assert run.dynamic.bounds.low == pytest.approx(41.0 * places * 4) and run.dynamic.bounds.high == math.inf


# with a placement


def placed(program, measured=True):
    """conv on cores 0 and 1, the rest on core 2 of one chip; traffic made up."""
    ranges = {"conv": (((0, 20), 0), ((20, 32), 1)), "loop": (((0, 3), 2),), "out": (((0, 2), 2),)}
    slices = tuple(
        CoreSlice(name, np.array([ends], np.int64), core, MappingProxyType({}))
        for name, parts in ranges.items()
        for ends, core in parts
    )
    traffic = {
        "conv->loop": Traffic(100, 0, 60, 30, 10, 0),
        "loop->loop": Traffic(9, 9, 0, 0, 0, 0),
        "loop->out": Traffic(8, 8, 0, 0, 0, 0),
        "conv->out": Traffic(50, 0, 50, 0, 0, 0),
    }
    none = np.zeros((1, 1), np.int64)
    loads = tuple(Load(core, *([0] * 13)) for core in range(3))
    mesh = Mesh(4, 8, 4, 128, 1, 1)
    return Placement("loihi1", "one chip", mesh, slices, loads, traffic, Links(none, none, none, none), measured, 0, ())


def test_a_placement_prices_messages_and_hops():
    program, counts = small_run()
    run = price_run(program, counts, load_costs("sanafe"), placed(program))
    lines = {(line.count.event, line.count.where): line for line in run.lines}
    n = counts.samples
    assert lines["axon out", "conv->loop"].energy.known == Interval.at(111 * (100 / n))
    assert lines["axon out", "loop->loop"].energy.known == Interval(0, 111 * (9 / n)), "leaves no core"
    assert lines["hop east west", "conv->loop"].energy.known == Interval.at(3.0 * (30 / n))
    assert lines["hop north south", "conv->loop"].energy.known == Interval.at(4.2 * (10 / n))
    assert not any(where == "x->conv" and "axon" in event for event, where in lines), "the way from the host"
    assert run.dynamic.missing == ("cost of spike_within_tile: not separated in the fit",)
    assert price_run(program, counts, load_costs("loihi1"), placed(program)).dynamic.missing == ()
    unmeasured = price_run(program, counts, load_costs("sanafe"), placed(program, measured=False)).dynamic
    assert "axon out: a placement made with the counts of a run" in unmeasured.missing


def test_time_is_that_of_the_busiest_core_by_plain_loops():
    program, counts = small_run()
    costs = load_costs("sanafe")
    found = delay(program, counts, costs, placed(program))
    where = {"conv": [0] * 20 + [1] * 12, "loop": [2] * 3, "out": [2] * 2}
    low, high = [0.0] * 3, [0.0] * 3
    for cores in where.values():
        for core in cores:
            low[core] += 6.0
            high[core] += 9.7
    for name in ("conv", "loop"):
        for neuron, core in enumerate(where[name]):
            low[core] += 30 * counts.sent[name][neuron] / (counts.samples * counts.steps)
            high[core] += 30 * counts.sent[name][neuron] / (counts.samples * counts.steps)
    for q in program.projections:
        post, pre, _ = synapses(q.connection, program.shapes[q.source], program.shapes[q.target])
        for target, source in zip(post, pre, strict=True):
            each = {Dense: 3.8, Sparse: 4.7, Conv: 3.1}[type(q.connection)]
            time = each * counts.sent[q.source][source] / (counts.samples * counts.steps)
            low[where[q.target][target]] += time
            high[where[q.target][target]] += time
    assert found.step_ns.known.low == pytest.approx(600 + max(low))
    assert found.step_ns.known.high == pytest.approx(1800 + max(high))
    assert found.core == int(np.argmax(high))
    assert found.inference_ns.known.low == pytest.approx((4 + 3) * (600 + max(low)))


def test_a_time_that_table_2_lacks_leaves_a_lower_bound():
    program, counts = small_run()
    run = price_run(program, counts, load_costs("davies2018"), placed(program))
    assert run.delay is not None and run.delay.step_ns.missing == ("time of spike: not in table 2",)
    assert run.static is not None and run.static.energy.bounds.low > 0
    assert run.static.energy.bounds.high == math.inf


def test_static_energy_is_chips_times_power_times_time():
    program, counts = small_run()
    run = price_run(program, counts, load_costs("loihi1"), placed(program))
    assert run.static is not None and run.delay is not None
    assert run.static.energy.known == run.delay.throughput_ns.known * 104.0, "1 mW ns is 1 pJ"
    assert run.energy.known == run.dynamic.known + run.static.energy.known
    assert run.energy_delay is not None
    assert close(run.energy_delay.known, run.energy.known * run.delay.inference_ns.known)


def test_without_a_placement_a_step_lies_between_the_barrier_and_one_core_for_all():
    program, counts = small_run()
    loose = delay(program, counts, load_costs("loihi1"), None)
    tight = delay(program, counts, load_costs("loihi1"), placed(program))
    assert loose.step_ns.known.low == 113 and tight.step_ns.known.inside(loose.step_ns.known)
    assert loose.core is None and "no placement" in loose.basis


@given(cases(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_events_per_target_equal_the_synapse_lists(case, seed):
    program, _ = case
    for q in program.projections:
        post, pre, _ = synapses(q.connection, program.shapes[q.source], program.shapes[q.target])
        sent = np.random.default_rng(seed).integers(0, 9, int(np.prod(program.shapes[q.source])))
        expected = np.zeros(int(np.prod(program.shapes[q.target])), np.int64)
        np.add.at(expected, post, sent[pre])
        assert np.array_equal(events_per_target(program, q, sent), expected)
        assert expected.sum() == sent @ fan_out(program, q)


def test_counts_are_those_of_the_run():
    program, counts = small_run()
    doubled = replace(counts, samples=2 * counts.samples)
    for one, half in zip(chip_counts(program, counts, None), chip_counts(program, doubled, None), strict=True):
        assert one.number is None or close(one.number, half.number * 2.0)
