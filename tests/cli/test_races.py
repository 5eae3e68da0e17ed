"""Commands that race for one output, and inputs that change while they are read."""

from __future__ import annotations

import multiprocessing
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from seamount.compiler.artifact import load_artifact, save_artifact
from seamount.compiler.errors import SeamountError
from seamount.compiler.files import write_text
from seamount.compiler.kept_run import load_run, save_run
from tests.cli.kept import KEPT
from tests.cli.running import Ran, call
from tests.fuzz.formats import DATA
from tests.test_files import ARTIFACTS, RUNS, state

Write = Callable[[Path, int], None]


def _artifact(place: Path, which: int) -> None:
    save_artifact(ARTIFACTS[which], place, overwrite=True)


def _run(place: Path, which: int) -> None:
    save_run(RUNS[which], place, overwrite=True)


def _text(place: Path, which: int) -> None:
    write_text(place, f"text {which}\n" * 10_000)


WRITES: dict[str, Write] = {"artifact": _artifact, "run": _run, "text": _text}


def _again_and_again(write: Write, place: Path, which: int, rounds: int, told: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    """Write so often; tell what was refused, and what no refusal should be."""
    for _ in range(rounds):
        try:
            write(place, which)
        except SeamountError as error:
            told.put(("refused", str(error)))
        except BaseException as error:
            told.put(("escaped", repr(error)))
    told.put(("done", ""))


def race(write: Write, folder: Path, rounds: int) -> list[str]:
    """Two processes write one place in so many rounds, while this one looks; what they were refused for.

    At every moment there is nothing, or the whole output of one of them.
    """
    wholes = []
    for which in (0, 1):
        (folder / str(which)).mkdir()
        write(folder / str(which) / "out", which)
        wholes.append(state(folder / str(which) / "out"))
    work = folder / "work"
    work.mkdir()
    context = multiprocessing.get_context("fork")
    told: multiprocessing.Queue[tuple[str, str]] = context.Queue()
    writers = [
        context.Process(target=_again_and_again, args=(write, work / "out", which, rounds, told)) for which in (0, 1)
    ]
    for writer in writers:
        writer.start()
    heard: list[tuple[str, str]] = []
    while sum(kind == "done" for kind, _ in heard) < 2:
        heard.append(told.get(timeout=120))
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert not [text for kind, text in heard if kind == "escaped"]
    assert state(work / "out") in wholes
    assert [p.name for p in work.iterdir()] == ["out"]
    return [text for kind, text in heard if kind == "refused"]


@pytest.mark.parametrize("name", WRITES)
def test_a_race_has_a_winner(name: str, tmp_path: Path) -> None:
    race(WRITES[name], tmp_path, 15)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITES)
def test_a_long_race_has_a_winner(name: str, tmp_path: Path) -> None:
    race(WRITES[name], tmp_path, 500)


COMMANDS = {
    "compile": ("compile model.pt -o out -f -q --steps {}", load_artifact),
    "run": ("run artifact --data data.npz -o out -f -q --limit {}", load_run),
}


def _command(words: list[str], rounds: int, told: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    for _ in range(rounds):
        ran: Ran = call(words)
        told.put((ran.code, ran.err))
    told.put((-1, ""))


def race_commands(name: str, work: Path, rounds: int) -> None:
    words, load = COMMANDS[name]
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[tuple[int, str]] = context.Queue()
    racing = [
        context.Process(target=_command, args=(words.format(which + 1).split(), rounds, told)) for which in (0, 1)
    ]
    for command in racing:
        command.start()
    heard: list[tuple[int, str]] = []
    while sum(code == -1 for code, _ in heard) < 2:
        heard.append(told.get(timeout=300))
    for command in racing:
        command.join(60)
    assert {code for code, _ in heard} <= {-1, 0, 2}, heard
    assert not any("Traceback" in text for _, text in heard)
    assert all(text for code, text in heard if code == 2)
    load(work / "out")
    assert not [p.name for p in work.iterdir() if p.name.startswith(".")]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(KEPT, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_commands_race(name: str, work: Path) -> None:
    race_commands(name, work, 20)


# inputs that change


READERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "compile": ("compile model.pt -o new -f -q", ("model.pt",)),
    "run": ("run artifact --data data.npz -q", ("data.npz", "artifact/arrays.npz", "artifact/manifest.json")),
    "report": ("report run -o r.json -q", ("run/run.json", "run/counts.npz")),
    "check-import": ("check-import net.nir -q --assume norse", ("net.nir",)),
}


def change_while(words: list[str], paths: list[Path], rounds: int) -> list[Ran]:
    """Run a command so often while its inputs are written over in place: cut, half new, gone, and as they were."""
    kept = {path: path.read_bytes() for path in paths}
    ended = threading.Event()

    def change() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            path = paths[number % len(paths)]
            data = kept[path]
            with path.open("r+b") as file:
                file.truncate(len(data) * (number % 7) // 7)
                file.write(data[: len(data) * (number % 5) // 4])
            path.write_bytes(data)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        return [call(words) for _ in range(rounds)]
    finally:
        ended.set()
        changing.join()
        for path, data in kept.items():
            path.write_bytes(data)


def try_reader(name: str, work: Path, rounds: int) -> None:
    (work / "net.nir").write_bytes(DATA["gzip"])
    words, paths = READERS[name]
    before = call(words.split())
    for ran in change_while(words.split(), [work / path for path in paths], rounds):
        assert ran.code in {before.code, 1, 2} and "Traceback" not in ran.err, ran.err
        assert ran.code == before.code or ran.err or ran.out
        if ran.code == 0:
            assert ran.out == before.out
    assert call(words.split()) == before
    assert not [p for p in work.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("name", ["run", "report"])
def test_inputs_change_while_they_are_read(name: str, work: Path) -> None:
    try_reader(name, work, 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_inputs_change_while_they_are_read_often(name: str, work: Path) -> None:
    try_reader(name, work, 100)
