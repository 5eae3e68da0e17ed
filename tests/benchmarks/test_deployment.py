"""The deployment tables: written from results of `seamount evaluate`, and those in the document are the kept ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from benchmarks import deployment
from seamount.models.reference.card import WEIGHTS
from tests.cli.running import call


def kept() -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = json.loads(deployment.KEPT.read_text(encoding="utf-8"))["models"]
    return models


def test_the_document_shows_what_is_kept() -> None:
    text = deployment.DOCUMENT.read_text(encoding="utf-8")
    for key, content in deployment.parts(kept()).items():
        assert content.strip() in text, f"run python -m benchmarks.deployment: '{key}' is not what is kept"


def test_every_shipped_method_is_there_at_every_step_and_exact() -> None:
    found = {(t["data"], deployment.name(t)): t for t in kept()}
    for data, methods in deployment.SHIPPED.items():
        for method in methods:
            tree = found[data, method]
            assert tree["samples"] == 360 and (WEIGHTS / tree["file"]).is_file()
            assert [(r["bits"], r["steps"]) for r in tree["integers"]] == [(b, t) for b in (8, 4) for t in (1, 2, 4)]
            assert max(r["drop_points"] for r in tree["integers"] if r["bits"] == 8) <= 1
            lava = {r["bits"]: r for r in tree["exact"] if r["with"] == "Lava"}
            assert all(lava[b]["samples"] >= 3 and lava[b]["compared"] and not lava[b]["differing"] for b in (8, 4))


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "methods.md").write_text(deployment.DOCUMENT.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(deployment, "DOCUMENT", tmp_path / "methods.md")
    monkeypatch.setattr(deployment, "KEPT", tmp_path / "kept.json")
    return tmp_path


def test_results_are_added_and_replace_their_older_ones(places: Path) -> None:
    answer = places / "answer.json"
    words = ["evaluate", str(WEIGHTS / "method-etc.pt"), "--data", "digits", "--limit", "20", "--lava", "no"]
    assert call([*words, "--json", str(answer), "-q"]).code == 0
    for _ in range(2):
        assert deployment.main([str(answer)]) == 0
    (tree,) = json.loads((places / "kept.json").read_text())["models"]
    text = (places / "methods.md").read_text()
    for line in deployment.parts([tree]).values():
        assert line.strip() in text
    assert "| etc | digits, 20 | 4 | 1 / 2 / 4 |" in text and "reference simulator, 3 samples, 8 and 4 bits" in text
    other = {**tree, "file": "other.pt", "exact": [{**tree["exact"][0], "differing": 7}]}
    answer.write_text(json.dumps({"models": [other]}))
    assert deployment.main([str(answer)]) == 0
    text = (places / "methods.md").read_text()
    assert "| etc | digits, 20 |" in text and "reference simulator, 8 bits: 7 entries differ" in text


def test_files_that_are_no_results_are_refused(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("gone.json", None), ("noise.json", "noise"), ("other.json", "{}")):
        if text is not None:
            (places / name).write_text(text)
        assert deployment.main([str(places / name)]) == 2
        assert "cannot be used" in capsys.readouterr().err
    assert not (places / "kept.json").exists()
