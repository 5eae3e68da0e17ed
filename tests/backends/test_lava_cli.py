"""`seamount run --backend lava`: the same answers as the simulator, limits, what is kept, and interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from seamount.compiler.errors import InputError
from seamount.models.data.datasets import data_folder
from tests.backends.lava_support import lava_python
from tests.backends.test_lava_failures import DIE, HANG, assert_nothing_left, interpreter_with, patched, shared_memory
from tests.cli.running import call, plain

ROOT = Path(__file__).parents[2]
SAME = ("predictions", "accuracy", "synops_per_sample", "synops_per_projection", "spikes_per_sample", "scores")
"""What a run in Lava has in common with one in the simulator."""


def compiled(name: str, place: Path) -> Path:
    """A shipped network as an artifact."""
    assert call(["compile", str(ROOT / "models" / "weights" / f"{name}.pt"), "-o", str(place / "net"), "-q"]).code == 0
    return place / "net"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("digits-conv", tmp_path_factory.mktemp("digits"))


def run(artifact: Path, place: Path, *options: object, code: int = 0) -> dict[str, Any]:
    """The summary that `seamount run` writes."""
    ran = call(["run", str(artifact), "--json", str(place / "run.json"), *map(str, options)])
    assert ran.code == code, ran.out + ran.err
    summary: dict[str, Any] = json.loads((place / "run.json").read_text())
    return summary


def assert_same_in_lava(artifact: Path, place: Path, *options: object) -> None:
    simulated = run(artifact, place, *options)
    in_lava = run(artifact, place, *options, "--backend", "lava", "--lava-python", lava_python(), "--processes", 2)
    assert in_lava["backend"] == "lava" and in_lava["samples"] == simulated["samples"]
    assert {key: in_lava[key] for key in SAME} == {key: simulated[key] for key in SAME}
    each = [1000 * s["seconds"] / s["samples"] for s in (simulated, in_lava)]
    print(f"{in_lava['samples']} samples: simulator {each[0]:.2f} ms, Lava {each[1]:.2f} ms per sample")


@pytest.mark.lava
def test_same_answers(digits: Path, tmp_path: Path) -> None:
    assert_same_in_lava(digits, tmp_path, "--data", "digits", "--limit", 30, "--batch-size", 16)


@pytest.mark.lava
@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits-conv", "digits-dense", "digits-residual", "digits-recurrent"])
def test_whole_test_split_of_digits(name: str, tmp_path: Path) -> None:
    data = "digits-rows" if name == "digits-recurrent" else "digits"
    assert_same_in_lava(compiled(name, tmp_path), tmp_path, "--data", data)


@pytest.mark.lava
@pytest.mark.slow
def test_200_images_of_fashion_mnist(tmp_path: Path) -> None:
    try:
        data_folder(None, "fashion-mnist")
    except InputError as error:
        pytest.skip(f"NOT TESTED ON FASHION-MNIST: {error}")
    net = compiled("fashion-mnist-conv", tmp_path)
    assert_same_in_lava(net, tmp_path, "--data", "fashion-mnist", "--limit", 200)


def test_options_of_lava_alone(digits: Path) -> None:
    ran = call(["run", str(digits), "--data", "digits", "--processes", "2", "--keep", "k", "--lava-python", "p"])
    assert ran.code == 2
    assert plain(ran.err).startswith("error --processes, --keep, --lava-python: not for the backend vectorized")
    assert not Path("k").exists()


@pytest.mark.lava
def test_what_had_finished_is_reported(digits: Path, tmp_path: Path) -> None:
    """The third batch dies: two are in the summary, and the same command continues after them."""
    keep = tmp_path / "kept"
    options = ("--data", "digits", "--limit", 24, "--batch-size", 8, "--backend", "lava", "--keep", keep)
    fault = f"if len(os.listdir({str(keep)!r})) >= 2: {DIE}"
    broken = interpreter_with(tmp_path, fault)
    summary = run(digits, tmp_path, *options, "--lava-python", broken, code=1)
    assert (summary["samples"], summary["unfinished"], len(summary["predictions"])) == (16, 8, 16)
    whole = run(digits, tmp_path, *options, "--lava-python", lava_python())
    assert (whole["samples"], whole["unfinished"]) == (24, 0)
    assert whole["predictions"][:16] == summary["predictions"]
    assert len(list(keep.iterdir())) == 3


@pytest.mark.lava
def test_time_limit(digits: Path, tmp_path: Path) -> None:
    python = interpreter_with(tmp_path, HANG)
    options = ["--data", "digits", "--backend", "lava", "--time-limit", "3", "--lava-python", str(python)]
    ran = call(["run", str(digits), *options])
    assert ran.code == 1
    assert "did not finish within 3.0 s" in plain(ran.err)


@pytest.mark.lava
def test_interrupt(digits: Path, tmp_path: Path) -> None:
    """Ctrl-C in the second batch: the first is reported, exit code 130, no process is left."""
    keep, before = tmp_path / "kept", shared_memory()
    python = patched(tmp_path, interpreter_code(keep))
    options = ["--data", "digits", "--limit", "20", "--batch-size", "10", "--backend", "lava", "--keep", str(keep)]
    command = [sys.executable, "-c", "from seamount.cli import main; main()", "run", str(digits), *options]
    command += ["--lava-python", str(python), "--json", str(tmp_path / "run.json")]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    ours = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    limit = time.monotonic() + 30
    while not (tmp_path / "hangs").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    ours.send_signal(signal.SIGINT)
    said = ours.communicate(timeout=20)
    assert ours.returncode == 130, said
    assert "stopped early: 10 of 20 samples had finished" in plain(said[1])
    assert "interrupted" in said[1]
    assert json.loads((tmp_path / "run.json").read_text())["samples"] == 10
    assert_nothing_left(tmp_path, before)


def interpreter_code(keep: Path) -> str:
    """A Lava that hangs, and says so, once a batch is kept."""
    return f"""
step = Model.run_spk
def run_spk(self):
    if len(os.listdir({str(keep)!r})) > 0:
        open({str(keep.parent / "hangs")!r}, "w").close()
        time.sleep(600)
    step(self)
Model.run_spk = run_spk
"""
