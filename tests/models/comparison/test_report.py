"""Tables and curves of a grid, from results that are written here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("spikingjelly")

from seamount.compiler.errors import InputError
from seamount.models.comparison import report, summary
from seamount.models.comparison.settings import NMNIST, SETTINGS

ROOT = Path(__file__).parents[3]


def made(variant: str, seed: int, *accuracy: float) -> dict[str, Any]:
    history = [{"phase": "train", "epoch": i + 1, "loss": {"task": 1 / (i + 1)}, "curve": [1.0, 0.5]} for i in (0, 1)]
    return {
        "setting": "nmnist", "variant": variant, "seed": seed, "divergence": 0.1, "rates": {"stages.0.2": 0.2},
        "accuracy": {str(t): a for t, a in zip((1, 2, 4), accuracy, strict=True)}, "seconds": 10.0 + seed,
        "history": history,
    }  # fmt: skip


RUNS = [
    made("plain", 0, 0.70, 0.80, 0.90), made("plain", 1, 0.72, 0.81, 0.90), made("plain", 2, 0.74, 0.82, 0.93),
    made("etc", 0, 0.80, 0.88, 0.91), made("etc", 1, 0.82, 0.87, 0.90), made("etc", 2, 0.84, 0.90, 0.92),
    made("tssd", 1, 0.7, 0.9, 0.8), made("MNIST images", 0, 0.1, 0.1, 0.1),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    where = tmp_path / "grid"
    where.mkdir()
    for i, run in enumerate(RUNS):
        (where / f"{i}.json").write_text(json.dumps(run), encoding="utf-8")
    return where


def test_tables(folder: Path, golden: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(folder)]) == 0
    golden(capsys.readouterr().out, "scale_tables.md")


def test_differences_are_paired_by_seed_and_held_against_the_larger_spread(folder: Path) -> None:
    found = summary.paired(NMNIST, summary.results(summary.read(folder))["nmnist"].runs)
    by = {(d.pair.a, d.pair.b, d.pair.steps): d for d in found}
    assert by["etc", "plain", 1].found == pytest.approx((10, 10, 10)) and by["etc", "plain", 1].exceeds
    assert by["etc", "plain", 4].found == pytest.approx((1, 0, -1)) and not by["etc", "plain", 4].exceeds
    # Seed 1 alone has both: nothing is said of a spread.
    assert by["tssd", "plain", 2].found == pytest.approx((9,)) and not by["tssd", "plain", 2].exceeds
    assert not any("MNIST images" in key for key in by)


def test_the_json_of_all_runs_gives_the_same_tables(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "all.json"
    assert report.main([str(folder), "--json", str(kept)]) == 0
    first = capsys.readouterr().out
    assert report.main([str(kept)]) == 0
    assert capsys.readouterr().out == first


def test_curves_are_the_same_bytes_each_time(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        assert report.main([str(folder), "--svg", str(path)]) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes() and b">etc</text>" in paths[0].read_bytes()


def test_what_is_no_grid_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(tmp_path)]) == 2
    assert "holds no finished run" in capsys.readouterr().err
    (tmp_path / "a.json").write_text(json.dumps({**RUNS[0], "variant": "magic"}), encoding="utf-8")
    with pytest.raises(InputError, match="a run of 'magic' on 'nmnist', which no setting has"):
        summary.read(tmp_path)
    with pytest.raises(InputError, match="is no list of runs"):
        summary.read(tmp_path / "a.json")
    with pytest.raises(InputError, match="cannot be read"):
        summary.read(tmp_path / "none.json")


def test_committed_results_are_of_these_settings() -> None:
    kept = ROOT / "docs" / "methods-scale.json"
    if not kept.exists():
        pytest.skip("no results are kept here")
    trees = summary.read(kept)
    for tree in trees:
        setting = SETTINGS[tree["setting"]]
        variant = setting.variants[tree["variant"]]
        assert (tree["recipe"], tree["network"]) == (repr(variant.recipe), variant.network or setting.network)
    found = summary.results(trees)
    assert set(found) == set(SETTINGS)
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    for result in found.values():
        assert summary.tables(result) in text, f"docs/methods.md does not hold the table of {result.setting}"
