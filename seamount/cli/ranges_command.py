"""seamount ranges: whether any register of a compiled network can overflow, proven for all inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer, progress
from seamount.compiler.places import check_outputs
from seamount.workflows.ranges import RangeProofs, all_ranges

Longest = Annotated[int | None, typer.Option(min=1, help="Samples of at most so many steps; default: of any length.")]
Search = Annotated[bool, typer.Option("--witness", help="Search for messages that really overflow what is not proven.")]
Strict = Annotated[bool, typer.Option("--require-proven", help="Exit with 1 when something is not proven.")]


def ranges(
    artifacts: Annotated[list[Path], typer.Argument(help="Artifacts.", metavar="ARTIFACT")],
    steps: Longest = None,
    witness: Search = False,
    require_proven: Strict = False,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Prove for all inputs that no register overflows, or say which neurons can, and the smallest change against it.

    One artifact is answered register by register, several in a table with a row each.
    """
    check_outputs(artifacts, {"--json": json})
    proofs = all_ranges(artifacts, steps=steps, witness=witness, progress=progress(quiet))
    found = proofs[0] if len(proofs) == 1 else RangeProofs(proofs)
    answer(found, json, quiet)
    if require_proven:
        found.raise_if_open()
