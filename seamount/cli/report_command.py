"""seamount report: everything about a run, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import progress, show
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.places import check_outputs
from seamount.workflows.report import SUFFIXES, Format
from seamount.workflows.report import report as report_of

GENERATOR = b'name="generator" content="Seamount"'
"""Stands in every html report."""


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
    check_outputs([run, *(sets or ()), system], {"-o": place})
    if output is None:
        _check_default(place, chosen)
    made = report_of(run, neurons=neuron or (), sets=sets or (), system=system, progress=progress(quiet))
    made.save(place, chosen)
    if not quiet:
        show([f"report: {place}"])


def _check_default(place: Path, chosen: Format) -> None:
    """Raise InputError where the file that the user did not name is another's page. Other forms carry no mark."""
    if chosen == "html" and place.is_file() and GENERATOR not in place.read_bytes():
        raise InputError(Problem(str(place), "exists and is not a report", "name a file with -o"))
