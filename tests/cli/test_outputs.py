"""No command writes over what it reads, or over its own other output."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.cli.kept import enter
from tests.cli.running import call, plain


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return enter(tmp_path / "here", monkeypatch)


def state(place: Path) -> dict[str, str]:
    files = (path for path in sorted(place.rglob("*")) if path.is_file())
    return {str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


CASES = {
    "compile json over model": "compile model.pt -o new --json model.pt",
    "compile into its model's folder": "compile model.pt -o . -f",
    "run json over data": "run artifact --data data.npz --json data.npz",
    "run json into its output": "run artifact --data data.npz -o new --json new/x.json",
    "run over its artifact": "run artifact --data data.npz -o artifact -f",
    "check json over model": "check model.pt --lava no --json model.pt",
    "check json over data": "check artifact --data data.npz --lava no --json ./data.npz",
    "diff json over trace": "diff artifact messages.npz --json messages.npz",
    "energy json over data": "energy artifact --data data.npz --json data.npz",
    "fit json is its output": "fit artifact --json x.json -o x.json",
    "check-import json over model": "check-import model.pt --json model.pt",
    "ranges json into artifact": "ranges artifact --json artifact/manifest.json",
    "report over run": "report run -o run/run.json",
    "export over its artifact": "export-lava artifact artifact -f",
    "evaluate json over model": "evaluate model.pt --data data.npz --lava no --json model.pt",
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_overwritten(case: str, place: Path) -> None:
    before = state(place)
    ran = call([*CASES[case].split(), "-q"])
    assert ran.code == 2, plain(ran.out + ran.err)
    assert "Traceback" not in ran.err and ran.err.strip()
    assert state(place) == before
