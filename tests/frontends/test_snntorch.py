"""snnTorch networks in: what the framework computes is what the imported graph computes, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("snntorch", reason="snntorch is not installed")

import numpy as np
import snntorch as snn
import torch
from snntorch import surrogate, utils
from torch import nn

from seamount.compiler.errors import CheckFailed, ImportRefused, SeamountError
from seamount.compiler.ir.ops import LI, LIF
from seamount.frontends import save, self_check
from seamount.frontends.frameworks import snntorch as frontend
from seamount.frontends.frameworks import snntorch_neurons
from tests.conformance.case import sample, sampled
from tests.conformance.measure import LIVELY, measure
from tests.conformance.snntorch_cases import cases, matrix
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes

pytestmark = pytest.mark.filterwarnings("ignore:Inhibition is an unstable")
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
    assert LIVELY[0] < outcome.rate < LIVELY[1]
    assert (outcome.on_threshold > 300) == case.grid


NEEDED = [case for case in matrix() if case.refused and case.neuron != "RSynaptic"]


@pytest.mark.parametrize("case", NEEDED, ids=lambda case: case.id)
def test_a_refused_reset_would_differ(case, tmp_path, monkeypatch):
    """Each refusal of the matrix is needed: written as its nearest relative, the layer fires differently."""
    blind = replace(frontend.FRAMEWORK, neuron_objections=lambda name, module: [])
    monkeypatch.setattr(frontend, "FRAMEWORK", blind)
    with pytest.raises(CheckFailed, match="entries of this layer differ"):
        save(case.network(), tmp_path / "m.pt", sample=sample()[:, :300], readout="sum")


@pytest.mark.parametrize(
    ("wrong", "reset"),
    [
        ({"timing": "immediate"}, "subtract"),
        ({"reset": "zero"}, "subtract"),
        ({"reset": "subtract", "timing": "next"}, "zero"),
        ({"reset": "zero"}, "none"),
        ({"dt": 1.2e-4}, "zero"),
    ],
)
def test_a_wrong_convention_is_found(wrong, reset, tmp_path):
    case = next(c for c in matrix() if c.id == f"Leaky-{'to0' if reset == 'zero' else reset}-reset_delay=True")
    file = round_trip(case.network(), tmp_path, sample=sample()[:, :300])
    nodes = {k: replace_fields(v, wrong) for k, v in file.meaning.nodes.items()}
    meaning = type(file.meaning)(default=replace_fields(file.meaning.default, wrong), nodes=nodes)
    assert self_check(replace(file, meaning=meaning)).differing > 50


def replace_fields(conventions, fields):
    return type(conventions)(**{**conventions.known(), **fields})


def test_the_comparison_shows_on_a_grid(tmp_path):
    case = next(c for c in cases() if c.grid)
    file = round_trip(case.network(), tmp_path, sample=sample())
    wrong = replace_fields(file.meaning.default, {"compare": "ge"})
    meaning = type(file.meaning)(default=wrong, nodes=file.meaning.nodes)
    assert file.ties == 0 and self_check(replace(file, meaning=meaning)).ties > 100


def leaky(**more):
    return snn.Leaky(**{"beta": 0.8, "threshold": 0.7, **more})


class Loop(nn.Module):
    """The tutorial's style: states made before the loop over steps, spikes and membranes recorded."""

    def __init__(self, returns="spikes", reset="subtract", start="init", frames="sequence", last="Leaky"):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(12, 20), nn.Linear(20, 5)
        self.lif1 = leaky()
        more = {"beta": 0.9, "reset_mechanism": reset, "threshold": 0.6}
        self.lif2 = {
            "Leaky": lambda: snn.Leaky(**more),
            "Synaptic": lambda: snn.Synaptic(alpha=0.5, **more),
            "Lapicque": lambda: snn.Lapicque(**more),
        }[last]()
        self.returns, self.start, self.frames = returns, start, frames
        lively(self, 2.5)

    def forward(self, x):
        mem1 = self.lif1.init_leaky() if self.start == "init" else torch.zeros(x.shape[-2], 20)
        state = self.lif2.reset_mem()
        state = state if isinstance(state, tuple) else (state,)
        spk_rec, mem_rec = [], []
        for t in range(9 if self.frames == "constant" else x.shape[0]):
            spk, mem1 = self.lif1(self.fc1(x if self.frames == "constant" else x[t]), mem1)
            spk, *state = self.lif2(self.fc2(spk), *state)
            spk_rec.append(spk)
            mem_rec.append(state[-1])
        fired, membranes = torch.stack(spk_rec, dim=0), torch.stack(mem_rec, dim=0)
        return {
            "spikes": (fired, membranes),
            "membranes": membranes,
            "sum": fired.sum(0),
            "membrane sum": membranes.sum(dim=0),
            "last membrane": mem_rec[-1],
        }[self.returns]


@pytest.mark.parametrize("start", ["init", "zeros"])
@pytest.mark.parametrize("frames", ["sequence", "constant"])
def test_the_loop_of_the_tutorials(start, frames, tmp_path):
    if frames == "sequence":
        file = round_trip(Loop(start=start), tmp_path, sample=spikes(16, 25, 12))
        assert file.golden.series.shape == (16, 25, 5)
    else:
        file = round_trip(Loop(start=start, frames=frames), tmp_path, sample=torch.rand(16, 12), steps=9)
        assert file.encoding == "constant" and file.golden.series.shape == (16, 9, 5)
    assert set(file.golden.spikes) == {"lif1", "lif2"}


def test_a_sum_over_time_inside(tmp_path):
    file = round_trip(Loop("sum"), tmp_path, sample=spikes(16, 25, 12))
    assert np.array_equal(file.golden.outputs, file.golden.spikes["lif2"].sum(1))


@pytest.mark.parametrize(("last", "reset"), [("Leaky", "none"), ("Synaptic", "none"), ("Lapicque", "none")])
@pytest.mark.parametrize("returns", ["membranes", "membrane sum", "last membrane"])
def test_a_membrane_without_reset_is_a_readout(last, reset, returns, tmp_path):
    rule = {"membranes": "max", "membrane sum": "sum", "last membrane": "last"}[returns]
    file = round_trip(Loop(returns, reset, last=last), tmp_path, sample=spikes(16, 25, 12), readout=rule)
    assert set(file.golden.spikes) == {"lif1"}
    assert isinstance(file.graph()["lif2.mem"].op, LI)


@pytest.mark.parametrize("last", ["Leaky", "Lapicque"])
@pytest.mark.parametrize("returns", ["membranes", "membrane sum", "last membrane"])
def test_a_membrane_that_spikes_subtract_from(last, returns, tmp_path):
    rule = {"membranes": "mean", "membrane sum": "sum", "last membrane": "last"}[returns]
    low = 0.01 if last == "Leaky" else -1
    file = round_trip(Loop(returns, last=last), tmp_path, low=low, sample=spikes(16, 25, 12), readout=rule)
    graph = file.graph()
    assert isinstance(graph["lif2"].op, LIF) and isinstance(graph["lif2.mem"].op, LI)
    assert set(file.golden.spikes) == {"lif1", "lif2"}


@pytest.mark.parametrize(
    ("last", "reset", "found"),
    [("Leaky", "zero", "while spikes set it"), ("Synaptic", "subtract", "while spikes reset it")],
)
def test_membranes_that_cannot_be_read(last, reset, found, tmp_path):
    with pytest.raises(ImportRefused, match=found) as error:
        save(Loop("membranes", reset, last=last), tmp_path / "m.pt", sample=spikes(4, 9, 12), readout="sum")
    assert 'reset_mechanism="none"' in str(error.value)


def hidden(*layers):
    return nn.Sequential(*layers)


def test_states_inside_and_the_output_of_the_last_layer(tmp_path):
    layers = nn.Linear(12, 20), leaky(init_hidden=True), nn.Linear(20, 5), leaky(init_hidden=True, output=True)
    file = round_trip(lively(hidden(*layers), 2.5), tmp_path, sample=spikes(16, 25, 12))
    assert set(file.golden.spikes) == {"1", "3"}


def test_states_handed_from_call_to_call(tmp_path):
    class Handed(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(12, 20), nn.Linear(20, 5)
            self.lif1, self.lif2 = leaky(), snn.Synaptic(alpha=0.6, beta=0.8)
            lively(self, 2.5)

        def forward(self, x, mem1, syn2, mem2):
            spk, mem1 = self.lif1(self.fc1(x), mem=mem1)
            spk, syn2, mem2 = self.lif2(self.fc2(spk), mem=mem2, syn=syn2)
            return spk, mem1.detach(), syn2, mem2

    round_trip(Handed(), tmp_path, sample=spikes(16, 25, 12))


def test_a_convolutional_network(tmp_path):
    model = hidden(
        nn.Conv2d(2, 6, 3, bias=False), nn.BatchNorm2d(6), nn.AvgPool2d(2), leaky(init_hidden=True, beta=0.5),
        nn.Conv2d(6, 8, 3), leaky(init_hidden=True, beta=torch.rand(8, 1, 1)), nn.Dropout(),
        nn.Flatten(), nn.Linear(32, 5), snn.Synaptic(alpha=0.4, beta=0.9, init_hidden=True),
    )  # fmt: skip
    round_trip(lively(model, 3.0, drift=0.05), tmp_path, sample=spikes(4, 12, 2, 10, 10))


def test_a_recurrent_convolution(tmp_path):
    lif = snn.RLeaky(beta=0.7, conv2d_channels=4, kernel_size=3, init_hidden=True, threshold=1.5)
    model = hidden(nn.Conv2d(1, 4, 3), lif, nn.Flatten(), nn.Linear(64, 5), leaky(init_hidden=True))
    file = round_trip(lively(model, 2.0), tmp_path, sample=spikes(4, 20, 1, 6, 6))
    assert any(e.delay == 1 for e in file.graph().edges)


@pytest.mark.parametrize("kind", ["RLeaky", "RSynaptic"])
def test_a_recurrent_network_in_a_loop(kind, tmp_path):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.out = nn.Linear(12, 20), nn.Linear(20, 5)
            more = {"alpha": 0.5} if kind == "RSynaptic" else {}
            self.rec = getattr(snn, kind)(beta=0.8, linear_features=20, **more)
            self.li = leaky(reset_mechanism="none")
            lively(self, 1.5)

        def forward(self, x):
            state, mem, seen = self.rec.reset_mem(), self.li.init_leaky(), []
            for x_t in x:
                state = self.rec(self.fc(x_t), *state)
                _, mem = self.li(self.out(state[0]), mem)
                seen.append(mem)
            return torch.stack(seen)

    file = round_trip(Recurrent(), tmp_path, sample=spikes(16, 25, 12), readout="max")
    assert any(e.delay == 1 for e in file.graph().edges)


def test_surrogates_do_not_matter(tmp_path):
    for spike_grad in (surrogate.fast_sigmoid(), surrogate.sigmoid(), surrogate.straight_through_estimator()):
        model = hidden(nn.Linear(12, 20), leaky(init_hidden=True, spike_grad=spike_grad))
        round_trip(lively(model, 2.5), tmp_path, sample=spikes(8, 9, 12))
    model = hidden(nn.Linear(12, 20), leaky(init_hidden=True, surrogate_disable=True))
    round_trip(lively(model, 2.5), tmp_path, sample=spikes(8, 9, 12))


def test_what_ran_before_does_not_matter(tmp_path):
    """States left over are reset at any depth; RSynaptic's spikes too, unlike in snntorch.utils.reset."""
    inner = nn.Sequential(leaky(init_hidden=True))
    rec = snn.RSynaptic(alpha=0.5, beta=0.8, linear_features=20, init_hidden=True)
    model = lively(hidden(nn.Linear(12, 20), inner, nn.Linear(20, 20), rec), 1.5)
    x = spikes(8, 15, 12)
    first = round_trip(model, tmp_path, sample=x)
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(8, 12))
    assert np.array_equal(round_trip(model, tmp_path, sample=x).golden.series, first.golden.series)
    assert not rec.spk.any() and not rec.mem.any()


def test_a_reset_within_forward(tmp_path):
    class Resets(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(12, 20), leaky(init_hidden=True)
            lively(self, 2.5)

        def forward(self, x):
            utils.reset(self)
            return torch.stack([self.lif(self.fc(x_t)) for x_t in x])

    round_trip(Resets(), tmp_path, sample=spikes(8, 15, 12))


class States(nn.Module):
    """A network that handles its states in a wrong way."""

    def __init__(self, fault):
        super().__init__()
        self.fc, self.fault = nn.Linear(12, 20), fault
        self.lif = snn.Synaptic(alpha=0.6, beta=0.8)
        lively(self, 2.0)

    def forward(self, x):
        syn, mem = self.lif.reset_mem()
        outputs, spk = [], None
        for t in range(x.shape[0]):
            if self.fault == "given" and t == 0:
                mem = torch.full((x.shape[1], 20), 0.5)
            if self.fault == "decayed":
                mem = 0.9 * mem
            if self.fault == "swapped":
                syn, mem = mem, syn
            if self.fault == "zeroed" and t == 2:
                mem = torch.zeros_like(mem)
            if self.fault == "spikes" and t:
                mem = spk
            if self.fault == "written":
                mem.mul_(0.9)
            spk, syn, mem = self.lif(self.fc(x[t]), syn, mem)
            if self.fault == "inside" and t == 3:
                self.lif.mem = torch.zeros_like(self.lif.mem)
                syn, mem = None, None
            outputs.append(syn if self.fault == "current" else spk)
        return torch.stack(outputs)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("given", "starts from a state given by the module"),
        ("decayed", "is not the one it returned at step 0"),
        ("swapped", "is not the one it returned at step 0"),
        ("zeroed", "is not the one it returned at step 1"),
        ("spikes", "is not the one it returned at step 0"),
        ("written", "is written to between steps"),
        ("inside", "entries of this layer differ"),
        ("current", "on the state of a neuron layer"),
    ],
)
def test_states_that_are_mishandled(fault, found, tmp_path):
    with pytest.raises(SeamountError) as error:
        save(States(fault), tmp_path / "m.pt", sample=spikes(4, 12, 12), readout="sum")
    assert found in str(error.value) and len(error.value.problems) <= 2
    assert list(tmp_path.iterdir()) == []


KINDS = {
    "Alpha": (lambda: snn.Alpha(alpha=0.9, beta=0.8, init_hidden=True), "the difference of two currents"),
    "LeakyParallel": (lambda: snn.LeakyParallel(20, 20), "a whole sequence at once"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_neurons_that_are_refused(kind, tmp_path):
    build, found = KINDS[kind]
    model = hidden(nn.Linear(12, 20), build(), nn.Linear(20, 5), leaky(init_hidden=True))
    with pytest.raises(ImportRefused) as error:
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")
    assert found in str(error.value) and "use one of Lapicque, Leaky, RLeaky, RSynaptic, Synaptic" in str(error.value)


def test_a_reset_mechanism_changed_afterwards(tmp_path):
    model = hidden(nn.Linear(12, 20), leaky(init_hidden=True))
    model[1].reset_mechanism = "zero"
    with pytest.raises(ImportRefused, match="built with reset_mechanism='subtract' and told 'zero' afterwards"):
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")


def test_all_refusals_at_once(tmp_path):
    model = hidden(
        nn.Linear(12, 20), leaky(init_hidden=True, reset_delay=False, graded_spikes_factor=2.0, inhibition=True),
        nn.Linear(20, 20), nn.ReLU(), snn.Alpha(alpha=0.9, beta=0.8, init_hidden=True),
    )  # fmt: skip
    with pytest.raises(ImportRefused) as error:
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")
    assert len(error.value.problems) == 3


def test_parts_of_a_layer_that_are_ones_own(tmp_path):
    layers = leaky(init_hidden=True), snn.RLeaky(beta=0.8, linear_features=20, init_hidden=True)
    layers[0].state_function = lambda x: x
    with pytest.raises(ImportRefused, match="state_function is a function of your own"):
        save(hidden(nn.Linear(12, 20), layers[0]), tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")
    layers[1].recurrent = nn.Sequential(nn.Linear(20, 20), nn.ReLU())
    with pytest.raises(ImportRefused, match="its recurrent module is a Sequential"):
        save(hidden(nn.Linear(12, 20), layers[1]), tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")


@pytest.mark.parametrize("value", [torch.linspace(0, 1, 7), torch.tensor(float("nan"))])
def test_parameters_that_are_refused(value, tmp_path):
    model = hidden(nn.Linear(12, 20), leaky(init_hidden=True))
    model[1].threshold = value
    with pytest.raises(SeamountError):
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")
    with pytest.raises(ImportRefused, match=r"does not fit the layer's shape|holds NaN"):
        snntorch_neurons.leaky("lif", model[1], (20,))


@pytest.mark.parametrize("neuron", ["Leaky", "Synaptic", "RLeaky"])
@pytest.mark.parametrize("reset", ["to0", "subtract"])
def test_the_integer_program(neuron, reset, tmp_path):
    case = next(c for c in cases() if c.id.startswith(f"{neuron}-{reset}") and not c.refused)
    assert_program(round_trip(case.network(), tmp_path, sample=spikes(2, 60, 12)))


def test_the_integer_program_of_a_membrane(tmp_path):
    file = round_trip(Loop("membranes", "none"), tmp_path, sample=spikes(4, 25, 12), readout="max")
    assert_program(file)


def test_the_integer_program_of_a_membrane_that_spikes_subtract_from(tmp_path):
    file = round_trip(Loop("membranes"), tmp_path, sample=spikes(4, 25, 12), readout="max")
    assert_program(file)
