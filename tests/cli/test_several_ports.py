"""A network with several inputs and outputs at the command line: compiled, its test vectors run, the rest refused."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.artifact import load_artifact
from seamount.compiler.encoding import encode, scores
from seamount.compiler.errors import InputError
from seamount.frontends import load_model, save
from tests.cli.running import call, plain
from tests.frontends.test_branches import RULES, TwoEyes, pair


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("ports")
    save(TwoEyes(), place / "two.pt", sample=pair(), readout=RULES)
    assert call(["compile", str(place / "two.pt"), "-o", str(place / "two")]).code == 0
    np.savez(place / "data.npz", x=np.zeros((3, 14, 1, 6, 6), np.float32), y=np.zeros(3, np.int64))
    return place


def test_the_artifact_runs_its_test_vectors(folder):
    ran = call(["run", str(folder / "two")])
    assert ran.code == 0 and "all spikes and readouts as stored" in plain(ran.out)


@pytest.mark.parametrize("command", [["run", "two", "--data", "data.npz"], ["check", "two.pt"], ["check", "two"]])
def test_what_the_command_line_does_not_do_is_refused(command, folder):
    ran = call([str(folder / word) if (folder / word).exists() else word for word in command])
    assert ran.code == 2
    assert "the network has 2" in plain(ran.err) and "docs/model-file.md" in plain(ran.err)


def test_check_import_knows_the_ports(folder):
    ran = call(["check-import", str(folder / "two.pt")])
    assert ran.code == 0 and "2 Input" in plain(ran.out) and "given for the node" in plain(ran.out)


def test_from_python(folder):
    """The lines of docs/model-file.md."""
    artifact, samples = load_artifact(folder / "two"), pair()
    sent = encode(artifact.inputs, {k: v.numpy() for k, v in samples.items()}, artifact.steps)
    trace = VectorizedSimulator().run(artifact.program, sent)
    answers = {c.readout: scores(c, trace.readout[c.readout], artifact.steps) for c in artifact.outputs}
    golden = load_model(folder / "two.pt").golden.outputs
    assert {k: v.shape for k, v in answers.items()} == {k: v.shape for k, v in golden.items()}
    assert np.abs(answers["features"] - golden["features"]).mean() < 0.1


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (np.zeros((2, 14, 7)), "is one array, but the network has 2 inputs (left, right)"),
        ({"left": np.zeros((2, 14, 1, 6, 6))}, "data for input 'right': is missing"),
        (
            {"left": np.zeros((2, 14, 1, 6, 6)), "right": np.zeros((3, 14, 7))},
            "2 samples of 'left', 3",
        ),
        ({"left": np.zeros(2), "right": np.zeros(2), "third": np.zeros(2)}, "data 'third': belongs to no input"),
    ],
)
def test_samples_that_do_not_fit_the_inputs(given, found, folder):
    with pytest.raises(InputError) as refused:
        encode(load_artifact(folder / "two").inputs, given, 14)
    assert found in str(refused.value)
