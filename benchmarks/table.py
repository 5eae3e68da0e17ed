"""Results as tables: rows of texts, printed to the terminal or as markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cases import CASES
from benchmarks.runners import KERNELS, OURS, PEERS

Row = list[str]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are right-aligned."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def plain(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same for the terminal."""
    widths = [max(len(r[i]) for r in [list(head), *map(list, rows)]) for i in range(len(head))]
    texts = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    ]
    return "\n".join([texts[0], "  ".join("-" * w for w in widths), *texts[1:]]) + "\n"


def seconds(value: float) -> str:
    """Three digits with a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def number(value: float) -> str:
    """Three digits, large ones with separators."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def name(record: Mapping[str, Any]) -> str:
    return f"{record['case']}, T = {record['steps']}, batch {record['batch']}"


def fastest_peer(record: Mapping[str, Any]) -> tuple[str, float] | None:
    """The float framework with the smallest median, and it; None where none ran."""
    times = {p: r["median_s"] for p in PEERS if "median_s" in (r := record["results"].get(p, {}))}
    return min(times.items(), key=lambda item: item[1]) if times else None


def median(record: Mapping[str, Any], implementation: str) -> float | None:
    found: float | None = record["results"].get(implementation, {}).get("median_s")
    return found


def ratio(record: Mapping[str, Any], implementation: str = OURS) -> float | None:
    """How many times faster than the fastest float framework."""
    peer, ours = fastest_peer(record), median(record, implementation)
    return peer[1] / ours if peer and ours else None


AIM, BOUND = 5.0, 2.0
"""Aims: at batches above 1 so many times the fastest framework, and not more than so many times the bound; at batch 1
faster than every framework."""


def misses(record: Mapping[str, Any]) -> list[str]:
    """Which aims the engine misses, as words; none where it did not run."""
    took, factor = median(record, OURS), ratio(record)
    if took is None:
        return []
    single = record["batch"] == 1
    found = []
    if factor is not None and factor < (1 if single else AIM):
        found.append(f"{factor:.2f} times the fastest framework")
    if not single and took > BOUND * record["bound_s"]:
        found.append(f"{took / record['bound_s']:.1f} times the bound")
    return found


def speed(records: Sequence[Mapping[str, Any]]) -> tuple[Row, list[Row]]:
    """Samples per second of each implementation, and the ratio to the fastest framework."""
    columns = [*KERNELS, *PEERS]
    rows = []
    for r in records:
        cells = []
        for c in columns:
            found = r["results"].get(c)
            cells.append("" if found is None else "failed" if "failed" in found else _rate(r, found))
        factor = ratio(r)
        rows.append([name(r), *cells, "" if factor is None else f"{factor:.2f}"])
    return ["samples per second", *columns, "cpu / fastest framework"], rows


def _rate(record: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    best, usual = record["batch"] / found["min_s"], record["batch"] / found["median_s"]
    return f"{number(usual)} ({'once' if len(found['all_s']) == 1 else 'best ' + number(best)})"


def efficiency(records: Sequence[Mapping[str, Any]], probes: Mapping[str, Any]) -> tuple[Row, list[Row]]:
    """The engine against what the machine can do, and what it takes."""
    head = [
        "cpu engine", "time per batch", "SynOps/s", "dense products/s, of int8 rate", "bytes/s, of copy rate",
        "bound", "time / bound", "peak memory", "fastest framework's memory",
    ]  # fmt: skip
    rows = []
    for r in records:
        took, found = median(r, OURS), r["results"].get(OURS, {})
        if took is None:
            continue
        peer = fastest_peer(r)
        rows.append(
            [
                name(r),
                seconds(took),
                f"{found['synops'] / took:.3g}",
                f"{2 * r['work']['macs'] / took / probes['int8_ops_per_s']:.1%}",
                f"{5 * r['work']['updates'] / took / probes['bytes_per_s']:.1%}",
                seconds(r["bound_s"]),
                f"{took / r['bound_s']:.2f}",
                f"{found['peak_bytes'] / 2**20:,.0f} MiB",
                "" if peer is None else f"{r['results'][peer[0]]['peak_bytes'] / 2**20:,.0f} MiB",
            ]
        )
    return head, rows


def agreement(records: Sequence[Mapping[str, Any]], cards: Mapping[str, Any]) -> tuple[Row, list[Row]]:
    """The same network everywhere: the frameworks among each other in this run, the integers on the test set."""
    head = [
        "same network", "frameworks: predictions equal", "largest difference of spikes", "integers: predictions equal",
        "spikes, integers / float", "test samples", "float accuracy", "integer accuracy", "predictions equal",
    ]  # fmt: skip
    rows = []
    for r in records:
        card = cards.get(r["case"])
        if r["batch"] == 1 or card is None:
            continue
        peers = [r["same"][p] for p in PEERS if p in r["same"]]
        ours = next((r["same"][n] for n in KERNELS if n in r["same"]), None)
        at = card["at"][str(r["steps"])]
        rows.append(
            [
                name(r),
                f"{min(p['predictions'] for p in peers):.1%}" if peers else "",
                f"{max(abs(p['spikes'] - 1) for p in peers):.2%}" if peers else "",
                f"{ours['predictions']:.1%}" if ours else "",
                f"{ours['spikes']:.4f}" if ours else "",
                f"{card['tested']:,}",
                *(f"{at[k]:.1%}" for k in ("float_accuracy", "integer_accuracy", "agreement")),
            ]
        )
    return head, rows


SIMULATORS = {"lava": "Lava, fixed point", "nengo": "nengo-loihi, emulator"}
"""Other simulators of Loihi's integers: key of a record -> title."""


def simulators(records: Sequence[Mapping[str, Any]]) -> tuple[Row, list[Row]]:
    """Other simulators of Loihi's integers, and the engine's throughput beside them."""
    head = ["same integers", "simulator", "seconds per sample", "start", "answers equal", "cpu batch 64 is faster by"]
    large = {(r["case"], r["steps"]): r for r in records if r["batch"] == 64}
    rows = []
    for r in records:
        for key in SIMULATORS:
            if key in r:
                beside = large.get((r["case"], r["steps"]))
                took = None if beside is None else median(beside, OURS)
                cells = _simulated(r[key], None if took is None else took / 64)
                rows.append([f"{r['case']}, T = {r['steps']}", SIMULATORS[key], *cells])
    return head, rows


def _simulated(found: Mapping[str, Any], ours_s: float | None) -> Row:
    for word in ("absent", "failed"):
        if word in found:
            return [f"{word}: {found[word]}", "", "", ""]
    took = found["seconds_per_sample"]
    equal = "bit for bit" if found["equal"] else "differ"
    return [seconds(took), seconds(found["start_s"]), equal, "" if ours_s is None else f"{took / ours_s:,.0f}"]


def failures(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What could not be run, and why."""
    return [
        f"{name(r)}: {implementation}: {found['failed']}"
        for r in records
        for implementation, found in r["results"].items()
        if "failed" in found
    ]


def title(case: str) -> str:
    return CASES[case].title
