"""The reference simulator against loihi.md's probed values, an oracle in fractions, and hand-made timing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor, trunc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.backends.simulator.reference import ReferenceSimulator, step
from seamount.compiler.errors import CompileError, ContractError, InputError
from seamount.compiler.program.program import V_MAX, Dense, Projection
from tests.program_samples import i32, one_population, population, small_program
from tests.program_strategies import cases

ALL = frozenset({"spikes", "u", "v"})
simulate = ReferenceSimulator().run


def run_u(u, steps, **more):
    """u of one neuron over steps without input."""
    out = []
    for _ in range(steps):
        _, u, _ = one_step(u=u, **more)
        out.append(u)
    return out


def one_step(u=0, v=0, a=0, **more):
    """(s, u, v) of one neuron after one step."""
    result = step(population(**more), *(np.array([x], np.int64) for x in (u, v, a)))
    return tuple(int(x[0]) for x in result)


# One step: values probed on lava-nc 0.10.0


def test_decay_of_negative_currents_rounds_toward_zero():
    assert run_u(-7, 3, du=2047) == [-3, -1, 0]
    assert run_u(-1001, 6, du=2047) == [-500, -250, -125, -62, -31, -15]


def test_du_0_still_leaks():
    assert run_u(100_000, 2, du=0) == [99_975, 99_950]
    assert run_u(4_095, 2, du=0) == [4_094, 4_093]


@pytest.mark.parametrize(
    ("v", "expected", "dv"), [(-1000, -1000, 0), (-1001, -500, 2048), (-5000, -1, 4095), (-5000, 0, 4096)]
)
def test_decay_of_the_membrane(v, expected, dv):
    assert one_step(v=v, dv=dv, vth=None)[2] == expected


@pytest.mark.parametrize(("bias", "s"), [(640, 0), (641, 1)])
def test_threshold_is_strict(bias, s):
    assert one_step(bias=bias, vth=10)[0] == s


def test_highest_threshold_can_be_reached():
    assert one_step(v=V_MAX, vth=131071) == (1, 0, 0)


def test_an_impulse_spikes_every_second_step():
    u, v, spikes = 0, 0, []
    for a in (1, 0, 0, 0, 0, 0):
        s, u, v = one_step(u, v, a, du=0, vth=1)
        spikes.append(s)
    assert spikes == [0, 1, 0, 1, 0, 1]
    assert u == 59


@pytest.mark.parametrize(
    ("a", "u"),
    [(2**17, 2**23), (-(2**17), 2**23), (2**18, 0), (1_044_480, 50_069_504), (2**17 + 1, -(2**23) + 64)],
)
def test_u_wraps_once(a, u):
    assert one_step(a=a, vth=None)[1] == u


def test_v_saturates():
    assert one_step(v=V_MAX, bias=4095, bias_exp=7, vth=None)[2] == V_MAX
    assert one_step(v=-V_MAX, bias=-4096, bias_exp=7, vth=None)[2] == -V_MAX


def test_bias_exponent_below_zero_rounds_down():
    assert one_step(bias=-101, bias_exp=-2, vth=None)[2] == -26
    assert one_step(bias=-1, bias_exp=-8, vth=None)[2] == -1


def test_soft_reset_keeps_the_rest_and_the_clamp_comes_last():
    assert one_step(bias=700, vth=10, reset="subtract", reset_by=640) == (1, 0, 60)
    assert one_step(bias=700, vth=10, reset="subtract", reset_by=1000, v_min=-100) == (1, 0, -100)
    assert one_step(bias=-700, vth=10, v_min=-100) == (0, 0, -100)


DECAYS = st.sampled_from([0, 1, 4095, 4096]) | st.integers(0, 4096)
WORDS = st.integers(-V_MAX, V_MAX)


@given(
    st.integers(-(2**23) + 1, 2**23),
    WORDS,
    st.integers(-(2**18), 2**18) | st.integers(-100, 100),
    DECAYS,
    DECAYS,
    st.integers(0, 2**17 - 1),
    st.integers(-4096, 4095),
    st.integers(-8, 7),
)
@settings(max_examples=300, deadline=None)
def test_a_step_against_fractions(u, v, a, du, dv, vth, mantissa, exponent):
    """The equations of docs/semantics.md in exact fractions, one neuron."""
    new_u = trunc(Fraction(u * (4095 - du), 4096)) + 64 * a
    new_u += -(2**24) if new_u > 2**23 else 2**24 if new_u <= -(2**23) else 0
    new_v = trunc(Fraction(v * (4096 - dv), 4096)) + new_u + floor(mantissa * Fraction(2) ** exponent)
    new_v = min(max(new_v, -V_MAX), V_MAX)
    s = int(new_v > 64 * vth)
    more = {"du": du, "dv": dv, "vth": vth, "bias": mantissa, "bias_exp": exponent}
    assert one_step(u, v, a, **more) == (s, new_u, 0 if s else new_v)


# Time


def chain(delay=0, steps=3):
    """x -> p -> y, each passing on what it gets, with biases that make a mark in every step."""
    p = population("p", vth=0, dv=4096)
    y = population("y", vth=None, dv=0, bias=1, offset=2 + delay)
    program = one_population()
    projections = (
        program.projections[0],
        Projection("p->y", "p", "y", Dense(i32([[2]])), delay=delay),
    )
    readouts = (replace(program.readouts[0], population="y"),)
    return replace(program, populations=(p, y), projections=projections, readouts=readouts, steps=steps)


@pytest.mark.parametrize("delay", [0, 3, 62])
def test_latency_is_invisible_in_local_time(delay):
    """v of y counts its own steps by the bias and its input by 128, in every sample from 0."""
    x = np.array([[[1], [0], [1]], [[0], [0], [0]], [[0], [1], [1]]], np.int32)
    trace = simulate(chain(delay), {"x": x}, ALL)
    assert trace.spikes["p"][..., 0].tolist() == x[..., 0].tolist()
    assert trace.v["y"][..., 0].tolist() == [[129, 130, 259], [1, 2, 3], [1, 130, 259]]
    assert trace.readout["y"].tolist() == [[259], [3], [259]]


def looped(lag):
    """A neuron that repeats its own spikes `lag` steps later."""
    program = one_population(vth=0, dv=4096, register="s", rule="sum")
    loop = Projection("p->p", "p", "p", Dense(i32([[2]])), delay=lag - 1, lag=lag)
    return replace(program, projections=(*program.projections, loop))


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_a_loop_ends_with_its_sample(lag):
    x = np.zeros((2, 5, 1), np.int32)
    x[0, 0] = 1
    trace = simulate(looped(lag), {"x": x}, ALL)
    assert np.flatnonzero(trace.spikes["p"][0]).tolist() == list(range(0, 5, lag))
    assert not trace.spikes["p"][1].any(), "messages under way at the end of sample 0 are dropped"


def test_only_delivered_messages_count_as_synaptic_operations():
    x = np.ones((2, 5, 1), np.int32)
    counts = simulate(looped(2), {"x": x}).counts
    assert counts.spike_totals == {"x": 10, "p": 10}
    assert counts.synop_totals == {"x->p": 10, "p->p": 6}, "the last two spikes of each sample arrive in no window"
    assert counts.synops["p->p"].tolist() == [2, 2, 2, 0, 0], "counted in the step in which they were sent"
    assert counts.spikes["p"].tolist() == [2] * 5
    assert counts.updates == {"p": 10}
    assert (counts.samples, counts.steps) == (2, 5)


def test_zero_weights_and_negative_payloads_count_but_silence_does_not():
    program = one_population(graded=(-3, 3), dv=4096, vth=None)
    wide = replace(
        program,
        populations=(replace(program.populations[0], shape=(2,)),),
        projections=(replace(program.projections[0], connection=Dense(i32([[2], [0]]))),),
    )
    trace = simulate(wide, {"x": np.array([[[0], [-3], [1]]], np.int32)}, ALL)
    assert trace.counts.synops["x->p"].tolist() == [0, 2, 2]
    assert trace.counts.spikes["x"].tolist() == [0, 1, 1]
    assert trace.counts.sent["x"].tolist() == [2]
    assert trace.counts.spike_totals["p"] == 0
    assert trace.v["p"][0].tolist() == [[0, 0], [-384, 0], [128, 0]]


def test_border_of_a_convolution_has_no_synapses():
    x = np.ones((1, 1, 1, 4, 4), np.int32)
    counts = simulate(small_program(), {"x": x}).counts
    assert counts.synop_totals["x->conv"] == 2 * (4 * 9 + 8 * 6 + 4 * 4), "inner, edge and corner pixels, two channels"


@given(cases())
@settings(max_examples=60, deadline=None)
def test_samples_in_one_stream_equal_each_sample_alone(case):
    program, messages = case
    together = simulate(program, messages, ALL)
    for n in range(together.counts.samples):
        alone = simulate(program, {name: x[n : n + 1] for name, x in messages.items()}, ALL)
        for what in ALL:
            for name, values in getattr(alone, what).items():
                assert np.array_equal(values[0], getattr(together, what)[name][n])


@given(cases(), st.data())
@settings(max_examples=60, deadline=None)
def test_the_first_steps_of_a_longer_run_are_the_shorter_run(case, data):
    program, messages = case
    steps = data.draw(st.integers(1, program.steps))
    long = simulate(program, messages, ALL)
    short = simulate(program, {name: x[:, :steps] for name, x in messages.items()}, ALL)
    for what in ALL:
        for name, values in getattr(short, what).items():
            assert np.array_equal(values, getattr(long, what)[name][:, :steps])


@pytest.mark.parametrize(("rule", "expected"), [("sum", 6), ("mean", 6), ("max", 386), ("last", 2)])
def test_readout_rules(rule, expected):
    """v is 386, -382, 2; the mean is left as a sum."""
    program = one_population(graded=(-3, 3), dv=4096, vth=None, rule=rule, bias=2)
    x = np.array([[[3], [-3], [0]]], np.int32)
    assert simulate(program, {"x": x}).readout["y"].tolist() == [[expected]]


# Requests


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ({}, "messages 'x': are missing"),
        ({"x": np.zeros((1, 1, 2), np.int32)}, "have shape (1, 1, 2), expected (N, T, 1)"),
        ({"x": np.zeros((0, 1, 1), np.int32)}, "no sample or no step"),
        ({"x": np.zeros((1, 1, 1))}, "are of type float64, expected integers"),
        ({"x": np.full((1, 1, 1), 2)}, "reach from 2 to 2, the port takes 0 to 1"),
        ({"x": np.zeros((1, 1, 1), np.int32), "z": np.zeros(1)}, "messages 'z': no input port has this name"),
    ],
)
def test_messages_that_do_not_fit_are_refused(messages, found):
    with pytest.raises(InputError) as caught:
        simulate(one_population(), messages)
    assert found in str(caught.value)


def test_ports_must_agree_on_samples_and_steps():
    program = one_population()
    program = replace(program, inputs=(*program.inputs, replace(program.inputs[0], name="z")))
    with pytest.raises(InputError, match="'x' has N, T = 1, 2, 'z' has N, T = 1, 3"):
        simulate(program, {"x": np.zeros((1, 2, 1), np.int32), "z": np.zeros((1, 3, 1), np.int32)})


def test_unknown_records_are_refused():
    with pytest.raises(InputError, match="record 'w': cannot be recorded"):
        simulate(one_population(), {"x": np.zeros((1, 1, 1), np.int32)}, frozenset({"w"}))


def test_programs_are_verified_first():
    x = {"x": np.zeros((1, 1, 1), np.int32)}
    with pytest.raises(ContractError, match="bias_exp is 9"):
        simulate(one_population(bias_exp=9), x)
    with pytest.raises(CompileError, match="can reach"):
        simulate(one_population(weight=254, graded=(0, 2**20)), x)


def test_progress_counts_samples():
    seen = []
    simulate(chain(), {"x": np.zeros((3, 3, 1), np.int32)}, progress=lambda *done: seen.append(done))
    assert seen == [(1, 3), (2, 3), (3, 3)]
