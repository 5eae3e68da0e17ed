"""seamount energy and costs: what they say, what they write, what they refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from seamount.backends.registry import list_costs
from seamount.models.reference.card import WEIGHTS
from tests.cli.running import Ran, call, plain

pytest.importorskip("torch", reason="reading model.pt needs torch: pip install 'seamount[torch]'")
pytest.importorskip("sklearn", reason="the digits need scikit-learn: pip install 'seamount[data]'")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits-conv compiled to `artifact`, its run in `run`; what `seamount run` printed in `said`."""
    folder = tmp_path_factory.mktemp("energy")
    assert call(["compile", str(WEIGHTS / "digits-conv.pt"), "-o", str(folder / "artifact")]).code == 0
    ran = call(["run", str(folder / "artifact"), "--data", "digits", "-o", str(folder / "run")])
    assert ran.code == 0, ran.err
    (folder / "said").write_text(plain(ran.out))
    return folder


def asked(place: Path, *more: str) -> tuple[str, dict[str, Any]]:
    file = place / "energy.json"
    ran = call(["energy", str(place / "run"), *more, "--json", str(file)])
    assert ran.code == 0, ran.err
    return plain(ran.out), json.loads(file.read_text())


def refused(ran: Ran) -> str:
    assert ran.code == 2 and not ran.out
    return plain(ran.err)


def test_a_run_ends_with_its_energy_in_two_lines(place: Path) -> None:
    said = (place / "said").read_text()
    assert re.search(r"energy per inference on loihi2, modelled by loihi2-pilotnet: [\d.]+ .. [\d.]+ [nµ]J", said)
    assert "in 45nm-memory: SNN " in said and "bit-matched ANN " in said
    assert "cannot tell, the intervals overlap" in said


def test_and_as_json(place: Path) -> None:
    file = place / "brief.json"
    call(["run", str(place / "artifact"), "--data", "digits", "--json", str(file), "-q"])
    found = json.loads(file.read_text())["energy"]
    assert found["chip"] == "loihi2" and not found["on_chip_pj"]["unknown"]
    assert found["on_chip_by"] == "loihi2-pilotnet"
    ratio = found["on_chip_pj"]["high"] / found["on_chip_pj"]["low"]
    assert ratio == pytest.approx(31.5 / 14.6), "synaptic operations alone are priced"
    assert found["compared_in"] == "45nm-memory" and found["verdict"] == "cannot tell"
    _, tree = asked(place)
    assert found["snn_pj"] == tree["sets"][1]["dynamic_pj"]
    assert found["ann_bit-matched_pj"] == tree["sets"][1]["ann"]["bit-matched"]["energy_pj"]


def test_without_a_set_the_chip_and_45_nm_with_memory(place: Path) -> None:
    text, tree = asked(place)
    assert [one["set"] for one in tree["sets"]] == ["loihi2-pilotnet", "45nm-memory"]
    assert tree["chip"] == "loihi2"
    loihi, memory = tree["sets"]
    assert 0 < loihi["dynamic_pj"]["low"] < loihi["dynamic_pj"]["high"]
    assert "Modelled from one measured workload" in text
    assert 0 < memory["dynamic_pj"]["low"] < memory["dynamic_pj"]["high"]
    assert memory["ann"]["bit-matched"]["verdict"] in ("SNN cheaper", "ANN cheaper", "cannot tell")
    assert memory["dynamic_pj"]["low"] == pytest.approx(sum(line["energy_pj"]["low"] for line in memory["lines"]))
    for end in ("low", "high"):
        assert memory["dynamic_pj"][end] == pytest.approx(sum(p[end] for p in memory["places_pj"].values()))
        parts = memory["fixed_pj"][end] + memory["growing_pj"][end]
        assert memory["dynamic_pj"][end] == pytest.approx(parts)


def test_every_number_has_a_source(place: Path) -> None:
    _, tree = asked(place, *(part for name in list_costs() for part in ("--set", name)))
    assert [one["set"] for one in tree["sets"]] == list(list_costs())
    for one in tree["sets"]:
        lines = [*one["lines"], *(line for ann in one["ann"].values() for line in ann["lines"])]
        for line in lines:
            assert line["cost"]["low_source"] and line["cost"]["high_source"]
            assert line["basis"] or line["missing"]
        if one["static"] is not None:
            assert one["static"]["cost"]["low_source"]


def test_loihi_1_is_applied_only_by_name_and_says_so(place: Path) -> None:
    text, tree = asked(place, "--set", "loihi1")
    one = tree["sets"][0]
    assert "note: constants of loihi1 applied to a network compiled for loihi2; they were not measured there" in text
    assert "note: placed on 1 core of one loihi2" in text
    assert one["dynamic_pj"]["missing"] == [] and one["dynamic_pj"]["high"] is not None
    assert one["time"]["busiest_core"] is not None
    assert one["energy_delay_pj_ns"]["low"] > 0
    assert "source davies2018: M. Davies et al." in text
    counts = {(line["event"], line["where"]): line["count"] for line in one["lines"]}
    assert counts["synaptic operation", "conv2"][0] == counts["synaptic operation", "conv2"][1]


def test_lines_of_the_ann_on_request(place: Path) -> None:
    text, _ = asked(place, "--set", "45nm", "--ann", "int8")
    assert "the int8 ANN, 1 pass" in text and "beside the int8 ANN" in text
    assert "same cost at a spike rate of" in text


def test_an_artifact_runs_first(place: Path) -> None:
    artifact = str(place / "artifact")
    ran = call(["energy", artifact, "--data", "digits", "--limit", "20", "--set", "45nm-fp32", "-q"])
    assert ran.code == 0 and ran.out == ""
    text = refused(call(["energy", artifact]))
    assert (
        "is an artifact, which has not run" in text and "give --data, or a folder that 'seamount run -o' wrote" in text
    )


def test_several_runs_side_by_side(place: Path) -> None:
    short = str(place / "short")
    assert call(["run", str(place / "artifact"), "--data", "digits", "--steps", "2", "-o", short, "-q"]).code == 0
    file = place / "several.json"
    ran = call(["energy", str(place / "run"), short, "--set", "loihi1", "--set", "45nm", "--json", str(file)])
    text = plain(ran.out)
    assert ran.code == 0 and "energy and time per inference" in text
    assert [line.split()[:2] for line in text.splitlines()[2:6]] == [
        ["run", "loihi1"], ["run", "45nm"], ["short", "loihi1"], ["short", "45nm"],
    ]  # fmt: skip
    runs = json.loads(file.read_text())["runs"]
    energies = [one["sets"][0]["dynamic_pj"]["low"] for one in runs]
    assert energies[0] > 1.5 * energies[1], "four steps against two"


def test_the_same_counts_by_either_way(place: Path) -> None:
    file = place / "direct.json"
    call(["energy", str(place / "artifact"), "--data", "digits", "--set", "45nm", "--json", str(file), "-q"])
    assert json.loads(file.read_text())["sets"] == asked(place, "--set", "45nm")[1]["sets"]


def test_refusals(place: Path, tmp_path: Path) -> None:
    run = str(place / "run")
    assert "cost 'joule': does not exist" in refused(call(["energy", run, "--set", "joule"]))
    assert "one of 45nm, 45nm-fp32, 45nm-memory" in refused(call(["energy", run, "--set", "joule"]))
    assert "--ann float16: is no format" in refused(call(["energy", run, "--ann", "float16"]))
    assert "is a run and has its counts already" in refused(call(["energy", run, "--data", "digits"]))
    assert "system 'rack': does not exist" in refused(call(["energy", run, "--system", "rack"]))
    assert "does not exist" in refused(call(["energy", str(tmp_path / "none")]))
    (tmp_path / "mine.toml").write_text('name = "mine"\n')
    assert "model (events or operations)" in refused(call(["energy", run, "--set", str(tmp_path / "mine.toml")]))


def test_a_network_too_large_for_one_chip_is_priced_without_a_placement(place: Path) -> None:
    from dataclasses import replace

    import msgspec

    from seamount.compiler.kept_run import load_run
    from seamount.compiler.manifest import Manifest, TargetName
    from seamount.workflows.price import placed

    run = load_run(place / "run")

    def compiled_for(chip: str) -> Manifest:
        return msgspec.structs.replace(run.artifact.manifest, target=TargetName(chip, chip, ""))

    placement, remark = placed(replace(run.artifact, manifest=compiled_for("loihi1")), run.counts, None)
    assert placement is None and remark.startswith("not placed, it does not fit one chip of loihi1: input 'input'")
    placement, remark = placed(replace(run.artifact, manifest=compiled_for("mine")), run.counts, None)
    assert placement is None and remark == "not placed: no shipped target is named mine"


def test_costs_lists_sets_and_shows_one() -> None:
    text = plain(call(["costs"]).out)
    assert all(name in text for name in list_costs())
    text = plain(call(["costs", "loihi1"]).out)
    assert "energy.synapse_dense" in text and "23.6 .. 35.5 pJ" in text
    assert "davies2018: M. Davies et al." in text
    assert "cost 'x': does not exist" in refused(call(["costs", "x"]))


def test_json_of_the_same_run_has_the_same_bytes(place: Path) -> None:
    texts = []
    for k in range(2):
        file = place / f"{k}.json"
        call(["energy", str(place / "run"), "--set", "loihi1", "--json", str(file), "-q"])
        texts.append(file.read_bytes())
    assert texts[0] == texts[1]
