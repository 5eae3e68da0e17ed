"""A network slowed down K times computes what it was trained to, also in loops that are too long at full speed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.backends.lava.export import readme
from seamount.backends.registry import load_costs, load_target
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.driver import compile_graph, with_vectors
from seamount.compiler.energy.counts import chip_counts
from seamount.compiler.energy.step_time import delay
from seamount.compiler.errors import CompileError, ContractError
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.ir.ops import Affine, Input, Output, freeze
from seamount.compiler.pipelines import Options, canonical
from seamount.compiler.program.needs import chip_needs, reasons, restless, unrest
from seamount.compiler.program.program import Dense, InputPort, Program, Projection, Readout
from seamount.compiler.program.verify import check
from seamount.compiler.ranges.proof import analyse
from tests.lowered import assert_lowered, messages_of
from tests.noted import said
from tests.passing import graph_of, li, lif
from tests.program_samples import i32, population
from tests.program_strategies import SLOW, STOCK, cases
from tests.strategies import samples_for

ALL = frozenset({"spikes", "u", "v"})


def whole(rng: np.random.Generator, *shape: int) -> Affine:
    return Affine(freeze(rng.integers(-3, 5, shape).astype(float)))


def long_loop(**neuron: Any) -> Graph:
    """x -> a -> b -> c -> y with c -> a one step later, and a skip: three hops that training closed in one step."""
    rng = np.random.default_rng(3)
    plain = {"beta": 1.0, "threshold": 4.0, **neuron}
    nodes: dict[str, Any] = {"x": Input((4,))} | {n: lif(**plain) for n in "abc"}
    nodes |= {name: whole(rng, 4, 4) for name in ("in", "up", "on", "back", "skip")}
    nodes |= {"out": whole(rng, 2, 4), "r": li(beta=1.0), "y": Output(), "s": Output("last")}
    return graph_of(nodes, "x in a up b on c out r y, c back@1 a, x skip c, c s")


def compiled(graph: Graph, target: str = "loihi-sim", **options: Any):
    return compile_graph(graph, load_target(target), Options(**options))


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("slow_down", [3, 4])
@pytest.mark.parametrize("neuron", [{}, {"bias": 1.0}, {"reset": "subtract", "reset_by": 4.0, "v_init": 2.0}])
def test_spikes_are_those_of_the_trained_loop(slow_down: int, steps: int, neuron) -> None:
    """Whole weights without leak: every spike of every sample, whatever T, with neurons that rest and that do not."""
    graph = long_loop(**neuron)
    made = compiled(graph, slow_down=slow_down)
    program, x = made.artifact.program, samples_for(graph, 1, 6, steps)
    assert ("though 3 would do" if slow_down > 3 else "which its loops need") in said(made.quantized)[0]
    assert program.slow_down == slow_down and bool(restless(program)) == bool(neuron)
    trained = interpret(canonical()(graph), x)
    for simulator in (ReferenceSimulator(), VectorizedSimulator()):
        trace = simulator.run(program, messages_of(made.quantized, x), ALL)
        for name, spikes in trained.spikes.items():
            np.testing.assert_array_equal(trace.spikes[name], spikes, err_msg=name)
        np.testing.assert_array_equal(trace.readout["s"], trained.outputs["s"])
    assert sum(int(s.sum()) for s in trained.spikes.values()) > 0
    assert assert_lowered(made.quantized, program, x)


def test_memory_and_leak_count_steps_of_the_network() -> None:
    """u and v decay once for each step of the network, so that time constants stay what they were."""
    graph = long_loop(alpha=0.5, beta=0.75)
    made = compiled(graph, slow_down=3)
    assert assert_lowered(made.quantized, made.artifact.program, samples_for(graph, 0, 4, 6))


def test_delays_take_steps_of_the_chip_and_lags_those_of_the_network() -> None:
    program = compiled(long_loop(), slow_down=4).artifact.program
    assert {q.name: (q.delay, q.lag) for q in program.projections} == {
        "in": (0, 0), "up": (0, 0), "on": (0, 0), "back": (1, 1), "skip": (2, 0), "out": (0, 0),
    }  # fmt: skip
    assert program.duration(5, 6) == 5 * 6 * 4 + 4


@pytest.mark.parametrize(("slow_down", "in_time"), [(1, "1"), (2, "1, which are 2 when slowed down 2 times")])
def test_too_little_is_refused_with_what_would_do(slow_down: int, in_time: str) -> None:
    with pytest.raises(CompileError) as error:
        compiled(long_loop(), slow_down=slow_down)
    assert str(error.value) == (
        f"loop a -> b -> c -> a: the loop takes 3 steps of transport, but training closed it in {in_time}\n"
        "  limit:  transport takes one step per projection (docs/semantics.md)\n"
        "  remedy: slow the network down (--slow-down 3), train the loop with a delay of 3 steps, or make it shorter"
    )


def test_options_that_exclude_each_other() -> None:
    with pytest.raises(CompileError, match="asked for without balanced delays"):
        compiled(long_loop(), slow_down=3, balance_delays=False)
    with pytest.raises(CompileError, match="max-delay: is 63 steps"):
        compiled(long_loop(), slow_down=3, max_delay=63)
    with pytest.raises(CompileError, match="give a whole number of at least 1"):
        compiled(long_loop(), slow_down=0)


# what a stock chip does between the steps


def test_a_stock_chip_takes_neurons_that_rest_and_refuses_others() -> None:
    assert compiled(long_loop(), "loihi1", slow_down=3).artifact.program.slow_down == 3
    with pytest.raises(CompileError) as error:
        compiled(long_loop(beta=0.9, bias=0.5), "loihi1", slow_down=3)
    first = str(error.value).split("population 'b'")[0]
    assert first == (
        "population 'a': has a leak, a bias, and so would not rest between the steps of a network slowed down 3 times\n"
        "  limit:  loihi1 features.skip_updates = no (intel2021)\n"
        "  remedy: use neurons without memory, leak and bias, reset to zero, or compile for a target that can\n"
    )
    needs = chip_needs(compiled(long_loop(beta=0.9), slow_down=3).artifact.program)
    assert needs[0].what == "microcode: updates in one of 3 steps only, because of a leak"


def ungated(program: Program, messages: dict[str, Any]) -> tuple[Program, dict[str, Any]]:
    """The same populations and projections on a chip that knows of no slowing down: all update in every step."""
    k = program.slow_down
    projections = tuple(replace(q, lag=k * q.lag) for q in program.projections)
    sparse = {}
    for name, x in messages.items():
        sparse[name] = np.zeros((x.shape[0], x.shape[1] * k, *x.shape[2:]), np.int32)
        sparse[name][:, ::k] = x
    silent = tuple(replace(port, low=min(port.low, 0)) for port in program.inputs)
    return replace(program, inputs=silent, slow_down=1, projections=projections), sparse


def resting(case):
    """The case with neurons that rest."""
    program, x = case
    plain = {"du": i32(4095), "dv": i32(0), "bias_mant": i32(0), "bias_exp": 0}
    return replace(program, populations=tuple(replace(p, **plain) for p in program.populations)), x


@settings(max_examples=50, deadline=None, derandomize=True)
@given(cases(allow=STOCK, force=SLOW | {"recurrent"}).map(resting))
def test_neurons_that_rest_need_no_gate(case) -> None:
    """Every register at every step, and silence between the steps."""
    program, x = case
    check(program)
    assert not restless(program)
    gated = ReferenceSimulator().run(program, x, ALL)
    free = ReferenceSimulator().run(*ungated(program, x), ALL)
    k = program.slow_down
    for part in ("spikes", "u", "v"):
        for name, values in getattr(gated, part).items():
            np.testing.assert_array_equal(getattr(free, part)[name][:, ::k], values, err_msg=f"{part} of {name}")
    for name, spikes in free.spikes.items():
        assert all(not spikes[:, i::k].any() for i in range(1, k)), name


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"du": 4000}, "synaptic memory"), ({"dv": 100}, "a leak"), ({"bias": 3}, "a bias"),
        ({"reset": "subtract", "reset_by": 64}, "reset by subtraction"), ({}, None),
    ],
)  # fmt: skip
def test_what_keeps_a_neuron_from_resting(changed, why) -> None:
    """Each cause by itself makes a difference on a chip without gates; without any there is none."""
    p = population(vth=20, **changed)
    assert reasons(unrest(p)) == (why or "")
    q = Projection("x->p", "x", "p", Dense(i32([[4]])))
    program = Program((InputPort("x", (1,), True, 0, 9),), (p,), (q,), (Readout("y", "p", "v", "sum"),), 4, 2)
    x = {"x": i32([9, 1, 0, 0]).reshape(1, 4, 1)}
    gated = ReferenceSimulator().run(program, x, ALL)
    free = ReferenceSimulator().run(*ungated(program, x), ALL)
    assert np.array_equal(free.v["p"][:, ::2], gated.v["p"]) == (why is None)


def test_the_chip_takes_its_time_and_looks_at_every_neuron() -> None:
    """Twice as slow: twice the steps and neuron updates, the same synaptic events."""
    graph = long_loop()
    costs, x = load_costs("sanafe"), samples_for(graph, 0, 2, 5)
    found = {}
    for k in (3, 6):
        made = compiled(graph, slow_down=k)
        counts = VectorizedSimulator().run(made.artifact.program, messages_of(made.quantized, x)).counts
        lines = chip_counts(made.artifact.program, counts, None)
        updates = [c.number.low for c in lines if c.event.startswith("neuron update") and c.number is not None]
        found[k] = delay(made.artifact.program, counts, costs, None).steps, sum(updates), counts
    assert (found[3][0], found[6][0]) == (15, 30) and found[6][1] == 2 * found[3][1]
    assert found[3][2].differences(found[6][2]) == []


# programs


@settings(max_examples=80, deadline=None, derandomize=True)
@given(cases(force=SLOW | {"recurrent"}), st.integers(1, 3))
def test_simulators_agree(case, batch_size: int) -> None:
    program, x = case
    expected = ReferenceSimulator().run(program, x, ALL)
    found = VectorizedSimulator(batch_size=batch_size).run(program, x, ALL)
    for part in ("spikes", "u", "v", "readout"):
        for name, values in getattr(expected, part).items():
            np.testing.assert_array_equal(getattr(found, part)[name], values, err_msg=f"{part} of {name}")
    assert expected.counts.differences(found.counts) == []


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cases(force=SLOW | {"recurrent"}))
def test_proven_ranges_hold(case) -> None:
    """At the network's steps, and for neurons that rest also between them."""
    program, x = case
    runs = [(program, x)]
    if not restless(program):
        runs.append(ungated(program, x))
    found = analyse(program)
    for run in runs:
        trace = ReferenceSimulator().run(*run, ALL)
        for register, part in (("u", trace.u), ("v", trace.v)):
            for name, values in part.items():
                held = found.populations[name].held(register)
                flat = values.reshape(-1, held.low.size)
                assert np.all((flat >= held.low) & (flat <= held.high)), (name, register)


def test_the_readme_of_an_export_says_so() -> None:
    made = compiled(long_loop(), slow_down=3)
    artifact = with_vectors(made.artifact, ReferenceSimulator(), {"x": i32(np.ones((1, 4, 4)))})
    assert "This network is slowed down 3 times" in readme(artifact, "folder")


def test_lags_must_be_whole_steps_of_the_network() -> None:
    program = compiled(long_loop(), slow_down=3).artifact.program
    for wrong in (replace(program, slow_down=2), replace(program, slow_down=0)):
        with pytest.raises(ContractError, match="slow_down"):
            check(wrong)
