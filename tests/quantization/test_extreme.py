"""Finite parameters of absurd magnitude: refused with the layer, or compiled to what the network computes."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from msgspec import structs

from seamount.backends.registry import load_target
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.codes import encode, scores
from seamount.compiler.driver import compile_graph
from seamount.compiler.errors import CompileError, ImportRefused
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.frontends.conventions import Conventions, Meaning
from seamount.frontends.nir.from_nir import from_nir

W = np.array([[1.0, -2, 3], [2, 1, 1]])
SAID = Conventions(
    dt=1e-3, integrate="euler", reset="zero", timing="immediate", compare="gt", spikes="single", start="zero",
    coding="spikes", steps=4, readout="sum",
)  # fmt: skip


def network(weight: np.ndarray, threshold: float | None, bias: float) -> nir.NIRGraph:
    """threshold: None for a readout without spikes."""
    if threshold is None:
        neuron = nir.LI(tau=np.full(2, 0.01), r=np.full(2, 10.0), v_leak=np.zeros(2))
    else:
        neuron = nir.IF(r=np.full(2, 1000.0), v_threshold=np.full(2, threshold), v_reset=np.zeros(2))
    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "fc": nir.Affine(weight, np.full(2, bias)),
        "n": neuron,
        "output": nir.Output({"output": np.array([2])}),
    }
    return nir.NIRGraph(nodes, [("input", "fc"), ("fc", "n"), ("n", "output")], type_check=False)


SIZES = (1e-320, 1e-310, 1e-300, 1e-160, 1e-100, 1e-60, 1e-30, 1e30, 1e60, 1e100, 1e155, 1e200, 1e300, 5e307)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part", ["weights", "readout weights", "threshold", "both", "bias", "readout bias", "range"])
def test_refused_or_right(part: str, size: float) -> None:
    said, high = SAID, 1.0
    weight, threshold, bias = W, None if "readout" in part or part == "range" else 1.0, 0.0
    if "weights" in part or part == "both":
        weight = W * size
    if part in ("threshold", "both"):
        threshold = size
    if "bias" in part:
        bias = size
    if part == "range":
        high = size
        said = structs.replace(SAID, coding="graded", low=0.0, high=high, encoding="sequence")
    x = np.ones((1, 4, 3)) * high
    with np.errstate(all="ignore"):
        try:
            graph = from_nir(network(weight, threshold, bias), Meaning(default=said))
            made = compile_graph(graph, load_target("loihi-sim")).artifact
        except (CompileError, ImportRefused) as refused:
            assert any(name in str(refused) for name in ("'fc'", "'n'", "'input'")), refused
            return
        if part == "both":  # the same network, and nothing in it overflows
            graph = from_nir(network(W, 1.0, 0.0), Meaning(default=said))
        wanted = interpret(InferShapes()(graph), x).outputs["output"]
    trace = ReferenceSimulator().run(made.program, encode(made.inputs, x, 4))
    found = scores(made.outputs[0], trace.readout["output"], 4)
    np.testing.assert_allclose(found, wanted, rtol=0.05, atol=0.05 * np.abs(wanted).max())
