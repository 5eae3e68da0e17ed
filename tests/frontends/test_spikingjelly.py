"""SpikingJelly networks in: what the framework computes is what the imported graph computes, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

import numpy as np
import torch
from spikingjelly.activation_based import encoding, functional, layer, neuron, rnn
from torch import nn

from seamount.compiler.errors import ImportRefused, SeamountError
from seamount.frontends import save, self_check
from seamount.frontends.frameworks.spikingjelly import REFUSED
from tests.conformance.case import sample, sampled
from tests.conformance.measure import LIVELY, measure
from tests.conformance.spikingjelly_cases import cases
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes

CASES = {case.id: case for case in cases()}


@pytest.mark.parametrize("name", sampled(CASES))
def test_every_neuron(name):
    case = CASES[name]
    outcome = measure(case)
    if case.refused:
        assert case.refused in outcome.refused
        return
    assert (outcome.refused, outcome.compared) == ("", 16000)
    assert (outcome.differing, outcome.ties) == (0, 0)
    assert LIVELY[0] < outcome.rate < (4.0 if case.several else LIVELY[1])
    assert (outcome.on_threshold > 300) == case.grid


WRONG = [
    ("IFNode-to0-immediate-multistep", {"reset": "subtract"}),
    ("IFNode-subtract-immediate-multistep", {"reset": "zero"}),
    ("CUBALIFNode-to-0.3-immediate-multistep", {"start": "zero"}),
    ("LIFNode-to0-immediate-multistep,decay_input=True", {"integrate": "exact"}),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_a_wrong_convention_is_found(name, wrong, tmp_path):
    file = round_trip(CASES[name].network(), tmp_path, sample=sample()[:, :300])
    assert self_check(replace(file, meaning=changed(file.meaning, wrong))).differing > 0


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.grid])
def test_the_comparison_shows_on_a_grid(name, tmp_path):
    file = round_trip(CASES[name].network(), tmp_path, sample=sample())
    assert self_check(replace(file, meaning=changed(file.meaning, {"compare": "gt"}))).ties > 100


def changed(meaning, fields):
    nodes = {k: type(v)(**{**v.known(), **fields}) for k, v in meaning.nodes.items()}
    default = type(meaning.default)(**{**meaning.default.known(), **fields})
    return type(meaning)(default=default, nodes=nodes)


def lif(**more):
    return neuron.LIFNode(**{"tau": 2.0, "v_threshold": 0.6, **more})


def with_statistics(model):
    """Batch norms as after training."""
    generator = torch.Generator().manual_seed(3)
    for m in model.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.running_mean.copy_(torch.rand(m.running_mean.shape, generator=generator) - 0.5)
            m.running_var.copy_(torch.rand(m.running_var.shape, generator=generator) + 0.5)
            m.weight.data.copy_(torch.rand(m.weight.shape, generator=generator) + 0.5)
    return model.eval()


def convolutional():
    return nn.Sequential(
        layer.Conv2d(2, 6, 3, bias=False), layer.BatchNorm2d(6), lif(), layer.AvgPool2d(2),
        layer.Conv2d(6, 8, 2), layer.ThresholdDependentBatchNorm2d(1.0, 0.6, 8), lif(decay_input=False),
        layer.Dropout(0.2), layer.Flatten(), layer.Linear(72, 10), neuron.ParametricLIFNode(v_reset=None),
    )  # fmt: skip


def test_a_convolutional_network_in_multi_step_mode(tmp_path):
    model = with_statistics(lively(convolutional(), 4.0))
    functional.set_step_mode(model, "m")
    file = round_trip(model, tmp_path, sample=spikes(4, 12, 2, 10, 10))
    assert file.golden.series.shape == (4, 12, 10)


def test_a_convolutional_network_in_single_step_mode(tmp_path):
    model = lively(convolutional(), 4.0)
    model[5] = layer.BatchNorm2d(8)
    functional.set_step_mode(with_statistics(model), "s")
    x = spikes(4, 12, 2, 10, 10)
    stepped = round_trip(model, tmp_path, sample=x)
    functional.set_step_mode(model, "m")
    assert np.array_equal(round_trip(model, tmp_path, sample=x).golden.series, stepped.golden.series)


class Frames(nn.Module):
    """The tutorial's style: one frame, shown at every step; rates as output."""

    def __init__(self, spelling="repeat", static=True, over_time=True):
        super().__init__()
        self.spelling, self.over_time = spelling, over_time
        self.static = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)) if static else nn.Identity()
        channels = 4 if static else 1
        side = 36 if static else 64
        self.rest = nn.Sequential(
            neuron.IFNode(), layer.Flatten(), layer.Linear(channels * side, 10), neuron.IFNode(v_reset=None)
        )
        functional.set_step_mode(self.rest, "m")
        lively(self, 1.0, drift=0.0)
        with_statistics(self)

    def forward(self, x):
        y = self.static(x)
        if self.spelling == "repeat":
            y = y.unsqueeze(0).repeat(9, 1, 1, 1, 1)
        elif self.spelling == "repeat at once":
            y = y.repeat(9, 1, 1, 1, 1)
        else:
            y = y.unsqueeze(0).expand(9, -1, -1, -1, -1)
        y = self.rest(y)
        return y.mean(0) if self.over_time else y


@pytest.mark.parametrize("spelling", ["repeat", "repeat at once", "expand"])
@pytest.mark.parametrize("static", [True, False])
def test_a_frame_repeated_over_time(spelling, static, tmp_path):
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(4))
    file = round_trip(Frames(spelling, static), tmp_path, sample=x, steps=9, readout="mean")
    assert (file.encoding, file.golden.series.shape) == ("constant", (6, 9, 10))
    round_trip(Frames(spelling, static, over_time=False), tmp_path, sample=x, steps=9)


def test_a_repetition_of_other_length(tmp_path):
    with pytest.raises(ImportRefused, match="a repetition other than of a frame over all steps"):
        save(Frames(), tmp_path / "m.pt", sample=torch.rand(6, 1, 8, 8), steps=8, readout="mean")


class Residual(nn.Module):
    """A block with a skip, in either step mode and any spelling of the sum."""

    def __init__(self, spelling="a + b", mode="m", project=False):
        super().__init__()
        self.spelling = spelling
        self.stem = nn.Sequential(layer.Conv2d(2, 6, 3, padding=1), layer.BatchNorm2d(6), lif())
        self.block = nn.Sequential(
            layer.Conv2d(6, 6, 3, padding=1, bias=False), layer.BatchNorm2d(6), lif(),
            layer.Conv2d(6, 6, 3, padding=1, bias=False), layer.BatchNorm2d(6), lif(),
        )  # fmt: skip
        self.skip = layer.Conv2d(6, 6, 1, bias=False) if project else nn.Identity()
        self.last = lif()
        self.head = nn.Sequential(layer.AdaptiveAvgPool2d(1), layer.Flatten(), layer.Linear(6, 5), lif())
        functional.set_step_mode(self, mode)
        lively(self, 3.0, drift=0.05)
        with_statistics(self)

    def forward(self, x):
        x = self.stem(x)
        y = self.block(x)
        skip = self.skip(x)
        if self.spelling == "a + b":
            y = y + skip
        elif self.spelling == "torch.add":
            y = torch.add(y, skip)
        elif self.spelling == "a += b":
            y += skip
        elif self.spelling == "neuron":
            y = self.last(y + skip)
        return self.head(y)


@pytest.mark.parametrize("spelling", ["a + b", "torch.add", "a += b", "neuron"])
@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("project", [False, True])
def test_residual_blocks(spelling, mode, project, tmp_path):
    x = spikes(2, 8, 2, 7, 7)
    file = round_trip(Residual(spelling, mode, project), tmp_path, low=0.002, sample=x)
    source = "skip" if project else "stem.2"
    assert any(e.source == source for e in file.graph().edges if e.target in ("last", "head.0"))


def test_containers(tmp_path):
    model = nn.Sequential(
        layer.SeqToANNContainer(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6)),
        lif(step_mode="m"),
        layer.MultiStepContainer(layer.AvgPool2d(2), nn.Flatten(), nn.Linear(54, 20), lif(v_reset=None)),
        layer.StepModeContainer(True, "m", nn.Linear(20, 12), lif()),
        layer.StepModeContainer(False, "m", nn.Linear(12, 5)),
        lif(step_mode="m"),
    )
    file = round_trip(with_statistics(lively(model, 3.0, drift=0.05)), tmp_path, sample=spikes(4, 12, 2, 8, 8))
    assert len(file.golden.spikes) == 4


def test_one_dimension(tmp_path):
    model = nn.Sequential(
        layer.Conv1d(2, 6, 3), layer.BatchNorm1d(6), lif(), layer.AvgPool1d(2), layer.Flatten(), layer.Linear(54, 20),
        layer.ThresholdDependentBatchNorm1d(1.0, 0.6, 20), lif(),
    )  # fmt: skip
    functional.set_step_mode(with_statistics(lively(model, 4.0)), "m")
    round_trip(model, tmp_path, sample=spikes(4, 12, 2, 20))


def test_a_time_loop_over_single_steps(tmp_path):
    class Loop(nn.Module):
        def __init__(self, total):
            super().__init__()
            self.net = lively(nn.Sequential(layer.Linear(12, 20), lif(), layer.Linear(20, 5), lif()), 4.0)
            self.total = total

        def forward(self, x):
            functional.reset_net(self)
            y = 0
            for t in range(x.shape[0]):
                y = y + self.net(x[t])
            return y / x.shape[0] if self.total == "mean" else y

    for rule in ("sum", "mean"):
        file = round_trip(Loop(rule), tmp_path, sample=spikes(8, 15, 12), readout=rule)
        assert file.golden.series.shape == (8, 15, 5)


def test_what_ran_before_does_not_matter(tmp_path):
    model = lively(nn.Sequential(layer.Linear(12, 20), neuron.CUBALIFNode(), layer.Linear(20, 5), lif()), 2.0)
    x = spikes(8, 15, 12)
    first = round_trip(model, tmp_path, sample=x)
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(8, 12))
    assert np.array_equal(round_trip(model, tmp_path, sample=x).golden.series, first.golden.series)
    assert model[1].v == 0.0 and model[3].v == 0.0


def test_stored_membranes_change_nothing(tmp_path):
    for mode in "sm":
        model = lively(nn.Sequential(layer.Linear(12, 20), lif(store_v_seq=True)), 4.0)
        functional.set_step_mode(model, mode)
        round_trip(model, tmp_path, sample=spikes(8, 15, 12))


LAYERS = {
    "MaxPool1d": (layer.MaxPool1d(2), "a maximum is not linear"),
    "GroupNorm": (layer.GroupNorm(2, 6), "its scale follows each input"),
    "SynapseFilter": (layer.SynapseFilter(), "use a CUBALIFNode"),
    "MaxPool1d of torch": (nn.MaxPool1d(2), "MaxPool1d cannot be carried over"),
    "LinearRecurrentContainer": (layer.LinearRecurrentContainer(neuron.IFNode(), 6, 6), "through a concatenation"),
    "Dropout in training": (layer.Dropout().train(), "drops activations at random"),
    "BatchNorm in training": (layer.BatchNorm2d(6).train(), "normalises by the batch"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_that_are_refused(name, tmp_path):
    module, found = LAYERS[name]
    training = module.training and "training" in name
    model = nn.Sequential(layer.Conv2d(2, 6, 3), lif(), module).eval()
    module.train(training)
    with pytest.raises(ImportRefused) as error:
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 2, 8, 8), readout="sum")
    assert found in str(error.value) and "layer '2'" in str(error.value)


def test_all_refusals_at_once(tmp_path):
    model = nn.Sequential(
        layer.Conv2d(2, 6, 3), neuron.KLIFNode(), layer.MaxPool1d(2), neuron.QIFNode(), lif(v_threshold=float("nan")),
        layer.Dropout(),
    )  # fmt: skip
    with pytest.raises(ImportRefused) as error:
        save(model.train(), tmp_path / "m.pt", sample=spikes(4, 5, 2, 8, 8), readout="sum")
    assert len(error.value.problems) == 5
    assert "use one of CUBALIFNode, IFNode, ILIFNode, LIFNode, ParametricLIFNode" in str(error.value)


def test_a_changed_start_is_refused(tmp_path):
    model = lively(nn.Sequential(layer.Linear(12, 20), lif()), 4.0)
    model[1].set_reset_value("v", 0.3)
    with pytest.raises(ImportRefused, match=r"it starts at v = 0\.3"):
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")


def test_a_threshold_per_neuron_is_refused(tmp_path):
    model = lively(nn.Sequential(layer.Linear(12, 20), lif()), 4.0)
    model[1].v_threshold = torch.linspace(0.5, 1.0, 20)
    with pytest.raises(ImportRefused, match="v_threshold is a Tensor"):
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")


def test_a_repeated_frame_from_a_sequence(tmp_path):
    with pytest.raises(SeamountError):
        save(Frames("repeat at once"), tmp_path / "m.pt", sample=spikes(4, 9, 1, 8, 8), readout="mean")


def test_step_modes_that_do_not_fit(tmp_path):
    """A single-step convolution among multi-step neurons mistakes time for the batch."""
    model = lively(nn.Sequential(layer.Conv2d(2, 4, 3), lif(step_mode="m")), 4.0)
    with pytest.raises(SeamountError):
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 2, 8, 8), readout="sum")
    model = lively(nn.Sequential(layer.AvgPool2d(2, step_mode="m"), layer.Flatten(), layer.Linear(32, 4), lif()), 4.0)
    with pytest.raises(SeamountError):
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 2, 8, 8), readout="sum")


def test_a_membrane_as_output_is_refused(tmp_path):
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = lively(nn.Sequential(layer.Linear(12, 20), lif()), 4.0)

        def forward(self, x):
            self.net(x)
            return self.net[1].v

    with pytest.raises(ImportRefused, match="is not computed by traced layers"):
        save(Reads(), tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")


def test_the_reasons_name_classes_that_exist():
    known = {*vars(neuron), *vars(layer), *vars(encoding), *vars(rnn)}
    assert [name for name in REFUSED if name not in known] == []


PROGRAMS = ["IFNode-to0", "IFNode-subtract", "LIFNode-to-0.3", "ParametricLIFNode-subtract", "CUBALIFNode-to0"]


@pytest.mark.parametrize("start", PROGRAMS)
def test_the_integer_program(start, tmp_path):
    case = next(c for c in cases() if c.id.startswith(start) and "multi" in c.options)
    assert_program(round_trip(case.network(), tmp_path, sample=spikes(2, 60, 12)))


def test_the_integer_program_of_a_convolutional_network(tmp_path):
    model = with_statistics(lively(convolutional(), 4.0))
    functional.set_step_mode(model, "m")
    assert_program(round_trip(model, tmp_path, sample=spikes(2, 12, 2, 10, 10)))
