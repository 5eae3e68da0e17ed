"""Artifacts: same bytes, round trip, damage found, nothing half-written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler import artifact as artifact_module
from seamount.compiler import files
from seamount.compiler.artifact import Artifact, Vectors, load_artifact, save_artifact
from seamount.compiler.codes import InputCode, OutputCode
from seamount.compiler.driver import with_vectors
from seamount.compiler.errors import InputError
from seamount.compiler.manifest import About, Manifest
from seamount.compiler.program.codec import read_program, write_program
from seamount.compiler.program.program import Dense, InputPort, Population, Program, Projection, Readout
from tests.program_strategies import programs

I32 = np.int32


def small_program(steps: int = 3) -> Program:
    """Four inputs, two neurons, a never-firing readout."""
    zero, full = np.array(0, I32), np.array(4095, I32)
    hidden = Population("hidden", (2,), full, np.array(2048, I32), np.array(10, I32), zero)
    reader = Population("reader", (2,), full, zero, None, np.array([1, -1], I32), bias_exp=2, offset=2)
    weights = np.array([[8, -4, 2, 0], [2, 2, 2, 20]], I32)
    return Program(
        inputs=(InputPort("in", (4,), True, 0, 15),),
        populations=(hidden, reader),
        projections=(
            Projection("w1", "in", "hidden", Dense(weights)),
            Projection("w2", "hidden", "reader", Dense(np.array([[4, -2], [0, 6]], I32))),
        ),
        readouts=(Readout("out", "reader", "v", "last"),),
        steps=steps,
    )


def small_artifact() -> Artifact:
    code = InputCode("in", (4,), "graded", 1 / 15, 0.0, 1.0, "constant")
    about = Manifest(model=About(name="small"))
    bare = Artifact(small_program(), (code,), (OutputCode("out", 0.5, "last"),), about, Vectors({}, {}, {}))
    messages = np.random.default_rng(0).integers(0, 16, (2, 3, 4)).astype(I32)
    return with_vectors(bare, ReferenceSimulator(), {"in": messages})


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_round_trip_runs_the_same(tmp_path: Path) -> None:
    made = small_artifact()
    save_artifact(made, tmp_path / "a")
    back = load_artifact(tmp_path / "a")
    assert back.inputs == made.inputs and back.outputs == made.outputs
    trace = ReferenceSimulator().run(back.program, back.vectors.messages, frozenset({"spikes"}))
    assert np.array_equal(trace.readout["out"], made.vectors.readout["out"])
    assert np.array_equal(trace.spikes["hidden"], made.vectors.spikes["hidden"])


def test_same_input_same_bytes(tmp_path: Path) -> None:
    save_artifact(small_artifact(), tmp_path / "a")
    save_artifact(small_artifact(), tmp_path / "b")
    assert content(tmp_path / "a") == content(tmp_path / "b")


@given(program=programs())
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_program_survives_the_files(program: Program, tmp_path_factory: pytest.TempPathFactory) -> None:
    first, second = tmp_path_factory.mktemp("p"), tmp_path_factory.mktemp("p")
    write_program(program, first)
    write_program(read_program(first), second)
    assert content(first) == content(second)


@pytest.mark.parametrize("name", ["program.json", "arrays.npz", "vectors.npz", "analysis.json"])
def test_changed_or_missing_files_are_found(tmp_path: Path, name: str) -> None:
    save_artifact(small_artifact(), tmp_path / "a")
    path = tmp_path / "a" / name
    original = path.read_bytes()
    path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    with pytest.raises(InputError, match="does not match the digest"):
        load_artifact(tmp_path / "a")
    path.unlink()
    with pytest.raises(InputError, match="is missing"):
        load_artifact(tmp_path / "a")


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_artifact(tmp_path / "none")
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="format None"):
        load_artifact(tmp_path)
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="is damaged"):
        load_artifact(tmp_path)


def test_a_program_with_foreign_content_is_refused(tmp_path: Path) -> None:
    write_program(small_program(), tmp_path)
    tree = json.loads((tmp_path / "program.json").read_text())
    tree["program"]["populations"][0]["kind"] = "Anything"
    (tmp_path / "program.json").write_text(json.dumps(tree))
    with pytest.raises(InputError, match="is damaged"):
        read_program(tmp_path)


def test_existing_places_are_kept(tmp_path: Path) -> None:
    place = tmp_path / "a"
    place.mkdir()
    (place / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="exists and is not an artifact"):
        save_artifact(small_artifact(), place, overwrite=True)
    assert (place / "mine.txt").read_text() == "precious"
    other = tmp_path / "b"
    save_artifact(small_artifact(), other)
    with pytest.raises(InputError, match="--force"):
        save_artifact(small_artifact(), other)
    save_artifact(small_artifact(), other, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifact_module, "save_arrays", full)
    with pytest.raises(InputError, match="No space left on device"):
        save_artifact(small_artifact(), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_move", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_artifact(small_artifact(), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place_is_one_message(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        save_artifact(small_artifact(), tmp_path / "a")
