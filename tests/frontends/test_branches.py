"""Concatenation, several inputs and outputs: plain torch.nn, with SpikingJelly's neurons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

import nir
import numpy as np
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from seamount.compiler.errors import ImportRefused, InputError, SeamountError
from seamount.compiler.ir.interpreter import interpret
from seamount.frontends import load_model, save, self_check
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes


class Dense(nn.Module):
    """Blocks whose inputs are the channels of all blocks before, as in DenseNet; a batch norm over both."""

    def __init__(self, join: Callable[..., torch.Tensor], mode: str = "m") -> None:
        super().__init__()
        self.join, self.dim = join, 2 if mode == "m" else 1
        sizes = ((2, 4), (4, 3), (7, 4))
        self.convs = nn.ModuleList(layer.Conv2d(a, b, 3, padding=1, step_mode=mode) for a, b in sizes)
        self.fire = nn.ModuleList(neuron.LIFNode(step_mode=mode) for _ in range(4))
        self.norm, self.pool = layer.BatchNorm2d(7, step_mode=mode), layer.AvgPool2d(2, step_mode=mode)
        self.out = layer.Linear(11 * 9, 6, step_mode=mode)
        lively(self, 4.0)
        with torch.no_grad():
            self.norm.running_mean.copy_(torch.linspace(0.1, 0.3, 7))
            self.norm.weight.copy_(torch.linspace(0.8, 1.2, 7))
            self.out.weight.mul_(0.25)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.fire[0](self.convs[0](x))
        b = self.fire[1](self.convs[1](a))
        both = self.join([a, b], self.dim)
        c = self.fire[2](self.convs[2](self.norm(both)))
        pooled = self.pool(self.join((both, c), self.dim))
        return self.fire[3](self.out(pooled.flatten(self.dim)))


JOINS = {
    "torch.cat": torch.cat,
    "dim=": lambda parts, dim: torch.cat(tensors=tuple(parts), dim=dim),
    "concat": torch.concat,
    "from the end": lambda parts, dim: torch.cat(parts, -3),
}


@pytest.mark.parametrize("join", JOINS)
def test_concatenation_along_channels(join, tmp_path):
    file = round_trip(Dense(JOINS[join]), tmp_path, sample=spikes(4, 12, 2, 6, 6))
    joints = [n for n in file.nir_file().graph.nodes if n.startswith("concat")]
    assert len(joints) == 2 + 2


def test_concatenation_in_single_steps(tmp_path):
    stepped = round_trip(Dense(torch.cat, "s"), tmp_path, sample=spikes(4, 12, 2, 6, 6))
    looped = round_trip(Dense(torch.cat, "m"), tmp_path, sample=spikes(4, 12, 2, 6, 6))
    assert np.array_equal(stepped.golden.series, looped.golden.series)


def test_the_integer_program_of_a_concatenation(tmp_path):
    assert_program(round_trip(Dense(torch.cat), tmp_path, sample=spikes(4, 12, 2, 6, 6)))


class Joined(nn.Module):
    """Concatenations in odd places, by `how`."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        wide = {"zeros": 12, "itself": 16, "axis 0": 8, "other axis": 16}.get(how, 11)
        self.a, self.b, self.norm = nn.Linear(9, 8), nn.Linear(9, 3), nn.BatchNorm1d(wide)
        self.one, self.two, self.out = neuron.LIFNode(), neuron.LIFNode(), nn.Linear(wide, 4)
        lively(self, 5.0)
        nn.init.constant_(self.norm.weight, 0.8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.a(x), self.b(x)
        if self.how == "membrane input":
            h = torch.cat([a, b], 1)
        elif self.how == "batch norm":
            h = self.norm(torch.cat([a, b], -1))
        elif self.how == "zeros":
            h = torch.cat([a, torch.zeros(len(a), 1), b], 1)
        elif self.how == "itself":
            h = torch.cat([a, a], 1)
        elif self.how == "axis 0":
            h = torch.cat([a, a], 0)[: len(a)]
        elif self.how == "other axis":
            h = torch.cat([a.view(-1, 2, 4), a.view(-1, 2, 4)], 2).flatten(1)
        else:
            h = torch.cat([a, b], 1)
        return self.two(self.out(self.one(h)))


@pytest.mark.parametrize("how", ["membrane input", "batch norm", "zeros", "itself"])
def test_concatenation_of_what_no_neuron_sent(how, tmp_path):
    assert_program(round_trip(Joined(how), tmp_path, sample=spikes(6, 30, 9)))


@pytest.mark.parametrize("how", ["axis 0", "other axis"])
def test_concatenation_that_is_refused(how, tmp_path):
    with pytest.raises(ImportRefused) as refused:
        save(Joined(how), tmp_path / "m.pt", sample=spikes(6, 30, 9), readout="sum")
    assert any("test_branches.py" in p.where for p in refused.value.problems)


class OverTime(nn.Module):
    """Single steps, joined over time by torch.cat of y[None]."""

    def __init__(self, backwards: bool = False) -> None:
        super().__init__()
        self.a, self.one, self.backwards = nn.Linear(9, 5), neuron.IFNode(), backwards
        lively(self, 3.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self)
        outputs = [self.one(self.a(frame)).unsqueeze(0) for frame in x]
        return torch.cat(outputs[::-1] if self.backwards else outputs, 0)


def test_steps_joined_by_cat(tmp_path):
    assert round_trip(OverTime(), tmp_path, sample=spikes(6, 15, 9)).golden.series.shape == (6, 15, 5)
    with pytest.raises(ImportRefused, match="not all steps of one layer, in order"):
        save(OverTime(backwards=True), tmp_path / "m.pt", sample=spikes(6, 15, 9), readout="sum")


class TwoEyes(nn.Module):
    """Two inputs, two outputs by name."""

    def __init__(self, returns: str = "both") -> None:
        super().__init__()
        self.image, self.sound = nn.Conv2d(1, 3, 3), nn.Linear(7, 48)
        self.hidden, self.out, self.top = neuron.LIFNode(), nn.Linear(48, 4), neuron.IFNode()
        self.returns = returns
        lively(self, 3.0)
        with torch.no_grad():
            self.out.weight.mul_(0.5)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> Any:
        h = self.hidden(self.image(left).flatten(1) + self.sound(right))
        answer = self.top(self.out(h))
        if self.returns == "both":
            return {"features": h, "answer": answer}
        return {"answer": answer} if self.returns == "one by name" else answer


def pair(samples: int = 5, steps: int = 14) -> dict[str, torch.Tensor]:
    left = torch.rand(samples, steps, 1, 6, 6, generator=torch.Generator().manual_seed(4))
    return {"left": left, "right": spikes(samples, steps, 7)}


RULES = {"features": "mean", "answer": "sum"}


def test_several_inputs_and_outputs(tmp_path):
    model, sample = TwoEyes(), pair()
    file = round_trip(model, tmp_path, sample=sample, readout=RULES)
    functional.reset_net(model)
    with torch.no_grad():
        wanted = [model(sample["left"][:, t], sample["right"][:, t]) for t in range(14)]
    for name in RULES:
        assert np.array_equal(file.golden.series[name], torch.stack([w[name] for w in wanted], 1).numpy())
    assert set(file.golden.inputs) == {"left", "right"} and file.golden.samples == 5
    graph = file.graph()
    assert {n.name: n.op.coding for n in graph.inputs} == {"left": "graded", "right": "spikes"}
    assert {n.name: n.op.rule for n in graph.outputs} == RULES
    run = interpret(graph, file.inputs())
    assert np.allclose(run.outputs["answer"], file.golden.outputs["answer"])
    assert self_check(load_model(tmp_path / "model.pt")).ok


def test_inputs_in_any_order_and_constant(tmp_path):
    given = {k: v[:, 0] for k, v in reversed(pair().items())}
    file = round_trip(TwoEyes(), tmp_path, sample=given, steps=14, readout="sum")
    assert file.golden.inputs["left"].shape == (5, 1, 6, 6)


def test_the_integer_program_of_several_ports(tmp_path):
    program = assert_program(round_trip(TwoEyes(), tmp_path, sample=pair(), readout=RULES))
    assert [i.name for i in program.inputs] == ["left", "right"]
    assert {r.name for r in program.readouts} == set(RULES)


def test_one_output_by_name(tmp_path):
    file = round_trip(TwoEyes("one by name"), tmp_path, sample=pair())
    assert isinstance(file.nir_file().graph.nodes["answer"], nir.Output)
    assert file.golden.series.shape == (5, 14, 4)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an input too few": ({"sample": {"left": pair()["left"]}}, "and None for 'right'"),
    "a wrong name": ({"sample": {"left": pair()["left"], "ear": pair()["right"]}},
                     "inputs are named 'left', 'ear', but forward takes 'left', 'right'"),
    "other samples": ({"sample": {**pair(), "left": pair(4)["left"]}}, "have shapes 'left' (4, 14, 1, 6, 6)"),
    "an output without rule": ({"readout": {"answer": "sum"}}, "output 'features': has no rule in readout"),
    "a rule too many": ({"readout": {**RULES, "other": "sum"}}, "readout 'other': the module returns no output of"),
    "a coding of one": ({"coding": {"left": "spikes"}}, "save(coding['left']=): \"spikes\", but the sample holds"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_ports_that_do_not_fit(name, tmp_path):
    options, found = WRONG[name]
    with pytest.raises(SeamountError) as refused:
        save(TwoEyes(), tmp_path / "m.pt", **{"sample": pair(), "readout": RULES, **options})
    assert found in str(refused.value)


class Same(TwoEyes):
    """An output named as an input."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> Any:
        return {"left": super().forward(left, right)["answer"]}


def test_an_output_named_as_an_input(tmp_path):
    with pytest.raises(ImportRefused, match="output 'left': an input has the same name"):
        save(Same(), tmp_path / "m.pt", sample=pair(), readout="sum")


@pytest.mark.parametrize("name", ["", "top/answer"])
def test_an_output_that_cannot_be_named(name, tmp_path):
    class Odd(TwoEyes):
        def forward(self, left: torch.Tensor, right: torch.Tensor) -> Any:
            return {name: super().forward(left, right)["answer"]}

    with pytest.raises(ImportRefused, match="NIR cannot store this name"):
        save(Odd(), tmp_path / "m.pt", sample=pair(), readout="sum")


def test_an_input_that_nothing_depends_on(tmp_path):
    class Deaf(TwoEyes):
        def forward(self, left: torch.Tensor, right: torch.Tensor) -> Any:
            return super().forward(left, torch.zeros(len(left), 7))["answer"]

    with pytest.raises(ImportRefused, match="no output depends on input 'right'"):
        save(Deaf(), tmp_path / "m.pt", sample=pair(), readout="sum")


def test_a_file_with_ports_that_do_not_match(tmp_path):
    round_trip(TwoEyes(), tmp_path, sample=pair(), readout=RULES)
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    content["golden.inputs/right"] = content["golden.inputs/right"][:3]
    del content["golden.outputs/answer"]
    torch.save(content, tmp_path / "bad.pt")
    with pytest.raises(InputError) as refused:
        load_model(tmp_path / "bad.pt")
    assert "golden.inputs/right: shape (3, 14, 7)" in str(refused.value)
    assert "other outputs than in golden.series" in str(refused.value)
