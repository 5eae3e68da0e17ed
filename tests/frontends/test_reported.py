"""Networks and files that people reported: exact, or refused for what they are."""

# ruff: noqa: E402

from __future__ import annotations

import io

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")

import nir
from spikingjelly.activation_based import encoding, layer, neuron
from spikingjelly.activation_based.ann2snn.modules import VoltageScaler
from torch import nn

from seamount.compiler.codes import Task
from seamount.compiler.errors import ImportRefused, InputError, SeamountError
from seamount.frontends import save
from seamount.frontends.conventions import parse_assumptions
from seamount.frontends.nir.file import read_nir
from seamount.frontends.nir.from_nir import from_nir
from tests.frontends.nir_nets import affine, chain, lif, meaning, net, out, port, run, write
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes


def refusal(model, tmp_path, **options):
    given = {"sample": spikes(3, 5, 10), "readout": "sum", **options}
    with pytest.raises(SeamountError) as refused:
        save(model, tmp_path / "m.pt", **given)
    return str(refused.value)


# SpikingJelly: what ann2snn puts around neurons, and votes.


@pytest.mark.parametrize("mode", ["s", "m"])
def test_voltage_scalers(mode, tmp_path):
    def stack(*middle):
        parts = (layer.Linear(10, 8), *middle, layer.Linear(8, 3), neuron.IFNode(v_reset=None))
        model = lively(nn.Sequential(*parts), 3.0)
        for module in model.modules():
            if hasattr(module, "step_mode"):
                module.step_mode = mode
        return model

    scaled = stack(VoltageScaler(2.0), neuron.IFNode(v_reset=None), VoltageScaler(0.5))
    file = round_trip(scaled, tmp_path, high=0.99, sample=spikes(4, 6, 10))
    weights = next(iter(assert_program(file).projections))
    assert weights is not None and file.golden.spikes["2"].any()


def test_a_voltage_scaler_is_a_factor(tmp_path):
    """The same as weights times the factor."""
    scaled = lively(nn.Sequential(nn.Linear(10, 8), VoltageScaler(2.0), neuron.IFNode(v_reset=None)), 2.0)
    plain = lively(nn.Sequential(nn.Linear(10, 8), neuron.IFNode(v_reset=None)), 2.0)
    with torch.no_grad():
        for p in plain.parameters():
            p.mul_(2)
    one = round_trip(scaled, tmp_path, high=0.99, sample=spikes(4, 6, 10))
    two = round_trip(plain, tmp_path, high=0.99, sample=spikes(4, 6, 10))
    assert np.array_equal(one.golden.spikes["2"], two.golden.spikes["1"])


@pytest.mark.parametrize("mode", ["s", "m"])
def test_votes_are_means(mode, tmp_path):
    model = nn.Sequential(
        layer.Linear(10, 20, step_mode=mode), neuron.LIFNode(step_mode=mode), layer.VotingLayer(5, step_mode=mode)
    )
    file = round_trip(lively(model, 5.0), tmp_path, sample=spikes(4, 6, 10), classes=["a", "b", "c", "d"])
    votes = file.golden.spikes["1"].reshape(4, 6, 4, 5).mean(3)
    assert np.allclose(file.golden.series, votes)


# Named for what they are.


class Called(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.fc, self.lif, self.part = nn.Linear(10, 10), neuron.LIFNode(), part

    def forward(self, x):
        return self.lif(self.fc(self.part(x)))


NAMED = {
    "PoissonEncoder": (
        encoding.PoissonEncoder(), "an encoder draws or times spikes on the host", "encode before save()",
    ),
    "Upsample": (nn.Upsample(scale_factor=1, mode="linear"), "(mode='linear')", 'use mode="nearest"'),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_named_for_what_it_is(name, tmp_path):
    part, found, remedy = NAMED[name]
    text = refusal(lively(Called(part), 3.0), tmp_path)
    assert found in text and remedy in text and "use one of CUBALIFNode" not in text


def test_initial_membranes_per_neuron(tmp_path):
    model = nn.Sequential(nn.Linear(10, 8), neuron.IFNode())
    model[1].set_reset_value("v", torch.linspace(0, 0.5, 8))
    text = refusal(lively(model, 3.0), tmp_path)
    assert "it starts at a v of each neuron, 0 to 0.5" in text and "leave the reset value of v at 0" in text
    model[1].set_reset_value("v", torch.zeros(8))
    save(lively(model, 3.0), tmp_path / "m.pt", sample=spikes(3, 5, 10), readout="sum")


def test_an_old_nir(tmp_path, monkeypatch):
    class Old:
        """nir.LIF of nir 1.0.4."""

        def __init__(self, tau, r, v_leak, v_threshold):
            pass

    monkeypatch.setattr(nir, "LIF", Old)
    text = refusal(lively(nn.Sequential(nn.Linear(10, 8), neuron.IFNode()), 3.0), tmp_path)
    assert "whose neurons have no v_reset" in text and "pip install 'nir>=1.0.8'" in text


# Labels and classes.


def small():
    return lively(nn.Sequential(nn.Linear(10, 3), neuron.LIFNode()), 4.0)


def test_labels_as_text(tmp_path):
    names = ["cat", "dog", "owl"]
    file = round_trip(small(), tmp_path, sample=spikes(3, 5, 10), labels=["owl", "cat", "owl"], classes=names)
    assert file.golden.labels.tolist() == [2, 0, 2]
    text = refusal(small(), tmp_path, labels=["owl", "cow", "owl"], classes=names)
    assert "text that classes= does not hold: 'cow'" in text and "give class numbers, 0 to 2" in text
    assert "name every class in classes=" in refusal(small(), tmp_path, labels=["a", "b", "c"])


def test_fewer_classes_than_outputs(tmp_path):
    model = lively(nn.Sequential(nn.Linear(10, 30), neuron.LIFNode()), 4.0)
    assert round_trip(model, tmp_path, sample=spikes(3, 5, 10), classes=["a", "b", "c"]).task is Task.POPULATION
    assert "4 class names for 30 outputs" in refusal(model, tmp_path, classes=["a", "b", "c", "d"])
    pooled = lively(nn.Sequential(nn.Linear(10, 30), neuron.LIFNode(), nn.AvgPool1d(10)), 4.0)
    file = round_trip(pooled, tmp_path, sample=spikes(3, 5, 10), classes=["a", "b", "c"])
    assert np.allclose(file.golden.series, file.golden.spikes["1"].reshape(3, 5, 3, 10).mean(3))


# .nir files.


def reread(graph):
    return read_nir(io.BytesIO(write(graph))).graph


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 1), (1, 3, 1, 1)])
def test_axes_of_one_around_an_output(shape):
    graph = chain(port(4), affine(3, 4), lif())
    graph.nodes["output"] = out(*shape)
    found = from_nir(reread(graph), meaning())
    assert any("they differ in " in str(note) for note in found.notes)
    graph.nodes["output"] = out(*shape[:-1], 2)
    with pytest.raises(ImportRefused, match="declares shape"):
        from_nir(reread(graph), meaning())


@pytest.mark.parametrize("shape", [(1, 4), (1, 1, 4), (4, 1), (1, 4, 1)])
def test_axes_of_one_around_an_input(shape):
    found = from_nir(reread(chain(port(*shape), affine(3, 4), lif())), meaning())
    assert found["input"].op.shape == (4,)


def test_a_placeholder_for_a_shape():
    flatten = nir.Flatten({"input": None}, 0, -1)
    flatten.input_type = {"input": np.array([0, 0, 0, 0])}
    graph = chain(
        port(2, 3, 3), nir.SumPool2d(np.array([3, 3]), np.array([3, 3]), np.array([0, 0])), flatten, lif((2,))
    )
    x = np.ones((8, 2, 3, 3))
    assert run(from_nir(reread(graph), meaning()), x).series["output"].shape[1:] == (8, 2)


def test_an_edge_without_an_end_is_named():
    inner = net({"in": port(3), "lif1": lif(), "out": out(3)}, [("in", "lif"), ("lif", "out")])
    graph = net({"input": port(3), "sub": inner, "output": out(3)}, [("input", "sub"), ("sub", "output")])
    with pytest.raises(InputError) as refused:
        reread(graph)
    text = str(refused.value)
    assert "graph 'sub': edge 'in' -> 'lif' names a node that does not exist: 'lif'" in text
    assert "edge 'lif' -> 'out' names a node that does not exist: 'lif'" in text
    assert "the graph has 'in', 'lif1', 'out'" in text


def test_a_leak_above_the_threshold_starts_there():
    """norse starts at v_leak: with 1.2 above a threshold of 1 it fires in the first step, without input."""
    pytest.importorskip("norse", reason="norse is not installed")
    import norse.torch as norse

    given = parse_assumptions(["norse", "coding=spikes", "steps=40", "readout=sum"])
    graph = from_nir(chain(port(3), lif(tau=0.005, v_leak=1.2, v_reset=0.1)), given)
    x = (np.random.default_rng(0).random((40, 3)) < 0.4).astype(np.float64)
    mine = run(graph, x).spikes["lif"][0]
    p = norse.LIFBoxParameters(
        tau_mem_inv=torch.tensor(200.0), v_leak=torch.tensor(1.2), v_th=torch.tensor(1.0), v_reset=torch.tensor(0.1)
    )
    cell, state, theirs = norse.LIFBoxCell(p), None, []
    for x_t in torch.as_tensor(x, dtype=torch.float32):
        z, state = cell(x_t[None], state)
        theirs.append(z[0].detach().numpy())
    assert np.array_equal(mine, np.stack(theirs)) and mine[0].all() and 0 < mine.mean() < 1


def test_a_question_lists_a_node_once():
    names = ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in")
    graph = chain(port(3), nir.CubaLIF(**{name: np.ones(3) for name in names}))
    with pytest.raises(ImportRefused) as refused:
        from_nir(graph, meaning(dt=None))
    assert str(refused.value).count("node 'cubalif' (CubaLIF)") == 1


# SpikingJelly's readouts.


@pytest.mark.parametrize("decode", [None, "max-mem", "mean-mem", "last_mem"])
@pytest.mark.parametrize("kind", [neuron.NonSpikingLIFNode, neuron.NonSpikingIFNode])
def test_readouts_of_the_membrane(kind, decode, tmp_path):
    options = {"tau": 3.0} if kind is neuron.NonSpikingLIFNode else {}
    hidden = layer.Linear(10, 8, step_mode="m"), neuron.LIFNode(step_mode="m")
    model = nn.Sequential(*hidden, layer.Linear(8, 3, step_mode="m"), kind(decode=decode, **options))
    x = spikes(4, 6, 10)
    rule = {"max-mem": "max", "mean-mem": "mean", "last_mem": "last"}.get(decode, "last")
    file = round_trip(lively(model, 4.0), tmp_path, sample=x, readout=rule)
    assert file.golden.series.shape == (4, 6, 3)
    with torch.no_grad():
        model.apply(lambda m: m.reset() if hasattr(m, "reset") else None)
        given = model(x.transpose(0, 1))
    last = given[-1] if decode is None else given
    assert np.allclose(file.golden.outputs, last.numpy(), atol=1e-5)
    assert_program(file)


def test_a_readout_by_magnitude_is_refused(tmp_path):
    model = nn.Sequential(layer.Linear(10, 3, step_mode="m"), neuron.NonSpikingLIFNode(decode="max-abs-mem"))
    assert "the membrane of the largest magnitude over the steps" in refusal(lively(model, 3.0), tmp_path)


def test_a_leak_above_the_threshold_compiles():
    from seamount.backends.registry import load_target
    from seamount.backends.simulator.reference import ReferenceSimulator
    from seamount.compiler.driver import compile_graph

    given = parse_assumptions(["norse", "coding=spikes", "steps=40", "readout=sum"])
    graph = from_nir(chain(port(4), affine(3, 4), lif(tau=0.005, v_leak=1.2, v_reset=0.1)), given)
    x = (np.random.default_rng(0).random((1, 40, 4)) < 0.4).astype(np.int32)
    compiled = compile_graph(graph, load_target("loihi-sim"))
    trace = ReferenceSimulator().run(compiled.artifact.program, {"input": x}, frozenset({"spikes"}))
    mine = run(graph, x[0].astype(np.float64)).spikes["lif"][0]
    found = next(s for name, s in trace.spikes.items() if name == "lif")[0]
    assert (found == mine[: len(found)]).mean() > 0.9


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("channels", [False, True])
def test_a_network_that_ann2snn_converted(channels, tmp_path):
    from spikingjelly.activation_based import ann2snn

    torch.manual_seed(0)
    body = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()
    analog = nn.Sequential(*body, nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    x = torch.rand(16, 1, 8, 8)
    recipe = ann2snn.RateCodingRecipe([(x, torch.zeros(16))], channel_wise=channels)
    converted = ann2snn.Converter(recipe).convert(analog).eval()
    file = round_trip(converted, tmp_path, low=0.0, sample=x[:4], steps=20, readout="mean")
    assert len(file.golden.spikes) == 2 and all(s.any() for s in file.golden.spikes.values())
    if not channels:  # a channel that is never active has a scale of 1e6, which no target holds
        assert_program(file)


# snnTorch: a start that is no zero.


@pytest.mark.parametrize("start", [0.0, 0.5, 1])
def test_a_number_as_the_first_state(start, tmp_path):
    import snntorch

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(10, 3), snntorch.Leaky(beta=0.9)

        def forward(self, x):
            mem, out = start, []
            for x_t in x:
                spk, mem = self.lif(self.fc(x_t), mem)
                out.append(spk)
            return torch.stack(out)

    text = refusal(lively(Net(), 3.0), tmp_path)
    assert f"neuron layer 'lif': its state is given as the number {start:g}" in text and "torch.zeros" in text


# Networks of SpikingJelly's zoo: max pooling behind neurons, dropout, votes.


@pytest.mark.parametrize("name", ["MNISTNet", "CIFAR10Net", pytest.param("DVSGestureNet", marks=pytest.mark.slow)])
def test_networks_of_the_zoo(name, tmp_path):
    from spikingjelly.activation_based import functional, surrogate
    from spikingjelly.activation_based.model import parametric_lif_net

    torch.manual_seed(0)
    build = getattr(parametric_lif_net, name)
    model = build(8, neuron.LIFNode, surrogate_function=surrogate.ATan()).eval()
    functional.set_step_mode(model, "m")
    shape = {"MNISTNet": (1, 28, 28), "CIFAR10Net": (3, 32, 32), "DVSGestureNet": (2, 128, 128)}[name]
    checked = save(model, tmp_path / "m.pt", sample=spikes(2, 3, *shape), readout="sum")
    assert checked.ok and checked.compared > 10_000


def test_snntorch_tutorial_in_its_sequential_form(tmp_path):
    """Max pooling before the neurons: another network than behind them, and the remedy says which is exact."""
    import snntorch

    def leaky(**options):
        return snntorch.Leaky(beta=0.9, init_hidden=True, **options)

    model = nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.MaxPool2d(2), leaky(), nn.Flatten(), nn.Linear(576, 10), leaky(output=True)
    )
    text = refusal(lively(model, 3.0), tmp_path, sample=spikes(2, 4, 1, 28, 28))
    assert "put it behind the neuron layer, where it is exact" in text
