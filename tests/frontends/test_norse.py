"""Norse networks in: what the framework computes is what the imported graph computes, step by step."""

from __future__ import annotations

import pytest

pytest.importorskip("norse")

import norse.torch as snn
import torch
from norse.torch.functional.reset import reset_subtract, reset_value
from torch import nn

from seamount.compiler.errors import ImportRefused, InputError, SeamountError
from seamount.compiler.ir.ops import LI, LIF
from seamount.frontends import save
from tests.frontends.networks import (
    InsideLoop,
    Recurrent,
    Residual,
    TimeFirst,
    TimeLoop,
    cell,
    lively,
    round_trip,
    spikes,
)


def sequential(*layers):
    return snn.SequentialState(*layers)


NEURONS = [
    ("LIFBoxCell", {}),
    ("LIFBoxCell", {"tau_mem_inv": 300.0, "v_th": 0.7, "v_leak": 0.1, "v_reset": -0.3}),
    ("LIFBoxCell", {"reset_method": reset_subtract, "v_th": 0.4}),
    ("LIFBoxCell", {"reset_method": reset_value, "v_reset": 0.2, "v_leak": -0.2}),
    ("LIFBoxCell", {"dt": 0.004, "tau_mem_inv": 200.0}),
    ("LIFBoxCell", {"tau_mem_inv": 1000.0}),
    ("LIFCell", {}),
    ("LIFCell", {"tau_syn_inv": 500.0, "tau_mem_inv": 150.0, "v_th": 0.5, "v_reset": -0.2, "v_leak": 0.05}),
    ("LIFCell", {"tau_syn_inv": 1000.0, "v_leak": 0.3}),
    ("LIFCell", {"dt": 0.0005, "v_th": 0.3}),
    ("IAFCell", {"v_th": 2.0}),
    ("IAFCell", {"v_th": 3.0, "v_reset": -0.5}),
    ("LIFRecurrentCell", {}),
    ("LIFRecurrentCell", {"autapses": True, "v_th": 0.6, "v_reset": 0.1}),
]


@pytest.mark.parametrize(("kind", "parameters"), NEURONS, ids=lambda v: str(v) if isinstance(v, str) else "-".join(v))
@pytest.mark.parametrize("steps", [1, 2, 25])
def test_every_neuron(kind, parameters, steps, tmp_path):
    gain = 1.0 if kind == "IAFCell" else 4.0
    inner = cell(kind, 20, **parameters)
    model = lively(
        sequential(nn.Linear(12, 20), inner, nn.Linear(20, 4), snn.LIBoxCell(dt=parameters.get("dt", 0.001))), gain
    )
    x = spikes(32, steps, 12)
    lowest = 0.01 if steps > 2 else -1
    file = round_trip(model, tmp_path, low=lowest, sample=x)
    assert file.golden.series.shape == (32, steps, 4)
    assert file.steps == steps


@pytest.mark.parametrize("kind", ["LIBoxCell", "LICell", "LILinearCell"])
@pytest.mark.parametrize("leak", [0.0, 0.25])
def test_readouts(kind, leak, tmp_path):
    model = lively(sequential(nn.Linear(12, 20), snn.LIFCell(), nn.Linear(20, 4), cell(kind, 4, v_leak=leak)), 4.0)
    for rule in ("sum", "mean", "max", "last"):
        file = round_trip(model, tmp_path, sample=spikes(8, 12, 12), readout=rule)
        assert file.readout == rule
    assert isinstance(file.graph().nodes[-1].op, LI) or any(isinstance(n.op, LI) for n in file.graph().nodes)


@pytest.mark.parametrize("kind", ["LIF", "IAF", "LIFRecurrent"])
def test_time_looping_layers(kind, tmp_path):
    parameters = {"v_th": 2.0} if kind == "IAF" else {}
    model = lively(sequential(nn.Linear(12, 20), cell(kind, 20, **parameters), nn.Linear(20, 4), snn.LI()), 2.0)
    file = round_trip(model, tmp_path, sample=spikes(8, 20, 12, rate=0.6))
    assert file.golden.series.shape == (8, 20, 4)


def test_lift_and_mixed_time_styles(tmp_path):
    model = sequential(
        snn.Lift(nn.Conv2d(1, 4, 3)), snn.LIF(), snn.Lift(nn.AvgPool2d(2)), nn.Flatten(2), nn.Linear(36, 10),
        snn.Lift(sequential(nn.Linear(10, 8), snn.LIFBoxCell())),
    )  # fmt: skip
    x = torch.rand(4, 10, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    round_trip(lively(model, 5.0), tmp_path, sample=x)


def test_per_channel_and_learnable_parameters(tmp_path):
    class Learnable(nn.Module):
        def __init__(self):
            super().__init__()
            self.tau = nn.Parameter(torch.linspace(60.0, 400.0, 6).reshape(6, 1, 1))
            self.th = nn.Parameter(torch.linspace(0.3, 1.2, 6).reshape(6, 1, 1))
            self.conv = nn.Conv2d(2, 6, 3)
            self.cell = snn.LIFBoxCell(snn.LIFBoxParameters(tau_mem_inv=self.tau, v_th=self.th))
            self.head = nn.Linear(6 * 36, 4)
            self.out = snn.LIBoxCell()

        def forward(self, x, state=None):
            s1, s2 = state if state is not None else (None, None)
            z, s1 = self.cell(self.conv(x), s1)
            v, s2 = self.out(self.head(z.flatten(1)), s2)
            return v, (s1, s2)

    model = Learnable()
    lively(model.conv, 4.0), lively(model.head, 4.0)
    file = round_trip(model.eval(), tmp_path, sample=spikes(4, 15, 2, 8, 8))
    op = file.graph()["cell"].op
    assert isinstance(op, LIF)
    import numpy as np

    beta = np.broadcast_to(op.beta, (6, 6, 6))[:, 0, 0]
    assert np.allclose(beta, 1 - 1e-3 * np.linspace(60.0, 400.0, 6))


LAYERS = {
    "linear without bias": (lambda: [nn.Flatten(), nn.Linear(2 * 9 * 7, 30, bias=False)], (2, 9, 7)),
    "conv2d": (lambda: [nn.Conv2d(2, 6, 3)], (2, 9, 7)),
    "conv2d without bias": (lambda: [nn.Conv2d(2, 6, 3, bias=False)], (2, 9, 7)),
    "conv2d non-square": (lambda: [nn.Conv2d(2, 6, (3, 5), stride=(2, 1), padding=(1, 2))], (2, 9, 7)),
    "conv2d grouped": (lambda: [nn.Conv2d(4, 8, 3, groups=4)], (4, 9, 7)),
    "conv2d dilated": (lambda: [nn.Conv2d(2, 6, 3, dilation=(2, 1), padding=1)], (2, 9, 7)),
    "conv2d same": (lambda: [nn.Conv2d(2, 6, (3, 5), padding="same", dilation=(1, 2))], (2, 9, 7)),
    "conv2d same even, dilated": (lambda: [nn.Conv2d(2, 6, (2, 3), padding="same", dilation=2)], (2, 9, 7)),
    "conv2d valid": (lambda: [nn.Conv2d(2, 6, 3, padding="valid")], (2, 9, 7)),
    "conv1d": (lambda: [nn.Conv1d(3, 6, 5, stride=2, padding=1, dilation=2)], (3, 20)),
    "conv1d grouped same": (lambda: [nn.Conv1d(4, 8, 3, groups=2, padding="same")], (4, 20)),
    "batchnorm2d": (lambda: [nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6)], (2, 9, 7)),
    "batchnorm2d not affine": (lambda: [nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6, affine=False)], (2, 9, 7)),
    "batchnorm1d of features": (lambda: [nn.Linear(12, 20), nn.BatchNorm1d(20)], (12,)),
    "batchnorm1d of channels": (lambda: [nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6)], (3, 20)),
    "batchnorm first": (lambda: [nn.BatchNorm2d(2), nn.Conv2d(2, 6, 3)], (2, 9, 7)),
    "avgpool2d": (lambda: [nn.AvgPool2d((2, 3), stride=(2, 1)), nn.Conv2d(2, 6, 3)], (2, 9, 7)),
    "avgpool2d padded": (lambda: [nn.AvgPool2d(3, 2, padding=1), nn.Conv2d(2, 6, 3)], (2, 9, 7)),
    "avgpool2d divisor": (lambda: [nn.AvgPool2d(2, divisor_override=3), nn.Conv2d(2, 6, 2)], (2, 9, 7)),
    "avgpool2d ceil that fits": (lambda: [nn.AvgPool2d(3, 2, ceil_mode=True), nn.Conv2d(2, 6, 3)], (2, 9, 7)),
    "avgpool1d": (lambda: [nn.AvgPool1d(3, 2, padding=1), nn.Conv1d(3, 6, 3)], (3, 20)),
    "sum pool": (lambda: [nn.LPPool2d(1, 2), nn.Conv2d(2, 6, 2)], (2, 9, 7)),
    "adaptive": (lambda: [nn.Conv2d(2, 6, 2), nn.AdaptiveAvgPool2d((4, 2))], (2, 9, 7)),
    "adaptive to one": (lambda: [nn.Conv2d(2, 6, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()], (2, 9, 7)),
    "dropout and identity": (lambda: [nn.Linear(12, 20), nn.Dropout(0.5), nn.Identity()], (12,)),
    "nested sequential": (lambda: [nn.Sequential(nn.Conv2d(2, 6, 3), nn.Sequential(nn.BatchNorm2d(6)))], (2, 9, 7)),
    "weight norm": (lambda: [nn.utils.parametrizations.weight_norm(nn.Linear(12, 20))], (12,)),
    "partial flatten": (lambda: [nn.Flatten(2), nn.Conv1d(2, 6, 5)], (2, 9, 7)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name, tmp_path):
    torch.manual_seed(0)
    build, shape = LAYERS[name]
    layers = build()
    out = nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).numel()
    model = sequential(*layers, snn.LIFBoxCell(), nn.Flatten(), nn.Linear(out, 4), snn.LICell())
    lively(model, 6.0)
    for m in model.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.running_mean.uniform_(-0.5, 0.5)
            m.running_var.uniform_(0.5, 2)
            if m.affine:
                m.weight.data.uniform_(0.5, 1.5)
    round_trip(model, tmp_path, high=0.99, sample=spikes(6, 12, *shape))


@pytest.mark.parametrize("spelling", ["a + b", "torch.add", "a += b", "a.add(b)", "alpha", "a - b", "sum([a, b])"])
def test_residual_in_every_spelling(spelling, tmp_path):
    round_trip(Residual(spelling), tmp_path, sample=spikes(16, 12, 12))


@pytest.mark.parametrize(
    "respell",
    [
        lambda x: x.view(x.shape[0], -1),
        lambda x: x.reshape(x.size(0), 36),
        lambda x: torch.flatten(x, 1),
        lambda x: x.flatten(start_dim=1),
        lambda x: x.flatten(2).flatten(1),
        lambda x: x.clone().contiguous().view(-1, 36),
        lambda x: nn.functional.dropout(x, 0.5, training=False).flatten(1),
        lambda x: x.unsqueeze(1).squeeze(1).flatten(1),
    ],
)
def test_flatten_in_every_spelling(respell, tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc, self.cell, self.out = nn.Conv2d(1, 4, 3), nn.Linear(36, 4), snn.LIFCell(), snn.LICell()
            lively(self, 6.0)

        def forward(self, x, state=None):
            a, b = state or (None, None)
            z, a = self.cell(self.conv(x), a)
            v, b = self.out(self.fc(respell(z)), b)
            return v, (a, b)

    round_trip(Net(), tmp_path, sample=torch.rand(4, 1, 5, 5), steps=10)


@pytest.mark.parametrize(
    "style",
    ["stack", "iterate", "sum", "mean", "last", "max", "batch_first", "batch", "accumulate", "fill", "fill batch"],
)
@pytest.mark.parametrize("inner", [Residual, Recurrent])
def test_loops_inside_forward(style, inner, tmp_path):
    rule = style if style in ("sum", "mean", "last", "max") else "sum"
    x = spikes(16, 12, 12)
    looped = round_trip(TimeLoop(inner(), style), tmp_path, sample=x, readout=rule)
    stepped = round_trip(inner(), tmp_path, sample=x, readout=rule)
    assert (looped.golden.series == stepped.golden.series).all()
    assert len(looped.graph().nodes) == len(stepped.graph().nodes)


def test_a_transpose_between_time_and_batch(tmp_path):
    round_trip(TimeFirst(TimeLoop(Residual(), "batch_first")), tmp_path, sample=spikes(16, 12, 12))
    round_trip(TimeFirst(TimeFirst(TimeLoop(Residual()))), tmp_path, sample=spikes(16, 12, 12))


def test_a_constant_frame_looped_inside(tmp_path):
    model = InsideLoop(Residual(), 9)
    file = round_trip(model, tmp_path, sample=torch.rand(16, 12), steps=9, readout="last")
    assert file.golden.series.shape == (16, 9, 5)
    assert file.encoding == "constant"


@pytest.mark.parametrize(("start", "bias"), [("none", False), ("zeros", False), ("zeros", True)])
def test_recurrence_by_hand(start, bias, tmp_path):
    file = round_trip(Recurrent(start, bias), tmp_path, sample=spikes(16, 12, 12))
    assert any(e.delay == 1 for e in file.graph().edges)


def test_deep_network_with_different_time_steps(tmp_path):
    model = sequential(
        nn.Linear(12, 20),
        snn.LIFBoxCell(dt=0.002),
        nn.Linear(20, 20),
        snn.LIFCell(dt=0.0005),
        nn.Linear(20, 4),
        snn.LIBoxCell(),
    )
    file = round_trip(lively(model, 6.0), tmp_path, sample=spikes(16, 12, 12))
    assert file.meaning.of("1").dt == 0.002 and file.meaning.of("3").dt == 0.0005


def test_the_caller_can_say_how_time_runs(tmp_path):
    x = spikes(16, 12, 12)
    round_trip(TimeLoop(Residual()), tmp_path, sample=x, time="loop")
    round_trip(Residual(), tmp_path, sample=x, time="step")
    with pytest.raises((ImportRefused, InputError)):
        save(TimeLoop(Residual()), tmp_path / "no.pt", sample=x, readout="sum", time="step")
    with pytest.raises(ImportRefused, match="all steps at once"):
        save(Residual(), tmp_path / "no.pt", sample=x, readout="sum", time="loop")
    assert not (tmp_path / "no.pt").exists()


class Between(nn.Module):
    """Two layers with something between them."""

    def __init__(self, between, steps=1):
        super().__init__()
        self.a, self.b = nn.Linear(12, 12), nn.Linear(12, 4)
        self.one, self.out = snn.LIFBoxCell(), snn.LIBoxCell()
        self.gate = nn.Parameter(torch.ones(12))
        self.between = between
        lively(self, 4.0)

    def forward(self, x, state=None):
        one, out = state or (None, None)
        z, one = self.one(self.a(x), one)
        z = self.between(self, x, z)
        v, out = self.out(self.b(z), out)
        return v, (one, out)


UNKNOWN = torch.eye(12)
"""Made outside of the module, from whatever it may be."""
REFUSED = {
    "product": (lambda m, x, z: z * x, "mul on the output of 'one' and 'input'", "no counterpart on the chip"),
    "gate": (lambda m, x, z: z * UNKNOWN[0], "mul on the output of 'one'", "no counterpart"),
    "relu": (lambda m, x, z: torch.relu(-z), "relu on the output of 'scale'", "leave it out"),
    "F.relu": (lambda m, x, z: nn.functional.relu(-z), "relu on the output of 'scale'", "leave it out"),
    "constant": (lambda m, x, z: z + 0.1, "a constant is added to the output of 'one'", "bias"),
    "parameter": (lambda m, x, z: m.gate + z, "a constant is added to the output of 'one'", "bias"),
    "maximum": (lambda m, x, z: torch.maximum(z, x), "maximum on the output of", "layers, sums"),
    "slice": (lambda m, x, z: nn.functional.pad(z[:, :6], (0, 6)), "takes a part of it", "single steps"),
    "cat": (lambda m, x, z: torch.cat([z[:, :6], x[:, :6]], 1), "takes a part", ""),
    "roll": (lambda m, x, z: z.roll(1, 0), "roll on the output of 'one'", ""),
    "sort": (lambda m, x, z: z.sort(1).values, "sort on the output of 'one'", ""),
    "functional linear": (lambda m, x, z: nn.functional.linear(z, UNKNOWN), "linear on", "nn.Linear"),
    "control flow": (lambda m, x, z: z if z.sum(1).max() > 3 else x, "", ""),
    "item": (lambda m, x, z: z * float(z.mean()), "", ""),
    "numpy": (lambda m, x, z: torch.from_numpy(z.numpy()), "numpy makes the computation depend on the data", "control"),
    "batch": (lambda m, x, z: z - z.mean(0), "mean over an axis that is not time", ""),
    "transpose": (lambda m, x, z: z.t().t(), "t on the output of 'one'", ""),
    "batch reshape": (lambda m, x, z: z.reshape(-1).reshape(-1, 12), "mixes the batch", "axis 0"),
    "in place": (lambda m, x, z: z.mul_(x), "mul_", ""),
    "softmax": (lambda m, x, z: torch.softmax(z, 1), "softmax on the output of 'one'", "largest"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_lost_is_refused(name, tmp_path):
    between, found, remedy = REFUSED[name]
    with pytest.raises(ImportRefused) as error:
        save(Between(between), tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")
    assert found.rstrip("_") in str(error.value)
    assert remedy in str(error.value)
    assert "test_norse.py:" in str(error.value)
    assert list(tmp_path.iterdir()) == []


MODULES = {
    "MaxPool1d": (nn.MaxPool1d(2), "MaxPool1d", "average pool"),
    "LayerNorm": (nn.LayerNorm(12), "LayerNorm", "batch norm"),
    "LSTM": (nn.LSTM(12, 12), "LSTM", "LIFRecurrentCell"),
    "Embedding": (nn.Embedding(3, 3), "looks up rows by number", "one-hot"),
    "refractory": (snn.LIFRefracCell(), "refractory period", "LIFBoxCell"),
    "adaptive": (snn.LSNNCell(), "adaptive threshold", "LIFRecurrentCell"),
    "izhikevich": (snn.IzhikevichCell(snn.tonic_spiking), "quadratic membrane", "LIFBoxCell"),
    "encoder": (snn.PoissonEncoder(5), "encoder", "encode before save"),
    "dropout": (nn.Dropout(0.5).train(), "drops activations at random", "model.eval()"),
    "batchnorm": (nn.BatchNorm1d(12).train(), "normalises by the batch", "model.eval()"),
    "batchnorm without statistics": (
        nn.BatchNorm1d(12, track_running_stats=False),
        "no running statistics",
        "track_running",
    ),
    "reflect": (nn.Conv1d(1, 1, 3, padding=1, padding_mode="reflect"), "pads with 'reflect'", "zeros"),
    "excluded padding": (nn.AvgPool2d(3, padding=1, count_include_pad=False), "count_include_pad=False", ""),
    "LPPool2d": (nn.LPPool2d(2, 2), "norm_type=2", "norm_type=1"),
}


@pytest.mark.parametrize("name", MODULES)
def test_layers_that_are_refused(name, tmp_path):
    module, found, remedy = MODULES[name]
    model = sequential(nn.Linear(12, 12), snn.LIFBoxCell(), module, nn.Linear(12, 4), snn.LIBoxCell())
    with pytest.raises(ImportRefused) as error:
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")
    assert found in str(error.value) and remedy in str(error.value) and "layer '2'" in str(error.value)


def test_all_refusals_at_once(tmp_path):
    model = sequential(nn.Linear(12, 12), nn.ReLU(), snn.LIFRefracCell(), nn.MaxPool1d(2), nn.Dropout(0.2))
    with pytest.raises(ImportRefused) as error:
        save(model.train(), tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")
    assert len(error.value.problems) == 4


GEOMETRY = {
    "ceil": ([nn.AvgPool2d(2, ceil_mode=True)], "ceil_mode=True adds a partial window"),
    "adaptive": ([nn.AdaptiveAvgPool2d(3)], "windows of unequal size"),
    "same even": ([nn.Conv2d(1, 1, 2, padding="same")], "pads unequally"),
    "unflatten": ([nn.Flatten(), nn.Unflatten(1, (49, 1))], "which NIR cannot express"),
    "linear on frames": ([nn.Linear(7, 7)], "a Linear acts on the last axis of (1, 7, 7)"),
}


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry_that_is_refused(name, tmp_path):
    layers, found = GEOMETRY[name]
    model = lively(sequential(*layers, snn.LIFBoxCell(), nn.Flatten()), 1.0)
    with pytest.raises(ImportRefused) as error:
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 1, 7, 7), readout="sum")
    assert found in str(error.value)


PARAMETERS = {
    "own reset": ({"reset_method": lambda z, v, r, t: v * 0}, "reset_method is a function of your own"),
    "fast decay": ({"tau_mem_inv": 1500.0}, "dt * tau_mem_inv = 1.5"),
    "no decay": ({"tau_mem_inv": 0.0}, "tau_mem_inv is 0"),
    "nan": ({"v_th": float("nan")}, "v_th holds NaN"),
    "shape": ({"v_th": [[1.0] * 12, [2.0] * 12]}, "v_th of shape (2, 12) does not fit the layer's shape (12,)"),
    "dt": ({"dt": -0.001}, "dt is -0.001"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_that_are_refused(name, tmp_path):
    parameters, found = PARAMETERS[name]
    model = lively(sequential(nn.Linear(12, 12), cell("LIFBoxCell", 12, **parameters), nn.Linear(12, 2)), 1.0)
    with pytest.raises(SeamountError) as error:
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")
    assert found in str(error.value)


class States(nn.Module):
    """A network that handles its states in a wrong way."""

    def __init__(self, fault):
        super().__init__()
        self.a, self.b, self.one, self.two = nn.Linear(12, 12), nn.Linear(12, 12), snn.LIFBoxCell(), snn.LIFBoxCell()
        self.fault = fault
        lively(self, 4.0)

    def forward(self, x, state=None):
        one, two = state or (None, None)
        if self.fault == "given" and one is None:
            one = snn.LIFBoxFeedForwardState(v=torch.full((x.shape[0], 12), 0.5))
        if self.fault == "dropped":
            one = None
        if self.fault == "decayed" and one is not None:
            one = snn.LIFBoxFeedForwardState(v=one.v * 0.9)
        if self.fault == "written" and one is not None:
            one.v.mul_(0.9)
        if self.fault == "detached" and one is not None:
            one = snn.LIFBoxFeedForwardState(v=one.v.detach())
        z, one = self.one(self.a(x), one)
        if self.fault == "reused":
            z, one = self.one(self.b(z), one)
            return z, (one, two)
        if self.fault == "swapped" and two is not None:
            z, two = self.two(self.b(z), one)
        else:
            z, two = self.two(self.b(z), two)
        if self.fault == "membrane":
            return two.v, (one, two)
        return z, (one, two)


STATES = {
    "given": "starts from a state given by the module",
    "dropped": "its state is not passed on at step 1",
    "decayed": "on the state of a neuron layer",
    "written": "on the state of a neuron layer",
    "reused": "called more than once within one step",
    "swapped": "is not the one it returned at step 0",
    "membrane": "is not computed by traced layers",
}


@pytest.mark.parametrize("fault", STATES)
def test_states_that_are_mishandled(fault, tmp_path):
    with pytest.raises(ImportRefused, match=STATES[fault]):
        save(States(fault), tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")


def test_states_kept_in_attributes_are_refused(tmp_path):
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.state = Residual(), None

        def forward(self, x):
            y, self.state = self.inner(x, self.state)
            return y

    with pytest.raises(ImportRefused, match="keeps states in attributes"):
        save(Keeps(), tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")


def test_a_detached_state_is_the_same_state(tmp_path):
    round_trip(States("detached"), tmp_path, low=0.001, sample=spikes(16, 20, 12))


def test_a_forward_that_fails_is_reported(tmp_path):
    model = sequential(nn.Linear(11, 4), snn.LIFBoxCell())
    with pytest.raises(InputError, match=r"given an input of shape \(2, 12\)"):
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")


def test_wiring_that_changes_between_steps(tmp_path):
    class Alternating(Residual):
        count = 0

        def forward(self, x, state=None):
            one, two, out = state if state is not None else (None, None, None)
            self.count += 1
            s, one = self.one(self.a(x), one)
            h = self.b(s) + s if self.count % 2 else self.b(s)
            z, two = self.two(h, two)
            v, out = self.out(self.c(z), out)
            return v, (one, two, out)

    with pytest.raises(ImportRefused, match="wired differently at different steps"):
        save(Alternating(), tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")


def test_logistic_spikes_are_refused(tmp_path):
    model = sequential(nn.Linear(12, 12), snn.LIFCell(snn.LIFParameters(method="logistic")))
    with pytest.raises(SeamountError):
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 12), readout="sum")
