"""Prove every shipped network, compiled as it is, and write the table into docs/ranges.md.

    python -m tests.cli.ranges_report

The table stands between two marks; the rest of the page is left as it is.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from seamount.compiler.artifact import load_artifact
from seamount.models.card import WEIGHTS
from tests.cli.running import call

PAGE = Path(__file__).parents[2] / "docs" / "ranges.md"
BEGIN, END = "<!-- generated: verdicts -->", "<!-- end: verdicts -->"
HEADS = ("network", "T", "verdict", "where", "neurons", "would need", "witness", "scale", "decay at least", "T at most")
NAMES = sorted(path.stem for path in WEIGHTS.glob("*.pt"))


def rows(name: str, steps: int, tree: dict[str, Any]) -> list[str]:
    """A line for a proven network, else one for each register that is not; `tree` is the command's JSON."""
    if tree["proven"]:
        return [_line([name, f"{steps:,}", "proven", *[""] * (len(HEADS) - 3)])]
    found = {(w["population"], w["register"]): w for w in tree["witnesses"]}
    lines = []
    for population, p in tree["populations"].items():
        kinds = {r["kind"]: r for r in p["remedies"]}
        for register in "uv":
            r = p["registers"][register]
            if r["verdict"] == "proven":
                continue
            witness = found.get((population, register))
            low, high = r["needed"]
            cells = [name, f"{steps:,}", r["verdict"], f"`{population}` {register}"]
            cells += [f"{r['neurons']:,} of {p['neurons']:,}", f"{low:,} .. {high:,}"]
            cells += [f"{witness['value']:,} in step {witness['step']}" if witness else "none found"]
            lines.append(_line([*cells, *map(_remedy, (kinds.get(k) for k in ("scale", "decay", "steps")))]))
    return lines


def _remedy(remedy: dict[str, Any] | None) -> str:
    """The remedy in a few words."""
    if remedy is None:
        return "none"
    if remedy["kind"] == "steps":
        return f"{remedy['steps']:,}"
    words = remedy["text"].split(": ")
    if remedy["kind"] == "decay":
        return words[1].replace(" at least ", " ").partition(" (now")[0]
    limit = f", T at most {remedy['steps']:,}" if remedy["steps"] else ""
    return words[0].removeprefix("scale it down by ") + limit


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def proved(names: Iterable[str]) -> list[str]:
    """Compile, prove and search; the lines of all networks."""
    with tempfile.TemporaryDirectory() as place:
        folder, answer = Path(place), Path(place) / "ranges.json"
        lines = []
        for name in names:
            for words in (
                ["compile", str(WEIGHTS / f"{name}.pt"), "-o", str(folder / name), "-q"],
                ["ranges", str(folder / name), "--witness", "--json", str(answer), "-q"],
            ):
                ran = call(words)
                if ran.code != 0:
                    raise SystemExit(ran.err)
            lines += rows(name, load_artifact(folder / name).steps, json.loads(answer.read_text()))
    return lines


def table(lines: Iterable[str]) -> str:
    """The table of the lines."""
    return "\n".join([_line(HEADS), "|" + "---|" * len(HEADS), *lines])


def shown() -> list[str]:
    """The lines that the page has now."""
    part = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    return part.strip().splitlines()[2:]


def main() -> int:
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(proved(NAMES))}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
