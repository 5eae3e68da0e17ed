"""seamount train: from a recipe to a model file that compiles; what cannot be used is said and leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.running import call, plain

pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
pytest.importorskip("sklearn")

SMALL = ["--network", "4C3-AP2-8C3", "--limit", "256", "--epochs", "2"]


def test_trained_network_compiles_and_runs(tmp_path: Path) -> None:
    model, told, folder = tmp_path / "net.pt", tmp_path / "net.json", tmp_path / "net.seamount"
    ran = call(["train", "etc", *SMALL, "--crop", "1", "-o", str(model), "--json", str(told)])
    assert ran.code == 0, ran.err
    assert "epoch 2/2 (train): task " in plain(ran.out) and f"model file: {model}" in plain(ran.out)
    tree = json.loads(told.read_text())
    assert set(tree["accuracy"]) == {"1", "2", "4"} and len(tree["history"]) == 2
    assert call(["compile", str(model), "-o", str(folder)]).code == 0
    ran = call(["run", str(folder), "--data", "digits", "--json", str(told)])
    assert ran.code == 0, ran.err
    stated = json.loads(told.read_text())
    assert stated["float_accuracy"] == pytest.approx(tree["accuracy"]["4"])
    assert stated["accuracy"] == pytest.approx(stated["float_accuracy"], abs=0.03)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "recipe 'nothing': does not exist"),
        (["etc", "--network", "resnet"], "network 'resnet': does not exist"),
        (["etc", "--network", "16C3-MP2"], "network '16C3-MP2': 'MP2' is not understood here"),
        (["etc", "--data", "nowhere"], "data 'nowhere': is neither"),
        (["etc", "--device", "tpu"], "--device tpu: is unknown"),
        (["etc", "--amp"], "--amp: mixed precision is for a GPU"),
        (["pipe-d", "--start", "missing.pt"], "missing.pt: no such file"),
        (["plain", "--network", "resnet-narrow", "--data", "digits-rows", "--steps", "8"], "does not fit samples of"),
        (["plain", "--network", "R8", "--data", "digits-rows", "--steps", "9"], "lasts 8 steps, and training takes 9"),
        (["joint", "--network", "R8", "--data", "digits-rows"], "sees a sample as one image"),
        (["pipe-s", "--network", "R8", "--data", "digits-rows"], "sees a sample as one image"),
        (["joint", "--network", "FC8-FC8"], "stage 0 is no image, and the method's branches are convolutions"),
    ],
)
def test_what_cannot_be_used(arguments: list[str], said: str, tmp_path: Path) -> None:
    ran = call(["train", *arguments, "--epochs", "1", "--limit", "32", "-o", str(tmp_path / "net.pt")])
    assert ran.code == 2 and said in plain(ran.err)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def per_step(tmp_path: Path) -> Path:
    """Two channels, one of which spikes; the label of a step says which, and is missing in every third."""
    which = np.random.default_rng(0).integers(0, 2, (64, 6))
    x = np.stack([which == 0, which == 1], 2).astype(np.float32)
    y = np.where(np.arange(6) % 3 == 2, -1, which)
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    return tmp_path / "mine.npz"


@pytest.mark.parametrize("recipe", ["plain", "tet"])
def test_a_label_per_step_is_trained_and_deployed(recipe: str, per_step: Path, tmp_path: Path) -> None:
    model, told = tmp_path / "net.pt", tmp_path / "told.json"
    chosen = ["--network", "R8", "--data", str(per_step), "--steps", "6", "--epochs", "20"]
    ran = call(["train", recipe, *chosen, "-o", str(model), "--json", str(told)])
    assert ran.code == 0, ran.err
    reached = json.loads(told.read_text())["accuracy"]
    assert set(reached) == {"1", "2", "4", "6"} and reached["6"] > 0.8
    assert call(["compile", str(model), "-o", str(tmp_path / "a"), "-q"]).code == 0
    ran = call(["run", str(tmp_path / "a"), "--data", str(per_step), "--json", str(told)])
    assert ran.code == 0, ran.err
    assert json.loads(told.read_text())["accuracy"] == pytest.approx(reached["6"], abs=0.05)


def test_a_label_per_step_is_refused_where_the_loss_has_one_class(per_step: Path) -> None:
    ran = call(["train", "etc", "--network", "R8", "--data", str(per_step), "--epochs", "1"])
    assert ran.code == 2 and "has a label per step, and etc trains one class per sample" in plain(ran.err)


def test_a_recurrent_network_trains_on_sequences_and_compiles(tmp_path: Path) -> None:
    model, told = tmp_path / "net.pt", tmp_path / "check.json"
    chosen = ["--network", "R16", "--data", "digits-rows", "--steps", "8", "--limit", "256", "--epochs", "2"]
    ran = call(["train", "tet", *chosen, "-o", str(model)])
    assert ran.code == 0, ran.err
    demands = ["--require", "reference=exact", "--lava", "no", "--json", str(told)]
    ran = call(["check", str(model), "--data", "digits-rows", "--limit", "20", *demands])
    assert ran.code == 0, ran.err
    (layer,) = json.loads(told.read_text())["layers"]
    assert layer["layer"].endswith("act") and layer["integer_spikes"] > 0


def test_method_two_trains_on_quadrants_and_is_deployed_unrolled(tmp_path: Path) -> None:
    model = tmp_path / "net.pt"
    chosen = ["--network", "grouped", "--data", "digits-quadrants", "--limit", "256", "--epochs", "1"]
    ran = call(["train", "one-step", *chosen, "-o", str(model)])
    assert ran.code == 0, ran.err
    assert call(["compile", str(model), "-o", str(tmp_path / "a")]).code == 0
