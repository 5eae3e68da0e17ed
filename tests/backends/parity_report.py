"""Run the parity tests, default and nightly, and write docs/parity.md from what they report.

    python -m tests.backends.parity_report [PYTEST_ARGUMENT ...]

Exit code 1 when a test fails, an entry differs or a row is missing; the page is written in any case.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "parity.md"
TESTS = "tests/backends/test_lava_parity.py"
VARIABLE = "SEAMOUNT_PARITY"

HEAD = """# Parity with Lava

Written by `python -m tests.backends.parity_report`; do not edit. A row is a construct of an integer program. Its tests
are `test_rows` and, nightly, `test_row_at_length` in `tests/backends/test_lava_parity.py`; what its programs have in
common is in `tests/backends/parity_rows.py`. hypothesis draws the programs, the same ones in every run. Each of them
runs in Lava ({lava}) and in the reference simulator; compared are spikes, u and v of every population at every step,
and all readouts, entry by entry. {total}

| construct | default: programs | entries | differing | nightly: programs | entries | differing |
| --- | --- | --- | --- | --- | --- | --- |
"""


def page(lines: list[dict[str, Any]]) -> str:
    """The page of the reported lines; an empty cell where a run did not report."""
    runs = sorted({line["run"] for line in lines})
    found = {(line["row"], line["run"]): line for line in lines}
    text = []
    for name in dict.fromkeys(line["row"] for line in ordered(lines)):
        cells = [
            f"{found[name, run][key]:,}" if (name, run) in found else ""
            for run in runs
            for key in ("programs", "compared", "differing")
        ]
        text.append(f"| {name} | " + " | ".join(cells) + " |")
    differing, compared = (sum(line[key] for line in lines) for key in ("differing", "compared"))
    programs = sum(line["programs"] for line in lines)
    total = f"In all {differing:,} of {compared:,} entries of {programs:,} programs differ."
    head = HEAD.format(lava="lava-nc 0.10.0", total=total)
    return head + "\n".join(text) + f"\n\nDrawn with hypothesis {version('hypothesis')}.\n"


def ordered(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines in the order of the rows; parallel tests report in any."""
    from tests.backends.parity_rows import ROWS

    place = {name: i for i, name in enumerate(ROWS)}
    return sorted(lines, key=lambda line: place[line["row"]])


def rows_of_page(text: str) -> dict[str, list[str]]:
    """Construct -> cells."""
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in rows[2:]}


def main() -> int:
    from tests.backends.parity_rows import ROWS

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lines"
        command = [sys.executable, "-m", "pytest", "-m", "lava", TESTS, *sys.argv[1:]]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, VARIABLE: str(file)})
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    PAGE.write_text(page(lines), encoding="utf-8")
    whole = {(line["row"], line["run"]) for line in lines} >= {(row, run) for row in ROWS for run in (5, 50)}
    return int(done.returncode != 0 or not whole or any(line["differing"] for line in lines))


if __name__ == "__main__":
    sys.exit(main())
