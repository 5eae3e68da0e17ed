"""seamount targets, seamount passes."""

from __future__ import annotations

from typing import Annotated

import typer

from seamount.cli.console import show
from seamount.workflows import listings


def targets(
    name: Annotated[
        str | None, typer.Argument(help="Show the numbers of this target or system with their sources.")
    ] = None,
) -> None:
    """List targets and systems, or show one with every number, unit and source."""
    show((listings.targets() if name is None else listings.target(name)).blocks())


def passes() -> None:
    """List the passes with their contracts; those that compile runs come first, in order."""
    show(listings.passes().blocks())
