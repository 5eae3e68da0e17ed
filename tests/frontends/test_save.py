"""save(): arguments, golden trace, self-check, refusal to save what differs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("norse")

import norse.torch as snn
import torch
from torch import nn

from seamount.compiler.errors import CheckFailed, ImportRefused, InputError
from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.ir.ops import LIF, Input
from seamount.frontends import load_model, save, self_check
from seamount.frontends.frameworks import norse_neurons
from seamount.frontends.model_file import save as saving
from tests.frontends.networks import Residual, TimeLoop, lively, round_trip, spikes


def digits_like() -> nn.Module:
    layers = nn.Flatten(), nn.Linear(64, 30), snn.LIFBoxCell(), nn.Linear(30, 10), snn.LIBoxCell()
    return lively(snn.SequentialState(*layers), 6.0)


def test_the_golden_trace_is_the_frameworks_own(tmp_path):
    model, x = digits_like(), torch.rand(5, 1, 8, 8)
    labels = torch.arange(5)
    save(
        model, tmp_path / "m.pt", sample=x, steps=9, readout="max", labels=labels, classes=list("abcdefghij"),
        accuracy=0.93, name="digits", description="a test",
    )  # fmt: skip
    file = load_model(tmp_path / "m.pt")
    state, outputs, fired = None, [], []
    with torch.no_grad():
        for _ in range(9):
            inner = [None] * 5 if state is None else state
            hidden, _ = model[2](model[1](model[0](x)), inner[2])
            y, state = model(x, state)
            fired.append(hidden)
            outputs.append(y)
    assert np.array_equal(file.golden.spikes["2"], torch.stack(fired, 1).numpy().astype(np.uint8))
    assert np.array_equal(file.golden.series, torch.stack(outputs, 1).numpy())
    assert np.array_equal(file.golden.outputs, torch.stack(outputs, 1).amax(1).numpy())
    assert np.array_equal(file.golden.inputs, x.numpy())
    assert np.array_equal(file.golden.labels, np.arange(5))
    assert (file.name, file.description, file.accuracy) == ("digits", "a test", 0.93)
    assert file.classes == tuple("abcdefghij") and file.framework == "norse"
    assert set(file.versions) == {"norse", "torch", "nir"}
    assert (file.encoding, file.steps, file.readout) == ("constant", 9, "max")
    assert file.inputs().shape == (5, 9, 1, 8, 8)


def test_a_module_in_double_precision(tmp_path):
    file = round_trip(Residual().double(), tmp_path, sample=spikes(8, 12, 12))
    assert file.golden.series.dtype == np.float32 and file.ties == 0


def test_the_graph_runs_free_of_the_golden_trace(tmp_path):
    file = round_trip(digits_like(), tmp_path, sample=torch.rand(20, 1, 8, 8), steps=9)
    run = interpret(file.graph(), file.inputs())
    agree = (run.outputs["output"].argmax(1) == file.golden.outputs.argmax(1)).mean()
    assert agree == 1.0


def test_conventions_name_their_source(tmp_path):
    model = digits_like()
    model[2].dt = 0.002
    file = round_trip(model, tmp_path, sample=torch.rand(5, 1, 8, 8), steps=9)
    default = file.meaning.default
    assert None not in (default.integrate, default.reset, default.timing, default.compare, default.spikes)
    assert default.v_min == -np.inf
    assert set(file.meaning.sources.values()) == {"model file"}
    assert {k: v.known() for k, v in file.meaning.nodes.items()} == {"2": {"dt": 0.002}}


@pytest.mark.parametrize(
    ("sample", "options", "coding", "low", "high"),
    [
        (spikes(4, 6, 64), {}, "spikes", 0.0, 1.0),
        (torch.rand(4, 6, 64), {}, "graded", 0.0, 1.0),
        (spikes(4, 6, 64), {"coding": "graded"}, "graded", 0.0, 1.0),
        (torch.rand(4, 6, 64) * 4 - 2, {"input_range": (-2, 2)}, "graded", -2.0, 2.0),
        (spikes(4, 6, 64), {"input_range": (0, 255)}, "graded", 0.0, 255.0),
        (spikes(4, 6, 64).numpy().astype(np.uint8), {}, "spikes", 0.0, 1.0),
        (spikes(4, 6, 64).bool(), {}, "spikes", 0.0, 1.0),
    ],
)
def test_input_coding(sample, options, coding, low, high, tmp_path):
    file = round_trip(digits_like(), tmp_path, sample=sample, **options)
    op = next(n.op for n in file.graph().nodes if isinstance(n.op, Input))
    assert op.coding == coding and (coding == "spikes" or (op.low, op.high) == (low, high))


FRAMES, SERIES = torch.rand(4, 64), spikes(4, 6, 64)
ARGUMENTS = {
    "no steps": ({"sample": FRAMES, "encoding": "constant"}, "save(steps=): is missing"),
    "flat": ({"sample": torch.rand(4), "steps": 3}, "save(sample=): shape (4,)"),
    "frames as a series": ({"sample": FRAMES}, "give (N, T, *shape)"),
    "zero steps": ({"sample": FRAMES, "steps": 0}, "save(steps=): 0"),
    "float steps": ({"sample": FRAMES, "steps": 2.5}, "save(steps=): 2.5"),
    "steps and series": ({"sample": SERIES, "steps": 5, "encoding": "sequence"}, "has T = 6"),
    "encoding": ({"sample": FRAMES, "steps": 3, "encoding": "rate"}, "save(encoding=): 'rate'"),
    "readout": ({"sample": SERIES, "readout": "median"}, "save(readout=): 'median'"),
    "accuracy": ({"sample": SERIES, "accuracy": 93}, "save(accuracy=): 93"),
    "labels": ({"sample": SERIES, "labels": [1, 2]}, "for 4 samples"),
    "float labels": ({"sample": SERIES, "labels": [0.5] * 4}, "give one class number"),
    "NaN": ({"sample": SERIES * float("nan")}, "save(sample=): holds NaN"),
    "range": ({"sample": torch.rand(4, 6, 64) * 3}, "save(input_range=): is missing, and the sample spans"),
    "narrow range": ({"sample": torch.rand(4, 6, 64) * 3, "input_range": (0, 1)}, "widen the range"),
    "reversed range": ({"sample": SERIES, "input_range": (1, 0)}, "the lower first"),
    "coding": ({"sample": SERIES, "coding": "rate"}, "save(coding=): 'rate'"),
    "spikes that are none": ({"sample": torch.rand(4, 6, 64), "coding": "spikes"}, "values other than 0 and 1"),
    "text": ({"sample": np.array([["a", "b"]])}, "give numbers"),
    "empty": ({"sample": torch.zeros(0, 6, 64)}, "give between 1 and"),
    "framework": ({"sample": SERIES, "framework": "brian"}, "framework 'brian' is not known"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_bad_arguments(name, tmp_path):
    options, found = ARGUMENTS[name]
    with pytest.raises(InputError) as error:
        save(digits_like(), tmp_path / "m.pt", **{"readout": "sum", **options})
    assert found in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments_come_all_at_once(tmp_path):
    with pytest.raises(InputError) as error:
        save(digits_like(), tmp_path / "m.pt", sample=FRAMES, steps=-1, readout="no", labels=[1], accuracy=2)
    assert len(error.value.problems) == 4


@pytest.mark.parametrize("model", [nn.Linear(3, 3), "model.pt", nn.Sequential()])
def test_what_is_no_network(model, tmp_path):
    with pytest.raises((InputError, ImportRefused), match="model"):
        save(model, tmp_path / "m.pt", sample=torch.rand(2, 3), steps=2, readout="sum")


def test_a_time_series_taken_for_frames_is_explained(tmp_path):
    model = lively(snn.SequentialState(nn.Linear(64, 10), snn.LIFBoxCell()), 2.0)
    with pytest.raises(ImportRefused, match='encoding="sequence"'):
        save(model, tmp_path / "m.pt", sample=SERIES, steps=6, readout="sum")


def test_the_modules_own_readout_must_agree(tmp_path):
    with pytest.raises(ImportRefused, match="combines its output by 'last' itself"):
        save(TimeLoop(Residual(), "last"), tmp_path / "m.pt", sample=spikes(4, 6, 12), readout="sum")


def sabotage(monkeypatch, field, factor):
    """Write one neuron parameter wrongly, as a faulty frontend would."""
    right = norse_neurons.lif_box

    def wrong(name, module, shape):
        part = right(name, module, shape)
        node = part.nodes[name]
        setattr(node, field, getattr(node, field) * factor)
        return part

    monkeypatch.setattr("seamount.frontends.frameworks.norse.FRAMEWORK", replace_writer(wrong))


def replace_writer(writer):
    from seamount.frontends.frameworks.norse import FRAMEWORK

    return replace(FRAMEWORK, neurons={**FRAMEWORK.neurons, snn.LIFBoxCell: writer})


@pytest.mark.parametrize(("field", "factor"), [("tau", 1.3), ("v_threshold", 0.97), ("r", 1.02)])
def test_a_wrong_import_is_not_saved(field, factor, tmp_path, monkeypatch):
    sabotage(monkeypatch, field, factor)
    with pytest.raises(CheckFailed) as error:
        save(Residual(), tmp_path / "m.pt", sample=spikes(8, 12, 12), readout="sum")
    text = str(error.value)
    first = error.value.problems[0]
    assert first.where.startswith("step ") and "layer '" in first.where and "neuron (" in first.where
    for part in ("the framework has", "the graph", "threshold", "margin", "entries of this layer differ"):
        assert part in text
    assert list(tmp_path.iterdir()) == []


def test_the_first_difference_is_the_first(tmp_path, monkeypatch):
    """Shift the golden spikes of one layer at one place: that place is named."""
    file = round_trip(Residual(), tmp_path, sample=spikes(40, 12, 12))
    forged = {k: v.copy() for k, v in file.golden.spikes.items()}
    forged["two"][37, 7, 5] ^= 1
    forged["two"][2, 9, 1] ^= 1
    result = self_check(replace(file, golden=replace(file.golden, spikes=forged)))
    assert not result.ok and result.layers["two"].differing >= 2 and result.layers["one"].differing == 0
    assert result.problems[0].where == "step 7, layer 'two', neuron (5,), sample 37"


def test_a_tie_is_counted_and_not_refused(tmp_path, monkeypatch):
    """A threshold that is hit exactly: 0.1 + 0.2 > 0.3 depends on the width of the floats."""
    file = round_trip(Residual(), tmp_path, sample=spikes(8, 12, 12))
    graph = file.graph()
    run = interpret(graph, file.inputs(), record={"margin"}, forced=file.golden.spikes)
    at = (3, 7, 5)
    op = graph["two"].op
    assert isinstance(op, LIF)
    threshold = np.broadcast_to(op.threshold, (16,)).copy()
    threshold[5] += run.margin["two"][at] + (1e-6 if file.golden.spikes["two"][at] else -1e-6)
    result = self_check(file, graph.with_op("two", replace(op, threshold=threshold)))
    assert result.layers["two"].ties >= 1
    wrong = graph.with_op("two", replace(op, threshold=threshold + (1e-3 if file.golden.spikes["two"][at] else -1e-3)))
    assert self_check(file, wrong).layers["two"].differing >= 1


def test_a_wrong_readout_is_not_saved(tmp_path, monkeypatch):
    def wrong(name, module, shape):
        part = norse_neurons.li_box(name, module, shape)
        part.nodes[name].v_leak += 0.01
        return part

    from seamount.frontends.frameworks.norse import FRAMEWORK

    forged = replace(FRAMEWORK, neurons={**FRAMEWORK.neurons, snn.LIBoxCell: wrong})
    monkeypatch.setattr("seamount.frontends.frameworks.norse.FRAMEWORK", forged)
    with pytest.raises(CheckFailed, match=r"step \d+, output \(\d,\), sample \d: the framework has"):
        save(Residual(), tmp_path / "m.pt", sample=spikes(8, 12, 12), readout="sum")


class Hidden(torch.autograd.Function):
    """A function that tracing cannot look into."""

    @staticmethod
    def forward(ctx, x):
        return x.clone() * 0

    @staticmethod
    def backward(ctx, grad):
        return grad


class Tricky(nn.Module):
    """Ways to slip something past the tracer."""

    def __init__(self, trick):
        super().__init__()
        self.a, self.b, self.one, self.out = nn.Linear(12, 12), nn.Linear(12, 12), snn.LIFBoxCell(), snn.LIBoxCell()
        self.trick = trick
        self.plain = torch.zeros(12)
        lively(self, 4.0)

    def forward(self, x, state=None):
        one, out = state or (None, None)
        h = self.a(x)
        if self.trick == "function":
            h = h + Hidden.apply(h)
        if self.trick == "numpy":
            h = h + torch.from_numpy(np.zeros_like(np.asarray(h)))
        if self.trick == "view":
            flat = h.view(-1, 12)
            flat += x
        if self.trick == "item assignment":
            h[:, 0] = 0
        if self.trick == "out":
            torch.mul(h, 0.5, out=h)
        if self.trick == "data":
            h.data = h * 2
        s, one = self.one(h, one)
        v, out = self.out(self.b(s), out)
        return v, (one, out)


@pytest.mark.parametrize("trick", ["function", "numpy", "view", "item assignment", "out", "data"])
def test_nothing_slips_past_the_tracer(trick, tmp_path):
    with pytest.raises((ImportRefused, InputError)) as error:
        save(Tricky(trick), tmp_path / "m.pt", sample=spikes(4, 6, 12), readout="sum")
    assert error.value.problems and list(tmp_path.iterdir()) == []


def test_saving_leaves_the_module_as_it_was(tmp_path):
    model = Residual()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    round_trip(model, tmp_path, sample=spikes(8, 12, 12))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_hooks_are_removed_when_saving_fails(tmp_path, monkeypatch):
    model = Residual()
    with pytest.raises(InputError):
        save(model, tmp_path / "m.pt", sample=spikes(8, 12, 13), readout="sum")
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_importing_the_package_needs_no_torch():
    code = "import sys; from seamount.frontends import load_model; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_dead_branch_is_left_out_by_name(tmp_path):
    class Auxiliary(Residual):
        def __init__(self):
            super().__init__()
            self.aux = nn.Linear(16, 3)

        def forward(self, x, state=None):
            v, state = super().forward(x, state)
            self.aux(self.a(x))
            return v, state

    file = round_trip(Auxiliary(), tmp_path, sample=spikes(8, 12, 12))
    assert "aux" not in {n.name for n in file.graph().nodes}
    assert file.left_out == ("aux",)


def test_save_uses_the_public_names():
    assert save is saving.save
