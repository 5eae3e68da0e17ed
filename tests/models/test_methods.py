"""One shipped network per training method: it compiles, and keeps the accuracy recorded when it was trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seamount.backends.lava.environment import VARIABLE
from seamount.models.reference.card import WEIGHTS
from tests.backends.lava_support import lava_python
from tests.cli.running import call

pytest.importorskip("torch")
pytest.importorskip("sklearn")

DATA = {
    "joint": "digits",
    "one-step": "digits-quadrants",
    "tssd": "digits",
    "pipe-s-etc": "digits",
    "etc": "digits",
}


def compiled(method: str, folder: Path) -> Path:
    model = WEIGHTS / f"method-{method}.pt"
    assert model.stat().st_size < 2_000_000
    ran = call(["compile", str(model), "--calibrate", DATA[method], "-o", str(folder), "-q"])
    assert ran.code == 0, ran.err
    return folder


@pytest.mark.parametrize("method", DATA)
def test_integers_keep_the_recorded_accuracy(method: str, tmp_path: Path) -> None:
    answer = tmp_path / "run.json"
    ran = call(["run", str(compiled(method, tmp_path / "a")), "--data", DATA[method], "-q", "--json", str(answer)])
    assert ran.code == 0, ran.err
    found = json.loads(answer.read_text())
    assert found["samples"] == 360 and found["float_accuracy"] > 0.95
    assert found["accuracy"] >= found["float_accuracy"] - 0.01


@pytest.mark.slow
@pytest.mark.lava
@pytest.mark.parametrize("method", DATA)
def test_exact_in_lava(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(lava_python()))
    demands = ["--require", "lava=exact", "--require", "reference=exact", "--require", "framework=exact"]
    options = ["--calibrate", DATA[method], "--limit", "20", "--exact-samples", "3", "--lava", "yes"]
    ran = call(["check", str(WEIGHTS / f"method-{method}.pt"), "--data", DATA[method], *options, *demands])
    assert ran.code == 0, ran.out + ran.err
