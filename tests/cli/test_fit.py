"""seamount fit: what it prints and writes, and how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.compiler.artifact import save_artifact
from seamount.compiler.program.program import Program
from tests.cli.running import call, plain
from tests.placement.networks import artifact, dense_chain, layered, six_violations
from tests.program_samples import small_program

Save = Callable[..., str]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a program as an artifact; returns its folder."""

    def write(program: Program, name: str = "artifact", target: str = "loihi2") -> str:
        save_artifact(artifact(program, target), tmp_path / name)
        return str(tmp_path / name)

    return write


def test_what_fits(save: Save, golden: Any) -> None:
    program = small_program()
    loop = replace(program.populations[1], bias_exp=0)
    program = replace(program, populations=(program.populations[0], loop, program.populations[2]))
    ran = call(["fit", save(program), "--neurons-per-core", "16"])
    assert ran.code == 0, ran.err
    golden(plain(ran.out) + "\n", "cli/fit.txt")


def test_six_violations_are_found_at_once(save: Save, golden: Any, tmp_path: Path) -> None:
    file = tmp_path / "fit.json"
    ran = call(["fit", save(six_violations()), "--chip", "loihi1", "--json", str(file), "-q"])
    assert ran.code == 1
    assert plain(ran.err).rstrip().endswith("6 problems")
    golden(plain(ran.err) + "\n", "cli/fit_six_violations.txt")
    answer = json.loads(file.read_text())
    assert not answer["fits"]
    assert [(e["path"], e["over"]) for e in answer["exceeded"]] == [
        ("messages.graded_payload_bits", 8),
        ("features.reset_subtract", 1),
        ("registers.bias_exponent", 2),
        ("synapse.weight_exponent", 1),
        ("core.axons_in", 904),
        ("chip.cores", 73),
    ]
    assert all(e["remedies"] for e in answer["exceeded"])


def test_the_last_remedy_holds(save: Save) -> None:
    """What is offered as a remedy works: one violation is left on Loihi 2, and the cores suffice on Nahuku."""
    folder = save(six_violations())
    ran = call(["fit", folder, "--chip", "loihi2", "-q"])
    assert ran.code == 1 and ran.err.count("error") == 1
    assert "the same bias of 'fine' with exponent 0 (1 core on 1 chip)" in plain(ran.err)
    ran = call(["fit", folder, "--chip", "loihi1", "--system", "nahuku", "-q"])
    assert ran.code == 1 and "chip.cores" not in ran.err and ran.err.rstrip().endswith("5 problems")


def test_a_larger_system_is_tried(save: Save) -> None:
    folder = save(layered(32, 200, 1))
    alone = call(["fit", folder, "-q"])
    assert alone.code == 1 and "--system kapoho-point (" in plain(alone.err)
    assert call(["fit", folder, "-q", "--system", "kapoho-point"]).code == 0


def test_the_placement_is_written_and_always_the_same(save: Save, tmp_path: Path) -> None:
    folder = save(layered(8, 24, 2))
    for name in ("a.json", "b.json"):
        assert call(["fit", folder, "-o", str(tmp_path / name), "-q", "--neurons-per-core", "500"]).code == 0
    text = (tmp_path / "a.json").read_text()
    assert text == (tmp_path / "b.json").read_text()
    placement = json.loads(text)
    assert placement["format"] == "seamount-placement" and placement["system"] == "one loihi2"
    neurons = sum(b - a for s in placement["slices"] for a, b in s["neurons"])
    assert neurons == 2 * 8 * 24 * 24 == sum(load["neurons"] for load in placement["loads"])


def test_json(save: Save, tmp_path: Path) -> None:
    file = tmp_path / "fit.json"
    assert call(["fit", save(dense_chain(10, 64, 64)), "--json", str(file), "--neurons-per-core", "16", "-q"]).code == 0
    answer = json.loads(file.read_text())
    assert (answer["fits"], answer["checked"], answer["cores"], answer["chips"]) == (True, True, 8, 1)
    assert [p["slices"] for p in answer["populations"]] == [4, 4]
    assert answer["populations"][1]["projections"][0]["encodings"] == {"dense": 4}
    assert answer["placement"]["lower_bound"] <= answer["placement"]["spike_hops"]
    assert "core.axons_in" in answer["unchecked"]


def test_large_networks_are_checked_only_on_demand(save: Save, tmp_path: Path) -> None:
    folder = save(layered(4, 12, 1))
    file = tmp_path / "fit.json"
    assert call(["fit", folder, "--no-verify", "-q", "--json", str(file)]).code == 0
    assert json.loads(file.read_text())["checked"] is False
    assert call(["fit", folder, "--verify", "-q", "--json", str(file)]).code == 0
    assert json.loads(file.read_text())["checked"] is True


def test_spikes_of_a_run_weigh_the_traffic(save: Save, tmp_path: Path) -> None:
    from seamount.compiler.artifact import load_artifact
    from seamount.compiler.execution import EventCounts
    from seamount.compiler.kept_run import Run
    from seamount.workflows import fit as fit_command

    folder = save(dense_chain(10, 64, 64))
    sent = {"layer0": np.arange(64), "layer1": np.zeros(64, np.int64)}
    made = Run.__new__(Run)
    object.__setattr__(made, "counts", EventCounts(1, 4, {}, {}, sent, {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_command, "load_run", lambda path: made)
        file = tmp_path / "fit.json"
        assert call(["fit", folder, "--run", "run", "--neurons-per-core", "16", "--json", str(file), "-q"]).code == 0
    answer = json.loads(file.read_text())["placement"]
    assert answer["measured"] and answer["projections"]["layer0->layer1"]["messages"] == 4 * 64 * 63 // 2
    assert load_artifact(folder).program.populations[0].size == 64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--chip", "loihi9"], "target 'loihi9': does not exist"),
        (["--system", "moon"], "system 'moon': does not exist"),
        (["--system", "nahuku"], "system 'nahuku': is made of loihi1, the target is loihi2"),
        (["--run", "nowhere"], "is no run: it has no run.json"),
        (["--neurons-per-core", "0"], "Invalid value for '--neurons-per-core'"),
        (["-o", "/dev/null/placement.json"], "cannot be written"),
    ],
)
def test_what_cannot_be_used(save: Save, options: list[str], message: str) -> None:
    ran = call(["fit", save(dense_chain(3, 4)), *options])
    assert ran.code == 2
    assert message in re.sub(r"[\s│]+", " ", plain(ran.err))
