"""seamount evaluate: its numbers are those of compile, run and energy one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seamount.compiler.codes import OutputCode
from seamount.compiler.pipelines import canonical
from seamount.models.reference.card import WEIGHTS
from seamount.workflows.data import DataSource, load_data
from seamount.workflows.evaluate import between_pj, float_answers, inexact, ratio
from seamount.workflows.load import load
from seamount.workflows.rungs import interpreted
from tests.cli.running import call, plain

pytest.importorskip("torch", reason="reading model.pt needs torch: pip install 'seamount[torch]'")
pytest.importorskip("sklearn", reason="the digits need scikit-learn: pip install 'seamount[data]'")

MODEL = WEIGHTS / "method-etc.pt"
FEW = ("--data", "digits", "--limit", "60")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    file = tmp_path_factory.mktemp("evaluate") / "found.json"
    ran = call(["evaluate", str(MODEL), *FEW, "--calibrate", "digits", "--lava", "no", "--json", str(file)])
    assert ran.code == 0, ran.err
    (tree,) = json.loads(file.read_text())["models"]
    return plain(ran.out), tree


def test_every_width_at_every_step(evaluated: tuple[str, dict[str, Any]]) -> None:
    text, tree = evaluated
    assert [(r["bits"], r["steps"]) for r in tree["integers"]] == [(b, t) for b in (8, 4) for t in (1, 2, 4)]
    assert (tree["samples"], tree["trained_steps"], tree["data"]) == (60, 4, "digits")
    for row in tree["integers"]:
        in_float = tree["float_accuracy"][str(row["steps"])]
        assert row["drop_points"] == pytest.approx(100 * (in_float - row["accuracy"]))
        assert abs(row["drop_points"]) <= 4, "two samples of 60"
        assert 1 - abs(row["drop_points"]) / 100 >= row["same_answer"] >= 0.95
    assert [(r["bits"], r["with"], r["samples"], r["differing"]) for r in tree["exact"]] == [
        (8, "reference simulator", 3, 0), (4, "reference simulator", 3, 0)
    ]  # fmt: skip
    assert "method-etc.pt on digits, 60 samples, trained at T = 4" in text
    assert "8 bits, reference simulator: exact" in text


@pytest.mark.parametrize("steps", [1, 4])
def test_the_numbers_are_those_of_run_and_energy(evaluated: Any, steps: int, tmp_path: Path) -> None:
    row = next(r for r in evaluated[1]["integers"] if (r["bits"], r["steps"]) == (4, steps))
    artifact, ran, priced = (tmp_path / name for name in ("artifact", "run.json", "energy.json"))
    compiled = ["compile", str(MODEL), "--calibrate", "digits", "--weight-bits", "4", "-o", str(artifact), "-q"]
    assert call(compiled).code == 0
    assert call(["run", str(artifact), *FEW, "--steps", str(steps), "--json", str(ran), "-q"]).code == 0
    run = json.loads(ran.read_text())
    assert (row["accuracy"], row["synops"]) == (run["accuracy"], run["synops_per_sample"])
    assert row["spikes"] == pytest.approx(sum(n for p, n in run["spikes_per_sample"].items() if p.startswith("stages")))
    words = ["energy", str(artifact), *FEW, "--steps", str(steps), "--set", "45nm-memory", "--set", "45nm-fp32"]
    assert call([*words, "--json", str(priced), "-q"]).code == 0
    for one in json.loads(priced.read_text())["sets"]:
        ours = row["energy"]["sets"][one["set"]]
        assert ours["snn_pj"] == one["dynamic_pj"]
        for form in ("int8", "float32"):
            assert ours["ann"][form]["energy_pj"] == one["ann"][form]["energy_pj"]
            assert ours["ann"][form]["snn_over_ann"] == one["ann"][form]["snn_over_ann"]


OUTPUT = OutputCode("output", 1.0, "mean")
"""Of the digits network."""


def test_one_float_run_serves_every_step() -> None:
    """What is read after two of four steps is a run of two steps."""
    source, x = load(MODEL), load_data(DataSource("digits", limit=80)).x
    together = float_answers(source, OUTPUT, x, (1, 2, 4), lambda done, total: None)
    for steps, answers in together.items():
        alone = interpreted(canonical()(source.graph), OUTPUT, source.stepped(x, steps), lambda done, total: None)
        assert answers.tolist() == alone.predictions.tolist()


def test_a_sequence_is_read_early(tmp_path: Path) -> None:
    """digits-recurrent gets a row of the image per step; read after half of them."""
    model, found, ran = str(WEIGHTS / "digits-recurrent.pt"), tmp_path / "found.json", tmp_path / "run.json"
    data = ("--data", "digits-rows", "--limit", "50")
    words = ["evaluate", model, *data, "--steps", "4", "--weight-bits", "8", "--lava", "no"]
    assert call([*words, "--json", str(found), "-q"]).code == 0
    (row,) = json.loads(found.read_text())["models"][0]["integers"]
    assert call(["compile", model, "-o", str(tmp_path / "net"), "-q"]).code == 0
    assert call(["run", str(tmp_path / "net"), *data, "--steps", "4", "--json", str(ran), "-q"]).code == 0
    run = json.loads(ran.read_text())
    assert (row["accuracy"], row["synops"]) == (run["accuracy"], run["synops_per_sample"])
    papers = row["energy"]["convention"]
    assert papers["once_pj"] == papers["every_step_pj"], "every step brings a new row"


def test_by_the_convention_the_first_layer_is_charged_once_or_at_every_step(evaluated: Any) -> None:
    """method-etc multiplies 7,744 times in its first layer and 76,608 times in all."""
    for row in evaluated[1]["integers"]:
        papers = row["energy"]["convention"]
        assert papers["ann_pj"] == pytest.approx(4.6 * 76_608)
        assert papers["every_step_pj"] - papers["once_pj"] == pytest.approx(4.6 * 7_744 * (row["steps"] - 1))


def test_a_difference_is_named() -> None:
    row = {"bits": 8, "with": "Lava", "differing": 2, "compared": 30}
    (problem,) = inexact({"file": "m.pt", "exact": [row, {**row, "differing": 0}]})
    assert str(problem).startswith("m.pt, 8 bits: Lava: 2 of 30 entries differ from the integer program")


def test_energies_as_text() -> None:
    assert between_pj({"low": 1e3, "high": 2e3, "unknown": False}) == "1 .. 2 nJ"
    assert between_pj({"low": 1e3, "high": None, "unknown": False}) == "at least 1 nJ"
    assert between_pj({"low": 0.0, "high": None, "unknown": True}) == "unknown" == ratio(None)
    assert (ratio([0.5, 2.0]), ratio([0.5, None])) == ("0.5 .. 2", "0.5 or more")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.pt", "--data", "digits"], "gone.pt: does not exist"),
        ([str(MODEL), "--data", "nothing"], "data 'nothing'"),
        ([str(MODEL), "--data", "digits-rows", "--steps", "1"], "use the data the model was trained on"),
        ([str(MODEL), "--data", "digits", "--set", "nowhere"], "nowhere"),
        ([str(MODEL), "--data", "digits", "--json", "."], ".: is a folder"),
    ],
)
def test_refusals(words: list[str], said: str) -> None:
    ran = call(["evaluate", *words, "--lava", "no", "-q"])
    assert (ran.code, ran.out) == (2, "")
    assert said in plain(ran.err)
