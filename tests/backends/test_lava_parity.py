"""The parity matrix: random programs of every construct in Lava, zero differing entries in spikes, u and v.

With SEAMOUNT_PARITY=FILE each row is appended to it as a line of JSON; `python -m tests.backends.parity_report` makes
docs/parity.md of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.backends.lava_support import compare, draw
from tests.backends.parity_report import PAGE, VARIABLE, rows_of_page
from tests.backends.parity_rows import GROUPS, ROWS

DEFAULT, NIGHTLY = 5, 50
"""Programs of a row."""


def assert_rows(names: list[str], number: int) -> None:
    """Nothing differs in any row, and every row has its programs."""
    drawn = {name: draw(ROWS[name], number, name) for name in names}
    results = iter(compare([case for name in names for case in drawn[name]]))
    wrong = {}
    for name in names:
        row = [next(results) for _ in drawn[name]]
        differing, compared = sum(r[0] for r in row), sum(r[1] for r in row)
        report(row=name, run=number, programs=len(row), compared=compared, differing=differing)
        assert len(row) == number and compared > 0, f"{name}: {len(row)} programs, {compared} entries"
        if differing:
            wrong[name] = f"{differing} of {compared} entries differ, first in\n{next(r[2] for r in row if r[2])}"
    assert wrong == {}, "\n".join(f"{name}: {text}" for name, text in wrong.items())


def report(**line: object) -> None:
    if os.environ.get(VARIABLE):
        with Path(os.environ[VARIABLE]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@pytest.mark.lava
@pytest.mark.parametrize("group", GROUPS)
def test_rows(group: str) -> None:
    assert_rows(list(GROUPS[group]), DEFAULT)


@pytest.mark.lava
@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_row_at_length(row: str) -> None:
    assert_rows([row], NIGHTLY)


def test_page_has_every_row_and_nothing_differs() -> None:
    """docs/parity.md is what parity_report wrote, for the rows there are."""
    page = rows_of_page(PAGE.read_text(encoding="utf-8"))
    assert list(page) == list(ROWS)
    for name, cells in page.items():
        assert [int(c.replace(",", "")) for c in (cells[0], cells[2], cells[3], cells[5])] == [5, 0, 50, 0], name
