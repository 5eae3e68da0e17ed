"""SpikingJelly's layers that compute more than torch.nn's, and outputs combined over time that no neuron sent."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

import pytest

pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

import numpy as np
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from seamount.compiler.errors import ImportRefused
from seamount.frontends import save
from tests.frontends.round_trip import lively, round_trip, spikes


def norms(kind: str, scales: tuple[float, ...]) -> nn.Module:
    """A batch norm with a scale of its own per step."""
    steps, through = len(scales), "Through" in kind
    norm = getattr(layer, kind)(steps, 4, **({"step_mode": "m"} if through else {}))
    parts = list(norm.bn_list) if through else [norm]
    with torch.no_grad():
        for k, part in enumerate(parts):
            part.running_mean.copy_(torch.linspace(-0.2, 0.3, 4))
            part.weight.fill_(scales[k] if through else 0.9)
        if not through:
            norm.scale.copy_(torch.tensor(scales))
            norm.bias.copy_(torch.linspace(0, 0.2, 4))
    return norm


@pytest.mark.parametrize("kind", ["BatchNormThroughTime2d", "TemporalEffectiveBatchNorm2d"])
def test_a_batch_norm_per_step_folds_where_steps_agree(kind, tmp_path):
    def network(scales: tuple[float, ...]) -> nn.Module:
        conv = lively(layer.Conv2d(2, 4, 3, step_mode="m"), 4.0)
        return nn.Sequential(conv, norms(kind, scales), neuron.IFNode(step_mode="m")).eval()

    round_trip(network((1.2,) * 9), tmp_path, sample=spikes(4, 9, 2, 6, 6))
    with pytest.raises(ImportRefused, match="its scale differs between steps"):
        save(network((1.2,) * 8 + (1.3,)), tmp_path / "m.pt", sample=spikes(4, 9, 2, 6, 6), readout="sum")


@pytest.mark.parametrize("mode", ["s", "m"])
def test_standardized_weights(mode, tmp_path):
    model = nn.Sequential(
        layer.WSConv2d(2, 4, 3, step_mode=mode), neuron.LIFNode(step_mode=mode), layer.Flatten(step_mode=mode),
        layer.WSLinear(64, 5, step_mode=mode), neuron.IFNode(step_mode=mode),
    )  # fmt: skip
    lively(model, 2.0)
    for part in (model[0], model[3]):
        nn.init.constant_(part.gain, 3.0)
        nn.init.constant_(part.bias, 0.3)
    round_trip(model, tmp_path, sample=spikes(4, 9, 2, 6, 6))


class Means(nn.Module):
    """Images shown by forward itself; the mean over time of a linear layer, as most spiking ResNets end."""

    def __init__(self, ending: str) -> None:
        super().__init__()
        self.conv = layer.SeqToANNContainer(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
        self.one, self.two = neuron.LIFNode(step_mode="m"), neuron.LIFNode(step_mode="m")
        self.back, self.out = layer.SeqToANNContainer(nn.Conv2d(4, 4, 3, padding=1)), nn.Linear(4, 6)
        self.pool, self.ending = layer.SeqToANNContainer(nn.AdaptiveAvgPool2d(1)), ending
        lively(self, 4.0)
        nn.init.constant_(self.conv[1].weight, 1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self)
        h = self.one(self.conv(x.unsqueeze(0).repeat(7, 1, 1, 1, 1)))
        h = torch.flatten(self.pool(h + self.two(self.back(h))), 2)
        if self.ending == "linear":
            return self.out(h).mean(0)
        if self.ending == "linear on the mean":
            return self.out(h.mean(0))
        return (self.out(h) * 0.5).mean(0)


@pytest.mark.parametrize("ending", ["linear", "scaled"])
def test_a_mean_over_time_of_a_linear_layer(ending, tmp_path):
    x = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(3))
    file = round_trip(Means(ending), tmp_path, sample=x, steps=7, readout="mean")
    with torch.no_grad():
        assert np.allclose(file.golden.outputs, Means(ending)(x).numpy(), atol=1e-5)


def test_a_layer_after_the_mean_is_refused(tmp_path):
    x = torch.rand(5, 1, 6, 6)
    with pytest.raises(ImportRefused, match="a layer follows the combination over time"):
        save(Means("linear on the mean"), tmp_path / "m.pt", sample=x, steps=7, readout="mean")


class Training(nn.Module):
    """A network that keeps what it was trained with: a loss, and a head that only training called."""

    def __init__(self, uses: bool) -> None:
        super().__init__()
        self.a, self.one, self.loss, self.head = nn.Linear(6, 4), neuron.LIFNode(), nn.CrossEntropyLoss(), nn.GELU()
        self.uses = uses
        lively(self, 4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.one(self.a(x))
        return self.head(y) if self.uses else y


def test_layers_that_never_run_are_not_refused(tmp_path):
    round_trip(Training(False), tmp_path, sample=spikes(4, 9, 6))
    with pytest.raises(ImportRefused) as refused:
        save(Training(True), tmp_path / "m.pt", sample=spikes(4, 9, 6), readout="sum")
    assert [p.where for p in refused.value.problems] == ["layer 'head' (GELU)"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("kind", ["sew_resnet.sew_resnet18", "spiking_resnet.spiking_resnet18"])
def test_the_packages_own_residual_networks(kind, mode, tmp_path, monkeypatch):
    """Without their max pool and with a stem for small images; torchvision, which they only load weights with, is
    left out."""
    for name in ("torchvision", "torchvision.models", "torchvision.models.utils", "torchvision.models._utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["torchvision.models.utils"].load_state_dict_from_url = None
    home, _, name = kind.partition(".")
    more = {"cnf": "ADD"} if "sew" in kind else {}
    build = getattr(import_module(f"spikingjelly.activation_based.model.{home}"), name)
    torch.manual_seed(0)
    model = build(pretrained=False, spiking_neuron=neuron.IFNode, num_classes=10, **more)
    model.maxpool, model.conv1 = nn.Identity(), layer.Conv2d(3, 64, 3, padding=1, bias=False)
    functional.set_step_mode(model, mode)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 1.5)
            nn.init.constant_(module.bias, 0.2)
    round_trip(model.eval(), tmp_path, sample=torch.rand(2, 3, 3, 8, 8), readout="mean")


class Tied(nn.Module):
    """One layer of weights at two places; its output of all steps is summed by forward, or returned."""

    def __init__(self, summed: bool) -> None:
        super().__init__()
        self.a, self.one, self.two, self.summed = nn.Linear(6, 6), neuron.LIFNode(), neuron.LIFNode(), summed
        lively(self, 4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = torch.stack([self.a(self.one(self.a(frame))) for frame in x])
        return outputs.sum(0) if self.summed else outputs


def test_tied_weights_become_two_layers(tmp_path):
    file = round_trip(Tied(False), tmp_path, sample=spikes(4, 9, 6))
    assert {"a", "a_1"} <= set(file.nir_file().graph.nodes)
    with pytest.raises(ImportRefused, match="a layer before it runs more than once"):
        save(Tied(True), tmp_path / "m.pt", sample=spikes(4, 9, 6), readout="sum")
