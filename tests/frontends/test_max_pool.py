"""Maxima of spikes: an OR computed by neurons that keep nothing, equal to the framework's; other maxima are refused."""

from __future__ import annotations

import pytest

pytest.importorskip("norse", reason="norse is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

import norse.torch as snn
import numpy as np
import snntorch
import torch
from spikingjelly.activation_based import layer, neuron
from torch import nn

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import ImportRefused
from seamount.compiler.ir.ops import LIF
from seamount.frontends import save
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes


def torch_maximum(x: np.ndarray, **window: int) -> np.ndarray:
    """PyTorch's own, step by step, of (N, T, C, H, W)."""
    flat = torch.as_tensor(x.reshape(-1, *x.shape[2:]), dtype=torch.float32)
    y = nn.functional.max_pool2d(flat, **window).numpy()
    return y.reshape(*x.shape[:2], *y.shape[1:])


WINDOWS = {
    "2": {"kernel_size": 2}, "3, stride 2, padding 1": {"kernel_size": 3, "stride": 2, "padding": 1},
    "3, overlapping": {"kernel_size": 3, "stride": 1}, "2, gaps": {"kernel_size": 2, "stride": 3},
}  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS)
def test_the_program_sends_the_maximum(window: str, tmp_path) -> None:
    """Every entry at every step, in integers: what arrives at the pool against PyTorch's maximum of it."""
    options = WINDOWS[window]
    model = nn.Sequential(
        layer.Conv2d(2, 4, 3), neuron.LIFNode(), layer.MaxPool2d(**options), layer.Conv2d(4, 3, 2), neuron.IFNode()
    )
    file = round_trip(lively(model, 3.0), tmp_path, sample=spikes(4, 6, 2, 9, 9))
    program = assert_program(file)
    pool, source = program.population("2"), program.population("1")
    x = {"input": np.asarray(file.golden.inputs, np.int32)}
    trace = ReferenceSimulator().run(program, x, frozenset({"spikes", "v"}))
    np.testing.assert_array_equal(trace.spikes["2"], torch_maximum(trace.spikes[source.name], **options))
    assert not trace.v["2"].any() and 0 < trace.spikes["2"].mean() < 1
    assert pool.needs_microcode == () and pool.offset == source.offset + 1


def test_maxima_of_maxima_and_beside_a_skip(tmp_path) -> None:
    """Two pools in a row, and a skip of average pools around them, which has to wait two steps."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.one = layer.Conv2d(2, 4, 3, padding=1), neuron.LIFNode()
            self.a, self.b, self.avg = layer.MaxPool2d(2), layer.MaxPool2d(2), layer.AvgPool2d(4)
            self.two = neuron.LIFNode()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            s = self.one(self.conv(x))
            return self.two(2 * self.b(self.a(s)) + self.avg(s))

    program = assert_program(round_trip(lively(Net(), 3.0), tmp_path, sample=spikes(4, 6, 2, 8, 8, rate=0.2)))
    assert sorted(q.delay for q in program.projections) == [0, 0, 0, 0, 2]


@pytest.mark.parametrize("kind", ["norse", "snntorch"])
def test_torch_layers_in_other_frameworks(kind: str, tmp_path) -> None:
    pool, conv, last = nn.MaxPool2d(2), nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 2)
    if kind == "norse":
        model: nn.Module = snn.SequentialState(conv, snn.LIFBoxCell(), pool, last, snn.LIFBoxCell())
    else:
        model = nn.Sequential(
            conv, snntorch.Leaky(0.9, init_hidden=True), pool, last, snntorch.Leaky(0.9, init_hidden=True)
        )
    gain = {"norse": 5.0, "snntorch": 2.0}[kind]
    graph = round_trip(lively(model, gain), tmp_path, sample=spikes(4, 6, 2, 8, 8)).graph()
    (maximum,) = (n for n in graph.nodes if isinstance(n.op, LIF) and "2" in (n.name, *n.origin))
    assert isinstance(maximum.op, LIF) and float(maximum.op.beta) == 0 and float(maximum.op.threshold) == 0.5


class Before(nn.Module):
    """A pool behind something."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.conv, self.one, self.pool, self.two = nn.Conv2d(2, 2, 3), neuron.IFNode(), nn.MaxPool2d(2), neuron.IFNode()
        self.what = what

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv(x)
        s = self.one(h)
        behind = {"a convolution": h, "a sum": s + s, "a scale": 0.5 * s, "the input": x}
        return self.two(self.pool(behind[self.what]))


@pytest.mark.parametrize("what", ["a convolution", "a sum", "a scale", "the input"])
def test_maxima_of_other_values_are_refused(what: str, tmp_path) -> None:
    with pytest.raises(ImportRefused) as error:
        save(Before(what).eval(), tmp_path / "m.pt", sample=spikes(4, 5, 2, 8, 8), readout="sum")
    assert str(error.value) == (
        "layer 'pool' (MaxPool2d): takes the maximum of values other than the spikes of one neuron layer\n"
        "  limit:  of spikes, a maximum is an OR; neurons add\n"
        "  remedy: put it behind the neuron layer, where it is exact, or use torch.nn.AvgPool2d or a strided "
        "convolution, and train again"
    )
    assert list(tmp_path.iterdir()) == []


def test_maxima_of_a_membrane_are_refused(tmp_path) -> None:
    model = snn.SequentialState(nn.Conv2d(2, 4, 3), snn.LIBoxCell(), nn.MaxPool2d(2), snn.LIFBoxCell())
    with pytest.raises(ImportRefused, match="other than the spikes of one neuron layer"):
        save(model.eval(), tmp_path / "m.pt", sample=spikes(4, 5, 2, 8, 8), readout="sum")


@pytest.mark.parametrize("options", [{"dilation": 2}, {"return_indices": True}, {"ceil_mode": True}])
def test_windows_that_do_not_fit_are_refused(options, tmp_path) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), neuron.IFNode(), nn.MaxPool2d(4, **options)).eval()
    with pytest.raises(ImportRefused, match=r"dilation or returns indices|ceil_mode=True"):
        save(model, tmp_path / "m.pt", sample=spikes(4, 5, 2, 9, 9), readout="sum")
