"""seamount export-lava: an artifact as a folder for Lava."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.backends.lava.export import export_lava
from seamount.cli import options as o
from seamount.cli.console import out
from seamount.compiler.artifact import load_artifact
from seamount.compiler.places import check_outputs
from seamount.compiler.program.needs import chip_needs
from seamount.compiler.program.verify import check as check_program


def export(
    artifact: Annotated[Path, typer.Argument(help="Folder that 'seamount compile' wrote.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an exported folder that exists.")] = False,
    quiet: o.Quiet = False,
) -> None:
    """Write a folder that runs in Lava without Seamount: data, one script, requirements, README."""
    check_outputs([artifact], folders={"FOLDER": folder})
    loaded = load_artifact(artifact)
    check_program(loaded.program)
    export_lava(loaded, folder, overwrite=force)
    if quiet:
        return
    for need in chip_needs(loaded.program):
        out.print(f"note: on a chip, {need.where}: {need.what}", markup=False, soft_wrap=True)
    out.print(f"exported: {folder}; check it with 'python network.py' in Lava's Python", markup=False, soft_wrap=True)
