"""python -m seamount.models.mechanisms [METHOD ...] --seeds 5 -o mechanisms.json"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from seamount.compiler.errors import SeamountError
from seamount.compiler.files import replace_file
from seamount.models.mechanisms.options import parsed, parser
from seamount.models.mechanisms.paired import Result
from seamount.models.mechanisms.tests import TESTS


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when every gate holds, 1 when one does not, 2 for input that cannot be used."""
    asked = parser("python -m seamount.models.mechanisms", __doc__, "METHOD", TESTS, seeds=5)
    asked.add_argument("-o", "--output", type=Path, help="results as JSON")
    options = parsed(asked, arguments, TESTS)
    console = Console(highlight=False)
    results: list[Result] = []
    try:
        for method in options.names or TESTS:
            results += TESTS[method](range(options.seeds), console.print)
            if options.output is not None:
                _write(options.output, [r.tree() for r in results])
    except SeamountError as error:
        console.print(str(error), markup=False, style="red")
        return error.exit_code
    for result in results:
        show(console, result)
    return 0 if all(g.holds for r in results for g in r.gates) else 1


def show(console: Console, result: Result) -> None:
    """A table per setting, and its gates."""
    console.print(f"\n{result.mechanism}: {result.setting}")
    for variant, values in result.summary().items():
        cells = ", ".join(f"T = {t}: {m:.1f} +- {s:.1f} %" for t, (m, s) in values.items())
        console.print(f"  {variant:24} {cells}")
    for gate in result.gates:
        console.print(f"  {'holds' if gate.holds else 'DOES NOT HOLD'}: {gate.demand}; {gate.found}")


def _write(path: Path, trees: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, (json.dumps(trees, indent=1) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
