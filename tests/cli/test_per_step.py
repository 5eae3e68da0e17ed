"""Networks that answer at every step: saved, compiled, run and checked with a label per step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")

from seamount.compiler.kept_run import load_run  # noqa: E402
from seamount.frontends import load_model, save  # noqa: E402
from seamount.models.reference.recurrent import Recurrent  # noqa: E402
from tests.backends.lava_support import lava_python  # noqa: E402
from tests.cli.running import call, plain  # noqa: E402

STEPS, CLASSES = 12, 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.pt, its artifact net, data.npz, and the network's own answers, answers.npy."""
    folder = tmp_path_factory.mktemp("per-step")
    torch.manual_seed(3)
    torch.set_num_threads(1)
    model = Recurrent(4, 16, CLASSES, beta=0.6, readout_beta=0.7).eval()
    with torch.no_grad():
        model.feed.weight.mul_(4)
    rng = np.random.default_rng(0)
    x = (rng.random((30, STEPS, 4)) < 0.4).astype(np.float32)
    y = rng.integers(-1, CLASSES, (30, STEPS))
    save(model, folder / "model.pt", sample=x[:5], readout="each", labels=y[:5], classes=("a", "b", "c"))
    state, scores = None, []
    with torch.no_grad():
        for t in range(STEPS):
            out, state = model(torch.from_numpy(x[:, t]), state)
            scores.append(out.numpy())
    np.save(folder / "answers.npy", np.stack(scores, 1).argmax(-1))
    np.savez(folder / "data.npz", x=x, y=y)
    assert call(["compile", str(folder / "model.pt"), "-o", str(folder / "net"), "-q"]).code == 0
    return folder


def run(place: Path, *options: str) -> dict[str, object]:
    ran = call(
        ["run", str(place / "net"), "--data", str(place / "data.npz"), "--json", str(place / "r.json"), *options]
    )
    assert ran.code == 0, ran.out + ran.err
    summary: dict[str, object] = json.loads((place / "r.json").read_text())
    return summary


def test_the_file_keeps_an_answer_and_a_label_per_step(place: Path) -> None:
    golden = load_model(place / "model.pt").golden
    assert golden.outputs.shape == (5, STEPS, CLASSES) and np.array_equal(golden.outputs, golden.series)
    assert golden.labels is not None and golden.labels.shape == (5, STEPS)


def test_accuracy_counts_labelled_steps(place: Path) -> None:
    summary, y = run(place), np.load(place / "data.npz")["y"]
    found = np.array(summary["predictions"])
    assert found.shape == (30, STEPS) and np.array(summary["scores"]).shape == (30, STEPS, CLASSES)
    assert summary["accuracy"] == pytest.approx(np.mean((found == y)[y >= 0]))
    assert np.mean(found == np.load(place / "answers.npy")) > 0.95, "the integers answer as the network does"


def test_a_kept_run_scores_steps(place: Path, tmp_path: Path) -> None:
    summary = run(place, "--steps", "8", "-o", str(tmp_path / "kept"))
    kept = load_run(tmp_path / "kept")
    assert kept.predictions.shape == kept.labels.shape == (30, 8)
    assert kept.accuracy == summary["accuracy"] == json.loads((tmp_path / "kept" / "run.json").read_text())["accuracy"]


def test_fewer_steps_are_scored_alone(place: Path) -> None:
    whole, half = run(place), run(place, "--steps", "6", "--backend", "reference")
    assert np.array_equal(np.array(whole["predictions"])[:, :6], half["predictions"]), "the past does not change"


def test_check_compares_step_by_step(place: Path) -> None:
    words = ["check", str(place / "model.pt"), "--data", str(place / "data.npz"), "--lava", "no"]
    ran = call([*words, "--require", "agreement>=95%", "--json", str(place / "c.json")])
    assert ran.code == 0, ran.out + ran.err
    rungs = {r["name"]: r for r in json.loads((place / "c.json").read_text())["rungs"]}
    y, own = np.load(place / "data.npz")["y"], np.load(place / "answers.npy")
    assert rungs["imported graph"]["accuracy"] == pytest.approx(np.mean((own == y)[y >= 0]))
    assert rungs["reference simulator"]["differing"] == 0


def test_one_label_per_sample_is_refused(place: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "wrong.npz", x=np.load(place / "data.npz")["x"], y=np.zeros(30, int))
    ran = call(["run", str(place / "net"), "--data", str(tmp_path / "wrong.npz")])
    assert ran.code == 2
    assert "a label per sample, but the network answers once per step" in " ".join(plain(ran.err).split())


@pytest.mark.lava
def test_lava_answers_alike_at_every_step(place: Path) -> None:
    same = ("predictions", "scores", "accuracy")
    lava = run(place, "--limit", "6", "--backend", "lava", "--lava-python", str(lava_python()), "--processes", "1")
    simulated = run(place, "--limit", "6")
    assert {k: lava[k] for k in same} == {k: simulated[k] for k in same}
