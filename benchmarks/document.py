"""docs/performance.md: the parts between marks are written from the results, the rest by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import profiling, scaling, table
from benchmarks.runners import PEERS
from seamount.compiler.files import write_text

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def fill(text: str, parts: Mapping[str, str]) -> str:
    """The text with each marked part replaced; a part without marks is an error, so that none is lost."""
    for key, content in parts.items():
        begin, end = f"<!-- generated: {key} -->", f"<!-- end: {key} -->"
        if begin not in text or end not in text:
            raise ValueError(f"the document has no place for '{key}': {begin} ... {end}")
        before, after = text.split(begin)[0], text.split(end)[1]
        text = f"{before}{begin}\n\n{content.strip()}\n\n{end}{after}"
    return text


def parts(result: Mapping[str, Any]) -> dict[str, str]:
    """The generated parts of a result."""
    records: Sequence[Mapping[str, Any]] = result["records"]
    return {
        "machine": machine(result),
        "speed": table.markdown(*table.speed(records)),
        "efficiency": table.markdown(*table.efficiency(records, result["probes"])),
        "agreement": table.markdown(*table.agreement(records, result["cards"])),
        "simulators": table.markdown(*table.simulators(records)),
        "orders": orders(records),
        "profiles": profiles(records),
    }


def machine(result: Mapping[str, Any]) -> str:
    """Machine, versions and measured limits as a list."""
    m, p = result["machine"], result["probes"]
    packages = ", ".join(f"{k} {v}" for k, v in m["packages"].items())
    return "\n".join(
        [
            f"- {m['processor']} (family/model {m['family']}), {m['cores']} cores, cache {m['cache']}, "
            f"{m['memory_bytes'] / 2**30:.0f} GiB; {', '.join(m['flags'])}",
            f"- {m['system']}, Python {m['python']}; {packages}",
            f"- {result['threads']} threads for every implementation, {result['rounds']} rounds",
            f"- revision {m['revision']}; load before (1, 5, 15 minutes): {', '.join(map(str, m['load_before']))}",
            f"- measured limits: int8 products {p['int8_ops_per_s'] / 1e9:,.0f} Gop/s ({p['int8_kernel']}), "
            f"float32 products {p['float32_ops_per_s'] / 1e9:,.0f} Gop/s, "
            f"copy {p['bytes_per_s'] / 1e9:.1f} GB/s (read and written)",
        ]
    )


def profiles(records: Sequence[Mapping[str, Any]]) -> str:
    """Where the time goes in each row that misses an aim."""
    return "\n".join(
        f"**{table.name(r)}**: {', '.join(table.misses(r))}\n\n{table.markdown(*profiling.rows(r['profile']))}"
        for r in records
        if "profile" in r
    )


def orders(records: Sequence[Mapping[str, Any]]) -> str:
    """The order that was fastest for each framework."""
    rows = [
        [table.name(r), *(r["results"].get(p, {}).get("order", "") for p in PEERS)]
        for r in records
    ]  # fmt: skip
    return table.markdown(["fastest order", *PEERS], rows)


def write(result: Mapping[str, Any], scaled: Mapping[str, Any] | None, path: Path = DOCUMENT) -> None:
    """Fill the document; it is written beside its place and renamed. Without `scaled` that part stays as it is."""
    content = parts(result)
    if scaled is not None:
        content["scaling"] = table.markdown(*scaling.rows(scaled))
    write_text(path, fill(path.read_text(encoding="utf-8"), content))
