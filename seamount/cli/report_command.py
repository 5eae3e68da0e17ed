"""seamount report: everything about a run, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import progress, show
from seamount.workflows.report import SUFFIXES, Format
from seamount.workflows.report import report as report_of


def report(
    run: Annotated[Path, typer.Argument(help="Folder that 'seamount run -o' or 'seamount check -o' wrote.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write; default: RUN.html beside RUN.")
    ] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Default: what the file's suffix says, else html.")
    ] = None,
    neuron: Annotated[
        list[str] | None,
        typer.Option("--neuron", metavar="POPULATION:INDEX", help="Show the membrane of this neuron. Repeatable."),
    ] = None,
    sets: o.Sets = None,
    system: o.SystemName = None,
    quiet: o.Quiet = False,
) -> None:
    """Write a report of a run as one file: accuracy, layers, spikes, weights, warnings, provenance."""
    chosen: Format = format_ or SUFFIXES.get(output.suffix.lower() if output else "", "html")
    place = output or run.resolve().with_suffix(f".{chosen}")
    made = report_of(run, neurons=neuron or (), sets=sets or (), system=system, progress=progress(quiet))
    made.save(place, chosen)
    if not quiet:
        show([f"report: {place}"])
