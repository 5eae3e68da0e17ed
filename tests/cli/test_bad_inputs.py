"""Every bad input ends in one clear message and exit code 2, without traceback and without half an artifact."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seamount.compiler.artifact import MANIFEST_FILE
from tests.cli.bad_inputs import CASES, GOOD, compile_args, write
from tests.cli.running import call, plain


def messages_of(name: str, folder: Path) -> str:
    args = CASES[name](folder)
    ran = call(args)
    assert ran.code == 2, f"{name}: exit code {ran.code}\n{ran.out}\n{ran.err}"
    assert "Traceback" not in ran.err + ran.out
    assert not (folder / "owned").exists(), "code in the file was run"
    if args[0] == "compile":
        assert not (folder / "out" / MANIFEST_FILE).exists()
        assert [p for p in folder.iterdir() if p.name.startswith(".")] == []
    return plain(ran.err + ran.out).replace(str(folder), "DIR")


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, tmp_path: Path, golden: Any) -> None:
    golden(messages_of(name, tmp_path) + "\n", f"bad_inputs/{name}.txt")


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 25


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A real limit on file size stands for a full disk."""
    path = write(tmp_path)
    ran = subprocess.run(
        [sys.executable, "-c", "from seamount.cli import main; main()", *compile_args(path, *GOOD)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2, ran.stderr
    assert "File too large" in ran.stderr and "Traceback" not in ran.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.nir"]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import seamount.compiler.artifact as module

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(module, "save_arrays", interrupt)
    ran = call(compile_args(write(tmp_path), *GOOD))
    assert ran.code == 130 and "interrupted" in ran.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.nir"]
