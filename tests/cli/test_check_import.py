"""seamount check-import: every problem and every convention of a file, before anything is compiled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.models.reference.card import WEIGHTS
from tests.cli.running import call, plain
from tests.frontends.nir_nets import affine, chain, lif, net, out, port, write

SNNTORCH = ["-a", "snntorch", "-a", "coding=spikes", "-a", "steps=4", "-a", "readout=sum"]


def made(folder: Path, graph: Any) -> str:
    (folder / "net.nir").write_bytes(write(graph))
    return str(folder / "net.nir")


def two_layers(tau: float = 1e-3) -> Any:
    return chain(port(4), affine(3, 4), lif(tau=tau, r=10.0), affine(2, 3, 1), lif((2,), tau=tau, r=10.0))


def check(arguments: list[str], folder: Path) -> tuple[int, str, str, dict[str, Any]]:
    ran = call(["check-import", *arguments, "--json", str(folder / "out.json")])
    tree = json.loads((folder / "out.json").read_text()) if (folder / "out.json").exists() else {}
    return ran.code, plain(ran.out).replace(f"{folder}/", ""), plain(ran.err).replace(f"{folder}/", ""), tree


def test_a_file_that_says_nothing(tmp_path, golden):
    code, said, asked, tree = check([made(tmp_path, two_layers())], tmp_path)
    assert code == 1 and not tree["importable"] and len(tree["problems"]) == 8
    golden(f"{said}\n{asked}", "cli/check_import_questions.txt")


def test_every_convention_names_its_source(tmp_path, golden):
    code, said, asked, tree = check([made(tmp_path, two_layers()), *SNNTORCH, "-a", "reset=zero"], tmp_path)
    assert (code, asked, tree["problems"]) == (0, "", [])
    sources = {c["key"]: c["source"] for c in tree["conventions"]}
    assert sources["dt"] == "preset snntorch" and sources["reset"] == "--assume reset=zero"
    golden(said, "cli/check_import_conventions.txt")


def test_problems_and_questions_at_once(tmp_path):
    graph = two_layers(tau=1e-5)
    graph.nodes["lif"].v_threshold[0] = -1.0
    code, _, asked, tree = check([made(tmp_path, graph), "-a", "snntorch", "-a", "steps=4"], tmp_path)
    assert code == 1
    assert "the threshold -1 is not positive" in asked
    assert "dt = 0.0001 is larger than the smallest tau = 1e-05" in asked
    assert "the file does not say what the input carries" in asked
    assert all(p["where"] and p["found"] and p["remedy"] for p in tree["problems"])


def test_what_an_assumption_does_not_touch_is_said(tmp_path):
    graph = chain(port(4), affine(3, 4))
    code, said, _, tree = check([made(tmp_path, graph), *SNNTORCH, "-a", "compare=ge"], tmp_path)
    assert code == 0 and tree["without_effect"] == ["--assume compare=ge"]
    assert "note: --assume compare=ge has no effect on this file" in said


def test_a_broken_structure_does_not_hide_the_rest(tmp_path):
    nodes = {"input": port(4), "fc": affine(3, 4), "lost": affine(3, 4), "output": out(3)}
    graph = net(nodes, [("input", "fc"), ("fc", "output")])
    code, _, asked, _ = check([made(tmp_path, graph)], tmp_path)
    assert code == 1 and "node 'lost': no path leads to it from an Input" in asked
    assert "the file does not say how the output over all steps becomes one answer" in asked


@pytest.mark.parametrize("arguments", [["missing.nir"], ["missing.pt"], ["net.nir", "-a", "brian"], ["."]])
def test_what_cannot_be_read_is_two(arguments, tmp_path):
    made(tmp_path, two_layers())
    arguments[0] = str(tmp_path / arguments[0])
    assert call(["check-import", *arguments]).code == 2


def test_a_graded_input_needs_an_encoding(tmp_path):
    words = [*SNNTORCH, "-a", "coding=graded", "-a", "low=0", "-a", "high=1"]
    code, _, asked, _ = check([made(tmp_path, two_layers()), *words], tmp_path)
    assert code == 1 and "one array or one array per step" in asked


def test_hints_name_the_likely_author(tmp_path):
    sums = [affine(3, 4), lif(tau=0.02)]
    _, said, _, tree = check([made(tmp_path, chain(port(4), *sums))], tmp_path)
    assert tree["hint"].endswith("--assume norse") and "hint: every gain is 1" in said


def test_a_model_file_is_compared_with_its_golden_trace(tmp_path):
    pytest.importorskip("torch", reason="reading model.pt needs torch")
    code, said, _, tree = check([str(WEIGHTS / "digits-residual.pt"), "--target", "loihi-sim"], tmp_path)
    assert code == 0 and tree["self_check"] == {"compared": 12288, "differing": 0, "ties": 0}
    assert "it can be imported, and compiles for loihi-sim" in said


def test_a_model_file_that_differs_from_its_trace(tmp_path):
    torch = pytest.importorskip("torch", reason="reading model.pt needs torch")
    content = torch.load(WEIGHTS / "digits-dense.pt", weights_only=True)
    key = next(k for k in content if k.startswith("golden.spikes/"))
    content[key] = content[key].clone()
    content[key][100:200] ^= 255
    torch.save(content, tmp_path / "other.pt")
    code, _, told, tree = check([str(tmp_path / "other.pt")], tmp_path)
    assert code == 1 and tree["self_check"]["differing"] > 0 and "the framework has" in told


def test_what_the_target_refuses_is_added(tmp_path):
    graph = two_layers()
    nodes = {**graph.nodes, "second": out(3)}
    stronger = net(nodes, [*graph.edges, ("lif", "second")])
    words = [*SNNTORCH, "-a", "start=leak", "-a", "v_min=-0.5", "-a", "reset=zero", "--target", "loihi1"]
    code, _, told, tree = check([made(tmp_path, stronger), *words], tmp_path)
    assert code == 1 and tree["target"] == "loihi1" and "needs lower clamp of v" in told
    assert np.all([p["remedy"] for p in tree["problems"]])
