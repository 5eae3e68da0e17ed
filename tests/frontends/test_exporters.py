"""Files that the frameworks' own exporters write, read with the framework's preset: the framework's spikes, or refused.

Per neuron type and dt of the export: the same spikes as the framework's forward pass, or the cause and the right dt.
"""

# ruff: noqa: E402

from __future__ import annotations

import io
from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nirtorch")

import nir
from torch import nn

from seamount.compiler.errors import ImportRefused
from seamount.frontends.conventions import parse_assumptions
from seamount.frontends.nir.file import read_nir
from seamount.frontends.nir.from_nir import from_nir
from tests.frontends.nir_nets import run

STEPS, INPUTS, NEURONS = 120, 10, 24
X = (torch.rand(STEPS, 1, INPUTS, generator=torch.Generator().manual_seed(4)) < 0.4).float()

norse_only = pytest.mark.skipif(find_spec("norse") is None, reason="norse is not installed")
snntorch_only = pytest.mark.skipif(find_spec("snntorch") is None, reason="snntorch is not installed")
spikingjelly_only = pytest.mark.skipif(find_spec("spikingjelly") is None, reason="spikingjelly is not installed")


def dense(scale=1.0):
    torch.manual_seed(3)
    layer = nn.Linear(INPUTS, NEURONS)
    with torch.no_grad():
        layer.weight.mul_(scale)
    return layer


def imported(graph, *words):
    """The output at each step, (T, NEURONS), of what a file of the graph means."""
    stream = io.BytesIO()
    nir.write(stream, graph)
    file = read_nir(io.BytesIO(stream.getvalue()))
    given = parse_assumptions([*words, "coding=spikes", f"steps={STEPS}", "readout=sum"])
    found = from_nir(file.graph, file.meaning(given))
    return next(iter(run(found, X[:, 0].numpy()).series.values()))[0], tuple(map(str, found.notes))


def refusal(graph, *words):
    with pytest.raises(ImportRefused) as refused:
        imported(graph, *words)
    return str(refused.value)


def same(graph, wanted, *words):
    found, notes = imported(graph, *words)
    wanted = np.stack([y[0].detach().numpy() for y in wanted])
    assert np.allclose(found, wanted, atol=1e-4) and wanted.std() > 0.1
    return notes


# norse: to_nir multiplies time constants by its dt, 0.001 by default, and writes gains of 1.


def norse_cell(kind, dt=0.001):
    import norse.torch as norse

    full = {k: torch.full((NEURONS,), v) for k, v in {"v_th": 1.0, "v_leak": 0.0, "v_reset": 0.0}.items()}
    leak = {"tau_mem_inv": torch.full((NEURONS,), 100.0)}
    if kind == "LIFCell":
        p = norse.LIFParameters(tau_syn_inv=torch.full((NEURONS,), 200.0), **leak, **full)
        return norse.LIFCell(p, dt=dt), 6.0
    if kind == "LIFBoxCell":
        return norse.LIFBoxCell(norse.LIFBoxParameters(**leak, **full), dt=dt), 30.0
    if kind == "LIBoxCell":
        return norse.LIBoxCell(norse.LIBoxParameters(**leak, v_leak=full["v_leak"]), dt=dt), 6.0
    return norse.IAFCell(norse.IAFParameters(v_th=full["v_th"], v_reset=full["v_reset"]), dt=dt), 2.0


def norse_net(kind, dt, export):
    import norse.torch as norse
    from norse.torch.utils.export_nir import to_nir

    cell, scale = norse_cell(kind, dt)
    model = norse.SequentialState(dense(scale), cell).eval()
    graph = to_nir(model, X[0], dt=export)
    state, wanted = None, []
    for x in X:
        y, state = model(x, state)
        wanted.append(y)
    return graph, wanted


@norse_only
@pytest.mark.parametrize("dt", [0.001, 0.0005])
@pytest.mark.parametrize("export", [1.0, 0.001, 0.01])
@pytest.mark.parametrize("kind", ["LIFCell", "LIFBoxCell", "LIBoxCell", "IAFCell"])
def test_norse(kind, export, dt):
    graph, wanted = norse_net(kind, dt, export)
    notes = same(graph, wanted, "norse", f"dt={dt * export}")
    supplied = {"LIFCell": "w_in = 1 is what norse writes", "IAFCell": "r = 1 is what norse writes"}.get(kind, "")
    assert bool(supplied) == any(supplied in note for note in notes if supplied)


@norse_only
@pytest.mark.parametrize("kind", ["LIFCell", "LIFBoxCell", "LIBoxCell"])
def test_norse_exported_with_its_default_dt(kind):
    text = refusal(norse_net(kind, 0.001, 0.001)[0], "norse")
    assert "give that times the dt of the cells, 1e-06 where both are 0.001" in text
    assert "suggest" not in text


@norse_only
def test_gains_that_norse_neither_has_nor_writes():
    graph, _ = norse_net("LIFCell", 0.001, 1.0)
    cell = next(n for n in graph.nodes.values() if isinstance(n, nir.CubaLIF))
    cell.w_in = np.full(NEURONS, 3.0)
    assert "its w_in = 3 is not that of norse's neurons, 5 at dt = 0.001" in refusal(graph, "norse")
    words = "dt=0.001", "integrate=euler", "compare=gt", "start=zero", "reset=zero", "timing=immediate", "spikes=single"
    assert imported(graph, *words)[0].shape == (STEPS, NEURONS)


@norse_only
def test_case_1_of_two_layers_has_norse_counts():
    import norse.torch as norse
    from norse.torch.utils.export_nir import to_nir

    def cell(n):
        values = {"tau_syn_inv": 200.0, "tau_mem_inv": 100.0, "v_th": 1.0, "v_reset": 0.0, "v_leak": 0.0}
        return norse.LIFCell(norse.LIFParameters(**{k: torch.full((n,), v) for k, v in values.items()}))

    torch.manual_seed(0)
    model = norse.SequentialState(nn.Linear(10, 24), cell(24), nn.Linear(24, 10), cell(10)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(6)
    graph = to_nir(model, X[0], dt=1.0)
    state, wanted = None, []
    for x in X:
        y, state = model(x, state)
        wanted.append(y)
    same(graph, wanted, "norse")


# snnTorch: always for a step of 0.0001.


def snntorch_net(kind):
    import snntorch
    from snntorch.export_nir import export_to_nir

    def full(value):
        return torch.full((NEURONS,), value)

    cells = {
        "Leaky": lambda: snntorch.Leaky(beta=full(0.9), threshold=full(1.0), init_hidden=True),
        "Synaptic": lambda: snntorch.Synaptic(alpha=full(0.8), beta=full(0.9), threshold=full(1.0), init_hidden=True),
    }
    model = nn.Sequential(dense(2.0), cells[kind]()).eval()
    graph = export_to_nir(model, X[0, 0])
    model[1].reset_mem()
    return graph, [model(x) for x in X]


@snntorch_only
@pytest.mark.parametrize("kind", ["Leaky", "Synaptic"])
def test_snntorch(kind):
    graph, wanted = snntorch_net(kind)
    same(graph, wanted, "snntorch")
    assert "--assume dt=0.0001" in refusal(graph, "snntorch", "dt=0.00005")


@snntorch_only
def test_the_wrong_preset_is_refused():
    graph, _ = snntorch_net("Leaky")
    assert "its r = 10 is not that of norse's neurons, 1 at dt = 0.0001" in refusal(graph, "norse", "dt=0.0001")
    assert "its r = 10 is not that of sinabs's neurons" in refusal(graph, "sinabs", "spikes=single")
    if find_spec("norse"):
        norse, _ = norse_net("LIFBoxCell", 0.001, 1.0)
        text = refusal(norse, "snntorch")
        assert "its r = 1 is not that of snntorch's neurons, 100 at dt = 0.0001" in text and "dt=" not in text


# SpikingJelly: for the dt of the export, which gains of 1 do not tell.


def spikingjelly_net(kind, **options):
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    made = {
        "IFNode": lambda: neuron.IFNode(v_reset=0.0),
        "LIFNode": lambda: neuron.LIFNode(tau=3.0),
        "LIFNode, decay_input=False": lambda: neuron.LIFNode(tau=3.0, decay_input=False),
        "ParametricLIFNode": lambda: neuron.ParametricLIFNode(init_tau=2.5),
        "CUBALIFNode": lambda: neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75),
    }[kind]()
    torch.manual_seed(3)
    linear = layer.Linear(INPUTS, NEURONS)
    with torch.no_grad():
        linear.weight.mul_(3)
    model = nn.Sequential(linear, made).eval()
    graph = export_to_nir(model, X[0], **options)
    functional.reset_net(model)
    return graph, [model(x) for x in X]


@spikingjelly_only
@pytest.mark.parametrize("dt", [None, 1e-3, 1.0])
@pytest.mark.parametrize(
    "kind", ["IFNode", "LIFNode", "LIFNode, decay_input=False", "ParametricLIFNode", "CUBALIFNode"]
)
def test_spikingjelly(kind, dt):
    graph, wanted = spikingjelly_net(kind, **({} if dt is None else {"dt": dt}))
    same(graph, wanted, "spikingjelly", *([] if dt is None else [f"dt={dt}"]))
    if dt is not None and kind in ("IFNode", "LIFNode, decay_input=False", "CUBALIFNode"):
        assert f"give the dt it was exported with, --assume dt={dt:g}" in refusal(graph, "spikingjelly")
