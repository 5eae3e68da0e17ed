"""python -m seamount.models.comparison.report FOLDER: tables of a grid as Markdown, its curves, one JSON of all runs"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from seamount.compiler.errors import SeamountError
from seamount.compiler.files import replace_file
from seamount.models.comparison import curves, summary


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m seamount.models.comparison.report", description=__doc__)
    parser.add_argument("source", type=Path, help="folder of a grid, or a file that --json wrote")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all runs here")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the curves here (extra: bench)")
    options = parser.parse_args(arguments)
    try:
        trees = summary.read(options.source)
        found = summary.results(trees)
        if options.json is not None:
            replace_file(options.json, summary.text_of(trees).encode())
        if options.svg is not None:
            curves.draw(trees, found, options.svg)
    except SeamountError as error:
        Console(highlight=False, stderr=True).print(str(error), markup=False, style="red", soft_wrap=True)
        return error.exit_code
    print("\n".join(f"### {r.setting}\n\n{summary.tables(r)}" for r in found.values()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
