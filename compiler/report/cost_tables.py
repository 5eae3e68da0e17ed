"""Tables of energy and mapping. An energy links to its lines, each line to its cost, and a cost names its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seamount.compiler.report.costs_section import SHOWN
from seamount.compiler.report.numbers import bounds, plural, set_key
from seamount.compiler.report.tables import Cell, Table, Words, count, made

Tree = Mapping[str, Any]
MANY_CORES = 256
"""The table of cores has at most so many rows, the fullest first."""


@dataclass
class Coefficients:
    """The distinct costs of one set in the order of their use, each with an anchor."""

    key: str
    numbered: dict[tuple[str, ...], tuple[int, Tree]] = field(default_factory=dict)

    def anchor(self, cost: Tree) -> str:
        members = ("text", "low_source", "high_source", "low_conditions", "high_conditions")
        known = tuple(str(cost[m]) for m in members)
        number, _ = self.numbered.setdefault(known, (len(self.numbered), cost))
        return f"cost-{self.key}-{number}"


def line_table(key: str, caption: str, lines: list[Tree], costs: Coefficients) -> Table:
    """The ledger: count times cost, line by line."""
    items = [(line, costs.anchor(line["cost"])) for line in lines]
    return made(
        key, caption,
        (
            ("event", "", lambda i: Cell(i[0]["event"], note=i[0]["basis"])),
            ("where", "", lambda i: i[0]["where"]),
            ("#count", "per inference", lambda i: _count(i[0])),
            ("#cost each", "leads to its source", lambda i: Cell(i[0]["cost"]["text"], href=i[1])),
            ("#energy", "count times cost", lambda i: _energy(i[0]["energy_pj"], i[1])),
        ),
        items,
    )  # fmt: skip


def _count(line: Tree) -> Words:
    ends = line["count"]
    if ends is None:
        return Cell("unknown", note=line["missing"])
    if ends[1] is None:
        return f"at least {ends[0]:,.1f}"
    return count(ends[0], 1) if ends[0] == ends[1] else Cell(f"{ends[0]:,.1f} to {ends[1]:,.1f}", ends[0])


def _energy(value: Tree, href: str) -> Cell:
    return Cell(bounds(value), None if value["unknown"] else value["low"], href=href)


def total_table(key: str, tree: Tree) -> Table:
    """Totals, each with the table of lines that it sums up."""
    lines = f"table-lines-{key}"
    rows: list[tuple[str, str, Tree, str]] = [
        ("spiking network, dynamic", "events of the run", tree["dynamic_pj"], lines),
        ("spiking network, clock-driven", "if every synapse worked in every step", tree["dense_pj"], lines),
    ]
    if tree["static"] is not None:
        rows.insert(1, ("static", "idle chips over the time of an inference", tree["static"]["energy_pj"], lines))
    rows += [
        (f"ANN, {form}", f"same layers, ReLU, {plural(twin['macs'], 'multiply-accumulate')}", twin["energy_pj"],
         f"table-lines-{key}-{form}")
        for form, twin in tree["ann"].items()
    ]  # fmt: skip
    return made(
        f"totals-{key}", f"Energy per inference by {tree['set']}",
        (
            ("what", "", lambda r: Cell(r[0], note=r[1])),
            ("#energy", "leads to its lines", lambda r: _energy(r[2], r[3])),
            ("unknown parts", "left out of the sum", lambda r: Cell("; ".join(r[2]["missing"]))),
        ),
        rows,
    )  # fmt: skip


def time_table(key: str, tree: Tree) -> Table | None:
    """Time of a step and of an inference, where the set has times."""
    when, lines = tree["time"], f"table-lines-{key}"
    if when is None:
        return None
    named = (("a step", "step_ns"), ("an inference", "inference_ns"))
    rows = [(name, when[member], when["basis"]) for name, member in named]
    return made(
        f"time-{key}", "Time",
        (
            ("time of", "", lambda r: Cell(r[0], note=r[2])),
            ("#time", "", lambda r: Cell(_time(r[1]), href=lines)),
            ("unknown parts", "", lambda r: Cell("; ".join(r[1]["missing"]))),
        ),
        rows,
    )  # fmt: skip


def _time(value: Tree) -> str:
    if value["unknown"]:
        return "unknown"
    low = f"{value['low'] / 1000:,.3g} µs"
    return f"at least {low}" if value["high"] is None else f"{low} to {value['high'] / 1000:,.3g} µs"


def coefficient_table(key: str, tree: Tree, costs: Coefficients) -> Table:
    """Every cost that was used, with unit, source in full, and conditions."""
    items = [(cost, f"cost-{key}-{k}") for k, cost in costs.numbered.values()]
    sources = tree["sources"]

    def source(item: tuple[Tree, str]) -> str:
        named = dict.fromkeys((item[0]["low_source"], item[0]["high_source"]))
        return " | ".join(_in_full(name, sources) for name in named)

    return made(
        f"costs-{key}", f"Costs of the set {tree['set']}, with their sources",
        (
            ("cost", "of one event", lambda i: Cell(i[0]["text"], anchor=i[1])),
            ("source", "", source),
            ("conditions", "", lambda i: _conditions(i[0])),
        ),
        items,
    )  # fmt: skip


def _conditions(cost: Tree) -> str:
    return " | ".join(x for x in dict.fromkeys((cost["low_conditions"], cost["high_conditions"])) if x)


def layer_table(key: str, tree: Tree) -> Table:
    """Dynamic energy summed up by layer."""
    return made(
        f"layers-{key}", f"Dynamic energy by layer, {tree['set']}",
        (
            ("layer", "population or projection", lambda r: r[0]),
            ("#energy", "per inference", lambda r: _energy(r[1], f"table-lines-{key}")),
        ),
        list(tree["places_pj"].items()),
    )  # fmt: skip


def _in_full(name: str, sources: Mapping[str, str]) -> str:
    key = next((k for k in sources if name == k or name.startswith(f"{k},")), None)
    return name if key is None else f"{sources[key]}{name[len(key) :]}"


def core_table(mapping: Tree) -> Table:
    """Load of each core in use, against the limits."""
    loads = sorted(mapping["loads"], key=lambda load: (-load["memory_bytes"], load["core"]))
    shown = loads[:MANY_CORES]
    cores = mapping["cores"]
    caption = "Load of each core" if len(shown) == cores else f"The {MANY_CORES} fullest of {cores:,} cores"
    fields: list[Any] = [
        ("core", "", lambda c: Cell(f"{c['core']}", c["core"], note=f"tile column {c['column']}, row {c['row']}")),
        ("populations", "", lambda c: ", ".join(c["populations"])),
    ]
    for name in SHOWN:
        limit = mapping["limits"][name]
        meaning = "limit unknown" if limit["value"] is None else f"of {limit['value']:,}"
        fields.append((f"#{name.replace('_', ' ')}", meaning, _member(name)))
    fields.append(("#synapses", "", lambda c: count(c["synapses"])))
    return made("cores", caption, fields, shown)


def _member(name: str) -> Any:
    return lambda load: count(load[name])


def traffic_table(mapping: Tree) -> Table:
    """Messages between cores, projection by projection."""
    return made(
        "traffic", "Traffic between cores" + ("" if mapping["measured"] else ", one message per neuron"),
        (
            ("projection", "", lambda t: t[0]),
            ("#messages", "one per core slice reached", lambda t: count(t[1]["messages"])),
            ("#within a core", "", lambda t: count(t[1]["within_core"])),
            ("#within a tile", "", lambda t: count(t[1]["within_tile"])),
            ("#hops", "tiles crossed, over all messages", lambda t: count(t[1]["hops"])),
            ("#between chips", "hops of these", lambda t: count(t[1]["chip_hops"])),
        ),
        list(mapping["projections"].items()),
    )  # fmt: skip


def cost_tables(energy: Tree | None, mapping: Tree | None) -> list[Table]:
    """All of them in order, for markdown and CSV."""
    found: list[Table] = []
    for tree in () if energy is None else energy["sets"]:
        found += set_tables(tree)["all"]
    return found + ([] if mapping is None else [core_table(mapping), traffic_table(mapping)])


def set_tables(tree: Tree) -> dict[str, Any]:
    """The tables of one cost set."""
    key = set_key(tree["set"])
    costs = Coefficients(key)
    static = [] if tree["static"] is None else [tree["static"]]
    lines = line_table(f"lines-{key}", "The spiking network, line by line", [*tree["lines"], *static], costs)
    twins = [
        line_table(f"lines-{key}-{form}", f"The {form} ANN, line by line", twin["lines"], costs)
        for form, twin in tree["ann"].items()
    ]
    totals, when, coefficients = total_table(key, tree), time_table(key, tree), coefficient_table(key, tree, costs)
    layers = layer_table(key, tree)
    every = [t for t in (totals, when, layers, lines, *twins, coefficients) if t is not None]
    return {
        "key": key, "totals": totals, "time": when, "layers": layers, "lines": lines, "twins": twins,
        "costs": coefficients, "all": every,
    }  # fmt: skip
