"""A training run that is stopped goes on exactly; a checkpoint of another run is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
pytest.importorskip("sklearn")

from seamount.compiler.errors import InputError  # noqa: E402
from seamount.models.networks.stages import Task, chain  # noqa: E402
from seamount.models.recipes.checkpoint import read_checkpoint  # noqa: E402
from seamount.models.recipes.pipe import PipeS  # noqa: E402
from seamount.models.recipes.recipe import Recipe  # noqa: E402
from seamount.models.recipes.registry import RECIPES  # noqa: E402
from seamount.models.recipes.training import Samples, Schedule, Trained, train  # noqa: E402
from tests.models.recipes.test_recipes import digits, same  # noqa: E402


def build(activation: Any) -> Any:
    return chain("4C3-AP2-6C3", Task((1, 8, 8), 10), activation)


class _Stopped(Exception):
    pass


def fit(recipe: Recipe, data: Samples, path: Path | None, stop_after: int | None = None) -> Trained:
    seen: list[int] = []

    def report(phase: str, done: int, total: int, terms: dict[str, float]) -> None:
        seen.append(done)
        if stop_after is not None and len(seen) == stop_after:
            raise _Stopped

    return train(recipe, build, data, Schedule(3, 16), seed=1, checkpoint=path, report=report)


@pytest.mark.parametrize("name", ["etc", "joint", "pipe-s", "pipe-d"])
def test_resumed_run_equals_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    recipe, data, path = RECIPES[name], digits(), tmp_path / "run.pt"
    whole = fit(recipe, data, None)
    for _ in range(2):
        with pytest.raises(_Stopped):
            fit(recipe, data, path, stop_after=1)
    resumed = fit(recipe, data, path)
    assert same(resumed.trainee, whole.trainee)
    assert resumed.history == whole.history


def test_finished_run_is_not_trained_further(tmp_path: Path) -> None:
    data, path = digits(), tmp_path / "run.pt"
    first = fit(PipeS(tuning_epochs=1), data, path)
    assert same(fit(PipeS(tuning_epochs=1), data, path).network, first.network)


def test_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    fit(RECIPES["etc"], digits(), path)
    with pytest.raises(InputError, match="was written by another run"):
        fit(RECIPES["tet"], digits(), path)
    with pytest.raises(InputError, match="was written by another run"):
        fit(RECIPES["etc"], digits(32), path)


def test_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(path, "anything")


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_killed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """The command, killed with SIGKILL after its second epoch; run again, its weights are those of a quiet run."""
    quiet, killed = tmp_path / "quiet.pt", tmp_path / "killed.pt"

    def command(path: Path) -> list[str]:
        train_it = "from seamount.cli import main; main()"
        chosen = ["--network", "16C3-AP2-32C3", "--epochs", "8", "--limit", "256", "--checkpoint", str(path), "-q"]
        return [sys.executable, "-c", train_it, "train", "etc", *chosen]

    with subprocess.Popen(command(killed)) as run:
        deadline = time.monotonic() + 120
        while not killed.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    point = torch.load(killed, weights_only=True)
    assert 1 <= point["epoch"] < 8
    for path in (killed, quiet):
        subprocess.run(command(path), check=True)
    a, b = (torch.load(p, weights_only=True) for p in (killed, quiet))
    assert a["epoch"] == b["epoch"] == 8
    assert all(torch.equal(a["weights"][k], b["weights"][k]) for k in b["weights"])
