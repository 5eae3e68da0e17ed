"""Networks for recipes: cards count what is built, each compiles to exact integers, loops are what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")

from seamount.compiler.errors import InputError  # noqa: E402
from seamount.frontends import save  # noqa: E402
from seamount.models.networks.cards import CARDS  # noqa: E402
from seamount.models.networks.grouped import GroupNetwork, unrolled  # noqa: E402
from seamount.models.networks.neurons import Neuron  # noqa: E402
from seamount.models.networks.recurrence import HandedOn, recurrent_layers  # noqa: E402
from seamount.models.networks.registry import maker  # noqa: E402
from seamount.models.networks.stages import Task, chain, reset, unroll  # noqa: E402
from seamount.models.networks.table import FOR_RECIPES, NETWORKS, SHIPPED  # noqa: E402
from seamount.workflows import witness  # noqa: E402
from tests.cli.running import call, plain  # noqa: E402

LARGE = {"vgg-small", "vgg-snn", "resnet18", "sew-resnet18"}
GROUPED = {name for name in CARDS if name.startswith("grouped")}
SMALL_INPUT = {
    "vgg-snn": (2, 16, 16), "recurrent": (6,), "digits-conv3": (1, 8, 8), **dict.fromkeys(GROUPED, (4, 4, 4)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def lively(network: Any, shape: tuple[int, ...]) -> Any:
    """The network after a few batches of noise in training mode, so that batch norms let every layer fire."""
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean over all batches, without the initial values
    for _ in range(4):
        unroll(network, torch.rand(16, *shape), 1, True)
    reset(network)
    return network.eval()


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LARGE else ()) for n in CARDS])
def test_card_counts_what_is_built(name: str) -> None:
    card = CARDS[name]
    network = maker(name)(Task(card.shape, card.classes), Neuron())
    assert sum(p.numel() for p in network.parameters()) == card.parameters


SMALL = [pytest.param(n, marks=pytest.mark.slow if n in GROUPED else ()) for n in CARDS if n not in LARGE]


@pytest.mark.parametrize("name", SMALL)
def test_every_network_compiles_to_exact_integers(name: str, tmp_path: Path) -> None:
    shape = SMALL_INPUT.get(name, (2, 16, 16))
    network = lively(maker(name)(Task(shape, 3), Neuron()), shape)
    if isinstance(network, GroupNetwork):
        network = unrolled(network)
    if recurrent_layers(network):
        network = HandedOn(network)
    save(network, tmp_path / "n.pt", sample=torch.rand(2, 2, *shape), readout="mean")
    told = tmp_path / "check.json"
    ran = call(["check", str(tmp_path / "n.pt"), "--lava", "no", "--require", "reference=exact", "--json", str(told)])
    assert ran.code == 0, ran.err
    layers = json.loads(told.read_text())["layers"]
    assert layers and all(layer["integer_spikes"] > 0 for layer in layers)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LARGE))
def test_large_networks_are_exact_on_two_simulators(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large to be listed synapse by synapse, so the engine stands in for the reference."""
    pytest.importorskip("numba")
    monkeypatch.setattr(witness, "LISTED", 0)
    shape = SMALL_INPUT.get(name, (2, 8, 8))
    network = lively(maker(name)(Task(shape, 3), Neuron()), shape)
    save(network, tmp_path / "n.pt", sample=torch.rand(2, 2, *shape), readout="mean")
    assert call(["compile", str(tmp_path / "n.pt"), "-o", str(tmp_path / "a"), "-q"]).code == 0
    ran = call(["diff", str(tmp_path / "a"), str(tmp_path / "a"), "--backend-b", "cpu"])
    assert ran.code == 0, ran.err


def test_a_recurrent_layer_hears_its_spikes_of_the_step_before() -> None:
    network = lively(chain("R5", Task((3,), 2), Neuron(decay=1e-9)), (3,))
    (layer,) = recurrent_layers(network)
    x = torch.rand(4, 6, 3) * 3
    with torch.no_grad():
        before, expected = torch.zeros(4, 5), []
        for t in range(6):
            current = layer.feed(x[:, t]) + before @ layer.back.weight.T
            before = (current >= 0.5).float()
            expected.append(network.head(before))
        assert torch.allclose(torch.stack(unroll(network, x, 6, False)), torch.stack(expected), atol=1e-6)
        assert any(s.any() for s in expected) and layer.back.weight.abs().sum() > 0


def test_the_form_for_model_files_computes_the_same() -> None:
    network = lively(chain("R8-R5", Task((3,), 2), Neuron()), (3,))
    x, handed = torch.rand(4, 6, 3) * 3, HandedOn(network)
    with torch.no_grad():
        ours = unroll(network, x, 6, False)
        reset(network)
        state = None
        for t in range(6):
            logits, state = handed(x[:, t], state)
            assert torch.equal(logits, ours[t])


def test_samples_leave_nothing_behind() -> None:
    network = lively(chain("R5", Task((3,), 2), Neuron()), (3,))
    with torch.no_grad():
        first, again = (torch.stack(unroll(network, torch.ones(2, 4, 3), 4, False)) for _ in range(2))
        unroll(network, torch.ones(7, 4, 3), 4, False)
    assert torch.equal(first, again)


@pytest.mark.parametrize(
    ("name", "shape", "found"),
    [
        ("16C3", (24,), "'16C3' needs an image, and gets a row of numbers"),
        ("R8-16C3", (1, 8, 8), "'16C3' needs an image"),
        ("FC8-AP2", (1, 8, 8), "'AP2' needs an image"),
        ("8C3-R", (1, 8, 8), "'R' is not understood here"),
        ("resnet-narrow", (24,), "does not fit samples of shape (24,)"),
        ("8C3-AP16", (1, 8, 8), "does not fit samples of shape (1, 8, 8)"),
        ("grouped", (1, 8, 8), "it takes (4 C, rows, columns), the quadrants as channels"),
    ],
)
def test_samples_that_do_not_fit(name: str, shape: tuple[int, ...], found: str) -> None:
    with pytest.raises(InputError) as refused:
        maker(name)(Task(shape, 10), Neuron())
    assert found in str(refused.value) and f"network '{name}'" in str(refused.value)


def test_the_command_shows_every_card(tmp_path: Path) -> None:
    text = plain(call(["networks", "--json", str(tmp_path / "n.json")]).out)
    assert all(name in text for name in CARDS) and "ecg-recurrent" in text and "11,173,962" in text
    tree = {card["name"]: card for card in json.loads((tmp_path / "n.json").read_text())}
    assert tree["resnet18"]["shape"] == [3, 32, 32] and tree["resnet18"]["origin"].startswith("He et al.")
    assert "24" in plain(call(["networks", "recurrent"]).out)
    ran = call(["networks", "nothing"])
    assert ran.code == 2 and "network 'nothing': does not exist" in plain(ran.err)


def test_names_of_networks_are_unique() -> None:
    assert len(NETWORKS) == len(FOR_RECIPES) + len(SHIPPED)
