"""Files of earlier versions load and give the same results: what docs/stability.md promises.

tests/kept/VERSION holds a model file, data, an artifact and a run of that version, and what its commands answered.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.compiler.artifact import Artifact, load_artifact, save_artifact
from seamount.compiler.ir.notes import Text
from seamount.compiler.kept_run import load_run, save_run
from tests.cli.running import call

KEPT = Path(__file__).parent / "kept"
VERSIONS = sorted(p.name for p in KEPT.iterdir())
OWN = frozenset({"seconds", "artifact", "checked", "on_chip_pj", "on_chip_by"})
"""Fields that say when and where a command ran, and what the installed cost sets know of the chip."""
SETS = ("--set", "loihi2", "--set", "loihi1", "--set", "45nm-memory")
"""Cost sets of the kept reports; which ones are the default may change."""


@pytest.fixture(params=VERSIONS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a version's files."""
    shutil.copytree(KEPT / request.param, tmp_path / "kept")
    return tmp_path / "kept"


def answer(*words: object) -> None:
    ran = call([str(word) for word in words])
    assert ran.code == 0, ran.err


def read(path: Path) -> Any:
    return without(json.loads(path.read_text(encoding="utf-8")))


def without(tree: Any) -> Any:
    """The tree less OWN."""
    if isinstance(tree, dict):
        return {k: without(v) for k, v in tree.items() if k not in OWN}
    return [without(v) for v in tree] if isinstance(tree, list) else tree


def test_there_is_a_version_to_read() -> None:
    assert "v0.1.0" in VERSIONS


def test_a_model_compiles_to_the_same(kept: Path, tmp_path: Path) -> None:
    answer("compile", kept / "model.pt", "-o", tmp_path / "a", "--json", tmp_path / "compile.json", "-q")
    assert read(tmp_path / "compile.json") == read(kept / "compile.json")
    for name in ("program.json", "analysis.json"):
        assert (tmp_path / "a" / name).read_bytes() == (kept / "artifact" / name).read_bytes()
    same(load_artifact(tmp_path / "a"), load_artifact(kept / "artifact"))


def names_of(passes: tuple[str, ...]) -> list[str]:
    """The passes that ran, without their options, which versions spell in their own ways."""
    return [text.partition("{")[0] for text in passes]


def same(made: Artifact, old: Artifact) -> None:
    """Artifacts that differ at most in how their notes are kept."""
    assert [list(map(str, a.manifest.notes)) for a in (made, old)] == [list(map(str, made.manifest.notes))] * 2
    assert list(map(str, made.manifest.model.conventions)) == list(map(str, old.manifest.model.conventions))
    assert names_of(made.manifest.passes) == names_of(old.manifest.passes)
    for name in ("target", "options", "steps", "layers", "calibration_samples"):
        assert getattr(made.manifest, name) == getattr(old.manifest, name), name
    assert (made.inputs, made.outputs, made.analysis) == (old.inputs, old.outputs, old.analysis)
    for part in ("messages", "spikes", "readout"):
        mine, theirs = getattr(made.vectors, part), getattr(old.vectors, part)
        assert mine.keys() == theirs.keys() and all(np.array_equal(mine[k], theirs[k]) for k in mine)


def test_an_artifact_runs_the_same(kept: Path, tmp_path: Path) -> None:
    answer("run", kept / "artifact", "--data", kept / "data.npz", "--json", tmp_path / "run.json", "-o", tmp_path / "r")
    assert read(tmp_path / "run.json") == read(kept / "run.json")
    made, old = load_run(tmp_path / "r"), load_run(kept / "run")
    assert made.counts.differences(old.counts) == [] and made.summary == old.summary
    assert made.accuracy == old.accuracy and np.array_equal(made.predictions, old.predictions)


def test_a_model_is_checked_the_same(kept: Path, tmp_path: Path) -> None:
    answer(
        "check", kept / "model.pt", "--data", kept / "data.npz", "--json", tmp_path / "check.json", "-q", "--lava", "no"
    )
    assert read(tmp_path / "check.json") == read(kept / "check.json")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_run_is_reported_the_same(kept: Path, tmp_path: Path, form: str) -> None:
    answer("report", kept / "run", "-o", tmp_path / f"report.{form}", *SETS)
    made, old = ((folder / f"report.{form}").read_text(encoding="utf-8") for folder in (tmp_path, kept))
    if form == "csv":
        assert set(old.splitlines()) <= set(made.splitlines())
    else:
        assert within(json.loads(old), json.loads(made))


def within(old: Any, made: Any) -> bool:
    """Whether a tree has all of an older one; fields may be added, entries of lists may not."""
    if isinstance(old, dict) and isinstance(made, dict):
        return all(k in made and within(v, made[k]) for k, v in old.items())
    if isinstance(old, list) and isinstance(made, list):
        return len(old) == len(made) and all(map(within, old, made))
    return bool(old == made)


def test_sentences_stay_sentences_when_written_again(kept: Path, tmp_path: Path) -> None:
    """What is read from version 1 and written as version 2 is the same artifact and the same run."""
    old = load_artifact(kept / "artifact")
    assert old.manifest.model.conventions and all(isinstance(c, Text) for c in old.manifest.model.conventions)
    save_artifact(old, tmp_path / "again")
    assert json.loads((tmp_path / "again" / "manifest.json").read_text())["version"] == 2
    same(load_artifact(tmp_path / "again"), old)
    save_run(load_run(kept / "run"), tmp_path / "run")
    answer("report", kept / "run", "-o", tmp_path / "old.md")
    answer("report", tmp_path / "run", "-o", tmp_path / "new.md")
    differing = set((tmp_path / "old.md").read_text().splitlines()) ^ set(
        (tmp_path / "new.md").read_text().splitlines()
    )
    assert all("sha256" in line for line in differing)
