"""Sinabs networks in: what the framework computes is what the imported graph computes, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("sinabs", reason="sinabs is not installed; it has an environment of its own, see 'make extras'")

import numpy as np
import sinabs.activation as activation
import sinabs.layers as layers
import torch
from sinabs.from_torch import from_model
from torch import nn

from seamount.compiler.errors import ImportRefused
from seamount.frontends import save, self_check
from seamount.frontends.conventions import Conventions
from seamount.frontends.frameworks.sinabs import LAYERS, NEURONS, REFUSED
from tests.conformance.case import sample, sampled
from tests.conformance.measure import LIVELY, measure
from tests.conformance.sinabs_cases import cases
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes

CASES = {case.id: case for case in cases()}
ONE = {"spike_fn": activation.SingleSpike}


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
    assert (outcome.on_threshold > 200) == case.grid


@pytest.mark.parametrize("wrong", [{"reset": "zero"}, {"integrate": "euler"}])
def test_a_wrong_convention_is_found(wrong, tmp_path):
    file = round_trip(CASES["LIF-subtract-immediate-norm_input=True"].network(), tmp_path, sample=sample()[:, :300])
    changed = Conventions(spikes="single", **wrong).over(file.meaning.default)
    assert self_check(replace(file, meaning=replace_default(file.meaning, changed))).differing > 0


def replace_default(meaning, default):
    import msgspec

    return msgspec.structs.replace(meaning, default=default, nodes={})


def squeezed(**more) -> nn.Module:
    kind = {"batch_size": 1, **ONE, **more}
    return lively(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, bias=False), layers.IAFSqueeze(**kind), layers.SumPool2d(2),
            nn.Conv2d(4, 8, 3), layers.LIFSqueeze(tau_mem=5.0, norm_input=False, **kind), nn.Dropout2d(0.5),
            nn.Flatten(), nn.Linear(32, 10), layers.IAFSqueeze(**kind),
        ),
        2.0, drift=0.1,
    )  # fmt: skip


def test_merged_time_and_batch(tmp_path):
    file = round_trip(squeezed(), tmp_path, sample=spikes(3, 20, 2, 8, 8))
    assert file.golden.series.shape == (3, 20, 10)
    assert set(file.golden.spikes) == {"1", "4", "8"}


def test_the_layers_are_left_as_they_were(tmp_path):
    model = squeezed()
    round_trip(model, tmp_path, sample=spikes(3, 20, 2, 8, 8))
    assert (model[1].batch_size, model[1].num_timesteps, tuple(model[1].v_mem.shape)) == (1, -1, (0,))
    x = spikes(1, 20, 2, 8, 8)[0]
    with torch.no_grad():
        assert torch.equal(model(x), squeezed()(x))


def test_what_ran_before_does_not_matter(tmp_path):
    model, x = squeezed(), spikes(3, 20, 2, 8, 8)
    first = round_trip(model, tmp_path, sample=x).golden.series
    with torch.no_grad():
        model(spikes(30, 2, 8, 8, seed=5))
    assert np.array_equal(round_trip(model, tmp_path, sample=x).golden.series, first)


def test_a_length_that_the_layer_was_not_built_for(tmp_path):
    with pytest.raises(ImportRefused, match=r"is built for num_timesteps=7, but a sample has 20 steps"):
        save(
            squeezed(batch_size=None, num_timesteps=7), tmp_path / "m.pt", sample=spikes(3, 20, 2, 8, 8), readout="sum"
        )


def test_time_is_merged_and_parted_inside(tmp_path):
    inner = squeezed()
    model = nn.Sequential(layers.FlattenTime(), *inner[:7], nn.Linear(32, 10), layers.UnflattenTime(batch_size=1))
    lively(model, 2.0, drift=0.1)
    assert round_trip(model, tmp_path, sample=spikes(3, 20, 2, 8, 8)).golden.series.shape == (3, 20, 10)


def test_repeat_and_a_readout_of_membranes(tmp_path):
    model = nn.Sequential(
        layers.Repeat(nn.Conv2d(2, 4, 3, bias=False)), layers.LIF(tau_mem=4.0, **ONE), nn.Flatten(2),
        nn.Linear(144, 10), layers.ExpLeak(10.0),
    )  # fmt: skip
    file = round_trip(lively(model, 3.0), tmp_path, sample=spikes(3, 20, 2, 8, 8), readout="max")
    assert set(file.golden.spikes) == {"1"}


def test_a_converted_network(tmp_path):
    analog = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 10), nn.ReLU())
    lively(analog, 2.0, drift=0.1)
    network = from_model(analog, batch_size=1, spike_fn=activation.SingleSpike)
    file = round_trip(network.spiking_model.eval(), tmp_path, sample=spikes(3, 20, 2, 8, 8))
    assert file.meaning.nodes["1"].v_min == -1.0
    with pytest.raises(ImportRefused, match="save its spiking_model"):
        save(network.eval(), tmp_path / "n.pt", sample=spikes(3, 20, 2, 8, 8), readout="sum")


class Branches(nn.Module):
    """A residual block with sinabs' Merge, and a concatenation along channels."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(n, 4, 3, padding=1, bias=False) for n in (2, 4, 4, 8))
        self.fire = nn.ModuleList(layers.IAFSqueeze(batch_size=1, **ONE) for _ in range(4))
        self.merge, self.out = layers.Merge(), nn.Linear(256, 5)
        lively(self, 2.0, drift=0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.fire[0](self.a(x))
        b = self.merge(self.fire[1](self.b(a)), a)
        c = self.fire[2](self.c(b))
        return self.out(self.fire[3](self.d(torch.cat([c, a], dim=1))).flatten(1))


def test_branches(tmp_path):
    round_trip(Branches(), tmp_path, sample=spikes(3, 12, 2, 8, 8))


def test_every_class_is_carried_or_refused():
    known = {c.__name__ for c in (*NEURONS, *LAYERS)} | set(REFUSED) | {"Repeat", "UnflattenTime", "Merge"}
    bases = {"StatefulLayer", "SqueezeMixin"}
    assert {n for n in vars(layers) if isinstance(getattr(layers, n), type)} - known == bases


@pytest.mark.parametrize(
    "name",
    ["IAF-subtract-immediate", "LIF-to0-immediate-norm_input=True", "LIFRecurrent-subtract-immediate-norm_input=True"],
)
def test_the_integer_program(name, tmp_path):
    assert_program(round_trip(CASES[name].network(), tmp_path, sample=sample()[:, :150]))
