"""Reader of target files: TOML to `Target`, with every fault of a file reported at once.

`FIELDS` is the list of numbers a target file holds. Each must be there, if only as
`{ unknown = true, unit = ..., source = "why" }`; backends/targets/README.md says what they mean.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import msgspec

from seamount.compiler.arrays import check_regular
from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.compiler.target.target import Quantity, Target

Kind: TypeAlias = Literal["count", "number", "list", "range", "flag"]

FIELDS: dict[str, tuple[str, Kind]] = {
    "chip.cores": ("1", "count"),
    "chip.neurons": ("1", "count"),
    "chip.synapses": ("1", "count"),
    "chip.embedded_processors": ("1", "count"),
    "chip.chips_per_system": ("1", "count"),
    "chip.tile_cores": ("1", "count"),
    "chip.tile_columns": ("1", "count"),
    "chip.tile_rows": ("1", "count"),
    "core.neurons": ("1", "count"),
    "core.memory": ("byte", "count"),
    "core.synaptic_memory": ("byte", "count"),
    "core.synapse_words_per_axon": ("1", "count"),
    "core.synapses_per_entry": ("1", "count"),
    "core.synapse_formats": ("1", "count"),
    "core.axons_in": ("1", "count"),
    "core.axons_out": ("1", "count"),
    "core.neuron_state": ("byte", "count"),
    "core.axon_slots_discrete": ("1", "count"),
    "core.axon_slots_shared": ("1", "count"),
    "core.axon_slots_off_chip": ("1", "count"),
    "core.decay_profiles": ("1", "count"),
    "core.threshold_profiles": ("1", "count"),
    "core.dendritic_accumulators": ("1", "count"),
    "core.destination_groups": ("1", "count"),
    "core.delay": ("step", "count"),
    "core.refractory": ("step", "count"),
    "synapse.weight_bits": ("bit", "count"),
    "synapse.weight_widths": ("bit", "list"),
    "synapse.weight_exponent": ("1", "range"),
    "encoding.word": ("bit", "count"),
    "encoding.entry_header": ("bit", "count"),
    "encoding.run_length": ("bit", "range"),
    "encoding.index": ("bit", "range"),
    "encoding.delay_width": ("bit", "range"),
    "encoding.atom": ("bit", "count"),
    "registers.accumulator_bits": ("bit", "count"),
    "registers.u_bits": ("bit", "count"),
    "registers.v_bits": ("bit", "count"),
    "registers.decay_bits": ("bit", "count"),
    "registers.threshold": ("1", "count"),
    "registers.bias_mantissa_bits": ("bit", "count"),
    "registers.bias_exponent": ("1", "range"),
    "messages.graded_payload_bits": ("bit", "count"),
    "messages.payload_widths": ("bit", "list"),
    "features.microcode": ("flag", "flag"),
    "features.reset_subtract": ("flag", "flag"),
    "features.initial_v": ("flag", "flag"),
    "features.lower_clamp": ("flag", "flag"),
    "features.skip_updates": ("flag", "flag"),
}
"""Path -> unit and kind. Only a "range" (two ends, both included) may be negative."""

_SECTIONS = frozenset(path.split(".")[0] for path in FIELDS)


class _Entry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    value: bool | int | float | list[int] | None = None
    unknown: bool = False
    unit: str = ""
    source: str = ""
    conditions: str = ""
    assumed: bool = False


class _Head(msgspec.Struct, kw_only=True):
    name: str
    title: str
    date: str
    sources: dict[str, str]
    notes: list[str] = []


class _Alias(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    title: str
    same_as: str
    backend: str


MAX_BYTES = 2**24
"""Largest file that is read."""
MOST = 2**63 - 1
"""Largest number of a file, as TOML has it."""


def read_target(path: Path) -> Target:
    """The target described by the file. Raises InputError with every fault found."""
    document = parse(path)
    if "same_as" in document:
        return _read_alias(path, document)
    return _read_chip(path, document)


def parse(path: Path) -> dict[str, Any]:
    check_regular(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(Problem(str(path), f"has {path.stat().st_size} bytes", "check the path", f"{MAX_BYTES}"))
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(Problem(str(path), f"cannot be read: {error.strerror}", "check the path")) from None
    except UnicodeDecodeError:
        raise InputError(Problem(str(path), "is not text in UTF-8", "a target file is TOML")) from None
    except RecursionError:
        raise InputError(Problem(str(path), "is nested too deep", "correct it")) from None
    except ValueError as error:  # also numbers of more digits than Python takes
        raise InputError(Problem(str(path), f"is not TOML: {error}", "correct the line named")) from None


def _read_alias(path: Path, document: dict[str, Any]) -> Target:
    try:
        alias = msgspec.convert(document, _Alias)
    except msgspec.ValidationError as error:
        remedy = "a file with 'same_as' has exactly name, title, same_as and backend"
        raise InputError(Problem(str(path), str(error), remedy)) from None
    chip_path = path.with_name(f"{alias.same_as}.toml")
    chip = parse(chip_path)
    if "same_as" in chip:
        remedy = "name the file with the numbers"
        raise InputError(Problem(str(path), f"same_as names '{alias.same_as}', itself an alias", remedy))
    return replace(_read_chip(chip_path, chip), name=alias.name, title=alias.title, backend=alias.backend)


def _read_chip(path: Path, document: dict[str, Any]) -> Target:
    problems: list[Problem] = []
    try:
        head = msgspec.convert(document, _Head)
    except msgspec.ValidationError as error:
        problems.append(Problem(str(path), str(error), "name, title, date and [sources] are required"))
        head = _Head(name="", title="", date="", sources=texts(document.get("sources")))
    allowed = {*_Head.__struct_fields__, *_SECTIONS}
    for key in sorted(document.keys() - allowed):
        problems.append(Problem(f"{path}: {key}", "is not a known field", f"known: {', '.join(sorted(allowed))}"))
    expected, misfits = _expected(document)
    problems += [Problem(f"{path}: {where}", found, remedy) for where, found, remedy in misfits]
    quantities: dict[str, Quantity] = {}
    for name, raw, unit, kind in expected:
        quantity, faults = read_quantity(raw, unit, kind, head.sources)
        problems += [Problem(f"{path}: {name}", found, remedy) for found, remedy in faults]
        if quantity is not None:
            quantities[name] = quantity
    raise_all(InputError, problems)
    return Target(
        name=head.name,
        title=head.title,
        chip=head.name,
        date=head.date,
        quantities=MappingProxyType(quantities),
        sources=MappingProxyType(head.sources),
        notes=tuple(head.notes),
    )


def texts(raw: object) -> dict[str, str]:
    return {k: v for k, v in raw.items() if isinstance(v, str)} if isinstance(raw, dict) else {}


def _expected(
    document: dict[str, Any],
) -> tuple[list[tuple[str, object, str, Kind]], list[tuple[str, str, str]]]:
    """(path, raw entry, unit, kind) of each number present; (where, found, remedy) of each misfit."""
    wanted = dict(FIELDS)
    present = dict(_leaves(document))
    faults = [(p, "is missing", "write { unknown = true, unit, source = why }") for p in wanted.keys() - present.keys()]
    faults += [(p, "is not a known number", _nearest(p, wanted)) for p in present.keys() - wanted.keys()]
    return [(p, present[p], *wanted[p]) for p in wanted if p in present], sorted(faults)


def _nearest(path: str, wanted: dict[str, tuple[str, Kind]]) -> str:
    section = path.rpartition(".")[0]
    names = [p.rpartition(".")[2] for p in wanted if p.rpartition(".")[0] == section]
    return f"known in [{section}]: {', '.join(names)}"


def _table(document: dict[str, Any], section: str) -> dict[str, Any]:
    table = document.get(section, {})
    return table if isinstance(table, dict) else {}


def _leaves(document: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for section in sorted(_SECTIONS):
        for name, raw in _table(document, section).items():
            yield f"{section}.{name}", raw


def read_quantity(
    raw: object, unit: str, kind: Kind, sources: dict[str, str]
) -> tuple[Quantity | None, list[tuple[str, str]]]:
    """The entry as a Quantity, and (found, remedy) of each fault."""
    try:
        entry = msgspec.convert(raw, _Entry)
    except msgspec.ValidationError as error:
        return None, [(str(error), "write { value = ..., unit = ..., source = ... }")]
    faults = []
    if not entry.unit:
        faults.append(("has no unit", f"unit = {unit!r}"))
    elif entry.unit != unit:
        faults.append((f"has the unit {entry.unit!r}", f"give it in {unit!r}"))
    if not entry.source:
        faults.append(("has no source", "name a key of [sources], or why the number is unknown"))
    if entry.unknown:
        if entry.value is not None:
            faults.append(("has a value and is marked unknown", "keep one of the two"))
        return Quantity(None, unit, entry.source, entry.conditions, entry.assumed), faults
    keys = [part.split(",")[0].strip() for part in entry.source.split(";")]
    for key in keys if entry.source else []:
        if key not in sources:
            faults.append((f"cites '{key}', which [sources] does not list", "add it, or correct the key"))
    value = tuple(entry.value) if isinstance(entry.value, list) else entry.value
    faults += _value_faults(value, kind)
    return Quantity(value, unit, entry.source, entry.conditions, entry.assumed), faults


def _value_faults(value: bool | int | float | tuple[int, ...] | None, kind: Kind) -> Iterator[tuple[str, str]]:
    if any(isinstance(n, int) and abs(n) > MOST for n in (value if isinstance(value, tuple) else (value,))):
        yield "is beyond 64 bits", "give a smaller number"
        return
    if value is None:
        yield "has no value", "give a value, or unknown = true"
        return
    is_int = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        "count": is_int,
        "number": is_int or (isinstance(value, float) and math.isfinite(value)),
        "list": isinstance(value, tuple) and len(value) > 0 and list(value) == sorted(set(value)),
        "range": isinstance(value, tuple) and len(value) == 2 and value[0] <= value[1],
        "flag": isinstance(value, bool),
    }
    wanted = {
        "count": "one whole number",
        "number": "one finite number",
        "list": "a rising list of whole numbers",
        "range": "two whole numbers, [least, greatest]",
        "flag": "true or false",
    }
    if not fits[kind]:
        yield f"is {value!r}", f"write {wanted[kind]}"
    elif kind != "range" and min(value if isinstance(value, tuple) else (value,)) < 0:
        yield f"is negative: {value!r}", "no limit or cost is below zero"
