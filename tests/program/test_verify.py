"""Every rule of the verifier: what it accepts and what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from seamount.backends.simulator import reference
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import CompileError, ContractError
from seamount.compiler.program.bounds import arrival_bound, current_bound
from seamount.compiler.program.program import V_MAX, Conv, Dense, InputPort, Sparse
from seamount.compiler.program.verify import LIMITS, STRUCTURE, VALUES, check, verify
from tests.program_samples import i32, one_population, small_program
from tests.program_strategies import cases

BASE = small_program()


def with_population(name="loop", **changes):
    return replace(BASE, populations=tuple(replace(p, **changes) if p.name == name else p for p in BASE.populations))


def with_projection(name="loop->out", **changes):
    return replace(BASE, projections=tuple(replace(q, **changes) if q.name == name else q for q in BASE.projections))


def with_connection(name, **changes):
    q = next(q for q in BASE.projections if q.name == name)
    return with_projection(name, connection=replace(q.connection, **changes))


def with_readout(**changes):
    return replace(BASE, readouts=(replace(BASE.readouts[0], **changes),))


FAULTS = {
    "two nodes of one name": (
        replace(BASE, populations=(*BASE.populations, BASE.populations[0])), "node 'conv': appears 2 times"),
    "two projections of one name": (
        replace(BASE, projections=(*BASE.projections, BASE.projections[0])), "projection 'x->conv': appears 2 times"),
    "unknown source": (with_projection(source="nowhere"), "starts at 'nowhere', which does not exist"),
    "input as target": (with_projection(target="x"), "ends at 'x', which is not a population"),
    "unknown readout": (with_readout(population="gone"), "readout 'y': reads 'gone', which is not a population"),
    "empty axis": (with_population(shape=(0,)), "node 'loop': has shape (0,)"),
    "no axis": (with_population(shape=()), "node 'loop': has shape ()"),
    "no steps": (replace(BASE, steps=0), "program: has 0 steps per sample"),
    "no input": (replace(BASE, inputs=(), projections=()), "has no input port"),
    "wide weights": (
        with_connection("loop->out", weight=np.zeros((2, 3), np.int64)), "weight is int64"),
    "float decay": (with_population(du=np.array(1.0)), "population 'loop': du is float64"),
    "python number as decay": (with_population(du=5), "population 'loop': du is int"),
    "parameter of another shape": (with_population(dv=i32([1, 2])), "dv has shape (2,)"),
    "du too large": (with_population(du=i32(4097)), "du is 4097"),
    "du negative": (with_population(du=i32(-1)), "du is -1"),
    "dv too large": (with_population(dv=i32([0, 1, 5000])), "dv reaches from 0 to 5000"),
    "threshold too large": (with_population(vth=i32(131072)), "vth is 131072"),
    "threshold negative": (with_population(vth=i32(-1)), "vth is -1"),
    "bias mantissa": (with_population(bias_mant=i32(4096)), "bias_mant is 4096"),
    "bias exponent": (with_population(bias_exp=8), "bias_exp is 8"),
    "reset_by": (with_population(reset_by=V_MAX + 1), f"reset_by is {V_MAX + 1}"),
    "v_init": (with_population(v_init=-V_MAX - 1), f"v_init is {-V_MAX - 1}"),
    "v_min": (with_population(v_min=-V_MAX - 1), f"v_min is {-V_MAX - 1}"),
    "reset kind": (with_population(reset="none"), "reset is 'none'"),
    "payload order": (
        replace(BASE, inputs=(InputPort("x", (1, 4, 4), True, 5, 4),)), "input 'x': has payloads 5 to 4"),
    "payloads without graded": (
        replace(BASE, inputs=(InputPort("x", (1, 4, 4), False, 0, 255),)), "carries payloads 0 to 255"),
    "dense shape": (with_projection(connection=Dense(i32(np.zeros((3, 2))))), "has weights of shape (3, 2)"),
    "sparse lengths": (
        with_connection("conv->loop", weight=i32([2])), "has rows, cols and weights of shapes"),
    "sparse index": (with_connection("conv->loop", rows=i32([0, 1, 2, 3])), "1 synapses lie outside"),
    "sparse repetition": (
        with_connection("conv->loop", rows=i32([2, 1, 2, 2]), cols=i32([31, 5, 17, 31])),
        "1 synapses repeat a pair"),
    "conv channels": (with_connection("x->conv", groups=2), "in 2 groups on 1 channels"),
    "conv geometry": (with_connection("x->conv", padding=(0, 1)), "ends at shape (2, 4, 4)"),
    "conv numbers": (with_connection("x->conv", stride=(0, 1)), "has stride (0, 1)"),
    "input dilation": (with_connection("x->conv", input_dilation=(0, 1)), "input dilation (0, 1)"),
    "transposed geometry": (with_connection("x->conv", input_dilation=(2, 2)), "ends at shape (2, 4, 4)"),
    "conv between vectors": (
        with_projection(connection=Conv(i32(np.zeros((1, 1, 1, 1))), (1, 1), (0, 0), (1, 1), 1)),
        "convolves (3,) to (2,)"),
    "odd weight in mixed mode": (
        with_connection("loop->out", weight=i32([[1, 2, 3], [4, 5, 6]])), "3 of 6 weights are off the grid"),
    "negative weight in excitatory mode": (
        with_connection("conv->loop", weight=i32([3, 5, 7, -1])), "1 of 4 weights are off the grid"),
    "weight too large": (
        with_connection("conv->loop", weight=i32([3, 5, 7, 256])), "1 of 4 weights are off the grid"),
    "bits": (with_projection(bits=9), "has 9 bits, sign mode 'mixed'"),
    "weight exponent": (with_projection(weight_exp=-9), "weight_exp is -9"),
    "delay": (with_projection("conv->out", delay=-1, lag=-2), "delay is -1"),
    "lag": (with_projection("conv->out", lag=1), "has lag 1; its delay and the offsets of its ends give 0"),
    "negative lag": (with_projection("conv->out", delay=0, lag=-1), "has lag -1"),
    "offset": (with_population("conv", offset=0), "population 'conv': has offset 0"),
    "order": (replace(BASE, populations=BASE.populations[::-1]), "'conv' is not listed before 'loop'"),
    "no readout": (replace(BASE, readouts=()), "program: has no readout"),
    "spikes of a silent population": (with_readout(register="s"), "reads spikes of 'out', which never fires"),
    "readout rule": (with_readout(rule="median"), "register 'v', rule 'median'"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(name):
    program, message = FAULTS[name]
    with pytest.raises(ContractError) as caught:
        check(program)
    assert message in str(caught.value)


def test_a_sound_program_passes():
    assert verify(BASE) == ()
    check(BASE)


def test_all_faults_of_a_table_are_reported_at_once():
    bad = replace(with_population(du=i32(4097), bias_exp=9), readouts=())
    assert [p.found for p in verify(bad)] == ["du is 4097", "bias_exp is 9", "has no readout"]


def test_every_rule_says_what_it_is_for():
    for rule in (*STRUCTURE, *VALUES, *LIMITS):
        assert rule.__doc__, rule.__name__


def graded(high, du=4095, bits=2**0, exponent=0, **more):
    program = one_population(weight=255, graded=(0, high), du=du, **more)
    return replace(program, projections=(replace(program.projections[0], weight_exp=exponent),))


def test_sums_beyond_int32_are_refused_as_a_limit_of_the_target():
    most = (2**25 - 1) // 255
    check(graded(most // 2))
    with pytest.raises(CompileError, match=r"\|a\| can reach 33554685") as caught:
        check(graded(most + 1))
    assert "smaller weight exponents" in str(caught.value)
    with pytest.raises(CompileError, match="weighted sums can reach"):
        check(graded(2**24, exponent=-8))


def test_memory_of_the_current_counts_in_the_limit():
    """With du = 0 a current grows to 4096 times its input, unless one wrap always brings it back."""
    check(graded(2**18 // 255, du=0))
    with pytest.raises(CompileError, match="with its memory"):
        check(graded(2**18 // 255 + 1, du=0))


def test_the_limit_is_where_one_wrap_stops_being_enough():
    """At |a| = 2**18 the largest u that a step can start from still ends inside 24 bits."""
    p = one_population(du=0).populations[0]
    _, inside = current_bound(p, np.array([2**18], np.int64))
    u = np.array([2**23, -(2**23) + 1], np.int64)
    for sign in (1, -1):
        _, after, _ = reference.step(p, u, np.zeros(2, np.int64), np.array([sign * 2**18]))
        assert np.abs(after).max() <= inside[0] == 2**23


@given(cases())
@settings(max_examples=60, deadline=None)
def test_bounds_hold_for_drawn_programs(case):
    program, messages = case
    trace = ReferenceSimulator().run(program, messages, frozenset({"u"}))
    for p in program.populations:
        before, inside = current_bound(p, arrival_bound(program, p.name))
        u = np.abs(trace.u[p.name].astype(np.int64)).reshape(-1, p.size)
        assert (u <= inside).all()
        assert (inside <= before).all()
        assert (before < 2**31).all()


def test_sparse_with_no_synapse_is_sound():
    empty = i32([])
    check(with_projection("conv->loop", connection=Sparse(empty, empty, empty)))
