"""What is kept from an earlier run, and what is made again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from benchmarks import __main__ as command
from benchmarks import build
from benchmarks.cases import CASES
from seamount.compiler.errors import InputError, Problem


def settings(*words: str) -> dict[str, Any]:
    return command._settings(command._parser().parse_args(["run", "--threads", "1", *words]), 5, "abc")


def test_a_row_is_kept_only_for_the_same_implementations(tmp_path: Path) -> None:
    path = tmp_path / "row.json"
    row = {"case": "dense", "settings": settings("--implementations", "norse", "seamount-cpu")}
    path.write_text(json.dumps(row), encoding="utf-8")
    assert command._kept(path, settings("--implementations", "seamount-cpu", "norse")) == row
    for words in (
        ["--implementations", "seamount-cpu"],
        [],
        ["--implementations", "seamount-cpu", "norse", "--no-lava"],
    ):
        assert command._kept(path, settings(*words)) is None
    assert command._kept(tmp_path / "none.json", settings()) is None
    path.write_text(json.dumps({"case": "dense"}), encoding="utf-8")
    assert command._kept(path, settings()) is None


@pytest.mark.parametrize("readable", [True, False])
def test_an_artifact_of_an_older_version_is_compiled_again_and_not_trained(
    readable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.cases.BUILT", tmp_path)
    case, done = replace(CASES["dense"]), []
    case.folder.mkdir()
    case.card.write_text('{"updates": 1}', encoding="utf-8")
    build.torch.save({"weights": {}, "updates": 3, "seconds": 1.0}, case.weights)

    def load(folder: Path) -> None:
        if not readable:
            raise InputError(Problem(str(folder / "analysis.json"), "is missing", "compile the model again"))

    monkeypatch.setattr(build, "load_artifact", load)
    monkeypatch.setattr(build, "train", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(build, "compile_case", lambda _: done.append("compiled"))
    monkeypatch.setattr(build, "evaluate", lambda _: {"tested": 5})
    card = build.build(case, lambda *_: None, 1)
    assert (card["updates"], done) == ((1, []) if readable else (3, ["compiled"]))
    assert json.loads(case.card.read_text(encoding="utf-8")) == card


def test_a_missing_artifact_is_not_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.cases.BUILT", tmp_path)
    assert not build._usable(CASES["dense"])
