"""Networks with several inputs and outputs at the command line: data by input, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.artifact import load_artifact
from seamount.compiler.codes import encode, scores
from seamount.compiler.errors import InputError
from seamount.frontends import load_model, save
from tests.cli.running import call, plain
from tests.frontends.test_branches import RULES, TwoEyes, pair


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("ports")
    save(TwoEyes(), place / "two.pt", sample=pair(), readout=RULES)
    assert call(["compile", str(place / "two.pt"), "-o", str(place / "two")]).code == 0
    save(TwoEyes("one"), place / "one.pt", sample=pair(), readout="sum")
    assert call(["compile", str(place / "one.pt"), "-o", str(place / "one")]).code == 0
    samples = {k: v.numpy() for k, v in pair(30).items()}
    labels = np.arange(30) % 4
    np.savez(place / "data.npz", x_left=samples["left"], x_right=samples["right"], y=labels)
    np.savez(place / "left.npz", x_left=samples["left"], y=labels)
    np.savez(place / "single.npz", x=samples["left"], y=labels)
    np.savez(place / "uneven.npz", x_left=samples["left"], x_right=samples["right"][:9], y=labels)
    return place


def called(folder, *words):
    """A call with the names of the folder's files as paths."""
    return call([str(folder / word) if (folder / word).exists() else word for word in words])


def answers_of(folder, name="one"):
    """The scores that the artifact gives to data.npz, from Python."""
    artifact, arrays = load_artifact(folder / name), np.load(folder / "data.npz")
    sent = encode(artifact.inputs, {"left": arrays["x_left"], "right": arrays["x_right"]}, artifact.steps)
    trace = VectorizedSimulator().run(artifact.program, sent)
    code = artifact.outputs[-1]
    return scores(code, trace.readout[code.readout], artifact.steps)


def test_data_by_input_is_run_and_kept(folder, tmp_path):
    told, kept = tmp_path / "run.json", tmp_path / "run"
    ran = called(folder, "run", "one", "--data", "data.npz", "--batch-size", "7", "-o", str(kept), "--json", str(told))
    assert ran.code == 0, ran.err
    tree, wanted = json.loads(told.read_text()), answers_of(folder)
    assert tree["scores"] == wanted.tolist() and len(np.unique(wanted, axis=0)) > 5
    assert tree["accuracy"] == np.mean(wanted.argmax(1) == np.arange(30) % 4) and tree["samples"] == 30
    assert call(["report", str(kept), "-o", str(tmp_path / "report.html")]).code == 0
    assert call(["energy", str(kept)]).code == 0


def test_some_of_the_samples(folder, tmp_path):
    told = tmp_path / "run.json"
    assert called(folder, "run", "one", "--data", "data.npz", "--limit", "4", "--json", str(told)).code == 0
    assert json.loads(told.read_text())["scores"] == answers_of(folder)[:4].tolist()
    drawn = ["run", "one", "--data", "data.npz", "--limit", "4", "--seed", "3", "--json", str(told)]
    assert called(folder, *drawn).code == 0
    chosen = np.sort(np.random.default_rng(3).choice(30, 4, replace=False))
    assert json.loads(told.read_text())["scores"] == answers_of(folder)[chosen].tolist()


def test_a_function_of_the_users(folder, tmp_path, monkeypatch):
    (tmp_path / "two_inputs.py").write_text(
        "import numpy as np\n"
        f"held = np.load({str(folder / 'data.npz')!r})\n"
        "def data(): return {'left': held['x_left'], 'right': held['x_right']}, held['y']\n"
    )
    monkeypatch.chdir(tmp_path)
    told = tmp_path / "run.json"
    assert called(folder, "run", "one", "--data", "two_inputs:data", "--json", str(told)).code == 0
    assert json.loads(told.read_text())["scores"] == answers_of(folder).tolist()


@pytest.mark.parametrize("what", ["one.pt", "one"])
def test_every_form_is_checked(what, folder, tmp_path):
    kept, told = tmp_path / "run", tmp_path / "check.json"
    options = ["--lava", "no", "--require", "reference=exact"]
    ran = called(folder, "check", what, "--data", "data.npz", *options, "-o", str(kept), "--json", str(told))
    assert ran.code == 0, ran.err
    rungs = {r["name"]: r for r in json.loads(told.read_text())["rungs"]}
    assert rungs["integer program"]["samples"] == 30 and rungs["reference simulator"]["differing"] == 0
    assert called(folder, "check", what, *options).code == 0


def test_scales_are_set_on_data_by_input(folder, tmp_path):
    ran = called(folder, "compile", "one.pt", "--calibrate", "data.npz", "-o", str(tmp_path / "a"))
    assert ran.code == 0, ran.err
    assert load_artifact(tmp_path / "a").manifest.calibration_samples == 30
    ran = called(folder, "compile", "two.pt", "--calibrate", "data.npz", "-o", str(tmp_path / "b"))
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("name", ["one", "two"])
def test_artifacts_are_compared_on_data_by_input(name, folder):
    ran = called(folder, "diff", name, name, "--data", "data.npz", "--backend-b", "reference", "--limit", "5")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("left.npz", "data for input 'right': is missing"),
        ("single.npz", "is one array, but the network has 2 inputs (left, right)"),
        ("uneven.npz", "input 'right': 9 samples but 30 labels"),
    ],
)
@pytest.mark.parametrize("command", ["run", "diff", "check"])
def test_data_that_do_not_fit_the_inputs(command, data, found, folder):
    ran = called(folder, command, "one", *(["one"] if command == "diff" else []), "--data", data)
    assert ran.code == 2 and found in plain(ran.err)


def test_training_takes_one_input(folder):
    ran = called(folder, "train", "plain", "--data", "data.npz", "--epochs", "1")
    assert ran.code == 2 and "holds samples of several inputs (left, right)" in plain(ran.err)


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
