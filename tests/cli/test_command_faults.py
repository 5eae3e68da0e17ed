"""Faults at every point where a command touches the disk: its output is the old one or the new one, whole.

`FAULT_REPORT=1 pytest -m slow -s tests/cli/test_command_faults.py` prints the table of CONTRIBUTING.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from seamount.compiler.artifact import load_artifact
from seamount.compiler.kept_run import load_run
from seamount.compiler.program.codec import read_program
from tests.cli.kept import enter
from tests.cli.running import Ran, call
from tests.fault_injection import Fault, fault_at, full_disk, interrupt, points
from tests.test_files import state

Whole = Callable[[Path], object]


def _json(path: Path) -> object:
    return json.loads(path.read_text())


def _html(path: Path) -> None:
    assert path.read_text().rstrip().endswith("</html>")


def _export(path: Path) -> None:
    names = {
        "program.json",
        "arrays.npz",
        "vectors.npz",
        "encoding.json",
        "network.py",
        "requirements.txt",
        "README.md",
    }
    assert {p.name for p in path.iterdir()} == names and read_program(path)


def _model(path: Path) -> object:
    from seamount.frontends import load_model

    return load_model(path)


def _checkpoint(path: Path) -> None:
    from seamount.models.recipes.checkpoint import read_weights

    assert read_weights(path)


@dataclass(frozen=True)
class Command:
    """words: of the command line. output: what it writes. whole: raises where that is not complete. slow: not in the
    default suite. fresh: there is no older output, since the command would go on from it."""

    words: str
    output: str
    whole: Whole
    slow: bool = False
    fresh: bool = False


TRAIN = "train plain -n 4C3 --epochs 1 --limit 8 --batch 4"
COMMANDS = {
    "compile -o": Command("compile model.pt -o out -f", "out", load_artifact, slow=True),
    "compile --json": Command("compile model.pt -o other -f --json out", "out", _json, slow=True),
    "run -o": Command("run artifact --data data.npz -o out -f", "out", load_run),
    "run --json": Command("run artifact --data data.npz --json out", "out", _json, slow=True),
    "report": Command("report run -o out --format html", "out", _html),
    "report json": Command("report run -o out --format json", "out", _json, slow=True),
    "check --json": Command("check artifact --data data.npz --lava no --json out", "out", _json),
    "check-import --json": Command("check-import model.pt --json out", "out", _json),
    "diff --json": Command("diff artifact messages.npz --data data.npz --json out", "out", _json),
    "ranges --json": Command("ranges artifact --json out", "out", _json, slow=True),
    "energy --json": Command("energy artifact --data data.npz --json out", "out", _json, slow=True),
    "evaluate --json": Command("evaluate model.pt --data data.npz --lava no --json out", "out", _json, slow=True),
    "fit -o": Command("fit artifact -o out", "out", _json),
    "fit --json": Command("fit artifact --json out", "out", _json, slow=True),
    "export-lava": Command("export-lava artifact out -f", "out", _export),
    "train -o": Command(f"{TRAIN} -o out", "out", _model, slow=True),
    "train --checkpoint": Command(f"{TRAIN} --checkpoint out", "out", _checkpoint, True, fresh=True),
    "train --json": Command(f"{TRAIN} --json out", "out", _json, slow=True),
}
NORMAL = {0, 1}
"""A check that finds something exits with 1."""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return enter(tmp_path / "work", monkeypatch)


def try_points(name: str, work: Path, faults: dict[str, Fault], chosen: Callable[[int], list[int]]) -> None:
    """One fault at a time: then the output is as before, or whole; the next run succeeds and leaves nothing else."""
    command = COMMANDS[name]
    words, place = [*command.words.split(), "-q"], work / command.output
    ran: list[Ran] = []

    def act() -> None:
        ran.append(call(words))

    act()  # what is only made once, such as imports and caches
    assert ran[-1].code in NORMAL, ran[-1].err
    first, names = _moved(place, work), {p.name for p in work.iterdir()}
    visited = points(work, act, True)
    assert ran[-1].code in NORMAL and visited >= 3
    for kind, fault in faults.items():
        found: Counter[str] = Counter()
        for point in chosen(visited):
            _older(place, None if command.fresh else first)
            before = _seen(place)
            with fault_at(point, fault, work, True):
                act()
            where, after = f"{name}: {kind} at point {point} of {visited}", ran[-1]
            assert after.code in {*NORMAL, 2, 130} and "Traceback" not in after.err, f"{where}: {after.err}"
            same = _seen(place) == before
            if after.code in NORMAL:
                assert not same, where
            else:
                assert after.err.strip(), where
            if not same:
                command.whole(place)
            found["old" if same else "new"] += 1
            found[f"exit {after.code}"] += 1
            act()
            assert ran[-1].code in NORMAL, f"{where}, then: {ran[-1].err}"
            command.whole(place)
            assert {p.name for p in work.iterdir()} <= names | {"out", "other"}, where
        if os.environ.get("FAULT_REPORT"):
            told = ", ".join(f"{k} {n}" for k, n in sorted(found.items()))
            print(f"| {name} | {visited} | {kind} | {told} |")


def _moved(place: Path, work: Path) -> Path:
    kept = work.parent / "first"
    place.rename(kept)
    return kept


def _older(place: Path, first: Path | None) -> None:
    """An older output, or none. A folder must be one of its kind, to be replaced; a file may hold anything."""
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    if first is not None and first.is_dir():
        shutil.copytree(first, place)
    elif first is not None:
        place.write_text("old")


def _seen(place: Path) -> object:
    """What is there, and which folder it is."""
    return state(place), place.stat().st_ino if place.is_dir() else None


FAULTS: dict[str, Fault] = {"full disk": full_disk, "Ctrl-C": interrupt}


@pytest.mark.parametrize("name", [n for n, c in COMMANDS.items() if not c.slow])
def test_the_last_points(name: str, work: Path) -> None:
    """Where the output is written and put in place."""
    try_points(name, work, FAULTS, lambda visited: [visited - 2, visited - 1])


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_point(name: str, work: Path) -> None:
    if name.startswith("train"):
        pytest.importorskip("sklearn")
    try_points(name, work, FAULTS, lambda visited: list(range(visited)))
