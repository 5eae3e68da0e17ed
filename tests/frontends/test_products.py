"""Products of spike trains and of spikes with a constant mask: exact, also in the program; others refused."""

# ruff: noqa: E402

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from spikingjelly.activation_based import neuron
from torch import nn

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import ImportRefused
from seamount.frontends import save
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes

MASK = torch.tensor([1.0, 0.0, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0])


class Net(nn.Module):
    def __init__(self, join):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(10, 8), nn.Linear(10, 8), nn.Linear(8, 3)
        self.one, self.two, self.three = neuron.LIFNode(), neuron.LIFNode(), neuron.LIFNode()
        self.register_buffer("mask", MASK)
        self.join = join

    def forward(self, x):
        one, two = self.one(self.a(x)), self.two(self.b(x))
        return self.three(self.c(self.join(self, one, two)))


PRODUCTS = {
    "a * b": lambda net, a, b: a * b,
    "torch.mul": lambda net, a, b: torch.mul(a, b),
    "mul_": lambda net, a, b: a.clone().mul_(b),
    "IAND": lambda net, a, b: (1.0 - a) * b,
    "IAND, the other way": lambda net, a, b: b * torch.rsub(a, 1),
    "three": lambda net, a, b: a * b * a,
    "and added": lambda net, a, b: a * b + a,
    "mask": lambda net, a, b: a * net.mask + b,
    "mask of a batch": lambda net, a, b: net.mask[None] * a + b,
    "logical_and": lambda net, a, b: torch.logical_and(a, b).float(),
    "&": lambda net, a, b: (a.bool() & b.bool()).float(),
    "bitwise_and": lambda net, a, b: torch.bitwise_and(a.int(), b.int()).float(),
    "minimum": lambda net, a, b: torch.minimum(a, b),
    "where": lambda net, a, b: torch.where(a > 0, b, torch.zeros_like(b)),
    "where, the other way": lambda net, a, b: torch.where(a == 0, b, torch.zeros_like(b)),
    "not": lambda net, a, b: torch.logical_not(a).float() * b,
    "~": lambda net, a, b: (~(a > 0.5)).float() * b,
    "or": lambda net, a, b: torch.logical_or(a, b).float(),
    "|": lambda net, a, b: (a.bool() | b.bool()).float(),
    "maximum": lambda net, a, b: torch.maximum(a, b),
    "xor": lambda net, a, b: torch.logical_xor(a, b).float(),
    "^ and &": lambda net, a, b: ((a.bool() ^ b.bool()) & b.bool()).float(),
    "masked_fill": lambda net, a, b: a.masked_fill(MASK < 1, 0.0) + b,
    "& mask": lambda net, a, b: (a.bool() & (MASK > 0)).float() * b,
    "rectified": lambda net, a, b: torch.relu(a) * nn.functional.relu(b) + (a + b).relu(),
    "clamped": lambda net, a, b: a.clamp(0, 1) * b.clamp(min=0) + nn.functional.relu6(a),
    "powers": lambda net, a, b: a**2 * b.square() + a.abs(),
}


def truth(name, a, b):
    a, b = torch.as_tensor(a, dtype=torch.float32), torch.as_tensor(b, dtype=torch.float32)
    return PRODUCTS[name](None, a, b).numpy()


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_is_exact(name, tmp_path):
    model = lively(Net(PRODUCTS[name]), 5.0)
    file = round_trip(model, tmp_path, low=0.005, high=0.99, sample=spikes(4, 8, 10))
    program = assert_program(file)
    if name not in ("a * b", "IAND"):
        return
    x = {"input": np.asarray(file.golden.inputs, np.int32)}
    trace = ReferenceSimulator().run(program, x, frozenset({"spikes", "v"}))
    wanted = truth(name, trace.spikes["one"], trace.spikes["two"])
    assert np.array_equal(trace.spikes["and"], wanted) and 0 < wanted.mean() < 1
    assert program.population("and").needs_microcode == ()


REFUSED = {
    "spikes times currents": lambda net, a, b: a * net.c2(b),
    "1 - spikes alone": lambda net, a, b: (1 - a) + b,
    "both negated": lambda net, a, b: (1 - a) * (1 - b),
    "a sum of truth values": lambda net, a, b: (a.bool() + b.bool()).float(),
    "~ of integers": lambda net, a, b: (~a.int()).float() * b,
    "rectified difference": lambda net, a, b: torch.relu(a - b),
    "clamped sum": lambda net, a, b: (a + b).clamp(0, 1),
    "a comparison of sums": lambda net, a, b: (a + b > 1).float(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_products_are_refused(name, tmp_path):
    model = Net(None)
    model.c2 = nn.Linear(8, 8)
    model.join = REFUSED[name]
    with pytest.raises(ImportRefused):
        save(lively(model, 5.0), tmp_path / "m.pt", sample=spikes(4, 8, 10), readout="sum")


@pytest.mark.parametrize("rectifier", [nn.ReLU, nn.ReLU6, lambda: nn.ReLU(inplace=True)])
def test_a_rectifier_of_spikes_is_dropped_with_a_note(rectifier, tmp_path):
    model = lively(
        nn.Sequential(nn.Linear(10, 8), neuron.LIFNode(), rectifier(), nn.Linear(8, 3), neuron.LIFNode()), 5.0
    )
    file = round_trip(model, tmp_path, low=0.005, high=0.99, sample=spikes(4, 8, 10))
    assert file.left_out == (f"2 ({type(rectifier()).__name__}: spikes are 0 and 1)",)
    assert [p.name for p in assert_program(file).populations] == ["1", "4"]


@pytest.mark.parametrize("place", [1, 3])
def test_a_rectifier_of_real_values_is_refused(place, tmp_path):
    layers = [nn.Linear(10, 8), neuron.LIFNode(), nn.Linear(8, 3), neuron.LIFNode()]
    layers.insert(place, nn.ReLU())
    with pytest.raises(ImportRefused, match="rectifies real values, which has no counterpart on the chip"):
        save(nn.Sequential(*layers), tmp_path / "m.pt", sample=spikes(4, 8, 10), readout="sum")
