"""Write docs/conformance.md: `python -m tests.conformance.report`, for every framework that is installed.

`--framework NAME` measures one alone (repeatable); the sections of the others stay as they are, so that a framework
with an environment of its own, such as sinabs, is measured there. `--print` prints instead of writing.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.conformance import norse_cases, sinabs_cases, snntorch_cases, spikingjelly_cases
from tests.conformance.case import INPUTS, NEURONS, STEPS, Case, installed
from tests.conformance.measure import TARGET, Agreement, Outcome, measure

PATH = Path(__file__).parents[2] / "docs" / "conformance.md"
FRAMEWORKS: dict[str, Callable[[], list[Case]]] = {
    "norse": norse_cases.cases,
    "snntorch": snntorch_cases.cases,
    "spikingjelly": spikingjelly_cases.cases,
    "sinabs": sinabs_cases.cases,
}
COLUMNS = (
    "neuron", "reset", "timing", "fires at v", "options", "compared", "differing", "on the threshold", "rate",
    "integer program", "rounded, one step", "error per step", "weight error",
)  # fmt: skip

HEAD = f"""# Conformance

Does the imported graph fire as the framework does? One row per neuron, reset, timing and comparison: {NEURONS} neurons
behind a dense layer of {INPUTS} inputs with random weights, {STEPS:,} consecutive steps of random spikes. Written by
`python -m tests.conformance.report`, which measures every framework that is installed (`--framework NAME`: one alone)
and leaves the sections of the others; the rows are also tests (`tests/frontends`, `tests/conformance`).

- **compared, differing**: entries (neurons x steps) of the framework's own forward pass and of the imported graph,
  interpreted in 64-bit floats. Each layer is reset by the framework's spikes, so that one difference does not spread.
  A membrane within rounding of the threshold would count as a tie; no row has one.
- **on the threshold**: entries at which the membrane is exactly the threshold, so that > and >= differ. Random
  weights have none; rows with weights k/4 are there for them.
- **rate**: share of entries that are spikes.
- **integer program**: entries in which the program compiled for `{TARGET}` with 8-bit weights, running freely on its
  own state, has the framework's spike. The next three columns explain the rest.
- **rounded, one step**: entries in which one step with the rounded weights, decays and thresholds, from the membrane
  that the trained ones left, has the framework's spike. **error per step**: what such a step adds to the membrane, root
  mean square, in thresholds. What the integer program loses beyond that is accumulated: a membrane keeps the errors of
  past steps as long as it leaks little, and a spike that differs resets it differently; recurrence spreads both.
- **weight error**: relative, root mean square.
- **refused**: the import stops with this cause and a remedy, and writes nothing.
"""


def key(case: Case) -> tuple[str, ...]:
    """What names a row within its framework."""
    return case.neuron, case.reset, case.timing, case.compare, case.options


def row(case: Case, outcome: Outcome) -> str:
    """A line of the table."""
    if outcome.refused:
        cells = [*key(case), f"refused: {outcome.refused}", *[""] * (len(COLUMNS) - len(key(case)) - 1)]
    else:
        cells = [*key(case), f"{outcome.compared:,}", f"{outcome.differing}", f"{outcome.on_threshold}"]
        cells += [f"{outcome.rate:.3f}", *_program(outcome.program)]
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def _program(program: Agreement | str) -> list[str]:
    if isinstance(program, str):
        return [f"refused: {program}", "", "", ""]
    free, alike = (f"{100 * n / program.compared:.2f} % agree" for n in (program.agreeing, program.rounded))
    return [free, alike, f"{100 * program.step_error:.2f} %", f"{100 * program.weight_error:.2f} %"]


def section(framework: str) -> list[str]:
    """Heading and table of one framework."""
    cases = FRAMEWORKS[framework]()
    outcomes = [measure(case, integers=True) for case in cases]
    refused = sum(bool(o.refused) for o in outcomes)
    differing = sum(o.differing > 0 for o in outcomes)
    alike = len(cases) - refused - differing
    count = f"{len(cases)} rows: {alike} without a difference, {differing} with differences, {refused} refused."
    heads = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    rows = [row(case, outcome) for case, outcome in zip(cases, outcomes, strict=True)]
    return [f"## {framework} {version(framework)}", "", count, "", *heads, *rows, ""]


def sections(text: str) -> dict[str, list[str]]:
    """The sections of the document, by framework."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("## "):
            name = line.split()[1]
        if name:
            found.setdefault(name, []).append(line)
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure the frameworks that are installed, or those named, and write or print their sections."""
    parser = ArgumentParser(prog="python -m tests.conformance.report", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--framework", action="append", metavar="NAME", help="measure this one alone; repeatable")
    parser.add_argument("--print", action="store_true", help="print the tables, write nothing")
    options = parser.parse_args(arguments)
    names = options.framework or [n for n in FRAMEWORKS if installed(n)]
    unknown = [n for n in names if n not in FRAMEWORKS]
    missing = [n for n in names if n not in unknown and not installed(n)]
    for n in unknown:
        print(f"{n}: is no framework of the table; one of {', '.join(FRAMEWORKS)}", file=sys.stderr)
    for n in missing:
        print(f"{n}: is not installed; see docs/model-file.md, Installing", file=sys.stderr)
    if unknown or missing:
        return 2
    fresh = {name: section(name) for name in names}
    if options.print:
        print("\n".join(line for lines in fresh.values() for line in lines))
        return 0
    kept = sections(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    lines = [line for name in FRAMEWORKS for line in fresh.get(name, kept.get(name, []))]
    sibling = PATH.with_suffix(".md.part")
    sibling.write_text(HEAD + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    sibling.replace(PATH)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
