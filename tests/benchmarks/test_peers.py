"""The frameworks compute one network: spike by spike on tiny sizes, in every order."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
for package in ("norse", "snntorch", "spikingjelly"):
    pytest.importorskip(package)

from dataclasses import replace  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks import networks  # noqa: E402
from benchmarks.cases import CASES, Case  # noqa: E402
from benchmarks.networks import fold_batchnorm  # noqa: E402
from benchmarks.neurons import KITS  # noqa: E402
from benchmarks.runners import Order, Peer, neuron_layers  # noqa: E402

TINY = {
    "dense": (lambda kit: networks.Dense(kit, hidden=16), (1, 28, 28)),
    "conv": (lambda kit: networks.EventConv(kit, width=2, size=34), (2, 34, 34)),
    "resnet18": (lambda kit: networks.ResNet18(kit, width=2), (3, 32, 32)),
    "recurrent": (lambda kit: networks.Recurrent(kit, hidden=16), (4,)),
}
STEPS, BATCH = 6, 3


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=TINY)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A case with a tiny network of random weights that fires."""
    monkeypatch.setattr("benchmarks.cases.BUILT", tmp_path)
    tiny = replace(CASES[request.param], network=TINY[request.param][0])
    torch.manual_seed(3)
    model = fold_batchnorm(tiny.network(KITS["norse"]()))
    # Biases other than 0, since a spike that skips a silent layer would meet the threshold 1 exactly: > and >= differ.
    chosen = {k: v for k, v in model.state_dict().items() if ".inner." in k or k.startswith("back")}
    weights = {k: 4 * v + 0.01 * torch.rand_like(v) for k, v in chosen.items()}
    tiny.weights.parent.mkdir()
    torch.save({"weights": weights, "updates": 0, "seconds": 0.0}, tiny.weights)
    return tiny


def inputs(case: Case) -> np.ndarray:
    rng = np.random.default_rng(5)
    shape = TINY[case.name][1]
    if case.encoding == "constant":
        return rng.random((BATCH, *shape), np.float32)
    return (rng.random((BATCH, STEPS, *shape)) < 0.2).astype(np.float32)


def test_frameworks_agree(case: Case) -> None:
    peers = {name: Peer(case, name, inputs(case), STEPS) for name in KITS}
    outputs = {name: peer.run() for name, peer in peers.items()}
    spikes = {name: dict(peer.spikes()) for name, peer in peers.items()}
    assert sum(spikes["norse"].values()) > 50
    for name in ("snntorch", "spikingjelly"):
        assert spikes[name] == spikes["norse"]
        np.testing.assert_allclose(outputs[name], outputs["norse"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", KITS)
def test_every_order_gives_the_same(case: Case, name: str) -> None:
    peer = Peer(case, name, inputs(case), STEPS)
    expected = peer.run()
    for order in [*peer.orders(), Order(4, False)] if case.name != "recurrent" else peer.orders():
        peer.order = order
        peer.arrange()
        np.testing.assert_allclose(peer.run(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("longest", [0.0, 1e9])
def test_the_chosen_order_computes_the_same(case: Case, longest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(case, "spikingjelly", inputs(case), STEPS)
    expected, orders = peer.run(), peer.orders()
    tried = []
    arrange = peer.arrange
    monkeypatch.setattr(peer, "arrange", lambda: (tried.append(peer.order), arrange())[1])
    monkeypatch.setattr("benchmarks.runners.LONG_S", longest)
    assert peer.tune() > 0
    assert peer.limit_s == float("inf")
    assert tried[-1] in orders
    assert (set(tried) < set(orders)) == (longest == 0 and len(orders) > 3)
    np.testing.assert_allclose(peer.run(), expected, rtol=1e-4, atol=1e-5)


def test_counted_layers_are_all_neuron_layers() -> None:
    found = {name: len(neuron_layers(TINY[name][0](KITS["snntorch"]()))) for name in TINY}
    assert found == {"dense": 2, "conv": 3, "resnet18": 17, "recurrent": 1}
