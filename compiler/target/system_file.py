"""Reader of system files: TOML to `System`, as strict as that of targets, with every fault of a file at once."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.compiler.target.system import System
from seamount.compiler.target.target import Quantity
from seamount.compiler.target.target_file import Kind, parse, read_quantity, texts

FIELDS: dict[str, tuple[str, Kind]] = {
    "chips": ("1", "count"),
    "cores_per_chip": ("1", "count"),
    "columns": ("1", "count"),
    "rows": ("1", "count"),
    "neurons": ("1", "count"),
    "synapses": ("1", "count"),
    "power": ("W", "number"),
}
"""Number of [system] -> unit and kind."""


class _Head(msgspec.Struct, kw_only=True):
    name: str
    title: str
    date: str
    chip: str
    sources: dict[str, str]
    notes: list[str] = []


def read_system(path: Path) -> System:
    """The system described by the file. Raises InputError with every fault found."""
    document = parse(path)
    problems: list[Problem] = []
    try:
        head = msgspec.convert(document, _Head)
    except msgspec.ValidationError as error:
        problems.append(Problem(str(path), str(error), "name, title, date, chip and [sources] are required"))
        head = _Head(name="", title="", date="", chip="", sources=texts(document.get("sources")))
    allowed = {*_Head.__struct_fields__, "system"}
    for key in sorted(document.keys() - allowed):
        problems.append(Problem(f"{path}: {key}", "is not a known field", f"known: {', '.join(sorted(allowed))}"))
    quantities, faults = _numbers(document.get("system", {}), head.sources)
    problems += [Problem(f"{path}: {where}", found, remedy) for where, found, remedy in faults]
    raise_all(InputError, problems)
    problems += [Problem(str(path), found, remedy) for found, remedy in _arrangement(quantities)]
    raise_all(InputError, problems)
    return System(
        head.name, head.title, head.chip, head.date,
        MappingProxyType(quantities), MappingProxyType(head.sources), tuple(head.notes),
    )  # fmt: skip


def _numbers(table: Any, sources: dict[str, str]) -> tuple[dict[str, Quantity], list[tuple[str, str, str]]]:
    """The quantities of [system], and (where, found, remedy) of each fault."""
    if not isinstance(table, dict):
        return {}, [("system", "is not a table", "write [system] with its numbers")]
    faults = [(f"system.{n}", "is not a known number", f"known: {', '.join(FIELDS)}") for n in table.keys() - FIELDS]
    remedy = "write { unknown = true, unit, source = why }"
    faults += [(f"system.{n}", "is missing", remedy) for n in FIELDS.keys() - table.keys()]
    quantities = {}
    for name, (unit, kind) in FIELDS.items():
        if name in table:
            quantity, wrong = read_quantity(table[name], unit, kind, sources)
            faults += [(f"system.{name}", found, remedy) for found, remedy in wrong]
            if quantity is not None:
                quantities[f"system.{name}"] = quantity
    return quantities, sorted(faults)


def _arrangement(quantities: dict[str, Quantity]) -> list[tuple[str, str]]:
    """Faults of the grid: columns times rows are the chips, and no number of them is 0."""
    names = ("system.chips", "system.columns", "system.rows")
    chips, columns, rows = (quantities[n].value for n in names)
    if not (isinstance(chips, int) and isinstance(columns, int) and isinstance(rows, int)):
        return []
    if chips < 1 or columns * rows != chips:
        return [(f"arranges {chips} chips as {columns} x {rows}", "columns times rows are the chips, at least one")]
    return []
