"""python -m seamount.models.comparison [SETTING ...] --seeds 3 -o FOLDER"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from seamount.compiler.errors import SeamountError
from seamount.models.comparison import grid
from seamount.models.comparison.settings import SETTINGS
from seamount.models.mechanisms.options import parsed, parser


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when the grid is done, 2 for input that cannot be used."""
    asked = parser("python -m seamount.models.comparison", __doc__, "SETTING", SETTINGS, seeds=3)
    asked.add_argument("--data-folder", type=Path, help="default: SEAMOUNT_DATA")
    asked.add_argument("-o", "--output", type=Path, required=True, help="folder of results; run again, it goes on")
    options = parsed(asked, arguments, SETTINGS)
    console = Console(highlight=False)
    chosen = [s for name, s in SETTINGS.items() if name in options.names or not options.names]
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        todo = list(grid.places(chosen, range(options.seeds), options.output))
        _run(todo, options, console)
    except SeamountError as error:
        console.print(str(error), markup=False, style="red", soft_wrap=True)
        return error.exit_code
    return 0


def _run(todo: list[grid.Place], options: argparse.Namespace, console: Console) -> None:
    """Run the grid under a bar that names the epoch of the current run; a line stays of each run."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("grid", total=len(todo))

        def tick(done: int, line: str) -> None:
            console.print(f"{done}/{len(todo)} {line}", markup=False, soft_wrap=True)
            bar.update(task, completed=done, description="grid")

        def report(phase: str, done: int, total: int, terms: dict[str, float]) -> None:
            bar.update(task, description=f"{phase}, epoch {done}/{total}")

        grid.run(todo, options.data_folder, options.threads, tick, report)


if __name__ == "__main__":
    sys.exit(main())
