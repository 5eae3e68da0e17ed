"""Planted faults are found where they first act, and explained with the right integers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.diff.divergence import find_divergence
from seamount.compiler.diff.divergence_text import as_json, cause, headline, text
from seamount.compiler.diff.neuron_step import account
from seamount.compiler.diff.side import Place, Side
from seamount.compiler.errors import ContractError, InputError
from seamount.compiler.program.fan_out import index_of
from seamount.compiler.program.program import Program
from tests.program_samples import i32, one_population
from tests.program_strategies import cases
from tests.ranges.brute_force import assert_account, first_difference
from tests.report.networks import FAULTS, NETWORKS, boundary, run, with_population, with_projection

CAUSES = {
    "weight": "weight [",
    "decay": "decay dv ",
    "current decay": "decay du ",
    "bias": "bias ",
    "reset": "reset to zero against by 500",
    "delay": "': lag ",
    "threshold": "threshold 64 * ",
}


KNOWN = {name: (net, run(net.program, net.messages)) for name, net in ((n, make()) for n, make in NETWORKS.items())}


def side(label: str, program: Program, messages: Any) -> Side:
    return Side.of_run(label, program, messages, run(program, messages))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault(network: str, fault: str, golden: Any) -> None:
    net = NETWORKS[network]()
    good, bad = FAULTS[fault](net)
    traces = run(good, net.messages), run(bad, net.messages)
    found = find_divergence(*(
        Side.of_run(label, program, net.messages, trace)
        for label, program, trace in zip(("good", "bad"), (good, bad), traces, strict=True)
    ))  # fmt: skip
    assert found is not None
    expected = first_difference(good, *traces)
    place = found.place
    assert (place.sample, place.step, place.layer, place.neuron, found.register) == expected
    assert place.layer == net.population
    for program, trace, integers in zip((good, bad), traces, found.accounts, strict=True):
        assert integers is not None
        assert_account(integers, program, net.messages, trace, place)
    assert CAUSES[fault] in cause(found)
    assert len(found.programs) == (2 if fault in ("delay", "reset") else 1) - (fault == "reset")
    assert json.loads(json.dumps(as_json(found)))["place"]["neuron"] == place.neuron
    if network == "conv":
        golden(text(found), f"report/{fault.replace(' ', '_')}.txt")


@pytest.mark.parametrize("network", NETWORKS)
def test_threshold_met_exactly(network: str) -> None:
    """By construction: v is 64 * vth at one place, which fires only with a threshold one lower."""
    net = NETWORKS[network]()
    sample, step, neuron, v = boundary(net)
    good, bad = FAULTS["threshold"](net)
    found = find_divergence(side("good", good, net.messages), side("bad", bad, net.messages))
    assert found is not None and found.accounts[0] is not None and found.accounts[1] is not None
    assert found.place == Place(sample, step, net.population, neuron, index_of(neuron, good.shapes[net.population]))
    assert (found.accounts[0].v_full, found.accounts[0].threshold, found.accounts[0].spike) == (v, v, 0)
    assert (found.accounts[1].v_full, found.accounts[1].threshold, found.accounts[1].spike) == (v, v - 64, 1)
    assert found.reads == ({"u": found.accounts[0].u, "v": v, "s": 0}, {"u": found.accounts[0].u, "v": 0, "s": 1})


@pytest.mark.parametrize("network", NETWORKS)
def test_no_divergence(network: str) -> None:
    net = NETWORKS[network]()
    assert find_divergence(side("a", net.program, net.messages), side("b", net.program, net.messages)) is None


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_accounts_equal_any_run(case: Any, data: Any) -> None:
    """The arithmetic of accounts is that of the reference simulator, on everything a program can do."""
    program, messages = case
    trace = run(program, messages)
    whole = Side.of_run("run", program, messages, trace)
    samples, steps = next(iter(messages.values())).shape[:2]
    p = data.draw(st.sampled_from(program.populations))
    neuron = data.draw(st.integers(0, p.size - 1))
    sample, step = data.draw(st.integers(0, samples - 1)), data.draw(st.integers(0, steps - 1))
    place = Place(sample, step, p.name, neuron, index_of(neuron, p.shape))
    assert_account(account(program, whole, place), program, messages, trace, place)


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_any_change_is_found_where_it_first_shows(case: Any, data: Any) -> None:
    program, messages = case
    p = data.draw(st.sampled_from(program.populations))
    decay = np.array(p.dv, np.int32) + 1
    changed = with_population(program, p.name, dv=np.where(decay > 4096, 0, decay).astype(np.int32))
    traces = run(program, messages), run(changed, messages)
    before, after = (Side.of_run("", q, messages, t) for q, t in zip((program, changed), traces, strict=True))
    found = find_divergence(before, after)
    expected = first_difference(program, *traces)
    place = found and found.place
    assert (place and (place.sample, place.step, place.layer, place.neuron, found.register)) == expected
    if found is not None:
        assert "decay dv" in cause(found)
        assert text(found).startswith("first divergence: ")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(NETWORKS)), st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_first_of_many_differences(network: str, seed: int, flips: int) -> None:
    """Entries changed anywhere, in any register: by sample, step, layer, neuron, then u, v, spike."""
    net, trace = KNOWN[network]
    rng = np.random.default_rng(seed)
    changed = {r: {n: x.copy() for n, x in getattr(trace, r).items()} for r in ("u", "v", "spikes")}
    step = int(rng.integers(0, 3))  # few steps and neurons, so that orders matter
    for _ in range(flips):
        values = changed[rng.choice(["u", "v", "spikes"])][rng.choice(sorted(trace.u))]
        flat = values.reshape(*values.shape[:2], -1)
        flat[rng.integers(0, 2), rng.integers(step, step + 2), rng.integers(0, 3)] ^= 1
    other = replace(trace, **changed)
    found = find_divergence(
        Side.of_run("a", net.program, net.messages, trace), Side.of_run("b", net.program, net.messages, other)
    )
    expected = first_difference(net.program, trace, other)
    place = found and found.place
    assert (place and (place.sample, place.step, place.layer, place.neuron, found.register)) == expected


def test_neurons_come_before_registers() -> None:
    """In one step of one layer: u of neuron 2 differs, v of neuron 1, and both of neuron 3."""
    net, trace = KNOWN["dense"]
    u, v = trace.u["deep"].copy(), trace.v["deep"].copy()
    u[0, 1, [2, 3]] += 1
    v[0, 1, [1, 3]] += 1
    other = replace(trace, u={**trace.u, "deep": u}, v={**trace.v, "deep": v})
    found = find_divergence(
        Side.of_run("a", net.program, net.messages, trace), Side.of_run("b", net.program, net.messages, other)
    )
    assert found is not None and (found.place.neuron, found.register) == (1, "v")


@pytest.mark.parametrize("register", ["u", "v", "spikes"])
def test_a_backend_that_does_not_follow_its_program(register: str) -> None:
    """Same program, same messages, another number: the side that is wrong is named."""
    net = NETWORKS["dense"]()
    trace = run(net.program, net.messages)
    values = getattr(trace, register)["deep"].copy()
    values[1, 3, 2] = 1 - values[1, 3, 2] if register == "spikes" else values[1, 3, 2] + 1
    wrong = replace(trace, **{register: {**getattr(trace, register), "deep": values}})
    sides = (Side.of_run(label, net.program, net.messages, t) for label, t in (("good", trace), ("bad", wrong)))
    found = find_divergence(*sides)
    assert found is not None
    assert (found.place.sample, found.place.step, found.place.layer, found.place.neuron) == (1, 3, "deep", 2)
    assert cause(found).startswith("B does not follow its program: ")
    assert f"recorded {values[1, 3, 2]}" in text(found)
    assert found.programs == ()


LOUD = with_projection(one_population(weight=254, graded=(-400, 400), vth=None, steps=2), "x->p", weight_exp=1)
"""u and v move by 64 * 508 = 32,512 per payload."""


def explained(change: dict[str, Any], payloads: list[int]) -> str:
    """LOUD against LOUD with a change, on the same payloads, as text."""
    messages = {"x": i32([[[x] for x in payloads]])}
    found = find_divergence(side("a", LOUD, messages), side("b", with_population(LOUD, "p", **change), messages))
    assert found is not None
    return text(found)


def test_wrap_saturation_and_clamp_are_shown() -> None:
    """With the numbers before and after."""
    wrapped = explained({"bias_mant": i32(1)}, [300])
    assert "+ 9753600 = 9753600" in wrapped and f"{9753600 - 2**24}, wrapped by -16777216" in wrapped
    saturated = explained({"vth": i32(131071)}, [200, 200])
    assert "step 1" in saturated and "+ 6502400 + 0 = 13004800" in saturated
    assert "8388607, saturated at 8388607" in saturated and "never fires" in saturated
    clamped = explained({"v_min": -100}, [-1])
    assert "-100, clamped from -32512" in clamped and "cause: lower clamp -8388607 against -100" in clamped


def test_different_messages_are_found_before_anything_else() -> None:
    found = find_divergence(side("a", LOUD, {"x": i32([[[1], [2]]])}), side("b", LOUD, {"x": i32([[[1], [3]]])}))
    assert found is not None and headline(found) == "sample 0, step 1, 'x', neuron 0: message 2 against 3"
    assert cause(found) == "the two sides were given different messages"
    assert found.accounts == (None, None)


def test_long_lists_are_shortened() -> None:
    """200 messages, one of them through another weight: that one, the three largest, and the sum of the others."""
    net = NETWORKS["dense"]()
    rng = np.random.default_rng(0)
    weight = i32(2 * rng.integers(-20, 20, (7, 200)))
    weight[:, [5, 50]] = 200
    weight[:, 150] = -200
    first = replace(net.program.inputs[0], shape=(200,))
    q = net.program.projections[0]
    wide = replace(net.program, inputs=(first,))
    good = with_projection(wide, q.name, connection=replace(q.connection, weight=weight))
    changed = weight.copy()
    changed[3, 77] += 2
    bad = with_projection(wide, q.name, connection=replace(q.connection, weight=changed))
    messages = {"x": i32(np.ones((1, 2, 200)))}
    found = find_divergence(side("good", good, messages), side("bad", bad, messages))
    assert found is not None and (found.place.layer, found.place.neuron) == ("hidden", 3)
    lines = text(found).splitlines()
    listed = [line.split(",")[0].strip() for line in lines if line.startswith("    x ")]
    assert listed == ["x 5", "x 50", "x 77", "x 150"]
    others = int(weight[3].sum()) - 200 - int(weight[3, 77])
    assert any(line.split()[:4] == ["others", "196", "add", str(others)] for line in lines)
    assert any(line.split()[:3] == ["sum", "of", "200"] for line in lines)


def test_places_count_from_the_whole_run() -> None:
    net = NETWORKS["dense"]()
    good, bad = FAULTS["weight"](net)
    found = find_divergence(side("a", good, net.messages), side("b", bad, net.messages), samples_before=7)
    assert found is not None and found.place.sample == 7
    assert {c.first.sample for c in found.compared if c.first} >= {7}


def test_runs_of_different_length_are_compared_where_both_have_values() -> None:
    net = NETWORKS["recurrent"]()
    short = {"x": net.messages["x"][:1, :3]}
    assert find_divergence(side("long", net.program, net.messages), side("short", net.program, short)) is None


def test_networks_that_have_nothing_in_common() -> None:
    dense, conv = NETWORKS["dense"](), NETWORKS["conv"]()
    lone = replace(conv.program, populations=conv.program.populations[:2], projections=conv.program.projections[:2])
    lone = replace(lone, readouts=(replace(lone.readouts[0], population="conv2"),))
    with pytest.raises(InputError, match="no population in common"):
        find_divergence(side("dense", dense.program, dense.messages), side("conv", lone, conv.messages))


def test_two_records_cannot_be_explained() -> None:
    bare = Side("a", {"p": i32([[[1]]])}, {}, {}, {})
    with pytest.raises(ContractError, match="are records only"):
        find_divergence(bare, bare)


def test_a_trace_without_registers_is_refused() -> None:
    net = NETWORKS["dense"]()
    with pytest.raises(ContractError, match="lacks u"):
        Side.of_run("a", net.program, net.messages, replace(run(net.program, net.messages), u={}))
