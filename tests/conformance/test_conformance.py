"""The conformance table: norse's rows, and that the document says what the tests show."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from tests.conformance import norse_cases
from tests.conformance.case import installed, sampled
from tests.conformance.measure import LIVELY, Outcome, measure
from tests.conformance.report import COLUMNS, FRAMEWORKS, PATH, key, main, row, section

NORSE = {case.id: case for case in norse_cases.cases()}
KEYS = len(key(norse_cases.cases()[0]))


@pytest.mark.skipif(not installed("norse"), reason="norse is not installed")
@pytest.mark.parametrize("name", sampled(NORSE, 3))
def test_every_norse_neuron(name):
    outcome = measure(NORSE[name])
    assert (outcome.refused, outcome.compared) == ("", 16000)
    assert (outcome.differing, outcome.ties) == (0, 0)
    assert LIVELY[0] < outcome.rate < LIVELY[1]
    assert (outcome.on_threshold > 300) == NORSE[name].grid


def cells(line: str) -> list[str]:
    return [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]


def document() -> dict[str, list[list[str]]]:
    """Framework -> rows of docs/conformance.md."""
    tables: dict[str, list[list[str]]] = {}
    for line in PATH.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            tables[line.split()[1]] = rows = []
        elif is_row(line):
            rows.append(cells(line))
    return tables


def is_row(line: str) -> bool:
    return line.startswith("| ") and not line.startswith(("| ---", "| neuron |"))


def test_the_document_has_a_row_for_every_case():
    tables = document()
    assert {k: [tuple(r[:KEYS]) for r in rows] for k, rows in tables.items()} == {
        framework: [key(case) for case in cases()] for framework, cases in FRAMEWORKS.items()
    }
    assert sum(map(len, tables.values())) >= 40


def test_every_row_agrees_or_is_refused_as_expected():
    for framework, rows in document().items():
        for case, cells_ in zip(FRAMEWORKS[framework](), rows, strict=True):
            assert len(cells_) == len(COLUMNS)
            if case.refused:
                assert cells_[KEYS].startswith("refused: ") and case.refused in cells_[KEYS]
            else:
                assert cells_[KEYS : KEYS + 2] == ["16,000", "0"]


def test_no_two_rows_have_one_name():
    for cases in FRAMEWORKS.values():
        assert len({case.id for case in cases()}) == len({key(case) for case in cases()}) == len(cases())


def test_a_difference_would_be_written():
    line = row(next(iter(NORSE.values())), Outcome(16000, 3, 0, 0, 0.2, program="does not fit"))
    assert cells(line)[KEYS : KEYS + 2] == ["16,000", "3"]
    assert "refused: does not fit" in line


def test_a_framework_that_is_none(capsys):
    assert main(["--framework", "brian"]) == 2
    assert "brian: is no framework of the table; one of norse" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_document_is_what_the_command_writes(framework):
    if not installed(framework):
        pytest.skip(f"{framework} is not installed")
    fresh = [cells(line) for line in section(framework) if is_row(line)]
    verdicts = [r[: KEYS + 3] for r in document()[framework]]
    assert [r[: KEYS + 3] for r in fresh] == verdicts
