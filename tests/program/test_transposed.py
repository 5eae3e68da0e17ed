"""Transposed convolutions in the integer program, against their lists of synapses and the graph they come from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seamount.backends.lava.lowering import for_lava
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import canonical
from seamount.compiler.program.bounds import sum_bound
from seamount.compiler.program.codec import read_program, write_program
from seamount.compiler.program.fan_out import events_per_target, fan_out, synapse_count, synapses_into
from seamount.compiler.program.lower import lower
from seamount.compiler.program.program import Conv, InputPort, Program, Projection, Readout, synapses
from seamount.compiler.program.text import to_text
from tests.agreement import assert_same_meaning
from tests.lowered import assert_lowered
from tests.passing import around
from tests.program_samples import i32, population
from tests.program_strategies import TRANSPOSED, cases, programs
from tests.strategies import cases as graphs

FEW = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@FEW
@given(programs(force=TRANSPOSED), st.integers(0, 2**32 - 1))
def test_every_count_is_that_of_the_synapses(program: Program, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for q in program.projections:
        source, target = program.shapes[q.source], program.shapes[q.target]
        n_in, n_out = int(np.prod(source)), int(np.prod(target))
        post, pre, weight = synapses(q.connection, source, target)
        assert (
            len(set(zip(post.tolist(), pre.tolist(), strict=True)))
            == len(post)
            == synapse_count(q.connection, source, target)
        )
        assert np.array_equal(fan_out(program, q), np.bincount(pre, minlength=n_in))
        sent = rng.integers(0, 9, n_in)
        assert np.array_equal(events_per_target(program, q, sent), np.bincount(post, sent[pre], n_out))
        neuron = int(rng.integers(n_out))
        into, weights, places = synapses_into(q, source, target, neuron)
        order = np.argsort(pre[post == neuron])
        assert np.array_equal(np.sort(into), pre[post == neuron][order])
        assert np.array_equal(weights[np.argsort(into)], weight[post == neuron][order])
        assert all(q.connection.weight[at] == w for at, w in zip(places, weights, strict=True))
        bound = sum_bound(program, q)
        most, least = (np.bincount(post, clip, n_out) for clip in (np.maximum(weight, 0), np.minimum(weight, 0)))
        assert (bound.high >= most).all() and (bound.low <= least).all()


def test_bounds_count_the_taps_of_a_place_alone() -> None:
    """With an input dilation of 2 a neuron has a quarter of the kernel; inside, the bound is what it can reach."""
    program = doubled()
    bound = sum_bound(program, program.projections[0])
    post, _, weight = synapses(program.projections[0].connection, (1, 3, 3), (1, 6, 6))
    exact = np.bincount(post, np.maximum(weight, 0), 36).reshape(6, 6)
    assert np.array_equal(bound.high.reshape(6, 6)[1:-1, 1:-1], exact[1:-1, 1:-1])


def doubled() -> Program:
    kernel = i32(2 * np.arange(1, 17).reshape(1, 1, 4, 4))
    connection = Conv(kernel, (1, 1), (2, 2), (1, 1), 1, (2, 2))
    port = InputPort("x", (1, 3, 3), False)
    p = population("p", (1, 6, 6))
    return Program((port,), (p,), (Projection("up", "x", "p", connection),), (Readout("y", "p", "s", "sum"),), 3)


@FEW
@given(graphs(force=frozenset({"conv"}) | TRANSPOSED), st.integers(3, 8))
def test_program_means_what_the_graph_means(case, bits: int) -> None:
    graph, x = case
    quantized = Quantize(weight_bits=bits)(canonical()(graph))
    assert_lowered(quantized, lower(quantized, 62), x)


@FEW
@given(graphs(force=frozenset({"conv", "residual"}) | TRANSPOSED))
def test_folding_keeps_the_meaning(case) -> None:
    graph, x = case
    before, after = around("fold-linear", graph)
    assert_same_meaning(before, after, x, 1e-9)


def test_files(tmp_path: Path) -> None:
    """Written where it is not what the first release took for granted, so that older files are read as before."""
    program = doubled()
    write_program(program, tmp_path)
    text = (tmp_path / "program.json").read_text()
    assert read_program(tmp_path).projections[0].connection.input_dilation == (2, 2)
    assert "input dilation (2,2)" in to_text(program)
    tree = json.loads(text)
    (projection,) = tree["program"]["projections"]
    assert projection["connection"].pop("input_dilation") == [2, 2]
    (tmp_path / "program.json").write_text(json.dumps(tree))
    plain = read_program(tmp_path)
    assert plain.projections[0].connection.input_dilation == (1, 1)
    write_program(plain, tmp_path)
    assert "input_dilation" not in (tmp_path / "program.json").read_text()


@FEW
@given(cases(force=TRANSPOSED))
def test_runs_like_its_list_of_synapses(case) -> None:
    program, x = case
    kept, listed = (ReferenceSimulator().run(p, x) for p in (program, for_lava(program)))
    assert all(np.array_equal(value, listed.readout[name]) for name, value in kept.readout.items())
    assert kept.counts.differences(listed.counts) == []
