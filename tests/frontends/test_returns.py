"""What a module returns, how it is wrapped, and how it is written: named as what it is, with its remedy."""

# ruff: noqa: E402

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")
pytest.importorskip("norse", reason="norse is not installed")

import norse.torch as norse
import snntorch as snn
from spikingjelly.activation_based import neuron
from torch import nn

from seamount.compiler.errors import ImportRefused
from seamount.frontends import load_model, save
from tests.frontends.round_trip import lively, round_trip, spikes


def refusal(model, tmp_path, **options):
    given = {"sample": spikes(3, 5, 10), "readout": "sum", **options}
    with pytest.raises(ImportRefused) as refused:
        save(lively(model, 4.0), tmp_path / "m.pt", **given)
    assert not (tmp_path / "m.pt").exists()
    return str(refused.value)


# Several outputs.


class Pair(NamedTuple):
    cls: torch.Tensor
    box: torch.Tensor


@dataclass
class Detection:
    cls: torch.Tensor
    box: torch.Tensor


class Heads(nn.Module):
    def __init__(self, give):
        super().__init__()
        self.b, self.lif = nn.Linear(10, 8), neuron.LIFNode()
        self.cls, self.box = nn.Linear(8, 3), nn.Linear(8, 4)
        self.give = give

    def forward(self, x):
        z = self.lif(self.b(x))
        return self.give(self.cls(z), self.box(z))


class LoopedHeads(Heads):
    def forward(self, x):
        pairs = [super(LoopedHeads, self).forward(x_t) for x_t in x]
        return torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs])


LOST = {
    "tuple": lambda a, b: (a, b),
    "list": lambda a, b: [a, b],
    "nested": lambda a, b: (a, {"more": [b]}),
    "dataclass beside": lambda a, b: (a, Detection(a, b)),
}


@pytest.mark.parametrize("form", LOST)
def test_a_second_output_is_not_lost(form, tmp_path):
    text = refusal(Heads(LOST[form]), tmp_path)
    assert "the module returns 2 tensors, of which only the first would be kept" in text and "name your outputs" in text


def test_a_second_output_of_all_steps_is_not_lost(tmp_path):
    assert "name your outputs" in refusal(LoopedHeads(lambda a, b: (a, b)), tmp_path)


@pytest.mark.parametrize("give", [Pair, Detection, lambda a, b: {"cls": a, "box": b}])
def test_named_outputs_are_both_kept(give, tmp_path):
    file = round_trip(lively(Heads(give), 4.0), tmp_path, sample=spikes(3, 5, 10))
    assert {name: series.shape for name, series in file.golden.series.items()} == {"cls": (3, 5, 3), "box": (3, 5, 4)}


class Recorded(nn.Module):
    """snnTorch's convention: spikes and membranes of the last layer."""

    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(10, 4), snn.Leaky(beta=0.9)

    def forward(self, x):
        mem, out, mems = self.lif.init_leaky(), [], []
        for x_t in x:
            spk, mem = self.lif(self.fc(x_t), mem)
            out.append(spk)
            mems.append(mem)
        return torch.stack(out), torch.stack(mems)


def test_spikes_and_membranes_are_a_convention_and_said(tmp_path):
    file = round_trip(lively(Recorded(), 4.0), tmp_path, sample=spikes(3, 5, 10))
    assert file.left_out == ("lif.mem (returned beside the output)",)


# Loops and batch sizes that are written down.


class Inside(nn.Module):
    def __init__(self, loop, batch=None):
        super().__init__()
        self.conv, self.one = nn.Conv2d(1, 2, 3), snn.Leaky(beta=0.9)
        self.fc, self.two = nn.Linear(32, 3), snn.Leaky(beta=0.9)
        self.loop, self.batch = loop, batch

    def forward(self, x):
        one, two, out = self.one.init_leaky(), self.two.init_leaky(), []
        for _ in range(self.loop):
            spk, one = self.one(self.conv(x), one)
            spk = spk.view(self.batch, -1) if self.batch else spk.flatten(1)
            spk, two = self.two(self.fc(spk), two)
            out.append(spk)
        return torch.stack(out)


@pytest.mark.parametrize("steps", [3, 5, 12])
def test_a_loop_of_another_length(steps, tmp_path):
    text = refusal(Inside(8), tmp_path, sample=torch.rand(3, 1, 6, 6), steps=steps)
    assert f"the loop runs 8 steps, steps={steps} was given" in text and "give 8 steps" in text


@pytest.mark.parametrize("batch", [128, 16, 64])
def test_a_batch_size_in_view(batch, tmp_path):
    text = refusal(Inside(5, batch), tmp_path, sample=torch.rand(4, 1, 6, 6), steps=5)
    assert f"a batch size of {batch} is written into line " in text and "x.flatten(1)" in text


# Wrappers.


def plain():
    return lively(nn.Sequential(nn.Linear(10, 8), neuron.LIFNode(), nn.Linear(8, 3), neuron.LIFNode()), 4.0)


def test_data_parallel(tmp_path):
    text = refusal(nn.DataParallel(plain()), tmp_path)
    assert "model: is wrapped in DataParallel" in text and "give model.module" in text
    inner = nn.Sequential(nn.Linear(10, 10), nn.DataParallel(plain()))
    assert "layer '1': is wrapped in DataParallel" in refusal(inner, tmp_path)


def test_compiled(tmp_path):
    text = refusal(torch.compile(plain()), tmp_path)
    assert "was made by torch.compile" in text and "give model._orig_mod, the module it was made of" in text


def test_torchscript(tmp_path):
    traced = torch.jit.trace(nn.Sequential(nn.Linear(10, 3)), torch.zeros(2, 10))
    assert "is TorchScript" in refusal(traced, tmp_path)


# Sub-classes of neurons.


class MyLeaky(snn.Leaky):
    pass


class MyLIFNode(neuron.LIFNode):
    """With a constructor and a helper of its own."""

    def __init__(self, name):
        super().__init__(tau=3.0)
        self.label = name

    def describe(self):
        return self.label


class MyCell(norse.LIFCell):
    pass


class MyState(norse.SequentialState):
    pass


SAME = {
    "snntorch": lambda: nn.Sequential(nn.Linear(10, 6), MyLeaky(beta=0.9, init_hidden=True)),
    "spikingjelly": lambda: nn.Sequential(nn.Linear(10, 6), MyLIFNode("a")),
    "norse": lambda: norse.SequentialState(nn.Linear(10, 6), MyCell()),
    "norse, container": lambda: MyState(nn.Linear(10, 6), norse.LIFCell()),
}
BASE = {
    "snntorch": lambda: nn.Sequential(nn.Linear(10, 6), snn.Leaky(beta=0.9, init_hidden=True)),
    "spikingjelly": lambda: nn.Sequential(nn.Linear(10, 6), neuron.LIFNode(tau=3.0)),
    "norse": lambda: norse.SequentialState(nn.Linear(10, 6), norse.LIFCell()),
    "norse, container": lambda: norse.SequentialState(nn.Linear(10, 6), norse.LIFCell()),
}


@pytest.mark.parametrize("name", SAME)
def test_a_sub_class_that_changes_nothing_is_its_base(name, tmp_path):
    mine = round_trip(lively(SAME[name](), 5.0), tmp_path, high=0.99, sample=spikes(3, 8, 10))
    base = round_trip(lively(BASE[name](), 5.0), tmp_path, high=0.99, sample=spikes(3, 8, 10))
    assert np.array_equal(next(iter(mine.golden.spikes.values())), next(iter(base.golden.spikes.values())))


class Doubled(neuron.LIFNode):
    def single_step_forward(self, x):
        return super().single_step_forward(2 * x)


class Noisy(snn.Leaky):
    def forward(self, x, mem=None):
        return super().forward(x + 0.1, mem)


class Shifted(norse.LIFCell):
    def forward(self, x, state=None):
        return super().forward(x + 0.1, state)


CHANGED = {
    "spikingjelly": (lambda: Doubled(), "is a sub-class of LIFNode that changes single_step_forward"),
    "snntorch": (lambda: Noisy(beta=0.9, init_hidden=True), "is a sub-class of Leaky that changes forward"),
    "norse": (lambda: Shifted(), "is a sub-class of LIFCell that changes forward"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_sub_class_that_changes_its_step_is_named(name, tmp_path):
    make, found = CHANGED[name]
    kind = norse.SequentialState if name == "norse" else nn.Sequential
    assert found in refusal(kind(nn.Linear(10, 6), make()), tmp_path)


def test_the_file_of_a_sub_class_loads(tmp_path):
    save(lively(SAME["spikingjelly"](), 5.0), tmp_path / "m.pt", sample=spikes(3, 8, 10), readout="sum")
    assert load_model(tmp_path / "m.pt").framework == "spikingjelly"
