"""Who answers for the stored test vectors: the reference, or the vectorized simulator for large networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.artifact import load_artifact
from seamount.compiler.program.program import synapses
from seamount.models.reference.card import WEIGHTS
from seamount.workflows import witness
from tests.cli.running import call, plain

pytest.importorskip("torch")
MODEL = WEIGHTS / "digits-conv.pt"


def test_synapses_are_counted_as_the_reference_lists_them(tmp_path: Path) -> None:
    assert call(["compile", str(MODEL), "-o", str(tmp_path / "a"), "-q"]).code == 0
    program = load_artifact(tmp_path / "a").program
    listed = [synapses(q.connection, program.shapes[q.source], program.shapes[q.target]) for q in program.projections]
    assert witness.synapses_in(program) == sum(len(post) for post, _, _ in listed)
    assert witness.witness(program).name == "reference" and witness.too_large(program) == ""


def test_a_network_too_large_for_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "LISTED", 100)
    told = tmp_path / "told.json"
    ran = call(["compile", str(MODEL), "-o", str(tmp_path / "a"), "--json", str(told)])
    assert ran.code == 0 and "so it is not asked: the vectorized one gave the stored answers" in plain(ran.out)
    assert json.loads(told.read_text())["answered_by"] == "vectorized"
    artifact = load_artifact(tmp_path / "a")
    trace = ReferenceSimulator().run(artifact.program, artifact.vectors.messages, record=frozenset({"spikes"}))
    assert all(np.array_equal(trace.readout[k], v) for k, v in artifact.vectors.readout.items())
    assert all(np.array_equal(trace.spikes[k], v) for k, v in artifact.vectors.spikes.items())
    ran = call(["check", str(MODEL), "--lava", "no", "--json", str(told)])
    assert ran.code == 0 and "the reference simulator would list" in plain(ran.out)
    assert "reference simulator" not in [r["name"] for r in json.loads(told.read_text())["rungs"]]
    ran = call(["check", str(MODEL), "--lava", "no", "--require", "reference=exact"])
    assert ran.code == 1 and "reference" in plain(ran.err)


def test_the_reference_is_not_asked_for_long_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(["compile", str(MODEL), "-o", str(tmp_path / "a"), "-q"]).code == 0
    program = load_artifact(tmp_path / "a").program
    work = witness.reference_work(program, 4, program.steps)
    assert witness.too_large(program, 4, 100_000).startswith("the reference simulator would take about ")
    monkeypatch.setattr(witness, "ANSWERED", work - 1)
    assert witness.witness(program, 4, 100_000).name != "reference"
