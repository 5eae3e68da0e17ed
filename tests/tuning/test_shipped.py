"""Every shipped network as a module: the simulator's integers before and after a step of training, and as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import seamount as sm  # noqa: E402
from seamount.backends.registry import load_target  # noqa: E402
from seamount.compiler.codes import encode, some  # noqa: E402
from seamount.compiler.ir.tuned import Tuning  # noqa: E402
from seamount.frontends.model_file.self_check import self_check  # noqa: E402
from seamount.models.reference.card import WEIGHTS  # noqa: E402
from seamount.tuning.export import grids_of, integers_differing, program_of, tuned_file, tuned_graph  # noqa: E402
from seamount.workflows.compile import compilation  # noqa: E402
from tests.tuning.test_network import differing, trained_a_step  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 4, 3, 2])
@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.pt")), ids=lambda path: path.stem)
def test_shipped_network(path: Path, bits: int) -> None:
    model = sm.load(path)
    assert model.file is not None
    net = sm.torch_module(model, weight_bits=bits)
    x = some(model.file.golden.inputs, slice(2))
    messages = dict(encode(net.inputs, x, model.steps))
    program = sm.compile(model, weight_bits=bits, progress=False).program
    assert differing(program, net, messages, "vectorized") == 0
    trained_a_step(net, messages)
    program = program_of(net, load_target("loihi-sim"))
    assert differing(program, net, messages, "vectorized") == 0
    graph = tuned_graph(net)
    tuning = Tuning(grids=grids_of(net.quantized()), weight_bits=bits)
    file = tuned_file(graph, model.file, model.encoding, {graph.inputs[0].name: x}, "tuned", tuning=tuning)
    assert self_check(file).differing == 0
    again = compilation(sm.Model.of_file(file), vectors=False, progress=False).artifact.program
    assert integers_differing(program, again) == ()
