"""python -m seamount.models.mechanisms [METHOD ...] --seeds 5 -o mechanisms.json"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from seamount.compiler.errors import SeamountError
from seamount.frontends.model_file import replace_file
from seamount.models.mechanisms.paired import Result
from seamount.models.mechanisms.tests import TESTS


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when every gate holds, 1 when one does not, 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m seamount.models.mechanisms", description=__doc__)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"of {', '.join(TESTS)}; default: all")
    parser.add_argument("--seeds", type=int, default=5, help="paired seeds, from 0 (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    parser.add_argument("-o", "--output", type=Path, help="results as JSON")
    options = parser.parse_args(arguments)
    unknown = [m for m in options.methods if m not in TESTS]
    if unknown or options.seeds < 1 or options.threads < 1:
        parser.error(f"unknown: {', '.join(unknown)}" if unknown else "--seeds and --threads must be at least 1")
    torch.set_num_threads(options.threads)
    console = Console(highlight=False)
    results: list[Result] = []
    try:
        for method in options.methods or TESTS:
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
