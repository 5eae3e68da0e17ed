"""What happens when Lava fails: an error within seconds, what it was, and nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seamount.backends.lava import environment
from seamount.backends.lava.child import HOST
from seamount.backends.lava.environment import find_interpreter
from seamount.backends.lava.results import load_trace
from seamount.backends.lava.run import Job, LavaBackend
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import CheckFailed, InputError
from seamount.compiler.program.codec import write_program
from tests.backends.lava_support import ALL, differing, lava_python
from tests.backends.test_lava_constructs import driven, with_messages
from tests.program_samples import small_program

SECONDS = 20
"""A failure is reported well within this time, the start of Lava included."""

RAISE = "raise ValueError('planted')"
HANG = "time.sleep(600)"
DIE = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Temporary files go here, so that every process of this test has the path in its command line."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = shared_memory()
    yield tmp_path
    assert_nothing_left(tmp_path, before)


def shared_memory() -> set[str]:
    folder = Path("/dev/shm")
    return {path.name for path in folder.glob("psm_*")} if folder.is_dir() else set()


def workers(place: Path) -> list[str]:
    """Processes of this test that run; the dead that nobody has collected yet do not count."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
    return [
        line
        for line in listed.splitlines()
        if str(place) in line and str(HOST) in line and not line.split()[1].startswith("Z")
    ]


def assert_nothing_left(place: Path, memory: set[str], seconds: float = 5) -> None:
    limit = time.monotonic() + seconds
    while workers(place) and time.monotonic() < limit:
        time.sleep(0.05)
    assert workers(place) == []
    if not os.environ.get("PYTEST_XDIST_WORKER"):  # other tests at the same time have memory of their own
        while shared_memory() - memory and time.monotonic() < limit:
            time.sleep(0.05)
        assert shared_memory() - memory == set()


def patched(place: Path, code: str) -> Path:
    """A Python of the Lava environment that runs `code` before what it is given; Model is the stock LIFReset model."""
    script = place / "patch.py"
    script.write_text(
        "import os, runpy, signal, sys, time\n"
        "sys.argv = sys.argv[1:]\n"
        "from lava.proc.lif.models import PyLifResetModelBitAcc as Model\n"
        f"{code}\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    python = place / "python"
    python.write_text(f'#!/bin/sh\nexec "{lava_python()}" "{script}" "$@"\n')
    python.chmod(0o755)
    return python


def interpreter_with(place: Path, fault: str) -> Path:
    """A Python of the Lava environment in which a LIF model does `fault` at its third step."""
    return patched(
        place,
        f"""
step = Model.run_spk
def run_spk(self):
    if self.time_step == 3:
        {fault}
    step(self)
Model.run_spk = run_spk
""",
    )


def failure(backend: LavaBackend) -> tuple[str, float]:
    """The message of a run that fails, and the seconds it took."""
    program = small_program()
    messages = {"x": np.ones((4, program.steps, 1, 4, 4), np.int32)}
    start = time.monotonic()
    with pytest.raises(CheckFailed) as caught:
        backend.run(program, messages, ALL)
    return str(caught.value), time.monotonic() - start


FAULTS = {
    "at the threshold": "Model.spiking_activation = lambda self: self.v >= self.effective_vth",
    "decay of u off by one": "start = Model.__init__\n"
    "def init(self, parameters):\n"
    "    start(self, parameters)\n"
    "    self.ds_offset = 2\n"
    "Model.__init__ = init",
    "no gate": "from lava.magma.core.process.process import ProcessParameters as P\n"
    "get = P.get\n"
    "P.get = lambda self, key, default=None: None if key == 'gate' else get(self, key, default)",
}


@pytest.mark.lava
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_wrong_lava_is_noticed(place: Path, fault: str) -> None:
    """The comparison can fail: a Lava that is planted wrong differs from the reference simulator."""
    cases = [with_messages(small_program(), samples=4), driven([640, 641], 2, vth=10)]
    jobs = [Job(program, messages, ALL) for program, messages in cases]
    traces = LavaBackend(patched(place, FAULTS[fault])).run_jobs(jobs)
    wrong = [
        differing(ReferenceSimulator().run(program, messages, ALL), trace)[0]
        for (program, messages), trace in zip(cases, traces, strict=True)
    ]
    assert sum(wrong) > 0


@pytest.mark.lava
def test_exception_in_a_model(place: Path) -> None:
    message, seconds = failure(LavaBackend(interpreter_with(place, RAISE)))
    assert message.startswith("Lava run: failed: Lava: a process model raised an exception:")
    assert "ValueError: planted" in message
    assert seconds < SECONDS


@pytest.mark.lava
def test_killed_worker(place: Path) -> None:
    message, seconds = failure(LavaBackend(interpreter_with(place, DIE)))
    assert "a worker process died (signal 9)" in message
    assert seconds < SECONDS


@pytest.mark.lava
def test_time_limit(place: Path) -> None:
    message, seconds = failure(LavaBackend(interpreter_with(place, HANG), time_limit_s=4))
    assert "did not finish within 4 s" in message
    assert "0 of 1 batches had finished" in message
    assert seconds < SECONDS


@pytest.mark.lava
def test_stall(place: Path) -> None:
    message, seconds = failure(LavaBackend(interpreter_with(place, HANG), stall_limit_s=3))
    assert "made no progress for 3 s" in message
    assert seconds < SECONDS


@pytest.mark.lava
def test_finished_batches_are_kept(place: Path) -> None:
    """A run that fails in its third batch goes on there when it is started again."""
    program, messages = with_messages(small_program(), samples=4)
    keep = place / "kept"
    fault = f"""count = len(os.listdir({str(keep)!r}))
        if count >= 2: {DIE}"""
    first = LavaBackend(interpreter_with(place, fault), batch_size=1, keep=keep)
    with pytest.raises(CheckFailed) as caught:
        first.run(program, messages, ALL)
    assert "2 of 4 batches had finished" in str(caught.value)
    assert len(list(keep.glob("[!.]*.npz"))) == 2
    kept = {path: path.stat().st_mtime_ns for path in keep.iterdir()}
    again = LavaBackend(lava_python(), batch_size=1, keep=keep)
    seen: list[int] = []
    found = again.run(program, messages, ALL, lambda done, of: seen.append(done))
    assert differing(ReferenceSimulator().run(program, messages, ALL), found)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert seen[:2] == [1, 2] and seen[-1] == 4


@pytest.mark.lava
def test_killed_host(place: Path) -> None:
    def kill() -> None:
        limit = time.monotonic() + SECONDS
        while not (found := workers(place)) and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(2.0)
        os.kill(int(found[0].split()[0]), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    message, seconds = failure(LavaBackend(interpreter_with(place, HANG)))
    thread.join()
    assert "ended early (exit code -9)" in message
    assert seconds < SECONDS


def started(place: Path) -> subprocess.Popen[bytes]:
    """A process of Seamount's that runs a program in a Lava that hangs at its third step."""
    write_program(small_program(), place)
    code = f"""
import tempfile, numpy as np
from pathlib import Path
tempfile.tempdir = {str(place)!r}
from seamount.backends.lava.run import LavaBackend
from seamount.compiler.program.codec import read_program
LavaBackend({str(interpreter_with(place, HANG))!r}).run(
    read_program(Path({str(place)!r})), {{"x": np.ones((4, 4, 1, 4, 4), np.int32)}})
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.lava
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["kill -9", "interrupt", "term"]
)
def test_our_own_end(place: Path, number: int) -> None:
    """Seamount's process ends in the middle of a run: Lava's processes end with it."""
    ours = started(place)
    limit = time.monotonic() + SECONDS
    while len(workers(place)) < 6 and time.monotonic() < limit:
        time.sleep(0.05)
    assert len(workers(place)) >= 6, "Lava did not start"
    ours.send_signal(number)
    ours.wait(SECONDS)


@pytest.mark.lava
@pytest.mark.slow
@pytest.mark.parametrize("hundredths", range(24))
def test_killed_at_any_moment_of_the_start(place: Path, hundredths: int) -> None:
    """kill -9 while workers are being forked: a worker may be born after its parent died."""
    ours = started(place)
    limit = time.monotonic() + SECONDS
    while len(workers(place)) < 2 and time.monotonic() < limit:
        time.sleep(0.005)
    time.sleep(hundredths / 100)
    ours.kill()
    ours.wait(SECONDS)


@pytest.mark.lava
def test_result_cannot_be_written(tmp_path: Path) -> None:
    write_program(small_program(), tmp_path)
    messages, out = tmp_path / "messages.npz", tmp_path / "missing" / "out.npz"
    np.savez(messages, **{"messages:x": np.ones((1, 4, 1, 4, 4), np.int32)})
    command = [str(lava_python()), str(HOST), str(tmp_path), str(messages), str(out), "--on", "reference"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "out.npz: cannot be written: No such file or directory" in done.stdout
    assert not out.parent.exists()


LITTLE = 40_000
"""Bytes that a file may have; more gives an error as on a full disk. Graphs share memory in files, which fit."""


@pytest.mark.lava
def test_full_disk_while_results_are_written(place: Path) -> None:
    """The small batch is kept; the one that does not fit leaves no part of itself."""
    code = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({LITTLE}, {LITTLE}))"
    small, large = (driven([100, 200], steps, vth=10) for steps in (5, 2000))
    jobs = [Job(program, messages, ALL) for program, messages in (small, large)]
    with pytest.raises(CheckFailed) as caught:
        LavaBackend(patched(place, code), keep=place / "kept").run_jobs(jobs)
    assert "cannot be written: File too large" in str(caught.value)
    assert "1 of 2 batches had finished" in str(caught.value)
    (kept,) = (place / "kept").iterdir()
    expected = ReferenceSimulator().run(jobs[0].program, jobs[0].messages, ALL)
    assert differing(expected, load_trace(kept))[0] == 0


def with_little_room(place: Path, code: str) -> str:
    """What a Python says whose files cannot grow; its temporary files are in `place`."""
    script = (
        f"import resource, tempfile\ntempfile.tempdir = {str(place)!r}\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({LITTLE}, {LITTLE}))\n{code}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=place)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_full_disk_while_messages_are_written(place: Path) -> None:
    said = with_little_room(
        place,
        f"""
import numpy as np
from seamount.backends.lava.run import LavaBackend
from seamount.compiler.errors import InputError
from tests.program_samples import small_program
try:
    LavaBackend({sys.executable!r}).run(small_program(), {{"x": np.ones((400, 4, 1, 4, 4), np.int32)}})
except InputError as error:
    print(error)
""".replace("from tests", f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\nfrom tests"),
    )
    assert "cannot be written: File too large" in said
    assert list(place.iterdir()) == []


def test_full_disk_while_a_folder_is_exported(place: Path) -> None:
    said = with_little_room(
        place,
        f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from seamount.backends.lava.export import export_lava
from seamount.compiler.errors import InputError
from tests.backends.test_lava_constructs import with_messages
from tests.backends.test_lava_export import artifact_of
from tests.program_samples import small_program
try:
    export_lava(artifact_of(with_messages(small_program(), samples=4000)), Path("net"))
except InputError as error:
    print(error)
""",
    )
    assert said.startswith("net: cannot be written: File too large")
    assert list(place.iterdir()) == []


def test_no_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    monkeypatch.setattr(environment, "FOLDER", ".venv-nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        find_interpreter()
    message = str(caught.value)
    assert message.startswith("Lava interpreter: none found (looked at SEAMOUNT_LAVA_PYTHON, ")
    assert str(tmp_path / ".venv-nowhere" / "bin" / "python") in message
    assert "'make lava'" in message and "python3.10 -m venv .venv-lava" in message
    assert "pip install lava-nc==0.10.0" in message


def test_wrong_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "python"))
    with pytest.raises(InputError, match="is not a program that can be run"):
        find_interpreter()


def test_interpreter_without_lava(place: Path) -> None:
    """Seamount's own Python has no Lava: said in one message."""
    program = small_program()
    messages = {"x": np.ones((1, 4, 1, 4, 4), np.int32)}
    with pytest.raises(InputError) as caught:
        LavaBackend(sys.executable).run(program, messages)
    assert "cannot import Lava" in str(caught.value)
    assert "'make lava'" in str(caught.value)
