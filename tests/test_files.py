"""Files and folders appear whole or not at all, whatever fails; nothing that is not ours is replaced."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from seamount.backends.lava import export
from seamount.backends.lava.export import export_lava
from seamount.compiler import artifact, files, kept_run
from seamount.compiler.artifact import Artifact, save_artifact
from seamount.compiler.errors import InputError
from seamount.compiler.files import replace_file, write_json, write_text
from seamount.compiler.kept_run import save_run
from seamount.compiler.manifest import About
from seamount.compiler.places import FolderKind, check_outputs, check_place
from tests.fault_injection import Fault, fault_at, full_disk, interrupt, killed_at, points
from tests.test_artifact import small_artifact
from tests.test_kept_run import content, small_run


@dataclass(frozen=True)
class Writer:
    """write(place, which): an output of which there are two forms, 0 and 1. kind: of a folder."""

    name: str
    write: Callable[[Path, int], None]
    kind: FolderKind | None = None


def _artifact(which: int) -> Artifact:
    made = small_artifact()
    about = msgspec.structs.replace(made.manifest, model=About(name=f"form {which}"))
    return replace(made, manifest=about)


ARTIFACTS = _artifact(0), _artifact(1)
RUNS = small_run(3), small_run(4)


def _model(place: Path, which: int) -> None:
    torch = pytest.importorskip("torch")
    from seamount.frontends.model_file.file import write_torch

    write_torch({"weights": torch.full((8, 8), float(which))}, place)


WRITERS = (
    Writer("artifact", lambda place, which: save_artifact(ARTIFACTS[which], place, overwrite=True), artifact.FOLDER),
    Writer("run", lambda place, which: save_run(RUNS[which], place, overwrite=True), kept_run.FOLDER),
    Writer("export", lambda place, which: export_lava(ARTIFACTS[which], place, overwrite=True), export.FOLDER),
    Writer("model", _model),
    Writer("text", lambda place, which: write_text(place, f"text {which}\n" * 1000)),
    Writer("json", lambda place, which: write_json(place, {"which": [which] * 1000})),
)
each_writer = pytest.mark.parametrize("writer", WRITERS, ids=lambda w: w.name)


def state(place: Path) -> object:
    """Everything in a file or folder, None where there is neither."""
    if place.is_dir():
        return content(place)
    return place.read_bytes() if place.exists() else None


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def forms(writer: Writer, folder: Path) -> tuple[object, object]:
    """What each form looks like when nothing fails."""
    for which in (0, 1):
        (folder / str(which)).mkdir()
        writer.write(folder / str(which) / "out", which)
    return state(folder / "0" / "out"), state(folder / "1" / "out")


def alone(place: Path) -> bool:
    return [p.name for p in place.parent.iterdir()] == [place.name]


WAYS = {"new": (False, True), "exchange": (True, True), "two-renames": (True, False)}
"""Whether there is an older output, and whether the system can exchange two folders."""


@each_writer
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [full_disk, interrupt], ids=lambda f: f.__name__)
def test_old_or_new_whatever_fails(tmp_path: Path, work: Path, writer: Writer, way: str, fault: Fault) -> None:
    """At each point; then the next run succeeds, and leaves nothing else."""
    older, can_exchange = WAYS[way]
    old, new = forms(writer, tmp_path)
    place = work / "out"

    def restore() -> None:
        shutil.rmtree(work)
        work.mkdir()
        if older:
            writer.write(place, 0)

    restore()
    visited = points(work, lambda: writer.write(place, 1), can_exchange)
    assert visited >= 3 and state(place) == new
    for point in range(visited):
        restore()
        with fault_at(point, fault, work, can_exchange), suppress(InputError, KeyboardInterrupt):
            writer.write(place, 1)
        assert state(place) in (old if older else None, new), f"point {point} of {visited}"
        writer.write(place, 1)
        assert state(place) == new and alone(place), f"point {point} of {visited}"


@each_writer
@pytest.mark.parametrize("can_exchange", [True, False], ids=["exchange", "two-renames"])
def test_old_or_new_when_killed(tmp_path: Path, work: Path, writer: Writer, can_exchange: bool) -> None:
    """Where folders cannot be exchanged there is a moment with neither: the next run then finds the old one."""
    old, new = forms(writer, tmp_path)
    place = work / "out"
    writer.write(place, 0)
    visited = points(work, lambda: writer.write(place, 1), can_exchange)
    absent = 0
    for point in range(visited):
        writer.write(place, 0)
        assert killed_at(point, work, lambda: writer.write(place, 1), can_exchange) == signal.SIGKILL
        if state(place) is None:
            absent += 1
            files._sweep(place, writer.kind)
        assert state(place) in (old, new), f"point {point} of {visited}"
        writer.write(place, 1)
        assert state(place) == new and alone(place), f"point {point} of {visited}"
    assert (absent > 0) == (not can_exchange and writer.kind is not None)


@pytest.mark.parametrize("bytes_", [0, 100, 700, 1500])
@each_writer
def test_a_file_that_cannot_grow(tmp_path: Path, work: Path, writer: Writer, bytes_: int) -> None:
    """A write in the middle of a file fails, as on a full disk."""
    old, _ = forms(writer, tmp_path)
    writer.write(work / "out", 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))
    try:
        with pytest.raises(InputError, match="out: cannot be written: File too large"):
            writer.write(work / "out", 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert state(work / "out") == old and alone(work / "out")


def test_permissions_follow_the_umask_which_is_never_set(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o027)
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("sets the umask"))
    try:
        write_text(work / "text", "x")
        save_artifact(ARTIFACTS[0], work / "out")
    finally:
        monkeypatch.undo()
        os.umask(before)
    modes = [stat.S_IMODE((work / name).stat().st_mode) for name in ("text", "out", "out/manifest.json")]
    assert modes == [0o640, 0o750, 0o640]


def test_a_draft_of_a_living_run_stays(work: Path) -> None:
    with files._draft(work / "out", folder=True) as (draft, _):
        (draft / "manifest.json").write_text("{}")
        save_artifact(ARTIFACTS[0], work / "out")
        assert sorted(p.name for p in work.iterdir()) == sorted([draft.name, "out"])
    assert alone(work / "out")


def test_a_draft_with_foreign_files_stays(work: Path) -> None:
    draft = work / ".out.0123abcd.draft"
    draft.mkdir()
    (draft / "thesis.txt").write_text("mine")
    save_artifact(ARTIFACTS[0], work / "out")
    assert (draft / "thesis.txt").exists()


def test_nothing_that_appeared_meanwhile_is_replaced(work: Path) -> None:
    def write(draft: Path) -> None:
        save_artifact(ARTIFACTS[0], work / "out")
        (draft / "manifest.json").write_text("{}")

    with pytest.raises(InputError, match="out: exists\n"):
        files.write_folder(work / "out", write, artifact.FOLDER)
    assert state(work / "out") != {"manifest.json": b"{}"} and alone(work / "out")


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_foreign_file_that_appears_meanwhile_stays(
    work: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    """Between the last check and the exchange."""
    save_artifact(ARTIFACTS[0], work / "out")
    exchange = files.exchange

    def late(a: Path, b: Path) -> bool:
        (work / "out" / "thesis.txt").write_text("mine")
        return can_exchange and exchange(a, b)

    monkeypatch.setattr(files, "exchange", late)
    with pytest.raises(InputError, match=r"holds other files too: thesis\.txt"):
        save_artifact(ARTIFACTS[1], work / "out", overwrite=True)
    assert (work / "out" / "thesis.txt").read_text() == "mine"
    assert artifact.load_artifact(work / "out").manifest.model == About(name="form 0") and alone(work / "out")


def test_a_link_leads_to_what_is_replaced(work: Path) -> None:
    (work / "real").mkdir()
    save_artifact(ARTIFACTS[0], work / "real" / "out")
    write_text(work / "real" / "text", "old")
    for name in ("out", "text"):
        (work / name).symlink_to(work / "real" / name)
    save_artifact(ARTIFACTS[1], work / "out", overwrite=True)
    write_text(work / "text", "new")
    assert (work / "out").is_symlink() and (work / "text").is_symlink()
    assert artifact.load_artifact(work / "real" / "out").manifest.model == About(name="form 1")
    assert (work / "real" / "text").read_text() == "new"


# what is ours


def _thesis(folder: Path) -> None:
    (folder / "thesis.txt").write_text("mine")


FOREIGN: dict[str, Callable[[Path], None]] = {
    "thesis.txt": _thesis,
    "run/": lambda folder: save_run(RUNS[0], folder / "run"),
    "empty/": lambda folder: (folder / "empty").mkdir(),
}


@pytest.mark.parametrize("writer", [w for w in WRITERS if w.kind], ids=lambda w: w.name)
@pytest.mark.parametrize("name", FOREIGN)
def test_only_what_is_wholly_ours_is_replaced(work: Path, writer: Writer, name: str) -> None:
    writer.write(work / "out", 0)
    FOREIGN[name](work / "out")
    before = state(work / "out")
    with pytest.raises(InputError, match=f"holds other files too: {name}"):
        writer.write(work / "out", 1)
    assert state(work / "out") == before


def test_many_foreign_files_are_counted(work: Path) -> None:
    save_artifact(ARTIFACTS[0], work / "out")
    for n in range(8):
        (work / "out" / f"f{n}").touch()
    (work / "out" / ".json.0123abcd.draft").touch()
    with pytest.raises(InputError) as refused:
        check_place(work / "out", True, artifact.FOLDER)
    assert str(refused.value) == (
        f"{work}/out: is an artifact that holds other files too: f0, f1, f2, f3, f4 and 3 more\n"
        "  remedy: move them elsewhere, or choose another place with -o"
    )


def test_a_folder_with_some_manifest_is_not_ours(work: Path) -> None:
    for text in ('{"name": "my web app"}', "[]", "{", '{"format": "seamount-run"}'):
        (work / "manifest.json").write_text(text)
        with pytest.raises(InputError, match="exists and is not an artifact"):
            check_place(work, True, artifact.FOLDER)


# outputs and inputs


def problems(**given: object) -> list[str]:
    with pytest.raises(InputError) as refused:
        check_outputs(**given)  # type: ignore[arg-type]
    return [f"{p.where}: {p.found}" for p in refused.value.problems]


def test_outputs_do_not_overwrite_inputs_or_each_other(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    for name in ("d.npz", "m.pt", "digits"):
        Path(name).write_text("x")
    save_artifact(ARTIFACTS[0], Path("art"))
    Path("link.npz").symlink_to("d.npz")
    same = Path("./d.npz")
    assert problems(inputs=["d.npz"], files={"--json": same}) == ["--json d.npz: is d.npz, which this command reads"]
    assert problems(inputs=[Path("d.npz"), None], files={"--json": Path("link.npz")}) == [
        "--json link.npz: is d.npz, which this command reads"
    ]
    assert problems(inputs=[Path("art")], files={"--json": Path("art/manifest.json")}) == [
        "--json art/manifest.json: is part of art, which this command reads"
    ]
    assert problems(inputs=[Path("art/program.json")], folders={"-o": Path("art")}) == [
        "-o art: holds art/program.json, which this command reads"
    ]
    assert problems(inputs=[], files={"--json": Path("x"), "--md": Path("./x")}, folders={"-o": Path("x")}) == [
        "--md x: is written by --json too",
        "-o x: is written by --json too",
        "-o x: is written by --md too",
    ]
    assert problems(inputs=[], files={"--json": Path("x/y")}, folders={"-o": Path("x")}) == [
        "-o x: and --json x/y lie in each other"
    ]
    assert problems(inputs=[], files={"--json": Path("art"), "-o": Path("/dev/null")}) == [
        "--json art: is a folder",
        "-o /dev/null: is not a regular file",
    ]
    check_outputs(["digits", "d.npz", Path("m.pt")], {"--json": Path("e.npz"), "-o": None}, {"-o": Path("digits")})
    check_outputs([Path("art")], folders={"-o": Path("art.run")})


def test_a_file_replaces_regular_files_only(work: Path) -> None:
    os.mkfifo(work / "pipe")
    (work / "folder").mkdir()
    for name, found in (("pipe", "is not a regular file"), ("folder", "is a folder")):
        with pytest.raises(InputError, match=found):
            replace_file(work / name, b"x")
    assert stat.S_ISFIFO((work / "pipe").stat().st_mode)


def test_where_the_text_goes_is_no_output(work: Path) -> None:
    code = "import sys; from pathlib import Path; from seamount.compiler.files import replace_file\n"
    code += "try: replace_file(Path(sys.argv[1]), b'x')\nexcept Exception as error: print(error)"
    for name in (work / "log", Path("/dev/stdout")):
        with (work / "log").open("w") as log:
            subprocess.run([sys.executable, "-c", code, str(name)], stdout=log, check=True)
        assert "is where this command's text goes" in (work / "log").read_text()


SLOW = """
import sys, time
from pathlib import Path
from seamount.cli.console import guarded
from seamount.compiler.artifact import FOLDER
from seamount.compiler.files import write_folder

def write(draft):
    (draft / "manifest.json").write_text("half")
    print("writing", flush=True)
    time.sleep(60)

sys.exit(guarded(lambda: write_folder(Path(sys.argv[1]), write, FOLDER, overwrite=True)))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_command_and_leave_nothing_half(work: Path, number: signal.Signals) -> None:
    save_artifact(ARTIFACTS[0], work / "out")
    before = state(work / "out")
    command = [sys.executable, "-c", SLOW, str(work / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None and ran.stdout.readline() == "writing\n"
        ran.send_signal(number)
        _, said = ran.communicate(timeout=60)
    assert ran.returncode == 130 and said == "interrupted; nothing was left half-written\n"
    assert state(work / "out") == before and alone(work / "out")
