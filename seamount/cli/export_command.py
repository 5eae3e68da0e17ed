"""seamount export-lava: an artifact as a folder for Lava."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer
from seamount.compiler.places import check_outputs
from seamount.workflows.export import export_lava


def export(
    artifact: Annotated[Path, typer.Argument(help="Folder that 'seamount compile' wrote.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an exported folder that exists.")] = False,
    quiet: o.Quiet = False,
) -> None:
    """Write a folder that runs in Lava without Seamount: data, one script, requirements, README."""
    check_outputs([artifact], folders={"FOLDER": folder})
    answer(export_lava(artifact, folder, overwrite=force), None, quiet)
