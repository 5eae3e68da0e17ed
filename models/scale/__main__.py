"""python -m seamount.models.scale [SETTING ...] --seeds 3 -o FOLDER"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console

from seamount.compiler.errors import SeamountError
from seamount.models.scale import grid
from seamount.models.scale.settings import SETTINGS


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when the grid is done, 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m seamount.models.scale", description=__doc__)
    parser.add_argument("settings", nargs="*", metavar="SETTING", help=f"of {', '.join(SETTINGS)}; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="paired seeds, from 0 (default 3)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    parser.add_argument("--data-folder", type=Path, help="default: SEAMOUNT_DATA")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of results; run again, it goes on")
    options = parser.parse_args(arguments)
    unknown = [s for s in options.settings if s not in SETTINGS]
    if unknown or options.seeds < 1 or options.threads < 1:
        parser.error(f"unknown: {', '.join(unknown)}" if unknown else "--seeds and --threads must be at least 1")
    torch.set_num_threads(options.threads)
    console = Console(highlight=False)
    chosen = [s for name, s in SETTINGS.items() if name in options.settings or not options.settings]
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        todo = list(grid.places(chosen, range(options.seeds), options.output))
        grid.run(todo, options.data_folder, options.threads, lambda line: print(line, flush=True))
    except SeamountError as error:
        console.print(str(error), markup=False, style="red", soft_wrap=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
