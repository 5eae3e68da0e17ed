"""The trained files in models/weights: they load, say what the cards say, and still reach their accuracy in norse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("norse")
pytest.importorskip("sklearn")

from seamount.compiler.errors import InputError  # noqa: E402
from seamount.frontends import load_model  # noqa: E402
from seamount.models.card import Card  # noqa: E402
from seamount.models.data.datasets import Data, data_folder, load  # noqa: E402
from seamount.models.registry import CARDS, card  # noqa: E402
from seamount.models.training import accuracy  # noqa: E402
from seamount.models.unroll import unroll  # noqa: E402

DIGITS = [n for n in CARDS if n.startswith("digits")]
LARGEST = {"digits": 300_000, "fashion-mnist": 2_000_000}
"""Bytes."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def network(chosen: Card) -> Any:
    """The norse network with the weights of its shipped file."""
    nodes = load_model(chosen.weights).nir_file().graph.nodes
    model = chosen.build().eval()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            module.weight.data = tensor(nodes[name].weight)
            if module.bias is not None:
                module.bias.data = tensor(nodes[name].bias)
        elif isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            scale = nodes[name].weight
            module.weight.data = tensor(np.diag(scale) if scale.ndim == 2 else scale.reshape(-1))
            module.bias.data = tensor(nodes[name].bias)
            module.running_mean.zero_()
            module.running_var.fill_(1 - module.eps)
        elif hasattr(module, "recurrent_weights"):
            module.input_weights.data = tensor(nodes[f"{name}.w_in"].weight)
            module.recurrent_weights.data = tensor(nodes[f"{name}.w_rec"].weight)
    return model


def tensor(values: np.ndarray) -> Any:
    return torch.from_numpy(np.asarray(values, np.float32))


@pytest.mark.parametrize("name", CARDS)
def test_file_says_what_the_card_says(name: str) -> None:
    chosen, file = card(name), load_model(card(name).weights)
    assert chosen.weights.stat().st_size < LARGEST["digits" if name in DIGITS else "fashion-mnist"]
    assert (file.name, file.framework) == (name, "norse")
    assert (file.encoding, file.steps, file.readout) == (chosen.encoding, chosen.steps, chosen.readout)
    assert file.accuracy == pytest.approx(chosen.accuracy, abs=1e-9)
    assert chosen.origin in file.description and chosen.data_licence in file.description
    assert len(file.classes) == 10 and file.golden.labels is not None
    assert file.golden.outputs.shape == (chosen.golden, 10)
    assert (file.meaning.default.low, file.meaning.default.high) == (0.0, 1.0)


@pytest.mark.parametrize("name", DIGITS)
def test_golden_samples_are_test_samples(name: str) -> None:
    chosen, golden = card(name), load_model(card(name).weights).golden
    data = load(chosen.data)
    assert np.array_equal(golden.inputs, data.x[: chosen.golden])
    assert np.array_equal(golden.labels, data.y[: chosen.golden])


def test_required_accuracies_are_recorded() -> None:
    assert min(card(n).accuracy for n in DIGITS) >= 0.95
    assert card("fashion-mnist-conv").accuracy >= 0.90


@pytest.mark.parametrize("name", DIGITS)
def test_recorded_accuracy_holds_in_norse(name: str) -> None:
    """Folding batch norm rounds once more, which may move one sample across a border."""
    chosen = card(name)
    data = load(chosen.data)
    assert accuracy(network(chosen), data, chosen) == pytest.approx(chosen.accuracy, abs=1.5 / len(data.y))


@pytest.mark.parametrize("name", DIGITS)
def test_every_layer_is_alive(name: str) -> None:
    """Between 2 and 70 % of the neurons fire in a step, and no layer has more than a fifth of its neurons silent."""
    chosen = card(name)
    spikes: dict[str, list[Any]] = {}
    model = network(chosen)
    for layer, module in model.named_modules():
        if type(module).__name__.startswith("LIF"):
            module.register_forward_hook(
                lambda m, given, output, layer=layer: spikes.setdefault(layer, []).append(output[0])
            )
    with torch.no_grad():
        unroll(model, torch.from_numpy(load(chosen.data, limit=200).x), chosen)
    assert spikes
    for layer, steps in spikes.items():
        rate = torch.stack(steps).mean((0, 1))
        assert 0.02 < float(rate.mean()) < 0.7, layer
        assert float((rate == 0).float().mean()) < 0.2, layer


@pytest.mark.slow
def test_fashion_accuracy_holds_in_norse() -> None:
    """All 10,000 test images; ten seconds on one core."""
    chosen, data = card("fashion-mnist-conv"), fashion()
    assert accuracy(network(chosen), data, chosen) == pytest.approx(chosen.accuracy, abs=5.5 / len(data.y))


def fashion() -> Data:
    try:
        data_folder(None, "fashion-mnist")
    except InputError as error:
        pytest.skip(str(error))
    return load("fashion-mnist")


@pytest.mark.slow
@pytest.mark.parametrize("name", DIGITS)
def test_recipe_gives_an_equally_good_network(name: str) -> None:
    """Trained anew by the recipe, within three points of the shipped file: rounding differs between machines."""
    from seamount.models.training import train

    chosen = card(name)
    model = train(chosen, load(chosen.data, "train"), chosen.recipe)
    assert accuracy(model, load(chosen.data), chosen) > chosen.accuracy - 0.03
