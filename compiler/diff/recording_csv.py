"""Recorded traces as a csv of events: sample, step, population, neuron, and what was there.

    sample,step,population,neuron,register,value
    0,3,hidden,17,,          a spike of neuron 17
    0,3,hidden,17,v,-812     its v after the step
    ,,hidden,,,              hidden was recorded, even if it never spikes

Columns may stand in any order; `register` (s, u or v; s if empty) and `value` may be left out, a spike's value is 1.
Neurons are numbers in the flattened population (C order). A population that is mentioned counts as recorded: where the
file has no spike of it, there was none. u and v are known only where the file has a line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.arrays import check_regular
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.program.program import Program

NEEDED, OPTIONAL = ("sample", "step", "population", "neuron"), ("register", "value")
MAX_PROBLEMS = 20
"""After so many faulty lines the rest of a file is not looked at."""
MAX_BYTES = 2**31
"""Largest file that is read."""

Entries = tuple[NDArray[np.int64], NDArray[np.int64]]
Line = tuple[str, str, int, int]
"""(population, register, flat place in (N, T, *shape), value)."""


@dataclass(frozen=True, eq=False)
class Events:
    """populations: those that the file mentions. entries: (population, register) -> (flat places, values)."""

    populations: tuple[str, ...]
    entries: Mapping[tuple[str, str], Entries]


def read_events(path: Path, program: Program, samples: int, steps: int) -> Events:
    """Read the events of a program. Raises InputError with the lines that cannot be meant."""
    problems: list[Problem] = []
    mentioned: dict[str, None] = {}
    found: dict[tuple[str, str], dict[int, int]] = {}
    check_regular(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(Problem(str(path), f"has {size} bytes", "give a .npz file", f"{MAX_BYTES} bytes"))
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            columns = _columns(path, next(reader, []))
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                fault = _take(cells, columns, program, (samples, steps), mentioned, found)
                if fault:
                    problems.append(Problem(f"{path}, line {reader.line_num}", fault, "correct the line"))
                if len(problems) == MAX_PROBLEMS:
                    break
    except (OSError, UnicodeError, csv.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or f"is no csv text: {error}"
        raise InputError(Problem(str(path), reason, "give a csv of events in UTF-8")) from None
    if not mentioned and not problems:
        problems.append(Problem(str(path), "has no line but the header", "name at least one population"))
    if problems:
        raise InputError(problems)
    entries = {key: _arrays(values) for key, values in found.items()}
    return Events(tuple(mentioned), entries)


def _columns(path: Path, header: list[str]) -> dict[str, int]:
    """Column name -> place. Raises InputError when the header is not one."""
    names = [name.strip().lower() for name in header]
    problems = [
        Problem(f"{path}, line 1", f"has no column '{name}'", f"head the columns with {', '.join(NEEDED)}")
        for name in NEEDED
        if name not in names
    ]
    for name in dict.fromkeys(names):
        if name not in NEEDED + OPTIONAL:
            problems.append(
                Problem(f"{path}, line 1", f"has a column '{name}'", f"use {', '.join(NEEDED + OPTIONAL)} only")
            )
        elif names.count(name) > 1:
            problems.append(Problem(f"{path}, line 1", f"has the column '{name}' twice", "leave one"))
    if problems:
        raise InputError(problems)
    return {name: k for k, name in enumerate(names)}


def _take(
    cells: list[str],
    columns: Mapping[str, int],
    program: Program,
    extent: tuple[int, int],
    mentioned: dict[str, None],
    found: dict[tuple[str, str], dict[int, int]],
) -> str:
    """Enter one line into what was found; what is wrong with it, or nothing."""
    if len(cells) != len(columns):
        return f"has {len(cells)} cells, the header {len(columns)}"
    line = {name: cells[k].strip() for name, k in columns.items()}
    name = line["population"]
    names = [p.name for p in program.populations]
    if name not in names:
        return f"the program has no population '{name}', but {', '.join(names)}"
    mentioned[name] = None
    if not any(value for column, value in line.items() if column != "population"):
        return ""
    fault, place, value = _entry(line, int(np.prod(program.shapes[name], dtype=np.int64)), extent)
    if fault:
        return fault
    known = found.setdefault((name, line.get("register") or "s"), {})
    if known.setdefault(place, value) != value:
        return f"says {value} where an earlier line says {known[place]}"
    return ""


def _entry(line: Mapping[str, str], size: int, extent: tuple[int, int]) -> tuple[str, int, int]:
    """(fault, flat place in (N, T, size), value) of a line."""
    numbers: dict[str, int] = {}
    for column, limit in (("sample", extent[0]), ("step", extent[1]), ("neuron", size)):
        number = _integer(line[column])
        if number is None or not 0 <= number < limit:
            return f"{column} is '{line[column]}', expected 0 to {limit - 1}", 0, 0
        numbers[column] = number
    register, written = line.get("register") or "s", line.get("value", "")
    value = 1 if register == "s" and not written else _integer(written)
    if register not in ("s", "u", "v"):
        return f"register is '{register}', expected s, u or v", 0, 0
    if value is None or (register == "s" and value not in (0, 1)) or not -(2**31) <= value < 2**31:
        wanted = "0 or 1" if register == "s" else "an integer of 32 bits"
        return f"value is '{written}', expected {wanted}", 0, 0
    place = (numbers["sample"] * extent[1] + numbers["step"]) * size + numbers["neuron"]
    return "", place, value


def _integer(text: str) -> int | None:
    """Plain decimal digits with an optional sign; int() alone would also take '1_0' and other scripts."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def _arrays(values: Mapping[int, int]) -> Entries:
    at: Iterator[int] = iter(values)
    return np.fromiter(at, np.int64, len(values)), np.fromiter(values.values(), np.int64, len(values))
