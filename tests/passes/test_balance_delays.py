"""Pass balance-delays: relays and delays leave the network's meaning alone, spike for spike; off means what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.analysis.delay_costs import delay_slots, relays_for
from seamount.compiler.analysis.delays import paths, timing
from seamount.compiler.errors import CompileError
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.ir.ops import Affine, Conv, Input, IntLIF, Output, freeze
from seamount.compiler.passes.balance_delays import BalanceDelays
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import canonical
from seamount.compiler.program.lower import lower
from seamount.compiler.program.program import Program
from tests.lowered import assert_lowered, messages_of
from tests.noted import said
from tests.passing import assert_idempotent, both, graph_of, li, lif, weights
from tests.strategies import FEATURES, cases, samples_for

RECORD = frozenset({"spikes", "u", "v"})
BRANCHED = frozenset({"residual", "recurrent", "delay"})


def quantized(graph: Graph) -> Graph:
    return Quantize()(canonical()(graph))


def chain(depth: int, graded: bool = False, **skips: int) -> Graph:
    """x -> n0 -> n1 -> ... -> y, whole weights; skips: name of a skip -> first layer that it jumps over, to the end."""
    rng = np.random.default_rng(depth)
    neuron = {"beta": 1.0, "threshold": 4.0}
    nodes: dict = {"x": Input((3,), "graded", 0.0, 3.0) if graded else Input((3,))}
    row = "x"
    for i in range(depth):
        nodes |= {f"w{i}": Affine(freeze(rng.integers(-2, 6, (3, 3)))), f"n{i}": lif(**neuron)}
        row += f" w{i} n{i}"
    nodes |= {"out": Affine(freeze(rng.integers(-3, 5, (2, 3)))), "r": li(beta=1.0), "y": Output()}
    edges = f"{row} out r y"
    for name, i in skips.items():
        nodes[name] = Affine(freeze(rng.integers(-2, 4, (3, 3))))
        edges += f", {f'n{i - 1}' if i else 'x'} {name} n{depth - 1}"
    return graph_of(nodes, edges)


def traces(program: Program, x, names) -> list:
    """Registers of the named populations on both simulators, which must agree in all others too."""
    reference, fast = (s.run(program, x, RECORD) for s in (ReferenceSimulator(), VectorizedSimulator()))
    for part in ("spikes", "u", "v"):
        for name, value in getattr(reference, part).items():
            np.testing.assert_array_equal(getattr(fast, part)[name], value, err_msg=f"{part} of {name}")
    return [getattr(reference, part)[name] for part in ("spikes", "u", "v") for name in names]


def assert_balanced(graph: Graph, x, delay_max: int) -> Graph:
    """The pass keeps all delays within the limit, and nothing else changes: not a spike, not a register."""
    after = BalanceDelays(delay_max=delay_max)(graph)
    program, free = lower(after, delay_max), lower(graph, 10**6)
    assert max(q.delay for q in program.projections) <= delay_max
    old, new = interpret(graph, x), interpret(after, x)
    for name, spikes in old.spikes.items():
        np.testing.assert_array_equal(new.spikes[name], spikes, err_msg=name)
    names = [p.name for p in free.populations]
    sent = messages_of(graph, x)
    for a, b in zip(traces(program, sent, names), traces(free, sent, names), strict=True):
        np.testing.assert_array_equal(a, b)
    return after


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cases(allow=FEATURES - {"graded"}, force=BRANCHED, layers=4), st.integers(0, 3))
def test_any_limit_leaves_every_register_alone(case, delay_max: int) -> None:
    graph = quantized(case[0])
    after = assert_balanced(graph, case[1], delay_max)
    event(f"{len(after.nodes) > len(graph.nodes)} relays")
    assert_idempotent(BalanceDelays(delay_max=delay_max), after)


@pytest.mark.parametrize(("depth", "delay_max", "relays"), [(64, 62, 1), (63, 62, 0), (70, 31, 2), (9, 0, 8)])
def test_chains_longer_than_the_chip_can_delay(depth: int, delay_max: int, relays: int) -> None:
    """A skip over the whole chain needs depth - 1 steps; each relay makes up for one step and its own delay.

    Weights are whole and nothing leaks: the integers' spikes are the float network's, at every layer and step.
    """
    graph = quantized(chain(depth, skip=0))
    x = samples_for(graph, 3, 3, 5)
    after = BalanceDelays(delay_max=delay_max)(graph)
    added = [n.name for n in after.nodes if n.name not in graph.by_name and isinstance(n.op, IntLIF)]
    assert len(added) == relays == relays_for(depth - 1, delay_max)
    program = lower(after, delay_max)
    assert max(q.delay for q in program.projections) <= delay_max
    trace = ReferenceSimulator().run(program, messages_of(graph, x), RECORD)
    trained = interpret(canonical()(chain(depth, skip=0)), x)
    for name, spikes in trained.spikes.items():
        np.testing.assert_array_equal(trace.spikes[name], spikes, err_msg=name)
    assert trained.spikes[f"n{depth - 1}"].any() and not trained.spikes[f"n{depth - 1}"].all()
    assert assert_lowered(after, program, x)


def test_late_targets_of_one_source_share_their_relays() -> None:
    """Two skips from x and one from n0: x needs two relays, the shorter of its skips reads the first of them."""
    nodes = {"x": Input((4,)), "y": Output()}
    row = "x"
    for i in range(9):
        nodes |= {f"w{i}": Affine(weights(4, 4, seed=i)), f"n{i}": lif()}
        row += f" w{i} n{i}"
    nodes |= {name: Affine(weights(4, 4, seed=20 + k)) for k, name in enumerate(("far", "near", "short"))}
    graph = quantized(graph_of(nodes, f"{row} y, x far n8, x near n4, n0 short n3"))
    after = assert_balanced(graph, samples_for(graph, 0, 3, 4), 3)
    names = [n.name for n in after.nodes if n.name not in graph.by_name]
    assert names == ["x_relay_in", "x_relay", "x_relay_1_in", "x_relay_1"]
    sources = {e.target: e.source for e in after.edges}
    assert (sources["far"], sources["near"], sources["short"]) == ("x_relay_1", "x_relay", "n0")
    assert sources["x_relay_1_in"] == "x_relay"


def test_a_population_with_time_to_spare_waits_instead_of_a_relay() -> None:
    """a has nothing else to do: x -> a takes what a -> n can not."""
    graph = chain(6)
    nodes = {n.name: n.op for n in graph.nodes} | {
        "in": Affine(weights(3, 3)),
        "a": lif(),
        "skip": Affine(weights(3, 3)),
    }
    rows = "x w0 n0 w1 n1 w2 n2 w3 n3 w4 n4 w5 n5 out r y, x in a skip n5"
    graph = quantized(graph_of(nodes, rows))
    after = assert_balanced(graph, samples_for(graph, 0, 2, 4), 3)
    assert after.nodes == graph.nodes
    assert {q.name: q.delay for q in lower(after, 3).projections if q.delay} == {"in": 1, "skip": 3}


def test_loops_longer_than_the_limit_go_through_relays() -> None:
    nodes = {
        "x": Input((3,)),
        "w": Affine(weights(3, 3)),
        "n": lif(),
        "back": Affine(weights(3, 3, seed=1)),
        "y": Output(),
    }
    graph = quantized(graph_of(nodes, "x w n y, n back@9 n"))
    after = assert_balanced(graph, samples_for(graph, 0, 2, 12), 3)
    assert len(after.nodes) == len(graph.nodes) + 4


def small() -> Graph:
    ones, none = (1, 1), (0, 0)
    nodes = {
        "x": Input((2, 4, 4)), "a": Conv(weights(2, 2, 3, 3), None, ones, ones, ones), "n0": lif(),
        "b": Conv(weights(2, 2, 3, 3, seed=1), None, ones, ones, ones), "n1": lif(),
        "c": Conv(weights(2, 2, 3, 3, seed=2), None, ones, ones, ones), "n2": lif(),
        "d": Conv(weights(2, 2, 1, 1, seed=3), None, ones, none, ones), "n3": lif(), "y": Output(),
    }  # fmt: skip
    return quantized(graph_of(nodes, "x a n0 b n1 c n2 d n3 y, n0 n2, x n3"))


def test_golden(golden) -> None:
    before = small()
    golden(both(before, BalanceDelays(delay_max=1, accumulators=8192)(before)), "passes/balance_delays.txt")


def test_golden_off(golden) -> None:
    before = small()
    golden(both(before, BalanceDelays(balance=False)(before)), "passes/balance_delays_off.txt")


def test_long_delays_are_priced_against_relays() -> None:
    graph = BalanceDelays(accumulators=8192)(quantized(chain(21, skip=0)))
    assert said(graph)[-1] == (
        "skip: delay 20 from x to n20, 32 delay slots per neuron of n20 (256 neurons to a core); with --max-delay 6 "
        "2 relays: 6 neurons, as many axons and synapses, 2 SynOps per spike"
    )
    assert said(BalanceDelays()(quantized(chain(7, skip=0))))[-1] == (
        "skip: delay 6 from x to n6, 8 delay slots per neuron of n6"
    )


@pytest.mark.parametrize(
    ("delay", "slots"), [(0, 8), (6, 8), (7, 16), (14, 16), (15, 32), (30, 32), (31, 64), (62, 64)]
)
def test_delay_slots(delay: int, slots: int) -> None:
    assert delay_slots(delay, 3) == slots


def test_graded_messages_are_not_relayed() -> None:
    graph = quantized(chain(6, graded=True, skip=0))
    with pytest.raises(CompileError) as error:
        BalanceDelays(delay_max=4)(graph)
    assert str(error.value) == (
        "node 'skip': needs a delay of 5 steps, and relays carry spikes, not graded messages\n"
        "  limit:  delays of at most 4 steps\n"
        "  remedy: shorten the longest path to 'n5', or let a neuron layer turn 'x' into spikes first"
    )
    assert_balanced(graph, samples_for(graph, 0, 2, 4), 5)


# balancing switched off


@settings(max_examples=20, deadline=None, derandomize=True)
@given(cases(force=BRANCHED, layers=4))
def test_off_is_what_transport_alone_does(case) -> None:
    """The graph says with its lags what the integers do; where no loop is, nothing waits but for trained delays."""
    graph, x = quantized(case[0]), case[1]
    after = BalanceDelays(balance=False)(graph)
    assert_idempotent(BalanceDelays(balance=False), after)
    program = lower(after, 62)
    event("compared" if assert_lowered(after, program, x) else "registers overflow")
    trained = {p.weights: p.lag for p in paths(graph)}
    tonic = {p.name for p in program.populations if not program.into(p.name)}
    looped = {p.source for p in paths(graph) if p.lag} | {p.target for p in paths(graph) if p.lag}
    for q in program.projections:
        if not looped & {q.source, q.target} and q.source not in tonic:
            assert q.delay == trained[q.name] == 0
            assert q.lag == 1 + program.offsets[q.source] - program.offsets[q.target]
    for p in program.populations:
        sources = {q.source for q in program.into(p.name)}
        if sources and not sources & tonic and not looped & {p.name}:
            assert p.offset == 1 + min(program.offsets[s] for s in sources)


def test_off_without_branches_changes_nothing() -> None:
    graph = quantized(chain(4))
    after = BalanceDelays(balance=False)(graph)
    assert timing(after) == timing(graph)
    assert said(after)[-1].endswith("steps late: none, in this network")


def test_off_lets_the_longer_path_come_late() -> None:
    """x -> n0 -> n1 -> n2 with a skip x -> n2: n2 starts with the skip, and sees n1 two steps late."""
    program = lower(BalanceDelays(balance=False)(quantized(chain(3, skip=0))), 62)
    assert program.offsets == {"x": 0, "n0": 1, "n1": 2, "n2": 1, "r": 2}
    assert {q.name: (q.delay, q.lag) for q in program.projections} == {
        "w0": (0, 0), "w1": (0, 0), "w2": (0, 2), "skip": (0, 0), "out": (0, 0),
    }  # fmt: skip


def test_off_keeps_loops_as_they_were_trained() -> None:
    nodes = {n: Affine(weights(3, 3, seed=k)) for k, n in enumerate(("in", "up", "down", "skip"))}
    nodes |= {"x": Input((3,)), "a": lif(), "b": lif(), "c": lif(), "long": Affine(weights(3, 3)), "y": Output()}
    graph = quantized(graph_of(nodes, "x in a up b down@2 a, x skip b, b long c y"))
    after = lower(BalanceDelays(balance=False)(graph), 62)
    lags = {q.name: q.lag for q in after.projections}
    assert (lags["up"], lags["down"], lags["in"], lags["skip"]) == (0, 2, 0, 0)
