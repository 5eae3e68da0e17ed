"""Models that would lose something: each is refused, and its message is a golden text."""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from seamount.compiler.errors import Problem, SeamountError
from tests.conftest import GOLDEN
from tests.frontends.refused_models import CASES

FOLDER = "frontends/refused"


def message(error: SeamountError, folder: object) -> str:
    """The problems, without line numbers and temporary folders."""
    text = "\n".join(map(str, error.problems)).replace(f"{folder}/", "")
    return re.sub(r"(\w+\.py):\d+", r"\1", text) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_every_lossy_model_is_refused(name, golden, tmp_path):
    package, attempt = CASES[name]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    with pytest.raises(SeamountError) as refused, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attempt(tmp_path)
    assert refused.value.exit_code in (1, 2)
    for problem in refused.value.problems:
        assert isinstance(problem, Problem) and problem.where and problem.found and problem.remedy
    assert not (tmp_path / "model.pt").exists() or name == "analog_residual_stream"
    golden(message(refused.value, tmp_path), f"{FOLDER}/{name}.txt")


def test_the_table_has_thirty_different_causes():
    causes = {}
    for name in CASES:
        text = (GOLDEN / FOLDER / f"{name}.txt").read_text(encoding="utf-8")
        first = text.splitlines()[0].partition(": ")[2]
        causes[re.sub(r"'[^']*'|-?\d[\d.e-]*", "_", first)] = name
    assert len(causes) >= 30
    assert {p.stem for p in (GOLDEN / FOLDER).glob("*.txt")} == set(CASES)


def test_method_two_as_published_is_refused_with_every_cause_at_once():
    """Each by itself is a case of its own, and a stream of membranes is analog_residual_stream."""
    text = (GOLDEN / FOLDER / "groups_as_published.txt").read_text(encoding="utf-8")
    for cause in ("(LSTM)", "(GELU)", "takes a part of it", "rand_like on", "gt on", "cos on", "sin on"):
        assert cause in text, cause
    assert text.count("remedy: ") == 8
