"""The integer program of an imported network."""

from __future__ import annotations

import numpy as np

from seamount.backends.registry import load_target
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.driver import compile_graph
from seamount.compiler.program.program import Program
from seamount.frontends import ModelFile
from seamount.frontends.model_file.model import by_port
from tests.lowered import assert_lowered, messages_of

EVERYTHING = frozenset({"spikes", "u", "v"})


def assert_program(file: ModelFile, target: str = "loihi2") -> Program:
    """It compiles, does what the quantized graph means, alike in both simulators, and fires much as the framework."""
    graph = file.graph()
    x = by_port(file.inputs(), [node.name for node in graph.inputs])
    compiled = compile_graph(graph, load_target(target), samples=x)
    program = compiled.artifact.program
    sent = messages_of(compiled.quantized, x)
    slow = ReferenceSimulator().run(program, sent, EVERYTHING)
    fast = VectorizedSimulator().run(program, sent, EVERYTHING)
    for kind in ("spikes", "u", "v", "readout"):
        for name, value in getattr(slow, kind).items():
            assert np.array_equal(value, getattr(fast, kind)[name]), f"{kind} of {name}"
    assert_lowered(compiled.quantized, program, x)
    for name, spikes in file.golden.spikes.items():
        assert (slow.spikes[name] == spikes).mean() > 0.9, name
    return program
