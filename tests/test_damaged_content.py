"""Artifacts and runs whose digests are right and whose content is not: each fault names its file and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seamount.compiler.artifact import load_artifact, save_artifact
from seamount.compiler.errors import InputError
from seamount.compiler.files import digest
from seamount.compiler.kept_run import _digest as of_text
from seamount.compiler.kept_run import load_run, save_run
from tests.test_artifact import small_artifact
from tests.test_kept_run import small_run

Change = Callable[[dict[str, Any]], object]


def found_in(folder: Path, load: Callable[[Path], object]) -> str:
    with pytest.raises(InputError) as refused:
        load(folder)
    (problem,) = refused.value.problems
    return f"{Path(problem.where).name} {problem.found}"


def artifact_with(folder: Path, name: str, change: Change) -> Path:
    """An artifact with one JSON file changed, and the digest put right."""
    save_artifact(small_artifact(), folder)
    tree = json.loads((folder / name).read_text())
    change(tree)
    (folder / name).write_text(json.dumps(tree))
    if name != "manifest.json":
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["digests"][name] = digest(folder / name)
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def first(part: str, **values: object) -> Change:
    return lambda tree: tree["program"][part][0].update(values)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (first("inputs", shape="x"), "program.inputs[0].shape is 'x', expected a list"),
        (first("inputs", graded=1), "program.inputs[0].graded is 1, expected true or false"),
        (first("populations", name=[["x"]]), "program.populations[0].name is [['x']], expected text"),
        (first("populations", du=5), "program.populations[0].du is 5, expected an array of arrays.npz"),
        (first("populations", du={"array": "a99"}), "program.populations[0].du is {'array': 'a99'}, expected an array"),
        (first("populations", reset="never"), "program.populations[0].reset is 'never', expected 'zero' or 'subtract'"),
        (first("populations", vth="x"), "program.populations[0].vth is 'x', which is none of the kinds"),
        (first("populations", name="\ud800"), r"program.populations[0].name is '\ud800', which is no Unicode text"),
        (first("projections", delay="0"), "program.projections[0].delay is '0', expected a whole number"),
        (first("projections", delay=True), "program.projections[0].delay is True, expected a whole number"),
        (first("projections", extra=1), "program.projections[0].extra is not a field of the format"),
        (first("projections", bits=10**30), "program.projections[0].bits is 1000000000"),
        (first("projections", bits=2), "projection 'w1': "),
        (lambda t: t["program"]["projections"][0].pop("lag"), "program.projections[0].lag is missing"),
        (lambda t: t["program"].update(steps=float("nan")), "program.steps is nan, expected a whole number"),
        (lambda t: t.update(program=None), "program is None, expected an object of the kind Program"),
    ],
)
def test_program(tmp_path: Path, change: Change, found: str) -> None:
    folder = artifact_with(tmp_path / "a", "program.json", change)
    assert found_in(folder, load_artifact).startswith(f"program.json is damaged: {found}")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda m: m.update(outputs=[]), "its outputs are not the readouts of the program"),
        (lambda m: m.update(inputs=["x"]), "Expected `object`, got `str` - at `$.inputs[0]`"),
        (lambda m: m["inputs"][0].update(unit="x"), "Expected `float`, got `str` - at `$.inputs[0].unit`"),
        (lambda m: m["inputs"][0].update(unit=0.0), "a unit of 0 is not a positive number"),
        (lambda m: m["inputs"][0].update(low=2.0), "input 'in' takes values from 2 to 1"),
        (lambda m: m.update(notes=None), "Expected `array`, got `null` - at `$.notes`"),
        (
            lambda m: m.update(notes=[{"note": "Proven", "steps": "x"}]),
            "Expected `int`, got `str` - at `$.notes[0].steps`",
        ),
        (lambda m: m.update(model=None), "Expected `object`, got `null` - at `$.model`"),
        (lambda m: m.update(more=1), "Object contains unknown field `more`"),
    ],
)  # fmt: skip
def test_manifest(tmp_path: Path, change: Change, found: str) -> None:
    folder = artifact_with(tmp_path / "a", "manifest.json", change)
    assert found_in(folder, load_artifact) == f"manifest.json is damaged: {found}"


@pytest.mark.parametrize("version", [3, True, None, "2"])
def test_versions_that_are_not_read(tmp_path: Path, version: object) -> None:
    folder = artifact_with(tmp_path / "a", "manifest.json", lambda m: m.update(version=version))
    assert found_in(folder, load_artifact) == f"manifest.json format 'seamount-artifact', version {version!r}"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda b: b.update(samples=float("inf")), "JSON is malformed"),
        (lambda b: b.update(updates=[]), "Expected `object`, got `array` - at `$.updates`"),
        (lambda b: b.update(summary={}), "Object missing required field `backend` - at `$.summary`"),
        (lambda b: b.update(rungs=[1]), "Expected `object`, got `int` - at `$.rungs[0]`"),
    ],
)
def test_run(tmp_path: Path, change: Change, found: str) -> None:
    save_run(small_run(), tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    body = json.loads(path.read_text())
    digests = body.pop("digests")
    change(body)
    digests["run.json"] = of_text((json.dumps(body, indent=1, sort_keys=True) + "\n").encode())
    path.write_text(json.dumps({**body, "digests": digests}))
    assert found_in(tmp_path / "run", load_run).startswith(f"run.json is damaged: {found}")
