"""The compiler's reading of NIR graphs against an interpreter that was written from the documents alone."""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest

from seamount.backends.registry import load_target
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.codes import encode, scores
from seamount.compiler.driver import compile_graph
from seamount.compiler.errors import CompileError, ImportRefused
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.frontends.conventions import Meaning
from seamount.frontends.nir.file import read_nir
from seamount.frontends.nir.from_nir import from_nir
from tests.frontends.nir_nets import write
from tests.oracle import interpreter as oracle
from tests.oracle.networks import Network, network, whole

QUICK, LONG = 200, 5_400
"""Networks made; of a hundred some five are refused, so that 200 and more than 5,000 are compared in all."""


def imported(made: Network, through_a_file: bool) -> Graph:
    graph = made.graph
    if through_a_file:
        graph = read_nir(io.BytesIO(write(graph, compression=None))).graph
    plain = {k: {**v, **({"v_min": str(v["v_min"])} if "v_min" in v else {})} for k, v in made.meaning["nodes"].items()}
    default = made.meaning["default"]
    tree = {"default": {**default, "v_min": str(default["v_min"])}, "nodes": plain}
    return from_nir(graph, msgspec.convert(tree, Meaning, strict=False))


def close(mine: Any, theirs: Any, what: str) -> None:
    bound = 1e-9 * max(1.0, float(np.max(np.abs(theirs), initial=0)))
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=bound, err_msg=what)


def compare_floats(made: Network, number: int) -> str:
    """Spikes equal, membranes, sums at the outputs and answers to rounding; "agrees" or why it was refused."""
    try:
        graph = InferShapes()(imported(made, through_a_file=number % 5 == 0))
    except ImportRefused as refused:
        return f"refused: {refused.problems[0].found}"
    membranes: dict[str, list[Any]] = {}

    def watch(node: Any, kind: str, step: int, value: Any) -> None:
        if kind == "v":
            membranes.setdefault(node.name, []).append(value)

    ours = interpret(graph, made.data, watch=watch)
    theirs = oracle.run(made.graph, made.meaning, made.data)
    assert ours.spikes.keys() == theirs.spikes.keys()
    for name, spikes in theirs.spikes.items():
        np.testing.assert_array_equal(ours.spikes[name], spikes, err_msg=f"network {number}: {name}")
    assert membranes.keys() == theirs.membranes.keys()
    for name, v in theirs.membranes.items():
        close(np.stack(membranes[name], axis=1), v, f"network {number}: {name}")
    assert ours.outputs.keys() == theirs.outputs.keys()
    for name, answer in theirs.outputs.items():
        close(ours.series[name], theirs.series[name], f"network {number}: {name}")
        close(ours.outputs[name], answer, f"network {number}: {name}")
    return "agrees"


def compare_integers(made: Network, number: int) -> str:
    """Spikes of the compiled program equal wherever a layer of the network is a population of it."""
    try:
        artifact = compile_graph(imported(made, False), load_target("loihi-sim")).artifact
    except (ImportRefused, CompileError) as refused:
        return f"refused: {refused.problems[0].found}"
    steps = made.meaning["default"]["steps"]
    sent = encode(artifact.inputs, made.data, steps)
    trace = VectorizedSimulator().run(artifact.program, sent, record=frozenset({"spikes"}))
    theirs = oracle.run(made.graph, made.meaning, made.data)
    shared = trace.spikes.keys() & theirs.spikes.keys()
    assert shared
    for name in shared:
        spikes = theirs.spikes[name]
        mine = trace.spikes[name].reshape(spikes.shape)
        np.testing.assert_array_equal(mine, spikes, err_msg=f"network {number}: {name}")
    for code in artifact.outputs:
        mine = scores(code, trace.readout[code.readout], steps)
        # a readout of sums keeps 1/4096 of the step before (docs/semantics.md)
        bound = 1e-3 * steps * max(1.0, float(np.max(np.abs(theirs.series[code.readout]))))
        np.testing.assert_allclose(mine.ravel(), theirs.outputs[code.readout].ravel(), rtol=0, atol=bound)
    return "agrees"


def tell(what: str, found: list[str], seconds: float) -> None:
    if os.environ.get("ORACLE_REPORT"):
        print(f"{what}: {len(found)} networks, {seconds:.0f} s")
        for reason, times in Counter(found).most_common(12):
            print(f"  {times:6} {reason}")


def try_floats(numbers: range) -> None:
    begin = time.monotonic()
    found = [compare_floats(network(number), number) for number in numbers]
    tell("floats", found, time.monotonic() - begin)
    assert found.count("agrees") > 0.9 * len(found)


def try_integers(numbers: range) -> None:
    begin = time.monotonic()
    found = [compare_integers(whole(number), number) for number in numbers]
    tell("integers", found, time.monotonic() - begin)
    assert found.count("agrees") > 0.5 * len(found)


def test_floats_agree() -> None:
    try_floats(range(QUICK))


def test_integers_agree() -> None:
    try_integers(range(QUICK // 8))


@pytest.mark.slow
def test_floats_agree_on_many() -> None:
    try_floats(range(QUICK, QUICK + LONG))


@pytest.mark.slow
def test_integers_agree_on_many() -> None:
    try_integers(range(QUICK // 8, QUICK // 8 + LONG // 5))
