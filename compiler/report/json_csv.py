"""A report as JSON and as CSV, straight from its values; needs no template and no extra."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict

from seamount.compiler.report.contents import Report
from seamount.compiler.report.cost_tables import cost_tables
from seamount.compiler.report.tables import Cell, main_tables
from seamount.compiler.version import __version__

FORMAT, VERSION = "seamount-report", 1


def as_json(report: Report) -> str:
    """Every value, unrounded, under the names of compiler/report/contents.py."""
    tree = {"format": FORMAT, "version": VERSION, "seamount": __version__, **asdict(report)}
    if not tree["tuned"]:
        del tree["tuned"]
    for rung in tree["rungs"]:  # only other tasks than classes have them
        for name in ("measures", "likeness"):
            if rung[name] is None:
                del rung[name]
    return json.dumps(tree, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def as_csv(report: Report) -> str:
    """One value per line: table, row (its first cell), column, value unrounded. A tidy table for any program."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("table", "row", "column", "value"))
    for t in (*main_tables(report), *cost_tables(report.energy, report.mapping)):
        for row in t.rows:
            for column, cell in list(zip(t.columns, row, strict=True))[1:]:
                if cell.raw:
                    writer.writerow((t.key, _harmless(row[0].text), _harmless(column.name), _raw(cell)))
    return file.getvalue()


def _raw(cell: Cell) -> str:
    return cell.raw if cell.value is not None else _harmless(cell.text)


def _harmless(text: str) -> str:
    """Names come from model files, and a spreadsheet runs a cell that begins like a formula: quoted, it does not."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
