"""Tuned networks as NIR: what is written is read as the same network, and compiles to the same integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from seamount.backends.registry import load_target
from seamount.compiler.errors import ImportRefused
from seamount.compiler.ir.tuned import Tuning
from seamount.frontends.model_file.self_check import self_check
from seamount.tuning.export import grids_of, integers_differing, program_of, tuned_file, tuned_graph
from seamount.tuning.network import IntegerNetwork
from seamount.workflows.compile import compilation
from seamount.workflows.load import Model
from tests.strategies import cases
from tests.tuning.test_network import compiled, differing, messages_of, trained_a_step

NIR = frozenset(
    {"conv", "norm", "graded", "memory", "bias", "ge", "v_reset", "v_init", "v_min", "gain", "recurrent", "readout"}
)
"""What draws mostly networks that a file could have held."""


def written(net: IntegerNetwork, data: Any, bits: int) -> Any:
    """The model file of a module; None where NIR has no form for it."""
    few = {k: v[:2] for k, v in data.items()}
    try:
        tuning = Tuning(grids=grids_of(net.quantized()), weight_bits=bits)
        return tuned_file(tuned_graph(net), None, "sequence", few, "drawn", tuning=tuning)
    except ImportRefused:
        return None


def check_case(case: Any, bits: int) -> int:
    """1 where the network could be written."""
    graph, data = case
    graph = replace(graph, steps=next(iter(data.values())).shape[1])
    made = compiled(graph, data, bits)
    if made is None:
        return 0
    artifact, net = made
    messages = messages_of(artifact, data)
    trained_a_step(net, messages)
    program = program_of(net, load_target("loihi-sim"))
    assert differing(program, net, messages, "vectorized") == 0
    file = written(net, data, bits)
    if file is None:
        return 0
    assert self_check(file).differing == 0
    again = compilation(Model.of_file(file), vectors=False, progress=False).artifact.program
    assert integers_differing(program, again) == ()
    return 1


def test_drawn_networks_after_a_step_of_training() -> None:
    done = []

    @settings(max_examples=20, deadline=None, derandomize=True, phases=(Phase.generate,))
    @given(case=cases(allow=NIR, layers=2), bits=st.sampled_from([8, 4, 3, 2]))
    def check(case: Any, bits: int) -> None:
        done.append(check_case(case, bits))

    check()
    assert sum(done) >= 6, f"{sum(done)} of {len(done)} could be written"


@pytest.mark.slow
def test_many_drawn_networks_after_a_step_of_training() -> None:
    done = []

    @settings(max_examples=400, deadline=None, derandomize=True, phases=(Phase.generate,))
    @given(case=cases(), bits=st.sampled_from([8, 6, 4, 3, 2]))
    def check(case: Any, bits: int) -> None:
        done.append(check_case(case, bits))

    check()
    print(f"{sum(done)} of {len(done)} could be written")
    assert sum(done) >= 60
