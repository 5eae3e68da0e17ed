"""seamount inspect: what is in a model or an artifact, as text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import raw
from seamount.compiler.pipelines import Options
from seamount.workflows.inspect import STAGES
from seamount.workflows.inspect import inspect as text_of


def inspect(
    path: Annotated[Path, typer.Argument(help="A model.pt, a .nir or .net file, or an artifact.")],
    after: Annotated[
        str, typer.Option(metavar="STAGE", help=f"For a model: the graph after one of {', '.join(STAGES)}.")
    ] = "import",
    target: o.TargetName = "loihi-sim",
    assume: o.Assume = None,
    max_delay: o.MaxDelay = None,
    no_balance_delays: o.NoBalance = False,
    slow_down: o.SlowDown = 1,
) -> None:
    """Print a model's graph after any pass, or an artifact's integer program."""
    options = Options(max_delay=max_delay, balance_delays=not no_balance_delays, slow_down=slow_down)
    raw(text_of(path, after=after, target=target, assume=assume or [], options=options))
