"""seamount inspect: what is in a model or an artifact, as text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from seamount.backends.registry import load_target
from seamount.cli import options as o
from seamount.cli.console import out
from seamount.compiler.artifact import load_artifact
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.ir.notes import Note
from seamount.compiler.ir.text import to_text
from seamount.compiler.passes import PASSES
from seamount.compiler.pipelines import Options, quantizing
from seamount.compiler.program.lower import lower
from seamount.compiler.program.text import to_text as program_text
from seamount.workflows.load import load_source

STAGES = ("import", *PASSES, "program")


def inspect(
    path: Annotated[Path, typer.Argument(help="A model.pt, a .nir file, or an artifact.")],
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
    if path.is_dir():
        artifact = load_artifact(path)
        about = artifact.manifest
        out.print(f"artifact of {about.model.name} for {about.target.name}, seamount {about.seamount}")
        text = program_text(artifact.program) + _remarks(artifact.manifest.notes)
    else:
        options = Options(max_delay=max_delay, balance_delays=not no_balance_delays, slow_down=slow_down)
        text = _stage(path, after, target, assume or [], options)
    out.print(text, markup=False, soft_wrap=True, end="")


def _stage(path: Path, after: str, target: str, assume: list[str], options: Options) -> str:
    if after not in STAGES:
        raise InputError(Problem(f"--after {after}", "there is no such stage", f"one of {', '.join(STAGES)}"))
    source = load_source(path, assume)
    if after == "import":
        return to_text(source.graph)
    chosen = load_target(target)
    pipeline = quantizing(chosen, options, None)
    if after == "program":
        graph = pipeline(source.graph)
        return program_text(lower(graph, options.delay_max(chosen), options.slow_down)) + _remarks(graph.notes)
    return to_text(pipeline.until(after)(source.graph))


def _remarks(notes: Iterable[Note]) -> str:
    return "".join(f"note {note}\n" for note in notes)
