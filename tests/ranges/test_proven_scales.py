"""compile --prove: nothing can overflow afterwards, only what had to be lowered was, and the rest is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seamount.backends.registry import load_target
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.driver import Compiled, compile_graph
from seamount.compiler.errors import CompileError
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import Affine, Input, IntLIF, Output, freeze
from seamount.compiler.pipelines import Options
from seamount.compiler.ranges.proof import LIMITS, analyse
from seamount.compiler.ranges.witness import find_witness
from tests.noted import said
from tests.passing import graph_of, li, lif
from tests.strategies import graphs


def compiled(graph: Graph, prove: bool, **options: Any) -> Compiled:
    return compile_graph(graph, load_target("loihi-sim"), Options(prove=prove, **options))


def scales(c: Compiled) -> dict[str, float]:
    return {n.name: n.op.scale for n in c.quantized.nodes if isinstance(n.op, IntLIF)}


def inhibited(weight: float, steps: int, readout: Any = None) -> Graph:
    """A neuron that is pulled down step after step and leaks 1/4 per step, and a readout of its spikes."""
    nodes = {
        "x": Input((2,), "graded", 0.0, 1.0),
        "w": Affine(freeze(np.array([[0.5, -weight], [0.3, 0.2]]))),
        "n": lif(beta=0.75),
        "out": Affine(freeze(np.array([[0.5, -0.25]]))),
        "read": readout or li(beta=0.9),
        "y": Output("last"),
    }
    return graph_of(nodes, "x w n out read y", steps)


def test_an_engineered_overflow_is_witnessed_and_compiled_away() -> None:
    """Without --prove messages are found that saturate v in the simulator; with it the same network is proven."""
    plain, proven = (compiled(inhibited(50.0, 8), prove) for prove in (False, True))
    program = plain.artifact.program
    found = analyse(program, 8)
    fast, slow = VectorizedSimulator(), ReferenceSimulator()
    witness = find_witness(program, found, "n", "v", fast.run, slow.run)
    assert witness is not None and witness.value < LIMITS["v"][0]
    v = slow.run(program, dict(witness.messages), frozenset({"v"})).v["n"].reshape(-1, 2)
    assert v[witness.step, witness.neuron] == LIMITS["v"][0]

    note = "n: v may saturate in 1 of 2 neurons; 'seamount ranges' says when, 'compile --prove' avoids it"
    assert note in said(plain.artifact.manifest) and note not in said(proven.artifact.manifest)
    assert analyse(proven.artifact.program, 8).proven
    before, after = scales(plain), scales(proven)
    assert after["n"] < before["n"] and after["read"] == before["read"]
    notes = said(proven.artifact.manifest)
    assert any(n.startswith(f"n: scale lowered from {before['n']:.4g} to {after['n']:.4g} so that it") for n in notes)
    assert notes[-1] == "proven: no inputs overflow a register in samples of at most 8 steps"
    assert proven.artifact.manifest.options.prove and not plain.artifact.manifest.options.prove


def test_what_is_proven_already_stays_as_it_is() -> None:
    plain, proven = (compiled(inhibited(1.0, 8), prove) for prove in (False, True))
    assert scales(plain) == scales(proven)
    notes = said(proven.artifact.manifest)
    assert [n for n in notes if n not in said(plain.artifact.manifest)] == [
        "proven: no inputs overflow a register in samples of at most 8 steps"
    ]


def test_the_length_of_a_sample_counts() -> None:
    """The longer the samples, the smaller the scale; those that are asked for count, not those of the model."""
    short, long = (scales(compiled(inhibited(50.0, 8), True, steps=steps))["n"] for steps in (1, 8))
    assert short > long


def test_no_scale_is_refused_with_cause_and_remedy() -> None:
    """Pulled 20,000 thresholds down 40 times without leak: even a threshold of 1 is too much."""
    graph = inhibited(20_000.0, 40)
    still = replace(graph["n"].op, beta=freeze(1.0))
    with pytest.raises(CompileError) as caught:
        compiled(graph.with_op("n", still), prove=True)
    (problem,) = caught.value.problems
    assert problem.where == graph["n"].where
    assert problem.found.startswith("no scale keeps it from overflowing in 40 steps: it would have to hold v -")
    assert problem.remedy.startswith("train with a faster decay: dv at least ")
    assert problem.remedy.endswith("; or samples of at most 6 steps; or compile without --prove")
    assert problem.limit == "v -8388607 .. 8388607"


@pytest.mark.parametrize("examples", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_random_graphs_are_proven_or_refused(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(graphs(layers=2), st.sampled_from([1.0, 30.0, 1000.0]))
    def check(graph: Graph, louder: float) -> None:
        proven_or_refused(graph.map_nodes(lambda n: replace(n, op=amplified(n.op, louder))))

    check()


def amplified(op: Any, factor: float) -> Any:
    return replace(op, weight=freeze(op.weight * factor)) if isinstance(op, Affine) else op


def proven_or_refused(graph: Graph) -> None:
    try:
        plain = compiled(graph, prove=False)
    except CompileError:
        return
    found = analyse(plain.artifact.program, graph.steps)
    assert any("'compile --prove' avoids it" in n for n in said(plain.quantized)) != found.proven
    try:
        proven = compiled(graph, prove=True)
    except CompileError as refused:
        assert not found.proven and all(p.found.startswith("no scale keeps it") for p in refused.problems)
        return
    assert analyse(proven.artifact.program, graph.steps).proven
    before, after = scales(plain), scales(proven)
    lowered = {name for name in after if any(n.startswith(f"{name}: scale lowered") for n in said(proven.quantized))}
    assert all(after[name] < before[name] for name in lowered) and bool(lowered) != found.proven
    if found.proven:
        assert before == after
