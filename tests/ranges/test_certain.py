"""What is called certain overflows in every run of the reference simulator; what is called proven in none."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import SeamountError
from seamount.compiler.program.program import Dense, InputPort, Program, Projection, Readout
from seamount.compiler.program.verify import check
from seamount.compiler.ranges.certain import prove
from seamount.compiler.ranges.proof import AVOIDABLE, CERTAIN, LIMITS, POSSIBLE, PROVEN, Ranges, analyse
from tests.program_samples import i32, one_population, population
from tests.program_strategies import messages, programs
from tests.ranges.test_proof import Watch


@st.composite
def driven(draw: Any) -> Program:
    """A source that mostly fires on its bias, a target that it drives hard, and inputs that may help or hinder."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    graded = draw(st.sampled_from([(0, 1), (2, 9), (-3, 5)]))
    side, slow = draw(st.sampled_from([-1, 1])), draw(st.sampled_from([1, 1, 2]))

    def dense(source: str, target: str, shape: tuple[int, int], ends: tuple[int, int], exponent: int, lag: int) -> Any:
        weight = Dense(i32(rng.integers(*ends, shape) * 2))
        delay = slow * lag - 1 if lag else 0
        return Projection(f"{source}->{target}", source, target, weight, exponent, lag=lag, delay=delay)

    soft = {"reset": "subtract", "reset_by": 640} if draw(st.booleans()) else {}
    tonic = population(
        "tonic", (8,), i32(rng.choice([0, 700, 4095], 8)), i32(rng.choice([0, 300, 4096], 8)),
        i32(rng.integers(0, 30, 8)), i32(rng.integers(200, 4095, 8)), bias_exp=draw(st.sampled_from([0, 3])), **soft,
    )  # fmt: skip
    target = population(
        "target", (4,), i32(rng.choice([0, 700, 4095, 4096], 4)), i32(rng.choice([0, 100, 4096], 4)),
        draw(st.sampled_from([None, 131071])), i32(side * rng.integers(0, 4095, 4)),
        bias_exp=draw(st.sampled_from([0, 7])), offset=2,
    )  # fmt: skip
    hard = (40, 128) if side > 0 else (-128, -40)
    projections = [
        dense("x", "tonic", (8, 3), (-2, 40), 0, 0),
        dense("tonic", "target", (4, 8), hard, draw(st.integers(4, 7)), 0),
    ]
    if target.fires:
        projections.append(dense("target", "target", (4, 4), (-9, 9), 0, 1))
    port = InputPort("x", (3,), graded != (0, 1), *graded)
    readouts = (Readout("y", "target", "v", "last"),)
    return Program((port,), (tonic, target), tuple(projections), readouts, draw(st.sampled_from([1, 4, 20])), slow)


def overflowing(program: Program, sent: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """(population, register) -> samples x local steps x neurons: whether the register left its range there."""
    samples, steps = next(iter(sent.values())).shape[:2]
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch)
        ReferenceSimulator().run(program, sent)
    out = {}
    for p in program.populations:
        before = p.offset // program.slow_down  # steps that it makes before its first window
        mine = [seen for seen in watch.seen if seen[0] == p.name][before : before + samples * steps]
        for register, column in (("u", 2), ("v", 4)):
            low, high = LIMITS[register]
            values = np.array([seen[column].reshape(-1) for seen in mine]).reshape(samples, steps, p.size)
            out[p.name, register] = (values < low) | (values > high)
    return out


def check_verdicts(found: Ranges, happened: dict[tuple[str, str], Any], counts: Counter[str]) -> None:
    for (name, register), there in happened.items():
        p = found.populations[name]
        verdict = p.verdict(register)
        counts[f"{register} {verdict}"] += 1
        if verdict == PROVEN:
            assert not there.any(), (name, register)
        for neuron in np.flatnonzero(p.certain(register)):
            assert there[:, p.since[register][neuron], neuron].all(), (name, register, neuron)
        assert (verdict == CERTAIN) == p.certain(register).any()
        assert not (p.certain(register) & ~p.overflows(register)).any()


@pytest.mark.parametrize("examples", [120, pytest.param(1500, marks=pytest.mark.slow)])
def test_certain_overflows_in_every_run_and_proven_in_none(examples: int) -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def every(data: Any) -> None:
        program = data.draw(st.one_of(driven(), driven(), programs()))
        try:
            check(program)
        except SeamountError:
            assume(False)
        sent = data.draw(messages(program))
        if data.draw(st.booleans()):
            sent = {port.name: np.full_like(sent[port.name], data.draw(st.sampled_from([port.low, port.high])))
                    for port in program.inputs}  # fmt: skip
        check_verdicts(prove(program), overflowing(program, sent), counts)

    every()
    assert all(counts[f"{register} {what}"] > 5 for register in "uv" for what in (PROVEN, POSSIBLE, CERTAIN)), counts


# by hand


def since(program: Program, register: str, steps: int | None = None) -> list[int]:
    return prove(program, steps).populations["p"].since[register].tolist()


def test_a_bias_alone_saturates_v() -> None:
    """4095 * 128 = 524,160 per step: the 17th step is the first beyond 2^23 - 1, unless the input takes enough away."""
    program = one_population(weight=-2, dv=0, vth=None, bias=4095, bias_exp=7, steps=20)
    assert since(program, "v") == [16]
    assert prove(program).populations["p"].verdict("v") == CERTAIN
    short = replace(program, steps=16)
    assert prove(short).populations["p"].verdict("v") == POSSIBLE and since(short, "v") == [AVOIDABLE]
    assert since(short, "v", 17) == [16] and prove(short, 16).populations["p"].verdict("v") == PROVEN
    helped = one_population(weight=-256, graded=(0, 127), dv=0, vth=None, bias=4095, bias_exp=7, steps=20)
    assert since(helped, "v") == [AVOIDABLE]


def test_saturation_below() -> None:
    assert since(one_population(dv=0, vth=None, bias=-4096, bias_exp=7, steps=17), "v") == [16]


def test_a_port_that_is_never_silent_wraps_u() -> None:
    """64 * 128 * 1025 = 2^23 + 2^13; at 1024 u just holds it, and below 0 it does not. Silence is in 0 .. 1030."""
    wraps = one_population(weight=128, graded=(1025, 1030), dv=4096, vth=None)
    assert since(wraps, "u") == [0] and since(wraps, "v") == [AVOIDABLE]
    assert since(one_population(weight=128, graded=(1024, 1030), dv=4096, vth=None), "u") == [AVOIDABLE]
    assert since(one_population(weight=128, graded=(0, 1030), dv=4096, vth=None), "u") == [AVOIDABLE]
    assert since(one_population(weight=-128, graded=(1024, 1030), dv=4096, vth=None), "u") == [0]


def chained(bias: int, lag: int = 0, weight: int = 0) -> Program:
    """Five sources that fire from their bias, helped by an input, and p, whose u wraps when all five fire at once."""
    source = population("s", (5,), dv=4096, vth=10, bias=bias)
    target = population("p", (1,), dv=4096, vth=None, offset=1 if lag else 2)
    projections = (
        Projection("in", "x", "s", Dense(i32(np.full((5, 1), weight)))),
        Projection("q", "s", "p", Dense(i32(np.full((1, 5), 254))), weight_exp=7, lag=lag),
    )
    port = InputPort("x", (1,), False)
    return Program((port,), (source, target), projections, (Readout("y", "p", "v", "last"),), 4)


def test_a_tonic_source_wraps_u_of_what_it_drives() -> None:
    assert since(chained(641), "u") == [0]
    assert analyse(chained(641)).populations["p"].verdict("u") == POSSIBLE
    assert since(chained(641, lag=1), "u") == [1], "nothing arrives in step 0"
    assert prove(chained(640)).populations["p"].verdict("u") == PROVEN
    assert since(chained(640, weight=2), "u") == [AVOIDABLE], "without a message nothing fires"
    assert since(chained(641, weight=-2), "u") == [AVOIDABLE], "a message silences the source"


def test_what_is_proven_has_no_step() -> None:
    found = prove(one_population()).populations["p"]
    assert found.since == {} and not found.certain("v").any() and found.verdict("v") == PROVEN


def test_certain_neurons_are_named_first() -> None:
    """Neuron 0 may go further out, neuron 1 always does."""
    p = population("p", (2,), dv=0, vth=None, bias=i32([0, 4095]), bias_exp=7)
    port = InputPort("x", (1,), True, 0, 1000)
    projection = Projection("q", "x", "p", Dense(i32([[254], [0]])))
    program = Program((port,), (p,), (projection,), (Readout("y", "p", "v", "last"),), 20)
    found = prove(program).populations["p"]
    assert found.worst("v") == (1, 0) and found.certain("v").tolist() == [False, True]
    assert analyse(program).populations["p"].verdict("v") == POSSIBLE
