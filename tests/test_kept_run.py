"""Runs as folders: same bytes, round trip, damage and foreign folders refused, nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.artifact import save_artifact
from seamount.compiler.codes import predictions
from seamount.compiler.errors import InputError
from seamount.compiler.kept_run import AGAIN, Data, KeptRung, Recording, Run, Summary, load_run, save_run
from tests.test_artifact import small_artifact

SUMMARY = Summary(backend="reference", data=Data(name="random", split="test", digest="sha256:0"))


def small_run(samples: int = 5, recorded: int = 2) -> Run:
    artifact = small_artifact()
    sent = np.random.default_rng(1).integers(0, 16, (samples, 3, 4)).astype(np.int32)
    trace = ReferenceSimulator().run(artifact.program, {"in": sent}, record=frozenset({"spikes", "v"}))
    few = [{k: x[:recorded] for k, x in part.items()} for part in ({"in": sent}, trace.spikes, trace.v)]
    recording = Recording(*few) if recorded else Recording({}, {}, {})
    labels, answers = np.arange(samples) % 2, predictions(trace.readout["out"], "last")
    return Run(artifact, trace.counts, labels, answers, trace.readout, recording, SUMMARY, (KeptRung(name="integers"),))


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("recorded", [0, 2])
def test_round_trip(tmp_path: Path, recorded: int) -> None:
    made = small_run(recorded=recorded)
    save_run(made, tmp_path / "run")
    back = load_run(tmp_path / "run")
    assert made.counts.differences(back.counts) == []
    assert back.recording.samples == recorded
    for part in ("messages", "spikes", "v"):
        mine, theirs = getattr(made.recording, part), getattr(back.recording, part)
        assert mine.keys() == theirs.keys() and all(np.array_equal(mine[k], theirs[k]) for k in mine)
    assert np.array_equal(made.readout["out"], back.readout["out"]) and made.accuracy == back.accuracy
    assert (back.summary, back.rungs, back.layers) == (made.summary, made.rungs, ())
    assert set(back.digests) == {"run.json", "counts.npz", "recording.npz", "artifact/manifest.json"}


def test_same_run_same_bytes_and_the_artifact_is_a_copy(tmp_path: Path) -> None:
    save_run(small_run(), tmp_path / "a")
    save_run(small_run(), tmp_path / "b")
    save_run(load_run(tmp_path / "a"), tmp_path / "c")
    save_artifact(small_artifact(), tmp_path / "artifact")
    assert content(tmp_path / "a") == content(tmp_path / "b") == content(tmp_path / "c")
    assert content(tmp_path / "a" / "artifact") == content(tmp_path / "artifact")


def problems(folder: Path) -> list[str]:
    with pytest.raises(InputError) as refused:
        load_run(folder)
    assert all(p.remedy == AGAIN for p in refused.value.problems)
    return [f"{Path(p.where).name}: {p.found}" for p in refused.value.problems]


def _delete(folder: Path) -> None:
    (folder / "counts.npz").unlink()


def _flip(folder: Path) -> None:
    data = bytearray((folder / "recording.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "recording.npz").write_bytes(bytes(data))


def _flatter(folder: Path) -> None:
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"accuracy": ', '"accuracy": 1', 1))


def _other_artifact(folder: Path) -> None:
    tree = json.loads((folder / "artifact" / "manifest.json").read_text())
    (folder / "artifact" / "manifest.json").write_text(json.dumps({**tree, "notes": ["all is well"]}))


def _program(folder: Path) -> None:
    text = (folder / "artifact" / "program.json").read_text()
    (folder / "artifact" / "program.json").write_text(text.replace('"steps": 3', '"steps": 4'))


def _future(folder: Path) -> None:
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"version": 2', '"version": 3'))


def _cut(folder: Path) -> None:
    (folder / "run.json").write_text((folder / "run.json").read_text()[:100])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_delete, "counts.npz: is missing"),
        (_flip, "recording.npz: does not match the digest in run.json"),
        (_flatter, "run.json: does not match the digest in run.json"),
        (_other_artifact, "manifest.json: does not match the digest in run.json"),
        (_program, "program.json: does not match the digest in the manifest"),
        (_future, "run.json: format 'seamount-run', version 3"),
        (_cut, "run.json: is damaged"),
    ],
)
def test_damage_is_found(tmp_path: Path, damage: Callable[[Path], None], expected: str) -> None:
    save_run(small_run(), tmp_path / "run")
    damage(tmp_path / "run")
    (found,) = problems(tmp_path / "run")
    assert found.startswith(expected)


def test_all_damage_is_named_at_once(tmp_path: Path) -> None:
    save_run(small_run(), tmp_path / "run")
    for damage in (_delete, _flip, _flatter):
        damage(tmp_path / "run")
    assert len(problems(tmp_path / "run")) == 3


def test_a_foreign_folder_is_no_run(tmp_path: Path) -> None:
    save_artifact(small_artifact(), tmp_path / "artifact")
    assert problems(tmp_path / "artifact") == ["artifact: is no run: it has no run.json"]
    assert problems(tmp_path / "nowhere") == ["nowhere: is no run: it has no run.json"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"labels": np.zeros((1, 5), np.int64)}, "labels have shape (1, 5), expected (5,)"),
        ({"predictions": np.zeros(5)}, "predictions are of type float64, expected integers"),
        ({"readout": {}}, "readouts are of other names than the artifact's"),
    ],
)
def test_parts_that_do_not_belong_together(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    save_run(replace(small_run(), **changes), tmp_path / "run")
    assert problems(tmp_path / "run") == [f"run: {expected}"]


def test_counts_of_another_network(tmp_path: Path) -> None:
    made = small_run()
    counts = replace(made.counts, spikes={"other": made.counts.spikes["in"]}, updates={})
    save_run(replace(made, counts=counts), tmp_path / "run")
    assert problems(tmp_path / "run") == [
        "run: counts of spikes are of other names than the artifact's",
        "run: neuron updates are not neurons x steps x samples of this artifact",
    ]


def test_places_that_are_taken(tmp_path: Path) -> None:
    save_run(small_run(), tmp_path / "run")
    with pytest.raises(InputError, match="exists"):
        save_run(small_run(), tmp_path / "run")
    save_run(small_run(1), tmp_path / "run", overwrite=True)
    assert load_run(tmp_path / "run").counts.samples == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not a run"):
        save_run(small_run(), tmp_path / "mine", overwrite=True)
    assert content(tmp_path / "mine") == {"thesis.txt": b"mine"}


def test_nothing_is_left_of_a_run_that_could_not_be_written(tmp_path: Path) -> None:
    made = small_run()
    with pytest.raises(TypeError):
        save_run(replace(made, summary=Summary(backend=object(), data=SUMMARY.data)), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_moved_run_is_the_same(tmp_path: Path) -> None:
    save_run(small_run(), tmp_path / "here" / "run")
    shutil.move(tmp_path / "here" / "run", tmp_path / "there")
    assert load_run(tmp_path / "there").counts.samples == 5
