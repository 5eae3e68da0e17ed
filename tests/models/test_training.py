"""The training loop: unrolling in time, readouts, augmentation, and one short training of every network."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("norse")
pytest.importorskip("sklearn")

from seamount.compiler.errors import InputError  # noqa: E402
from seamount.frontends.model_file.file import load_model  # noqa: E402
from seamount.models.data.datasets import load  # noqa: E402
from seamount.models.data.samples import Data  # noqa: E402
from seamount.models.reference import train  # noqa: E402
from seamount.models.reference.card import Card, OneCycle  # noqa: E402
from seamount.models.reference.registry import CARDS, card  # noqa: E402
from seamount.models.reference.training import accuracy, augment, cut, parameter_count, scores  # noqa: E402
from seamount.models.reference.training import train as fit  # noqa: E402
from seamount.models.reference.unroll import unroll  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def samples(chosen: Card, count: int = 64) -> Data:
    """Real digits, or noise where the network's data set is not at hand."""
    if chosen.data.startswith("digits"):
        return load(chosen.data, "train", limit=count)
    rng = np.random.default_rng(0)
    lead = (count,) if chosen.encoding == "constant" else (count, chosen.steps)
    labels = lead if chosen.readout == "each" else (count,)
    x = (rng.random((*lead, *chosen.shape), np.float32) < 0.3).astype(np.float32)
    return Data(x, rng.integers(0, 6, labels), chosen.encoding, 0.0, 1.0)


def short(name: str) -> Card:
    """A card, with at most 20 steps."""
    chosen = card(name)
    window = None if chosen.cycle.window is None else 10
    cycle = dataclasses.replace(chosen.cycle, window=window)
    return dataclasses.replace(chosen, steps=min(chosen.steps, 20), cycle=cycle)


@pytest.mark.parametrize("name", CARDS)
def test_card_matches_network(name: str) -> None:
    chosen = short(name)
    model = chosen.build().eval()
    assert parameter_count(model) == chosen.parameters
    data = samples(chosen, 3)
    assert data.encoding == chosen.encoding
    with torch.no_grad():
        outputs = unroll(model, torch.from_numpy(data.x), chosen)
    found = outputs.shape[2:]
    assert outputs.shape[:2] == (chosen.steps, 3)
    assert found == ((11, 24, 24) if chosen.task == "pixels" else (found[0],))
    assert scores(outputs, chosen).shape == ((3, chosen.steps, *found) if chosen.readout == "each" else (3, *found))
    roots = {type(m).__module__.partition(".")[0] for m in model.modules()}
    assert roots & {"norse", "snntorch", "spikingjelly"} == {chosen.framework}


@pytest.mark.parametrize("name", CARDS)
def test_one_epoch_trains(name: str) -> None:
    chosen = short(name)
    data = samples(chosen, 256)
    losses: list[float] = []
    cycle = dataclasses.replace(chosen.cycle, epochs=1, batch=16)
    model = fit(chosen, data, cycle, lambda done, total, loss: losses.append(loss))
    assert len(losses) == 16 and np.isfinite(losses).all() and not model.training
    if chosen.data.startswith("digits"):
        assert np.mean(losses[-4:]) < np.mean(losses[:4]), "the loss does not fall"


def test_training_learns_and_repeats() -> None:
    """Four epochs on digits: far above chance on unseen samples, and bit for bit the same a second time."""
    chosen = card("digits-conv")
    cycle = dataclasses.replace(chosen.cycle, epochs=4)
    data, unseen = load("digits", "train", limit=600), load("digits", "test")
    first, second = (fit(chosen, data, cycle) for _ in range(2))
    assert accuracy(first, unseen, chosen) > 0.8
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_labels_per_step_are_learned() -> None:
    """Which of four inputs fired last, asked at every step; steps without label are left out."""
    chosen = dataclasses.replace(
        card("digits-recurrent"), module="seamount.models.reference.recurrent:ecg", framework="snntorch",
        steps=12, readout="each",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, (256, 12))
    x = np.eye(4, dtype=np.float32)[y]
    y[rng.random(y.shape) < 0.3] = -1
    cycle = dataclasses.replace(chosen.cycle, epochs=6, batch=16, window=8)
    model = fit(chosen, Data(x, y, "sequence", 0.0, 1.0), cycle)
    assert accuracy(model, Data(x, y, "sequence", 0.0, 1.0), chosen) > 0.9


def test_windows_begin_anywhere() -> None:
    x, cycle = torch.arange(20).reshape(2, 10), OneCycle(1, 1, 1.0, window=4)
    cuts = [cut(x[..., None], x, cycle) for _ in range(200)]
    assert {int(y[0, 0]) for _, y in cuts} == set(range(7))
    assert all(torch.equal(a[..., 0], y) and y.shape == (2, 4) for a, y in cuts)
    assert cut(x, x, OneCycle(1, 1, 1.0))[0] is x and cut(x, x, dataclasses.replace(cycle, window=10))[0] is x


def test_layer_by_layer_is_step_by_step() -> None:
    """A SequentialState gives the same outputs in both orders in evaluation mode."""
    chosen = card("digits-dense")
    torch.manual_seed(0)
    model = fit(chosen, samples(chosen), dataclasses.replace(chosen.cycle, epochs=1))
    x = torch.from_numpy(samples(chosen).x)
    with torch.no_grad():
        whole, state = unroll(model, x, chosen), None
        for t in range(chosen.steps):
            y, state = model(x, state)
            assert torch.allclose(whole[t], y, atol=1e-5)
    assert float(whole[-1].std()) > 0.01


def test_readout_rules() -> None:
    outputs = torch.tensor([[[1.0, 4.0]], [[3.0, 0.0]]])
    rule = {r: scores(outputs, dataclasses.replace(card("digits-conv"), readout=r)) for r in ("sum", "mean", "last")}
    assert rule["sum"].tolist() == [[4, 4]]
    assert rule["mean"].tolist() == [[2, 2]]
    assert rule["last"].tolist() == [[3, 0]]


def test_augment_moves_and_mirrors_without_wrapping() -> None:
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 0, 4] = 1.0
    quiet = OneCycle(1, 1, 1.0)
    assert augment(image, quiet) is image
    many = augment(image.expand(400, 1, 5, 5), dataclasses.replace(quiet, shift_px=1))
    total = many.sum((1, 2, 3))
    assert set(total.tolist()) == {0.0, 1.0}
    assert abs(float((total == 0).float().mean()) - 5 / 9) < 0.1, "five of nine moves push the pixel out"
    assert many[:, 0, 0, 4].sum() > 0 and many[:, 0, 1, 3].sum() > 0
    assert float(many[:, 0, :, :3].sum()) == 0
    flipped = augment(image.expand(400, 1, 5, 5), dataclasses.replace(quiet, flip=True))
    assert abs(float(flipped[:, 0, 0, 0].mean()) - 0.5) < 0.1
    assert torch.equal(flipped[:, 0, 0, 0] + flipped[:, 0, 0, 4], torch.ones(400))
    frames = augment(image.expand(400, 3, 2, 5, 5), dataclasses.replace(quiet, shift_px=1))
    assert frames.shape == (400, 3, 2, 5, 5) and torch.equal(frames[:, 0], frames[:, 2]), "steps move together"
    rows = augment(image[:, 0].expand(9, 5, 5), dataclasses.replace(quiet, shift_px=1))
    assert rows.shape == (9, 5, 5)


def test_unknown_model() -> None:
    with pytest.raises(InputError, match="digits-dense, digits-conv"):
        card("digits-deep")


def test_build_without_norse_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'norse'", name="norse")

    monkeypatch.setattr("seamount.models.reference.card.import_module", missing)
    with pytest.raises(InputError, match=r"'norse'.*\n.*pip install 'seamount\[norse\]'"):
        card("digits-conv").build()


# a shipped network by its card


def test_a_card_is_trained_with_samples_held_out() -> None:
    """Every Nth training sample; the test split is not touched."""
    outcome = train.run(train.CardJob("digits-conv", epochs=1, limit=200, hold_out=4))
    assert (outcome.trained_on, len(outcome.tested.y), outcome.parameters) == (150, 50, 3842)
    assert 0 <= outcome.accuracy <= 1


def test_the_command_trains_a_card(tmp_path: Path) -> None:
    from tests.cli.running import call, plain

    model, told = tmp_path / "digits.pt", tmp_path / "told.json"
    words = ["train", "card", "--network", "digits-conv", "--epochs", "2", "--limit", "400"]
    ran = call([*words, "-o", str(model), "--json", str(told)])
    assert ran.code == 0, ran.err
    assert "400 training samples, 2 epochs in" in plain(ran.out) and "on 360 samples" in plain(ran.out)
    tree = json.loads(told.read_text())
    kept = load_model(model)
    assert kept.accuracy == tree["accuracy"] > 0.2 and kept.name == "digits-conv"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--hold-out", "1", "-o", "m.pt"], "--hold-out: is 1"),
        (["--hold-out", "2", "-o", "m.pt"], "--output: with --hold-out"),
        (["--rate", "0.1", "--flip"], "--rate: is an option of recipes"),
        (["--rate", "0.1", "--flip"], "--flip: is an option of recipes"),
    ],
)
def test_what_a_card_refuses(options: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.cli.running import call, plain

    monkeypatch.chdir(tmp_path)
    ran = call(["train", "card", "--network", "digits-conv", *options])
    assert ran.code == 2 and text in plain(ran.err)
    assert list(tmp_path.iterdir()) == []


def test_only_shipped_networks_have_a_schedule_and_only_cards_hold_out() -> None:
    from tests.cli.running import call, plain

    assert "model 'conv3': is not a reference network" in plain(call(["train", "card", "--network", "conv3"]).err)
    assert "--hold-out: is for card, not for plain" in plain(call(["train", "plain", "--hold-out", "3"]).err)
