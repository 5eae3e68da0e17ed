"""seamount check-import: everything that an import would refuse, and everything that it assumes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer
from seamount.compiler.places import check_outputs
from seamount.workflows import examine


def check_import(
    file: Annotated[Path, typer.Argument(help="model.pt, a .nir or a .net file.", metavar="FILE")],
    assume: o.Assume = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="Compile for this target too, and add what stands against it.")
    ] = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Check a file before compiling it: every problem at once, and every convention with where it came from.

    A model file is also compared with the golden trace in it. Exit code 0 when it can be imported, 1 when it would be
    refused, 2 when the file or an option cannot be read at all.
    """
    check_outputs([file, target], {"--json": json})
    found = examine.check_import(file, assume=assume or [], target=target)
    answer(found, json, quiet)
    found.raise_if_refused()
