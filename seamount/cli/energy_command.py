"""seamount energy, seamount costs: what a run costs, with the source of every number."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer, progress, show
from seamount.compiler.energy.ann import FORMATS
from seamount.compiler.places import check_outputs
from seamount.workflows import price
from seamount.workflows.data import DataSource

Ann = Annotated[str, typer.Option("--ann", metavar="FORMAT", help=f"Show its lines too: {', '.join(FORMATS)}.")]


def energy(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders that 'seamount run -o' wrote; or artifacts, with --data."),
    ],
    sets: o.Sets = None,
    ann: Ann = "",
    system: o.SystemName = None,
    data: o.DataName = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Energy and time of a run as intervals, line by line with sources, beside the equivalent ANN.

    Without --set: the costs of the chip it was compiled for, and 45 nm with memory, which also prices the ANN.
    Several runs are put side by side.
    """
    check_outputs([*sources, data, *(sets or ()), system], {"--json": json})
    samples = None if data is None else DataSource(data, split, limit, seed, data_folder)
    found = price.price(
        sources, samples, sets=sets or (), ann=ann, system=system, steps=steps, progress=progress(quiet)
    )
    answer(found, json, quiet)


def costs(name: Annotated[str | None, typer.Argument(help="One set, in full.")] = None) -> None:
    """List the cost sets, or one with every number, its unit and its source."""
    show(price.costs(name).blocks())
