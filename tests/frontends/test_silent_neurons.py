"""Neurons with an infinite threshold, as last layer the readout of a membrane in every framework; elsewhere refused."""

# ruff: noqa: E402

from __future__ import annotations

from importlib.util import find_spec
from math import inf

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for package in ("spikingjelly", "snntorch", "norse"):
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

import norse.torch as norse
import snntorch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from seamount.compiler.errors import ImportRefused
from seamount.frontends import save
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes

INF = torch.tensor(inf)
X = spikes(4, 8, 10)


def jelly(last, first=None):
    return lively(nn.Sequential(nn.Linear(10, 8), first or neuron.LIFNode(), nn.Linear(8, 3), last), 4.0)


def leaky(**options):
    return snntorch.Leaky(beta=0.9, init_hidden=True, **options)


def torchlike(last):
    return lively(nn.Sequential(nn.Linear(10, 8), leaky(), nn.Linear(8, 3), last), 4.0)


def cells(last, scale=30.0):
    return lively(norse.SequentialState(nn.Linear(10, 8), norse.LIFBoxCell(), nn.Linear(8, 3), last), scale)


def several():
    model = jelly(neuron.LIFNode(v_threshold=inf))
    functional.set_step_mode(model, "m")
    for place in (0, 2):
        model[place] = layer.SeqToANNContainer(model[place])
    return model


class Loop(nn.Module):
    """Returns the membrane that the last layer hands back."""

    def __init__(self, last):
        super().__init__()
        self.a, self.one, self.b, self.last = nn.Linear(10, 8), snntorch.Leaky(beta=0.9), nn.Linear(8, 3), last

    def forward(self, x):
        one, last, out = self.one.init_leaky(), self.last.init_leaky(), []
        for step in x:
            spikes, one = self.one(self.a(step), one)
            _, last = self.last(self.b(spikes), last)
            out.append(last)
        return torch.stack(out)


SILENT = {
    "LIFNode": lambda: jelly(neuron.LIFNode(v_threshold=inf)),
    "LIFNode, v_reset": lambda: jelly(neuron.LIFNode(v_threshold=inf, v_reset=-0.3)),
    "IFNode": lambda: jelly(neuron.IFNode(v_threshold=inf)),
    "ParametricLIFNode": lambda: jelly(neuron.ParametricLIFNode(v_threshold=inf, decay_input=False)),
    "CUBALIFNode": lambda: jelly(neuron.CUBALIFNode(v_threshold=inf)),
    "all steps": several,
    "Leaky": lambda: torchlike(leaky(threshold=inf, reset_mechanism="none")),
    "Leaky, zero": lambda: torchlike(leaky(threshold=inf, reset_mechanism="zero")),
    "Leaky, output": lambda: torchlike(leaky(threshold=inf, reset_mechanism="none", output=True)),
    "Leaky in a loop": lambda: lively(Loop(snntorch.Leaky(beta=0.8, threshold=inf, reset_mechanism="none")), 4.0),
    "Synaptic": lambda: torchlike(
        snntorch.Synaptic(alpha=0.5, beta=0.9, threshold=inf, reset_mechanism="none", init_hidden=True)
    ),
    "LIFBoxCell": lambda: cells(norse.LIFBoxCell(norse.LIFBoxParameters(v_th=INF))),
    "LIFCell": lambda: cells(norse.LIFCell(norse.LIFParameters(v_th=INF))),
    "IAFCell": lambda: cells(norse.IAFCell(norse.IAFParameters(v_th=INF, v_reset=torch.tensor(0.0)))),
}


@pytest.mark.parametrize("name", SILENT)
def test_the_membrane_is_read(name, tmp_path):
    file = round_trip(SILENT[name](), tmp_path, low=0.005, high=0.99, sample=X, readout="last")
    series = file.golden.series
    assert series.shape == (4, 8, 3) and len(np.unique(series)) > 20 and np.isfinite(series).all()
    program = assert_program(file)
    (readout,) = program.readouts
    assert (readout.register, program.population(readout.population).fires) == ("v", False)
    assert name == "Leaky in a loop" or any("its membrane is read" in x for x in file.left_out)


def test_it_is_the_membrane_of_the_framework(tmp_path):
    model = SILENT["LIFNode"]()
    file = round_trip(model, tmp_path, low=0.005, high=0.99, sample=X, readout="last")
    functional.reset_net(model)
    with torch.no_grad():
        for step in X.transpose(0, 1):
            sent = model(step)
    assert not sent.any()  # outside of saving the module is as it was
    series = file.golden.series
    assert np.array_equal(series[:, -1], model[-1].v.numpy())


REFUSED = {
    "hidden": (
        lambda: jelly(neuron.LIFNode(), neuron.LIFNode(v_threshold=inf)),
        "never fires, its threshold is infinite, and others follow it",
    ),
    "soft reset": (lambda: jelly(neuron.IFNode(v_threshold=inf, v_reset=None)), "0 times inf is no number"),
    "subtract": (lambda: torchlike(leaky(threshold=inf)), "0 times inf is no number"),
    "norse over time": (
        lambda: lively(nn.Sequential(nn.Linear(10, 3), norse.LIF(norse.LIFParameters(v_th=INF))), 4.0),
        "returns the membrane of the last step alone",
    ),
    "started elsewhere": (lambda: jelly(neuron.IFNode(v_threshold=inf, v_reset=0.5)), "starts at v_reset = 0.5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused(name, tmp_path):
    model, cause = REFUSED[name]
    with pytest.raises(ImportRefused, match=cause):
        save(model(), tmp_path / "m.pt", sample=X, readout="last")
