"""What --prove costs: answers that change are counted and warned of, and the clamp that keeps them is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import seamount
from seamount.compiler.ir.notes import ProofChanges

STEPS = 500
SAID = (
    "reset=subtract", "dt=1", "integrate=euler", "compare=gt", "coding=spikes", f"steps={STEPS}", "readout=sum",
    "timing=immediate", "spikes=single", "start=zero", "encoding=sequence",
)  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two neurons without leak that each favour one of two inputs, by 0.25 to 0.24; a third may take v down by 30."""
    path = tmp_path_factory.mktemp("net") / "net.nir"
    ones = np.ones(2)
    nodes = {
        "input": nir.Input(np.array([3])),
        "up": nir.Linear(np.array([[0.25, 0.24, 0.0], [0.24, 0.25, 0.0]])),
        "down": nir.Linear(np.array([[0.0, 0.0, -30.0], [0.0, 0.0, -30.0]])),
        "n": nir.IF(r=ones, v_threshold=ones, v_reset=0 * ones),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "up"), ("input", "down"), ("up", "n"), ("down", "n"), ("n", "output")]
    nir.write(path, nir.NIRGraph(nodes, edges))
    return path


@pytest.fixture(scope="module")
def x() -> Any:
    """The first or the second input sends more; the third is silent."""
    often = np.array([[0.7, 0.3, 0.0], [0.3, 0.7, 0.0]])[np.arange(40) % 2, None]
    return (np.random.default_rng(0).random((40, STEPS, 3)) < often).astype(np.float32)


def compiled(path: Path, x: Any, prove: bool, v_min: str = "-inf") -> Any:
    return seamount.compile(path, assume=(*SAID, f"v_min={v_min}"), prove=prove, calibrate=x)


def test_changed_answers_are_counted_and_the_clamp_keeps_them(network: Path, x: Any) -> None:
    artifact = compiled(network, x, True)
    free, proven = compiled(network, x, False).run(x).predictions, artifact.run(x).predictions
    assert (free == np.arange(40) % 2).mean() > 0.9
    note = artifact.manifest.notes[0]
    assert isinstance(note, ProofChanges)
    assert (note.changed, note.answers, note.populations) == ((free != proven).sum(), 40, ("n",))
    assert note.changed > 10, "a threshold of 8 cannot tell 0.24 from 0.25"
    assert note.clamp is not None
    again = compiled(network, x, True, f"-{note.clamp.thresholds:g}").run(x).predictions
    assert note.clamp.changed == (again != free).sum() == 0, "what the remedy says is so"
    assert f"--prove changes {note.changed} of 40 answers" in str(note)


def test_the_warning_comes_first_and_is_kept(network: Path, x: Any, tmp_path: Path) -> None:
    artifact = compiled(network, x, True)
    artifact.save(tmp_path / "a")
    assert seamount.load_artifact(tmp_path / "a").manifest.notes[0] == artifact.manifest.notes[0]
    artifact.run(x).save(tmp_path / "run")
    seamount.report(tmp_path / "run").save(tmp_path / "report.md")
    shown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "prove changes" in shown and "of 40 answers" in shown


def test_where_nothing_changes_nothing_is_said(network: Path, x: Any) -> None:
    for artifact in (compiled(network, x, True, "-1"), compiled(network, x, False)):
        assert not any(isinstance(note, ProofChanges) for note in artifact.manifest.notes)
