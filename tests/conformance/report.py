"""Write docs/conformance.md: `python -m tests.conformance.report`, with every framework installed.

`python -m tests.conformance.report norse` prints the table of one framework for the version that is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.conformance import norse_cases, snntorch_cases, spikingjelly_cases
from tests.conformance.case import INPUTS, NEURONS, STEPS, Case, installed
from tests.conformance.measure import TARGET, Agreement, Outcome, measure

PATH = Path(__file__).parents[2] / "docs" / "conformance.md"
FRAMEWORKS: dict[str, Callable[[], list[Case]]] = {
    "norse": norse_cases.cases,
    "snntorch": snntorch_cases.cases,
    "spikingjelly": spikingjelly_cases.cases,
}
COLUMNS = (
    "neuron", "reset", "timing", "fires at v", "options", "compared", "differing", "on the threshold", "rate",
    "integer program", "weight error",
)  # fmt: skip

HEAD = f"""# Conformance

Does the imported graph fire as the framework does? One row per neuron, reset, timing and comparison: {NEURONS} neurons
behind a dense layer of {INPUTS} inputs with random weights, {STEPS:,} consecutive steps of random spikes. Written by
`python -m tests.conformance.report`; the rows are also tests (`tests/frontends`, `tests/conformance`).

- **compared, differing**: entries (neurons x steps) of the framework's own forward pass and of the imported graph,
  interpreted in 64-bit floats. Each layer is reset by the framework's spikes, so that one difference does not spread.
  A membrane within rounding of the threshold would count as a tie; no row has one.
- **on the threshold**: entries at which the membrane is exactly the threshold, so that > and >= differ. Random
  weights have none; rows with weights k/4 are there for them.
- **rate**: share of entries that are spikes.
- **integer program**: entries in which the program compiled for `{TARGET}` with 8-bit weights, running freely on its
  own state, has the framework's spike. The rest follows from the rounding of weights (**weight error**: relative, root
  mean square), decays and thresholds; once two membranes part, recurrence and subtraction keep them apart for a while.
- **refused**: the import stops with this cause and a remedy, and writes nothing.
"""


def key(case: Case) -> tuple[str, ...]:
    """What names a row within its framework."""
    return case.neuron, case.reset, case.timing, case.compare, case.options


def row(case: Case, outcome: Outcome) -> str:
    """A line of the table."""
    if outcome.refused:
        cells = [*key(case), f"refused: {outcome.refused}", "", "", "", "", ""]
    else:
        cells = [*key(case), f"{outcome.compared:,}", f"{outcome.differing}", f"{outcome.on_threshold}"]
        cells += [f"{outcome.rate:.3f}", *_program(outcome.program)]
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def _program(program: Agreement | str) -> list[str]:
    if isinstance(program, str):
        return [f"refused: {program}", ""]
    share = 100 * program.agreeing / program.compared
    return [f"{share:.2f} % agree", f"{100 * program.weight_error:.2f} %"]


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


def main(names: Sequence[str]) -> int:
    """Print the tables of some frameworks, or write the document with all of them."""
    unknown = [n for n in names if n not in FRAMEWORKS]
    missing = [n for n in names or FRAMEWORKS if n not in unknown and not installed(n)]
    if unknown or missing:
        for n in unknown:
            print(f"{n}: is no framework of the table; one of {', '.join(FRAMEWORKS)}", file=sys.stderr)
        for n in missing:
            print(f"{n}: is not installed; pip install 'seamount[{n}]'", file=sys.stderr)
        return 2
    lines = [line for name in names or FRAMEWORKS for line in section(name)]
    if names:
        print("\n".join(lines))
        return 0
    sibling = PATH.with_suffix(".md.part")
    sibling.write_text(HEAD + "\n" + "\n".join(lines), encoding="utf-8")
    sibling.replace(PATH)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
