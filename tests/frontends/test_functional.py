"""Functions and methods that do what a layer does: as the module, to the spike; refused where the module is refused."""

# ruff: noqa: E402

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

import torch.nn.functional as F
from spikingjelly.activation_based import neuron
from torch import nn

from seamount.compiler.errors import ImportRefused
from seamount.frontends import save
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes


class Net(nn.Module):
    """A convolution and neurons; `middle` between their spikes (N, 4, 6, 6) and a Linear; `step` drives it."""

    def __init__(self, middle, features, extra=None):
        super().__init__()
        self.conv, self.one = nn.Conv2d(2, 4, 3, padding=1), neuron.LIFNode()
        for name, part in (extra or {}).items():
            self.add_module(name, part)
        self.fc, self.two = nn.Linear(features, 3), neuron.LIFNode()
        self.middle = middle

    def forward(self, x):
        return self.two(self.fc(self.middle(self, self.one(self.conv(x)))))


def norms():
    norm = nn.BatchNorm2d(4)
    norm.running_mean.uniform_(-0.2, 0.2)
    norm.running_var.uniform_(0.5, 2.0)
    return {"norm": norm}


def linear(net, z):
    return F.linear(z.flatten(1), net.part.weight, net.part.bias)


def convolution(net, z):
    return F.conv2d(z, weight=net.part.weight, bias=net.part.bias, stride=(2, 1), padding=1, groups=2).flatten(1)


def norm(net, z):
    n = net.norm
    return F.batch_norm(z, n.running_mean, n.running_var, n.weight, n.bias, n.training, 0.1, n.eps).flatten(1)


def torch_norm(net, z):
    n = net.norm
    return torch.batch_norm(
        z, n.weight, n.bias, n.running_mean, n.running_var, False, 0.1, n.eps, False
    ).flatten(1)  # fmt: skip


def grouped(net, z):
    return F.conv1d(z.flatten(2), net.part.weight, net.part.bias, stride=3).flatten(1)


FORMS = {
    "F.max_pool2d": (lambda net, z: F.max_pool2d(z, 2).flatten(1), 36, nn.MaxPool2d(2)),
    "torch.max_pool2d": (lambda net, z: torch.max_pool2d(z, (2, 3)).flatten(1), 24, nn.MaxPool2d((2, 3))),
    "F.max_pool2d, padded": (
        lambda net, z: F.max_pool2d(input=z, kernel_size=3, stride=2, padding=1).flatten(1), 36, nn.MaxPool2d(3, 2, 1),
    ),
    "F.avg_pool2d": (lambda net, z: F.avg_pool2d(z, 2).flatten(1), 36, nn.AvgPool2d(2)),
    "F.avg_pool2d, divisor": (
        lambda net, z: F.avg_pool2d(z, 2, divisor_override=3).flatten(1), 36, nn.AvgPool2d(2, divisor_override=3),
    ),
    "F.lp_pool2d": (lambda net, z: F.lp_pool2d(z, 1, 2).flatten(1), 36, nn.LPPool2d(1, 2)),
    "F.adaptive_avg_pool2d": (lambda net, z: F.adaptive_avg_pool2d(z, 2).flatten(1), 16, nn.AdaptiveAvgPool2d(2)),
    "F.adaptive_avg_pool2d, 1": (
        lambda net, z: F.adaptive_avg_pool2d(z, (1, 1)).squeeze(-1).squeeze(-1), 4, nn.AdaptiveAvgPool2d(1),
    ),
    "F.avg_pool1d": (lambda net, z: F.avg_pool1d(z.flatten(2), 4).flatten(1), 36, None),
    "mean of both": (lambda net, z: z.mean((2, 3)), 4, nn.AdaptiveAvgPool2d(1)),
    "mean, negative axes": (lambda net, z: torch.mean(z, dim=[-2, -1]), 4, nn.AdaptiveAvgPool2d(1)),
    "mean, kept": (lambda net, z: z.mean((2, 3), keepdim=True).flatten(1), 4, nn.AdaptiveAvgPool2d(1)),
    "mean of one": (lambda net, z: z.mean(3).flatten(1), 24, nn.AvgPool2d((1, 6))),
    "sum": (lambda net, z: z.sum((2, 3)) / 6, 4, None),
    "amax": (lambda net, z: z.amax((2, 3)), 4, nn.MaxPool2d(6)),
    "F.relu of spikes": (lambda net, z: F.relu(F.max_pool2d(z.relu(), 2)).flatten(1), 36, nn.MaxPool2d(2)),
    "torch.flatten": (lambda net, z: torch.flatten(z, 1), 144, nn.Identity()),
    "unflatten and flatten": (lambda net, z: z.unflatten(1, (2, 2)).flatten(1), 144, nn.Identity()),
    "F.dropout": (lambda net, z: F.dropout(z, 0.5, net.training).flatten(1), 144, nn.Identity()),
    "F.dropout3d": (lambda net, z: F.dropout3d(z, 0.5, training=False).flatten(1), 144, nn.Identity()),
    "F.linear": (linear, 5, None),
    "F.conv2d": (convolution, 72, None),
    "F.conv1d": (grouped, 36, None),
    "F.batch_norm": (norm, 144, None),
    "torch.batch_norm": (torch_norm, 144, None),
}  # fmt: skip
PARTS = {
    "F.linear": lambda: {"part": nn.Linear(144, 5)},
    "F.conv2d": lambda: {"part": nn.Conv2d(4, 4, 3, groups=2)},
    "F.conv1d": lambda: {"part": nn.Conv1d(4, 3, 3)},
    "F.batch_norm": norms,
    "torch.batch_norm": norms,
}


def made(name):
    middle, features, _ = FORMS[name]
    return lively(Net(middle, features, PARTS.get(name, dict)()), 5.0, drift=0.1)


@pytest.mark.parametrize("name", FORMS)
def test_a_function_is_saved(name, tmp_path):
    file = round_trip(made(name), tmp_path, high=0.99, low=0.001, sample=spikes(4, 6, 2, 6, 6))
    assert file.golden.samples == 4


@pytest.mark.parametrize("name", [name for name, (_, _, module) in FORMS.items() if module is not None])
def test_a_function_is_the_module(name, tmp_path):
    """The same network with the module in place of the function has the same spikes in the same program."""
    _, features, module = FORMS[name]
    sample = spikes(4, 6, 2, 6, 6)
    with_module = lively(Net(lambda net, z: net.part(z).flatten(1), features, {"part": module}), 5.0, drift=0.1)
    one = round_trip(made(name), tmp_path, high=0.99, low=0.001, sample=sample)
    two = round_trip(with_module, tmp_path, high=0.99, low=0.001, sample=sample)
    assert np.array_equal(one.golden.spikes["two"], two.golden.spikes["two"])
    a, b = assert_program(one), assert_program(two)
    assert [p.shape for p in a.populations] == [p.shape for p in b.populations]


@pytest.mark.skipif(find_spec("einops") is None, reason="einops is not installed")
def test_einops(tmp_path):
    from einops import rearrange, reduce

    def middle(net, z):
        return reduce(z, "b c h w -> b c", "mean") + rearrange(
            reduce(z, "b c (h i) (w j) -> b c h w", "mean", i=6, j=6), "b c h w -> b (c h w)"
        )

    round_trip(lively(Net(middle, 4), 5.0, drift=0.1), tmp_path, high=0.99, sample=spikes(4, 6, 2, 6, 6))


class Combined(Net):
    """The module combines its outputs over time itself, behind a function."""

    def forward(self, x):
        outputs = [F.linear(self.one(self.conv(x_t)).flatten(1), self.fc.weight, self.fc.bias) for x_t in x]
        return torch.stack(outputs).mean(0)


def test_a_readout_behind_a_function_combined_by_the_module(tmp_path):
    model = lively(Combined(None, 144), 5.0, drift=0.1)
    file = round_trip(model, tmp_path, high=0.99, readout="mean", sample=spikes(4, 6, 2, 6, 6))
    assert file.golden.series.shape == (4, 6, 3)


REFUSED = {
    "max of currents": (
        lambda net, z: F.max_pool2d(net.conv2(z), 2).flatten(1), "takes the maximum of values other than the spikes",
    ),
    "max with gaps": (lambda net, z: F.max_pool2d(z, 2, dilation=2).flatten(1), "has a dilation or returns indices"),
    "average without padding": (
        lambda net, z: F.avg_pool2d(z, 3, 2, 1, count_include_pad=False).flatten(1), "count_include_pad=False",
    ),
    "unequal windows": (lambda net, z: F.adaptive_avg_pool2d(z, 4).flatten(1), "windows of unequal size"),
    "weights from activations": (lambda net, z: F.linear(z.flatten(1), z.flatten(1)), "linear on the output of"),
    "mean over channels": (lambda net, z: z.mean(1).flatten(1), "mean over an axis that is not time"),
    "mean over the batch": (lambda net, z: (z - z.mean(0)).flatten(1), "mean over an axis that is not time"),
    "relu of currents": (lambda net, z: F.relu(net.conv2(z)).flatten(1), "relu on the output of 'conv2'"),
    "dropout in training": (lambda net, z: F.dropout(z).flatten(1), "dropout on the output of 'one'"),
    "norm by the batch": (
        lambda net, z: F.batch_norm(z, torch.zeros(4), torch.ones(4), training=True).flatten(1), "in training mode",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_the_module(name, tmp_path):
    middle, cause = REFUSED[name]
    model = Net(middle, 1, {"conv2": nn.Conv2d(4, 4, 3, padding=1)})
    with torch.no_grad():
        features = middle(model, torch.ones(2, 4, 6, 6)).shape[1]
    model.fc = nn.Linear(features, 3)
    with pytest.raises(ImportRefused) as refused:
        save(lively(model, 5.0, drift=0.1), tmp_path / "m.pt", sample=spikes(2, 6, 2, 6, 6), readout="sum")
    assert cause in str(refused.value)


@pytest.mark.skipif(find_spec("norse") is None, reason="norse is not installed")
def test_norse_convnet(tmp_path):
    from norse.torch.models.conv import ConvNet

    save(lively(ConvNet(), 8.0), tmp_path / "m.pt", sample=spikes(2, 4, 1, 28, 28), readout="last")
