"""What has no counterpart on a chip is refused for its own cause, with what people use in its place."""

# ruff: noqa: E402

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
snntorch = pytest.importorskip("snntorch", reason="snntorch is not installed")

from spikingjelly.activation_based import neuron
from torch import nn
from torch.nn import functional

from seamount.compiler.errors import ImportRefused
from seamount.frontends import save
from seamount.frontends.frameworks import analog
from tests.frontends.round_trip import spikes


class Net(nn.Module):
    def __init__(self, between, **parts):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(10, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.one, self.two, self.between = neuron.LIFNode(), neuron.LIFNode(), between
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.two(self.c(self.between(self, self.one(self.a(x)))))


def refusal(model, tmp_path, sample=None):
    with pytest.raises(ImportRefused) as refused:
        save(model.eval(), tmp_path / "m.pt", sample=spikes(3, 5, 10) if sample is None else sample, readout="sum")
    return refused.value.problems


MODULES = {
    "Sigmoid": (nn.Sigmoid(), analog.CURVE), "GELU": (nn.GELU(), analog.CURVE), "Tanh": (nn.Tanh(), analog.CURVE),
    "Softmax": (nn.Softmax(1), analog.SHARE), "LayerNorm": (nn.LayerNorm(8), analog.NORM),
    "GroupNorm": (nn.GroupNorm(2, 8), analog.NORM), "GRUCell": (nn.GRUCell(8, 8), analog.GATES),
    "RNNCell": (nn.RNNCell(8, 8), analog.STATE), "GLU": (nn.GLU(1), analog.GATES),
}  # fmt: skip
FUNCTIONS = {
    "sigmoid": (torch.sigmoid, analog.CURVE), "tanh": (torch.tanh, analog.CURVE),
    "gelu": (functional.gelu, analog.CURVE),
    "softmax": (lambda h: h.softmax(1), analog.SHARE), "sort": (lambda h: h.sort()[0], analog.ORDER),
    "layer_norm": (lambda h: functional.layer_norm(h, (8,)), analog.NORM),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_modules(name, tmp_path):
    module, why = MODULES[name]
    (problem,) = refusal(Net(lambda net, h: net.part(net.b(h)), part=module), tmp_path)
    assert (problem.where, problem.found, problem.remedy) == (f"layer 'part' ({name})", why.found, why.remedy)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, tmp_path):
    function, why = FUNCTIONS[name]
    (problem,) = refusal(Net(lambda net, h: function(net.b(h))), tmp_path)
    assert problem.found == f"{name} on the output of 'b' {why.found}" and problem.remedy == why.remedy


class Attention(nn.Module):
    def __init__(self, mix):
        super().__init__()
        self.stem, self.q, self.k, self.v = (nn.Conv2d(a, 4, 1) for a in (1, 4, 4, 4))
        self.fires = nn.ModuleList(neuron.LIFNode() for _ in range(6))
        self.out, self.mix = nn.Linear(4 * 9, 3), mix

    def forward(self, x):
        h = self.fires[0](self.stem(x))
        q, k, v = (f(c(h)).flatten(2) for f, c in zip(self.fires[1:4], (self.q, self.k, self.v), strict=True))
        return self.fires[5](self.out(self.fires[4](self.mix(q, k, v)).flatten(1)))


MIXES = {
    "@": lambda q, k, v: (q @ k.transpose(1, 2)) @ v,
    "matmul": lambda q, k, v: torch.matmul(torch.matmul(q, k.mT), v),
    "bmm": lambda q, k, v: torch.bmm(torch.bmm(q, k.transpose(1, 2)), v),
    "einsum": lambda q, k, v: torch.einsum("bij,bkj,bkl->bil", q, k, v),
    "scaled_dot_product_attention": functional.scaled_dot_product_attention,
}


@pytest.mark.parametrize("name", MIXES)
def test_attention_between_spike_matrices(name, tmp_path):
    first, *_ = refusal(Attention(MIXES[name]), tmp_path, spikes(3, 5, 1, 3, 3))
    assert analog.ATTENTION.found in first.found and first.remedy == analog.ATTENTION.remedy


class Norms(nn.Module):
    """BNTT: a batch norm for each step."""

    def __init__(self):
        super().__init__()
        self.a, self.norms = nn.Linear(10, 8), nn.ModuleList(nn.BatchNorm1d(8) for _ in range(5))
        self.fires = snntorch.Leaky(beta=0.9)

    def forward(self, x):
        membrane, out = self.fires.init_leaky(), []
        for step, norm in zip(x, self.norms, strict=True):
            spikes, membrane = self.fires(norm(self.a(step)), membrane)
            out.append(spikes)
        return torch.stack(out)


def test_a_batch_norm_of_each_step(tmp_path):
    (problem,) = refusal(Norms(), tmp_path)
    assert (
        "batch norm of its own before it (BNTT)" in problem.found and "one batch norm for all steps" in problem.remedy
    )


def test_spiking_lstm(tmp_path):
    model = nn.Sequential(
        snntorch.SLSTM(10, 8, init_hidden=True), nn.Linear(8, 3), snntorch.Leaky(0.9, init_hidden=True)
    )
    (problem,) = refusal(model, tmp_path)
    assert problem.found == analog.GATES.found and "RLeaky" in problem.remedy


def test_norse_networks_with_adaptation(tmp_path):
    norse = pytest.importorskip("norse.torch", reason="norse is not installed")
    (problem,) = refusal(norse.SequentialState(norse.LSNNRecurrentCell(10, 8)), tmp_path)
    assert "adaptive threshold" in problem.found and "LIFRecurrentCell" in problem.remedy


class LightningModule(nn.Module):
    """As Lightning's, whose forward calls the one of torch, which there is none of."""

    def forward(self, *args):
        return super().forward(*args)


class Trained(LightningModule):
    def __init__(self):
        super().__init__()
        self.net = Net(lambda net, h: net.b(h))


class Forwarding(Trained):
    def forward(self, x):
        return self.net(x)


def test_a_lightning_module(tmp_path):
    (problem,) = refusal(Trained(), tmp_path)
    assert problem.found == "is a LightningModule without a forward of its own"
    assert problem.remedy == "give model.net, or write forward"
    assert save(Forwarding().eval(), tmp_path / "m.pt", sample=spikes(3, 5, 10), readout="sum").ok
