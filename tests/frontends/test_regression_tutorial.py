"""snnTorch's regression tutorial: decays learned per neuron together with reset by subtraction."""

# ruff: noqa: E402

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch", reason="snntorch is not installed")

import numpy as np
from torch import nn

import seamount
from seamount.backends.registry import load_backend
from seamount.compiler.codes import messages
from seamount.compiler.errors import CompileError


class Regression(nn.Module):
    def __init__(self, **second):
        super().__init__()
        self.fc1, self.fc2, self.out = nn.Linear(6, 24), nn.Linear(24, 24), nn.Linear(24, 1)
        self.one = snn.Leaky(beta=torch.linspace(0.3, 0.95, 24), learn_beta=True)
        self.two = snn.Leaky(beta=torch.linspace(0.95, 0.5, 24), learn_beta=True, **second)
        self.last = snn.Leaky(beta=0.8, reset_mechanism="none")

    def forward(self, x):
        one, two, last = (layer.init_leaky() for layer in (self.one, self.two, self.last))
        for step in x.transpose(0, 1):
            spikes, one = self.one(self.fc1(step), one)
            spikes, two = self.two(self.fc2(spikes), two)
            _, last = self.last(self.out(spikes), last)
        return last


def network(**second):
    torch.manual_seed(3)
    model = Regression(**second)
    with torch.no_grad():
        model.fc1.weight.mul_(4.0)
        model.fc2.weight.mul_(5.0)
    return model


X = (torch.rand(8, 20, 6, generator=torch.Generator().manual_seed(4)) < 0.5).float()


def compiled(model, target="loihi2"):
    return seamount.compile(model, sample=X, readout="last", target=target)


@pytest.mark.parametrize("second", [{}, {"threshold": torch.linspace(0.5, 2.0, 24), "learn_threshold": True}])
def test_it_compiles_and_all_backends_agree(second):
    model = network(**second)
    artifact = compiled(model)
    by = {p.name: np.asarray(p.reset_by) for p in artifact.program.populations}
    assert by["one"].shape == by["two"].shape == (24,) and np.ptp(by["one"]) > 0
    x = X.numpy()
    record = frozenset({"spikes", "u", "v"})
    sent = {code.port: messages(code, x, 20) for code in artifact.inputs}
    truth = load_backend("reference").run(artifact.program, sent, record=record)
    assert all(0.02 < truth.spikes[name].mean() < 0.9 for name in ("one", "two"))
    for name in ("vectorized", "cpu"):
        trace = load_backend(name).run(artifact.program, sent, record=record)
        for register in ("spikes", "u", "v"):
            for key, series in getattr(truth, register).items():
                np.testing.assert_array_equal(getattr(trace, register)[key], series, err_msg=f"{name} {register}")
    wanted = model(X).detach().numpy()
    found = artifact.run(x).outputs["output"]
    assert np.corrcoef(wanted[:, 0], found[:, 0])[0, 1] > 0.9


def test_a_plain_chip_is_told_what_it_lacks():
    with pytest.raises(CompileError) as refused:
        compiled(network(), "loihi1")
    assert str(refused.value).startswith(
        "population 'one': needs reset by subtraction\n"
        "  limit:  loihi1 features.reset_subtract = no (nxtf)\n"
        "  remedy: compile for a target that can (see 'seamount targets'), or train with a reset to zero\n"
    )
