"""The commands on the shipped digits networks: real weights, real images."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.compiler.artifact import load_artifact
from seamount.compiler.kept_run import load_run
from seamount.models.reference.card import WEIGHTS
from tests.cli.running import call, plain

pytest.importorskip("torch", reason="reading model.pt needs torch: pip install 'seamount[torch]'")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn: pip install 'seamount[data]'")

DATA = {
    "digits-dense": "digits",
    "digits-conv": "digits",
    "digits-recurrent": "digits-rows",
    "digits-residual": "digits",
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("artifacts")
    for name in DATA:
        ran = call(["compile", str(WEIGHTS / f"{name}.pt"), "-o", str(folder / name)])
        assert ran.code == 0, ran.err
        assert "golden samples: integer prediction equals the framework's on" in plain(ran.out)
    return {name: folder / name for name in DATA}


def read(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(path.read_text())
    return tree


@pytest.mark.parametrize("name", DATA)
def test_accuracy_in_integers(name: str, compiled: dict[str, Path], tmp_path: Path) -> None:
    """Float accuracy is what the file records; integers lose one point at most."""
    result = tmp_path / "run.json"
    ran = call(["run", str(compiled[name]), "--data", DATA[name], "--json", str(result)])
    assert ran.code == 0, ran.err
    found = read(result)
    assert found["samples"] == 360 and len(found["predictions"]) == 360
    assert found["accuracy"] >= found["float_accuracy"] - 0.01
    assert found["synops_per_sample"] == pytest.approx(sum(found["synops_per_projection"].values()))
    assert set(found["spikes_per_sample"]) >= {p.name for p in load_artifact(compiled[name]).program.populations}
    assert {"steps", "seconds", "neuron_updates_per_sample"} <= set(found)


def test_dense_and_conv_reach_what_the_readme_says() -> None:
    from seamount.frontends.model_file.file import load_model

    for name in ("digits-dense", "digits-conv"):
        accuracy = load_model(WEIGHTS / f"{name}.pt").accuracy
        assert accuracy is not None and accuracy >= 0.95


def test_test_vectors_hold(compiled: dict[str, Path]) -> None:
    ran = call(["run", str(compiled["digits-conv"])])
    assert ran.code == 0 and "all spikes and readouts as stored" in ran.out


def test_steps_are_a_run_time_argument(compiled: dict[str, Path], tmp_path: Path) -> None:
    accuracy = {}
    for steps in (1, 2, 4, 8):
        result = tmp_path / f"{steps}.json"
        args = ["run", str(compiled["digits-conv"]), "--data", "digits", "--steps", str(steps)]
        assert call([*args, "--json", str(result)]).code == 0
        accuracy[steps] = read(result)["accuracy"]
    assert accuracy[1] > 0.6 and accuracy[4] > 0.95 and accuracy[8] > 0.95


def test_same_model_same_bytes(compiled: dict[str, Path], tmp_path: Path) -> None:
    assert call(["compile", str(WEIGHTS / "digits-conv.pt"), "-o", str(tmp_path / "again")]).code == 0
    for file in sorted(compiled["digits-conv"].iterdir()):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_limit_and_seed_choose_samples(compiled: dict[str, Path], tmp_path: Path) -> None:
    results = []
    for seed in ("1", "1", "2"):
        path = tmp_path / "r.json"
        args = ["run", str(compiled["digits-dense"]), "--data", "digits", "--limit", "20", "--seed", seed]
        assert call([*args, "--json", str(path)]).code == 0
        results.append(read(path)["scores"])
    assert results[0] == results[1] != results[2] and len(results[0]) == 20


def test_check_compares_every_form(tmp_path: Path) -> None:
    path = tmp_path / "check.json"
    ran = call(["check", str(WEIGHTS / "digits-conv.pt"), "--data", "digits", "--lava", "no", "--json", str(path)])
    assert ran.code == 0, ran.err
    rungs = {r["name"]: r for r in read(path)["rungs"]}
    assert rungs["reference simulator"]["differing"] == 0
    assert rungs["norse, golden trace"]["differing"] == 0
    assert rungs["imported graph"]["accuracy"] == pytest.approx(rungs["framework, as recorded"]["accuracy"])
    assert abs(read(path)["accuracy_drop"]) <= 1.0
    layers = {r["layer"]: r for r in read(path)["layers"]}
    assert set(layers) == {"lif1", "lif2"} and all(r["correlation"] > 0.98 for r in layers.values())


def test_check_takes_an_artifact(compiled: dict[str, Path]) -> None:
    for more in ([], ["--data", "digits", "--limit", "40"]):
        ran = call(["check", str(compiled["digits-residual"]), "--lava", "no", "--require", "reference=exact", *more])
        assert ran.code == 0 and "reference simulator" in ran.out
    ran = call(["check", str(compiled["digits-residual"]), "--lava", "no", "--require", "lava=exact"])
    assert ran.code == 1 and "was not measured" in ran.err


def test_check_takes_a_recording(compiled: dict[str, Path], tmp_path: Path) -> None:
    artifact = load_artifact(compiled["digits-conv"])
    spikes = {f"spikes:{k}": np.array(v) for k, v in artifact.vectors.spikes.items()}
    np.savez(tmp_path / "board.npz", **spikes)  # type: ignore[arg-type]
    args = ["check", str(compiled["digits-conv"]), "--trace", str(tmp_path / "board.npz"), "--require", "trace=exact"]
    ran = call(args)
    assert ran.code == 0, ran.err
    spikes["spikes:lif2"][1, 2, 3, 0, 1] ^= 1
    np.savez(tmp_path / "board.npz", **spikes)  # type: ignore[arg-type]
    ran = call(args)
    assert ran.code == 1 and "1 of" in ran.err and "lif2" in ran.err


def test_check_fails_with_code_1_when_integers_lose_too_much() -> None:
    args = ["check", str(WEIGHTS / "digits-dense.pt"), "--data", "digits", "--lava", "no", "--weight-bits", "2"]
    ran = call([*args, "--require", "accuracy-drop<=0.5%"])
    assert ran.code == 1 and "accuracy-drop is" in ran.err


def test_changed_vectors_fail_with_code_1(compiled: dict[str, Path], tmp_path: Path) -> None:
    from dataclasses import replace

    from seamount.compiler.artifact import Vectors, save_artifact

    good = load_artifact(compiled["digits-dense"])
    wrong = {k: v + 1 for k, v in good.vectors.readout.items()}
    vectors = Vectors(good.vectors.messages, good.vectors.spikes, wrong)
    save_artifact(replace(good, vectors=vectors), tmp_path / "a")
    ran = call(["run", str(tmp_path / "a")])
    assert ran.code == 1 and "entries differ" in ran.err


def test_balancing_can_be_switched_off_and_says_so(tmp_path: Path) -> None:
    folder = str(tmp_path / "off")
    model = str(WEIGHTS / "digits-residual.pt")
    made = call(["compile", model, "-o", folder, "--no-balance-delays", "--max-delay", "5", "-q"])
    assert made.code == 0 and "not the trained network" in made.err
    assert load_artifact(folder).manifest.options.balance_delays is False
    ran, printed = call(["run", folder, "-q"]), call(["inspect", folder])
    assert ran.code == 0 and "not the trained network" in ran.err
    assert "note delays are not balanced" in printed.out
    assert "note delays are not balanced" in call(["inspect", model, "--after", "program", "--no-balance-delays"]).out
    too_long = call(["inspect", model, "--after", "program", "--max-delay", "63"])
    assert too_long.code == 2 and "max-delay: is 63 steps" in too_long.err.replace("error ", "")
    assert "not the trained" not in call(["compile", model, "-o", str(tmp_path / "on"), "-q"]).err


def test_stop_after_and_inspect_print_the_same(compiled: dict[str, Path]) -> None:
    model = str(WEIGHTS / "digits-conv.pt")
    for stage in ("import", "infer-shapes", "fold-linear", "fold-threshold"):
        stopped, inspected = call(["compile", model, "--stop-after", stage]), call(["inspect", model, "--after", stage])
        assert stopped.code == inspected.code == 0
        assert stopped.out == inspected.out and "graph steps=4" in stopped.out
    program = call(["inspect", str(compiled["digits-conv"])])
    assert program.code == 0 and "lif1" in program.out


def test_layer_bits(tmp_path: Path) -> None:
    args = ["compile", str(WEIGHTS / "digits-conv.pt"), "-o", str(tmp_path / "a"), "--weight-bits", "6"]
    assert call([*args, "--bits", "conv1=3", "--calibrate", "digits"]).code == 0
    bits = {r.layer: r.bits for r in load_artifact(tmp_path / "a").manifest.layers}
    assert bits == {"conv1": 3, "conv2": 6, "classify": 6}


def test_lists() -> None:
    assert "loihi-sim" in call(["targets"]).out
    assert "weight_bits" in call(["targets", "loihi2"]).out
    shown = call(["passes"]).out
    assert "fold-batchnorm" in shown and "quantize" in shown
    assert call(["--version"]).out.startswith("seamount ")


def test_help_names_every_command() -> None:
    text = plain(call(["--help"]).out)
    for name in ("compile", "run", "check", "inspect", "targets", "passes"):
        assert name in text


def test_compile_as_a_program_of_its_own(tmp_path: Path) -> None:
    """`compile model.pt --target loihi-sim`, as typed."""
    program = Path(sys.executable).parent / "compile"
    args = [str(program), str(WEIGHTS / "digits-dense.pt"), "--target", "loihi-sim"]
    ran = subprocess.run(args, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert load_artifact(tmp_path / "digits-dense.seamount").steps == 6


def test_an_artifact_and_a_nir_file_need_no_torch(compiled: dict[str, Path], tmp_path: Path) -> None:
    """A Python in which torch cannot be imported runs the artifact and compiles a .nir."""
    from tests.cli.bad_inputs import GOOD, write

    nir_file = write(tmp_path)
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'torch': raise ModuleNotFoundError('no torch here', name='torch')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "from seamount.cli.app import app\n"
        "app(sys.argv[1:])\n"
    )
    runs = [
        ["run", str(compiled["digits-conv"]), "--data", "digits", "--limit", "50"],
        ["compile", str(nir_file), *GOOD, "-o", str(tmp_path / "a")],
        ["run", str(tmp_path / "a")],
    ]
    for args in runs:
        ran = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    ran = subprocess.run(
        [sys.executable, "-c", code, "compile", str(WEIGHTS / "digits-conv.pt")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2 and "seamount[torch]" in ran.stderr


def test_nir_input_gives_the_same_network_as_the_model_file(compiled: dict[str, Path], tmp_path: Path) -> None:
    """The NIR graph inside model.pt, compiled as a bare .nir file with its conventions said, answers the same."""
    from seamount.frontends.model_file.file import load_model

    file = load_model(WEIGHTS / "digits-conv.pt")
    (tmp_path / "net.nir").write_bytes(file.nir)
    said = [f"{k}={v}" for k, v in file.meaning.default.known().items()]
    args = ["compile", str(tmp_path / "net.nir"), "-o", str(tmp_path / "a"), "--calibrate", "digits"]
    assert call([*args, *(w for s in said for w in ("-a", s))]).code == 0
    other = ["compile", str(WEIGHTS / "digits-conv.pt"), "-o", str(tmp_path / "b"), "--calibrate", "digits"]
    assert call(other).code == 0
    a, b = load_artifact(tmp_path / "a"), load_artifact(tmp_path / "b")
    for left, right in zip(a.program.projections, b.program.projections, strict=True):
        assert np.array_equal(left.connection.weight, right.connection.weight)


def test_a_run_is_kept(compiled: dict[str, Path], tmp_path: Path) -> None:
    """The folder holds what --json says; so does the one that check writes, with the other forms beside it."""
    data = ["--data", "digits", "--limit", "40"]
    result = tmp_path / "run.json"
    ran = call(["run", str(compiled["digits-conv"]), *data, "-o", str(tmp_path / "run"), "--json", str(result)])
    assert ran.code == 0, ran.err
    kept = load_run(tmp_path / "run")
    assert kept.accuracy == read(result)["accuracy"] and kept.predictions.tolist() == read(result)["predictions"]
    assert sum(kept.counts.synop_totals.values()) / 40 == read(result)["synops_per_sample"]
    assert kept.recording.samples == 3 and kept.rungs == ()
    model = str(WEIGHTS / "digits-conv.pt")
    ran = call(["check", model, *data, "--lava", "no", "--record", "1", "-o", str(tmp_path / "check"), "-q"])
    assert ran.code == 0, ran.err
    checked = load_run(tmp_path / "check")
    assert checked.counts.differences(kept.counts) == [] and checked.recording.samples == 1
    assert checked.artifact.manifest == kept.artifact.manifest
    rungs = {r.name: r for r in checked.rungs}
    assert rungs["integer program"].accuracy == kept.accuracy
    assert "seconds" not in (tmp_path / "check" / "run.json").read_text()
    assert {"framework, as recorded", "imported graph", "reference simulator"} <= set(rungs)
    assert [r.layer for r in checked.layers] == ["lif1", "lif2"]


def test_what_cannot_be_kept_is_refused_first(compiled: dict[str, Path], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("mine")
    artifact = str(compiled["digits-conv"])
    for args, found in (
        (["run", artifact, "-o", "r"], "test vectors have no labels, so their run is not kept"),
        (["run", artifact, "--data", "digits", "-o", str(taken), "-f"], "exists and is not a run"),
        (["check", artifact, "-o", "r"], "golden samples and test vectors are not kept as a run"),
        (["check", artifact, "--trace", "t.npz", "-o", "r"], "a recording made elsewhere is not kept as a run"),
    ):
        ran = call(args)
        assert ran.code == 2 and found in " ".join(ran.err.split()) and not ran.out, ran.err


def test_report_of_a_kept_run(compiled: dict[str, Path], tmp_path: Path) -> None:
    """The recurrent network, in each format; what the report says is what the run counted."""
    folder = tmp_path / "run"
    args = ["run", str(compiled["digits-recurrent"]), "--data", "digits-rows", "--limit", "30", "-o", str(folder)]
    assert call([*args, "-q"]).code == 0
    ran = call(["report", str(folder)])
    assert ran.code == 0 and ran.out.strip() == f"report: {tmp_path / 'run.html'}", ran.err
    first = (tmp_path / "run.html").read_bytes()
    assert call(["report", str(folder), "-q"]).code == 0 and (tmp_path / "run.html").read_bytes() == first
    for suffix in ("md", "json", "csv"):
        assert call(["report", str(folder), "-o", str(tmp_path / f"r.{suffix}"), "-q"]).code == 0
    tree, kept = read(tmp_path / "r.json"), load_run(folder)
    assert {q["name"]: q["synops_per_sample"] * 30 for q in tree["projections"]} == pytest.approx(
        kept.counts.synop_totals
    )
    assert tree["rungs"][-1]["accuracy"] == kept.accuracy
    ran = call(["report", str(compiled["digits-conv"])])
    assert ran.code == 2 and "is no run: it has no run.json" in " ".join(ran.err.split())
