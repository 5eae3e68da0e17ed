"""The shipped networks as integers: within a point of their float accuracy on the whole test split, exact in Lava."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from seamount.compiler.artifact import load_artifact
from seamount.compiler.errors import InputError
from seamount.models.data.datasets import BINNED, load
from seamount.models.reference.registry import CARDS, card
from tests.backends.lava_support import lava_python
from tests.cli.running import call

LARGE = {"fashion-mnist-conv", "fashion-mnist-resnet"}
NAMES = [pytest.param(n, marks=[pytest.mark.slow] * (n in LARGE)) for n in CARDS]
RECORDED = [n for n in CARDS if not n.startswith("digits")]


def need_data(name: str) -> None:
    chosen = card(name)
    try:
        load(chosen.data, limit=1, steps=chosen.steps if chosen.data in BINNED else None)
    except InputError as error:
        pytest.skip(str(error))


def compiled(name: str, place: Path, *options: str) -> Path:
    """The artifact, calibrated on training data where the data are recorded ones."""
    need_data(name)
    calibrate = ["--calibrate", card(name).data] if name in RECORDED else []
    ran = call(["compile", str(card(name).weights), "-o", str(place / "net"), "-q", *calibrate, *options])
    assert ran.code == 0, ran.out + ran.err
    return place / "net"


def run(net: Path, name: str, *options: str) -> dict[str, Any]:
    ran = call(["run", str(net), "--data", card(name).data, "--json", str(net / "run.json"), *options])
    assert ran.code == 0, ran.out + ran.err
    summary: dict[str, Any] = json.loads((net / "run.json").read_text())
    return summary


@pytest.mark.parametrize("name", NAMES)
def test_integers_keep_the_accuracy(name: str, tmp_path: Path) -> None:
    summary = run(compiled(name, tmp_path), name)
    assert summary["unfinished"] == 0 and summary["float_accuracy"] == pytest.approx(card(name).accuracy)
    assert summary["accuracy"] >= card(name).accuracy - 0.01
    assert summary["clipped_inputs"] == 0


def test_a_unet_segments(tmp_path: Path) -> None:
    """Mean IoU of the integers and of the trained network on 40 canvases, and the kernels it is made of."""
    net = compiled("digits-unet", tmp_path)
    program = load_artifact(net).program
    kinds = {q.name: (q.connection.weight.shape, q.connection.input_dilation) for q in program.projections}
    assert kinds["rise"] == ((16, 32, 2, 2), (2, 2)), "transposed, stride 2"
    assert ((16, 16, 4, 4), (2, 2)) in kinds.values(), "3x3 behind a repetition of pixels, folded"
    words = ["check", str(card("digits-unet").weights), "--data", "digits-scattered", "--limit", "40", "--lava", "no"]
    ran = call([*words, "-q", "--json", str(tmp_path / "c.json"), "--require", "iou>=80%", "--require", "iou-drop<=2%"])
    assert ran.code == 0, ran.out + ran.err


def test_check_counts_events_in_as_many_bins_as_the_network_has_steps(tmp_path: Path) -> None:
    """Not in the 13 that the recordings have by default."""
    need_data("braille-7-recurrent")
    words = ["check", str(card("braille-7-recurrent").weights), "--data", "braille-7", "--calibrate", "braille-7"]
    ran = call([*words, "--limit", "40", "--lava", "no", "--json", str(tmp_path / "check.json"), "-q"])
    assert ran.code == 0, ran.out + ran.err
    checked = json.loads((tmp_path / "check.json").read_text())
    assert checked["steps"] == card("braille-7-recurrent").steps == 26
    assert abs(checked["accuracy_drop"]) <= 5, "two samples of forty"


@pytest.mark.slow
@pytest.mark.lava
@pytest.mark.parametrize("name", RECORDED)
def test_lava_agrees_on_five_samples(name: str, tmp_path: Path) -> None:
    net, few = compiled(name, tmp_path), ("--limit", "5")
    in_lava = run(net, name, *few, "--backend", "lava", "--lava-python", str(lava_python()), "--processes", "1")
    simulated = run(net, name, *few)
    for key in ("predictions", "scores", "spikes_per_sample", "synops_per_projection"):
        assert in_lava[key] == simulated[key], key


@pytest.mark.slow
def test_a_residual_network_needs_its_delays_balanced(tmp_path: Path) -> None:
    """On 1,000 images: what the skips bring arrives early without balancing."""
    name, few = "fashion-mnist-resnet", ("--limit", "1000")
    balanced = run(compiled(name, tmp_path), name, *few)["accuracy"]
    relayed = run(compiled(name, tmp_path / "relays", "--max-delay", "0"), name, *few)
    early = run(compiled(name, tmp_path / "early", "--no-balance-delays"), name, *few)["accuracy"]
    assert relayed["accuracy"] == balanced, "relays carry the same spikes as delays"
    assert early < balanced - 0.05
