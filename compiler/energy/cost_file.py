"""Reader of cost sets: TOML to `CostSet`, with every fault of a file reported at once.

A cost is one number or [least, greatest], greatest may be inf. Every event of the set's model must be there, if only
as `{ unknown = true, unit = ..., source = "why" }`; backends/costs/README.md says what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from seamount.compiler.energy.cost_set import BARRIERS, CHIP_EVENTS, MEMORIES, OPERATIONS, Coefficient, CostSet
from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.compiler.target.target import Quantity
from seamount.compiler.target.target_file import parse, read_quantity

Fault = tuple[str, str, str]
"""(where in the file, what was found, remedy)."""
Costs = Mapping[str, Coefficient]
POWERS = ("static_per_chip",)
UNITS = {"energy": "pJ", "time": "ns", "power": "mW", "memory": "pJ/byte"}
MODELS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "events": {"energy": tuple(CHIP_EVENTS), "time": (*CHIP_EVENTS, *BARRIERS), "power": POWERS},
    "operations": {"energy": tuple(OPERATIONS), "memory": tuple(MEMORIES)},
}
"""Model -> section -> its costs. [memory] may be left out as a whole, every other section may not."""


class _Head(msgspec.Struct, kw_only=True):
    name: str
    title: str
    date: str
    model: Literal["events", "operations"]
    sources: dict[str, str]
    chip: str = ""
    default: bool = False
    clocked: bool = False
    process: str = ""
    notes: list[str] = []
    leaves_out: list[str] = []
    graded_note: str = ""


class _Bracket(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    title: str
    date: str
    bracket: list[str]
    chip: str = ""
    default: bool = False
    notes: list[str] = []
    graded_note: str = ""


def read_costs(path: Path) -> CostSet:
    """The cost set described by the file. Raises InputError with every fault found."""
    document = parse(path)
    if "bracket" in document:
        return _read_bracket(path, document)
    try:
        head = msgspec.convert(document, _Head)
    except msgspec.ValidationError as error:
        remedy = "name, title, date, model (events or operations) and [sources] are required"
        raise InputError(Problem(str(path), str(error), remedy)) from None
    sections = MODELS[head.model]
    known = {*_Head.__struct_fields__, *sections}
    faults: list[Fault] = [
        (key, "is not a known field", f"known: {', '.join(sorted(known))}") for key in sorted(document.keys() - known)
    ]
    costs = {section: _section(document, section, names, head.sources, faults) for section, names in sections.items()}
    raise_all(InputError, (Problem(f"{path}: {where}", found, remedy) for where, found, remedy in faults))
    energy, time, power, memory = (costs.get(section, {}) for section in UNITS)
    return CostSet(
        head.name, head.title, head.date, head.model, energy, time, power, memory, MappingProxyType(head.sources),
        head.chip, head.default, head.clocked, head.process, tuple(head.notes), (), tuple(head.leaves_out),
        head.graded_note,
    )  # fmt: skip


def _section(
    document: Mapping[str, Any], section: str, names: tuple[str, ...], sources: dict[str, str], faults: list[Fault]
) -> Costs:
    """The costs of a section; what is wrong with it is added to the faults."""
    table = document.get(section, {})
    if not isinstance(table, dict):
        faults.append((section, f"is {table!r}", "write a table of costs"))
        return {}
    if section == "memory" and not table:
        return {}
    faults += [(f"{section}.{n}", "is missing", "write { unknown = true, unit, source = why }")
               for n in names if n not in table]  # fmt: skip
    faults += [(f"{section}.{n}", "is not a known cost", f"known in [{section}]: {', '.join(names)}")
               for n in table if n not in names]  # fmt: skip
    costs = {}
    for name in names:
        if name in table:
            cost, found = _cost(table[name], UNITS[section], sources)
            faults += [(f"{section}.{name}", *fault) for fault in found]
            if cost is not None:
                costs[name] = cost
    return MappingProxyType(costs)


def _cost(raw: Any, unit: str, sources: dict[str, str]) -> tuple[Coefficient | None, list[tuple[str, str]]]:
    """A cost and (found, remedy) of each fault; both ends go through the reader of single numbers."""
    value = raw.get("value") if isinstance(raw, dict) else None
    if not isinstance(value, list):
        quantity, faults = read_quantity(raw, unit, "number", sources)
        return (None if quantity is None else Coefficient(quantity, quantity)), faults
    if len(value) != 2 or not all(isinstance(v, int | float) for v in value) or not value[0] <= value[1]:
        return None, [(f"is {value!r}", "write [least, greatest]")]
    low, faults = read_quantity({**raw, "value": value[0]}, unit, "number", sources)
    if math.isinf(value[1]) and low is not None:
        return Coefficient(low, Quantity(math.inf, unit, low.source, low.conditions)), faults
    high, more = read_quantity({**raw, "value": value[1]}, unit, "number", sources)
    cost = Coefficient(low, high) if low is not None and high is not None else None
    return cost, list(dict.fromkeys(faults + more))


def _read_bracket(path: Path, document: Mapping[str, Any]) -> CostSet:
    """A set that reaches from the smallest to the largest value of the sets beside it that `bracket` names."""
    try:
        head = msgspec.convert(document, _Bracket)
    except msgspec.ValidationError as error:
        remedy = (
            "a file with 'bracket' has name, title, date, bracket and, if wanted, chip, default, notes and graded_note"
        )
        raise InputError(Problem(str(path), str(error), remedy)) from None
    members = [read_costs(path.with_name(f"{name}.toml")) for name in head.bracket]
    if len(members) < 2 or any(m.model != "events" or m.members for m in members):
        remedy = "name two or more plain sets of the model events"
        raise InputError(Problem(str(path), f"brackets {', '.join(head.bracket)}", remedy))
    merged = {section: dict(_merged(section, members)) for section in ("energy", "time", "power")}
    notes = tuple(head.notes) + tuple(f"{m.name}: {note}" for m in members for note in m.notes)
    left_out = tuple(dict.fromkeys(text for m in members for text in m.leaves_out))
    sources = {key: text for m in members for key, text in m.sources.items()}
    return CostSet(
        head.name, head.title, head.date, "events", merged["energy"], merged["time"], merged["power"], {}, sources,
        head.chip, head.default, False, "", notes, tuple(head.bracket), left_out,
        head.graded_note,
    )  # fmt: skip


def _merged(section: str, members: list[CostSet]) -> Iterator[tuple[str, Coefficient]]:
    """Each cost over all members. One that does not price an event may contain it elsewhere, or lack it: from 0 on."""
    for name in MODELS["events"][section]:
        found = [getattr(m, section)[name] for m in members]
        known = [c for c in found if c.known]
        if not known:
            yield name, found[0]
            continue
        for member, cost in zip(members, found, strict=True):
            if not cost.known:
                zero = Quantity(0, cost.low.unit, f"{member.name} does not price it", cost.low.source)
                known.append(Coefficient(zero, zero))
        merged = known[0]
        for cost in known[1:]:
            merged = merged.hull(cost)
        yield name, merged
