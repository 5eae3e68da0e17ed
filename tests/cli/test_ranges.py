"""seamount ranges: the verdict on every shipped network, and what the command says and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.backends.cpu import units
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.artifact import Vectors, load_artifact, save_artifact
from seamount.compiler.errors import InputError
from seamount.compiler.program.bounds import current_bounds, sum_bound
from seamount.compiler.program.program import U_SPAN, V_MAX, Dense, Program, Projection
from seamount.compiler.ranges.intervals import Interval, Sent, partial_sums
from seamount.compiler.ranges.proof import FLOAT32_EXACT, analyse, exact_in_float32
from seamount.models.data.datasets import load
from seamount.models.reference.card import WEIGHTS
from tests.cli import ranges_report
from tests.cli.running import call, plain
from tests.test_artifact import small_artifact

pytest.importorskip("torch", reason="reading model.pt needs torch: pip install 'seamount[torch]'")

SHIPPED = ("digits-conv", "digits-dense", "digits-recurrent", "digits-residual", "fashion-mnist-conv")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("artifacts")
    for name in SHIPPED:
        assert call(["compile", str(WEIGHTS / f"{name}.pt"), "-o", str(folder / name)]).code == 0
    return {name: folder / name for name in SHIPPED}


@pytest.fixture(scope="module")
def fashion(compiled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The answer with a witness, as text and as JSON."""
    file = tmp_path_factory.mktemp("json") / "ranges.json"
    ran = call(["ranges", str(compiled["fashion-mnist-conv"]), "--witness", "--json", str(file)])
    assert ran.code == 0, ran.err
    return {"text": plain(ran.out), **json.loads(file.read_text())}


def verdicts(name: str, tree: dict[str, Any]) -> str:
    """Verdicts and remedies without the numbers, which move with every change of the scales."""
    lines = [f"{name}: {'proven' if tree['proven'] else 'not proven'}"]
    for population, p in tree["populations"].items():
        registers = ", ".join(f"{r} {p['registers'][r]['verdict']}" for r in "auv")
        kinds = ", ".join(r["kind"] for r in p["remedies"])
        lines.append(f"  {population}: {registers}" + (f"; remedies: {kinds}" if kinds else ""))
    exact = [q for q, is_exact in tree["exact_in_float32"].items() if is_exact]
    return "\n".join([*lines, f"  exact in float32: {', '.join(exact)}"]) + "\n"


def test_verdicts_on_the_shipped_networks(compiled: dict[str, Path], golden: Any, tmp_path: Path) -> None:
    texts = []
    for name in SHIPPED:
        ran = call(["ranges", str(compiled[name]), "--json", str(tmp_path / "ranges.json")])
        assert ran.code == 0, ran.err
        tree = json.loads((tmp_path / "ranges.json").read_text())
        assert plain(ran.out).rstrip().endswith(("register can overflow", "not proven: 1 register"))
        texts.append(verdicts(name, tree))
    golden("".join(texts), "cli/ranges.txt")


def test_the_page_has_these_verdicts(compiled: dict[str, Path], fashion: dict[str, Any], tmp_path: Path) -> None:
    """docs/ranges.md is up to date for these networks; `python -m tests.cli.ranges_report` writes it anew."""
    found, file = ranges_report.shown("verdicts"), tmp_path / "ranges.json"
    for name in SHIPPED:
        if name == "fashion-mnist-conv":
            tree = fashion
        else:
            assert call(["ranges", str(compiled[name]), "-q", "--json", str(file)]).code == 0
            tree = json.loads(file.read_text())
        assert set(ranges_report.rows(name, load_artifact(compiled[name]).steps, tree)) <= set(found), name


@pytest.mark.slow
def test_the_page_has_the_verdicts_of_all_shipped_networks() -> None:
    assert ranges_report.shown("verdicts") == ranges_report.proved(ranges_report.NAMES)


@pytest.mark.slow
def test_the_page_has_the_costs() -> None:
    """Of the smallest network; all five take minutes."""
    try:
        load("braille-7", limit=1)
    except InputError as missing:
        pytest.skip(str(missing))
    pytest.importorskip("numba", reason="needs pip install 'seamount[fast]'")
    assert ranges_report.cost("braille-7-recurrent") in ranges_report.shown("costs")


def test_the_proof_would_choose_the_same_kernels(compiled: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/engine.md: int16 sums, 64-bit neurons and exact float32 follow from the bounds of the weights alone."""
    for path in compiled.values():
        program = load_artifact(path).program
        found = analyse(program)
        by_bounds = {p.name: units.units(program, program.into(p.name)).narrow for p in program.populations}
        exact = {q.name: sum_bound(program, q).magnitude <= FLOAT32_EXACT for q in program.projections}
        wraps = {name: bool((before > U_SPAN // 2).any()) for name, (before, _) in current_bounds(program).items()}
        with monkeypatch.context() as patch:
            patch.setattr(units, "sum_bound", partial(sums_by_proof, found.sent))
            by_proof = {p.name: units.units(program, program.into(p.name)).narrow for p in program.populations}
        assert by_bounds == by_proof and exact == exact_in_float32(program, found)
        assert wraps == {name: bool(p.reach.wraps().any()) for name, p in found.populations.items()}


def sums_by_proof(sent: Sent, program: Program, q: Projection) -> Interval:
    return partial_sums(program, q, sent[q.source])


def test_several_artifacts_in_one_table(
    compiled: dict[str, Path], golden: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(compiled["digits-conv"].parent)
    two = ["digits-conv", "fashion-mnist-conv"]
    ran = call(["ranges", *two, "--json", str(tmp_path / "ranges.json")])
    assert ran.code == 0
    golden(plain(ran.out), "cli/ranges_several.txt")
    trees = json.loads((tmp_path / "ranges.json").read_text())["artifacts"]
    assert {name: tree["proven"] for name, tree in trees.items()} == {two[0]: True, two[1]: False}
    ran = call(["ranges", *two, "--require-proven", "-q"])
    assert ran.code == 1 and "fashion-mnist-conv: population '2': v may overflow" in plain(ran.err)


def test_all_artifacts_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    ran = call(["ranges", str(tmp_path / "one"), str(tmp_path / "two")])
    assert ran.code == 2 and "2 problems" in plain(ran.err)


def test_the_witness_overflows_when_its_messages_are_run(fashion: dict[str, Any], compiled: dict[str, Path]) -> None:
    """Fashion-MNIST at 8 bits: the first layer can be driven below what v holds, and one step earlier not yet."""
    (witness,) = fashion["witnesses"]
    assert (witness["population"], witness["register"]) == ("2", "v")
    assert fashion["populations"]["2"]["registers"]["v"]["verdict"] == "witnessed"
    assert f"reaches {witness['value']} in step {witness['step']}" in fashion["text"]
    program = load_artifact(compiled["fashion-mnist-conv"]).program
    messages = {name: np.array(x, np.int32) for name, x in witness["messages"].items()}
    v = ReferenceSimulator().run(program, messages, frozenset({"v"})).v["2"]
    series = v.reshape(-1, program.population("2").size)[:, witness["neuron"]]
    assert witness["value"] < -V_MAX and series[witness["step"]] == -V_MAX and series[witness["step"] - 1] > -V_MAX


def test_json_agrees_with_the_analysis(fashion: dict[str, Any], compiled: dict[str, Path]) -> None:
    found = analyse(load_artifact(compiled["fashion-mnist-conv"]).program)
    assert fashion["proven"] is False is found.proven and fashion["steps"] is None
    for name, p in found.populations.items():
        there = fashion["populations"][name]
        assert there["neurons"] == p.fires.size and there["can_fire"] == int(p.fires.sum())
        for register in "auv":
            assert tuple(there["registers"][register]["needed"]) == p.demand(register).ends
    assert {r["kind"] for r in fashion["populations"]["2"]["remedies"]} == {"scale", "decay", "steps"}
    assert all(fashion["exact_in_float32"].values())


def test_require_proven(compiled: dict[str, Path]) -> None:
    assert call(["ranges", str(compiled["digits-conv"]), "--require-proven", "--quiet"]).out == ""
    ran = call(["ranges", str(compiled["fashion-mnist-conv"]), "--require-proven", "--quiet"])
    assert (ran.code, ran.out) == (1, "")
    said = plain(ran.err)
    assert "error population '2': v may overflow" in said and "remedy: scale it down by 2^1" in said
    short = ["ranges", str(compiled["fashion-mnist-conv"]), "--require-proven", "--steps", "1"]
    ran = call(short)
    assert ran.code == 0 and "samples of at most 1 step\n" in plain(ran.out)


def test_compiled_with_prove(tmp_path: Path) -> None:
    """The network that is not proven as it is, is under the scales that --prove chooses."""
    ran = call(["compile", str(WEIGHTS / "fashion-mnist-conv.pt"), "--prove", "-o", str(tmp_path / "net")])
    assert ran.code == 0 and "note: 2: scale lowered from " in plain(ran.out)
    assert "note: proven: no inputs overflow a register in samples of at most 4 steps" in plain(ran.out)
    assert call(["ranges", str(tmp_path / "net"), "--require-proven", "--steps", "4", "-q"]).code == 0


def test_no_artifact(tmp_path: Path) -> None:
    ran = call(["ranges", str(tmp_path / "none")])
    assert ran.code == 2 and "remedy" in plain(ran.err)


# a network that overflows whatever arrives


@pytest.fixture
def driven(tmp_path: Path) -> Path:
    """Readout 0 saturates on its bias alone, readout 1 only with the help of spikes."""
    made = small_artifact()
    hidden, reader = made.program.populations
    loud = replace(reader, bias_mant=np.array([4095, 0], np.int32), bias_exp=7)
    first, second = made.program.projections
    second = replace(second, weight_exp=7, connection=Dense(np.array([[0, 0], [254, 254]], np.int32)))
    program = replace(made.program, populations=(hidden, loud), projections=(first, second), steps=20)
    save_artifact(replace(made, program=program, vectors=Vectors({}, {}, {})), tmp_path / "driven")
    return tmp_path / "driven"


def test_certain_overflow_in_words_and_json(driven: Path, golden: Any, tmp_path: Path) -> None:
    ran = call(["ranges", str(driven), "--json", str(tmp_path / "ranges.json")])
    assert ran.code == 0, ran.err
    golden(plain(ran.out), "cli/ranges_certain.txt")
    v = json.loads((tmp_path / "ranges.json").read_text())["populations"]["reader"]["registers"]["v"]
    assert (v["verdict"], v["certain"], v["neurons"]) == ("certain", [{"neuron": 0, "step": 16}], 2)


def test_certain_is_refused_by_require_proven(driven: Path) -> None:
    ran = call(["ranges", str(driven), "--require-proven", "--quiet"])
    assert ran.code == 1 and "v overflows in every sample: it would have to hold" in plain(ran.err)
    ran = call(["ranges", str(driven), "--require-proven", "--quiet", "--steps", "16"])
    assert ran.code == 1 and "v may overflow" in plain(ran.err)


def test_a_certain_overflow_is_witnessed_as_well(driven: Path, tmp_path: Path) -> None:
    ran = call(["ranges", str(driven), "--witness", "--json", str(tmp_path / "ranges.json")])
    tree = json.loads((tmp_path / "ranges.json").read_text())
    assert tree["populations"]["reader"]["registers"]["v"]["verdict"] == "certain"
    (witness,) = tree["witnesses"]
    assert (witness["neuron"], witness["step"]) == (0, 16) and "witnessed: neuron [0]" in plain(ran.out)
