"""Prove every shipped network, compiled as it is, and write the tables of docs/ranges.md, which stand between marks.

python -m tests.cli.ranges_report            the verdicts
python -m tests.cli.ranges_report --costs    and what --prove costs where it changes something, on the test splits
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import Artifact, load_artifact
from seamount.compiler.codes import encode
from seamount.compiler.ir.notes import ScaleLowered
from seamount.compiler.program.program import V_MAX
from seamount.models.data.datasets import BINNED, load
from seamount.models.reference.card import WEIGHTS
from seamount.models.reference.registry import CARDS
from tests.cli.running import call

PAGE = Path(__file__).parents[2] / "docs" / "ranges.md"
HEADS = ("network", "T", "verdict", "where", "neurons", "would need", "witness", "scale", "decay at least", "T at most")
COSTS = ("network", "test split", "accuracy", "with `--prove`", "scale lowered", "v saturated", "in samples")
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
                _run(words)
            lines += rows(name, load_artifact(folder / name).steps, json.loads(answer.read_text()))
    return lines


def cost(name: str) -> str:
    """Accuracy without and with --prove, calibrated on training data, and the saturated entries of v without it."""
    data, accuracy = CARDS[name].data, []
    with tempfile.TemporaryDirectory() as place:
        folder, answer = Path(place), Path(place) / "run.json"
        for net, more in (("plain", []), ("proven", ["--prove"])):
            _run(["compile", str(WEIGHTS / f"{name}.pt"), "--calibrate", data, "-o", str(folder / net), "-q", *more])
            _run(["run", str(folder / net), "--data", data, "--backend", "cpu", "--json", str(answer), "-q"])
            accuracy.append(f"{100 * json.loads(answer.read_text())['accuracy']:.2f} %")
        notes = load_artifact(folder / "proven").manifest.notes
        (lowered,) = (f"{n.before:.4g} to {n.after:.4g}" for n in notes if isinstance(n, ScaleLowered))
        artifact = load_artifact(folder / "plain")
    samples = load(data, steps=artifact.steps if data in BINNED else None)
    entries, affected = saturated(artifact, samples.x)
    split = f"{len(samples.y):,} samples"
    return _line([name, split, *accuracy, lowered, f"{entries:,}", f"{affected:,}"])


def saturated(artifact: Artifact, x: Any) -> tuple[int, int]:
    """(entries of v, samples with such) at either end of the register, over all neurons and steps."""
    engine, entries, affected = load_backend("cpu"), 0, 0
    for first in range(0, len(x), 100):
        messages = encode(artifact.inputs, x[first : first + 100], artifact.steps)
        recorded = engine.run(artifact.program, messages, frozenset({"v"})).v
        counts = sum((np.abs(v) == V_MAX).reshape(len(v), -1).sum(axis=1) for v in recorded.values())
        entries, affected = entries + int(np.sum(counts)), affected + int(np.count_nonzero(counts))
    return entries, affected


def _run(words: list[str]) -> None:
    ran = call(words)
    if ran.code != 0:
        raise SystemExit(ran.err)


def shown(part: str) -> list[str]:
    """The lines of a table as the page has it now."""
    text = PAGE.read_text(encoding="utf-8")
    return text.split(f"<!-- generated: {part} -->")[1].split(f"<!-- end: {part} -->")[0].strip().splitlines()[2:]


def fill(part: str, heads: Sequence[str], lines: Iterable[str]) -> None:
    """Write a table between its marks."""
    text, begin, end = PAGE.read_text(encoding="utf-8"), f"<!-- generated: {part} -->", f"<!-- end: {part} -->"
    table = "\n".join([_line(heads), "|" + "---|" * len(heads), *lines])
    before, after = text.split(begin)[0], text.split(end)[1]
    PAGE.write_text(f"{before}{begin}\n\n{table}\n\n{end}{after}", encoding="utf-8")


def main(words: Sequence[str]) -> int:
    lines = proved(NAMES)
    fill("verdicts", HEADS, lines)
    if "--costs" in words:
        proven = {line.split(" | ")[0] for line in lines if " | proven | " in line}
        fill("costs", COSTS, [cost(name) for name in NAMES if name in CARDS and f"| {name}" not in proven])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
