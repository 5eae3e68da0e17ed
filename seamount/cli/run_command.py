"""seamount run: an artifact on data."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from seamount.backends.lava.run import LavaBackend
from seamount.backends.registry import load_backend
from seamount.cli import options as o
from seamount.cli.console import answer, progress, show, warn
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import Backend
from seamount.compiler.ir.notes import Unbalanced
from seamount.compiler.places import check_outputs
from seamount.workflows.artifact import load_artifact
from seamount.workflows.data import DataSource, load_data
from seamount.workflows.keep import RECORD
from seamount.workflows.nir_data import is_nir_data
from seamount.workflows.outputs import only_output
from seamount.workflows.run import check_save_place
from seamount.workflows.runner import run as run_artifact
from seamount.workflows.vectors import check_vectors

BackendName = Annotated[
    str | None,
    typer.Option(
        help="vectorized, cpu, cuda, reference, lava, or loihi2 (a board); default vectorized, for large runs cpu."
    ),
]
Processes = Annotated[int | None, typer.Option(min=1, help="Lava: graphs at a time.")]
TimeLimit = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Lava: longest duration of the run.")]
Keep = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Lava: finished batches stay here; run again, it goes on there."),
]
RunOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="RUN",
        help="Keep the run as a folder, for 'seamount report'; RECORDED.nir: its first samples in NIR's data format.",
    ),
]
LavaPython = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Lava: its Python; default $SEAMOUNT_LAVA_PYTHON, or .venv-lava.")
]

WORDS = {
    "processes": "--processes", "time_limit_s": "--time-limit", "keep": "--keep", "interpreter": "--lava-python",
}  # fmt: skip
"""Fields of LavaBackend -> the options that set them."""


def run(
    artifact: Annotated[Path, typer.Argument(help="Folder that 'seamount compile' wrote.")],
    data: o.DataName = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    backend: BackendName = None,
    batch_size: o.BatchSize = None,
    output: RunOutput = None,
    record: o.Record = RECORD,
    force: o.Force = False,
    processes: Processes = None,
    time_limit: TimeLimit = None,
    keep: Keep = None,
    lava_python: LavaPython = None,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Run an artifact on data: accuracy, spikes and synaptic operations. Without --data, check its test vectors."""
    check_outputs([artifact, data], {"--json": json}, {"-o": output, "--keep": keep})
    loaded = load_artifact(artifact)
    for note in loaded.manifest.notes:
        if isinstance(note, Unbalanced):
            warn(str(note))
    options = {"processes": processes, "time_limit_s": time_limit, "keep": keep, "interpreter": lava_python}
    engine = _with_options(load_backend(backend or "vectorized"), options)
    if data is None:
        if output is not None:
            raise InputError(Problem("-o", "test vectors have no labels, so their run is not kept", "give --data"))
        answer(check_vectors(loaded, engine), json, quiet)
        return
    if output is not None:
        check_save_place(output, force)
    only_output(loaded.outputs)
    samples = load_data(DataSource(data, split, limit, seed, data_folder), steps or loaded.steps)
    ran = run_artifact(
        loaded, samples.x, samples.y, steps=steps, batch_size=batch_size, source=samples.source,
        lengths=samples.lengths,
        backend="auto" if backend is None else engine, progress=progress(quiet),
    )  # fmt: skip
    for remark in ran.notes:
        warn(remark)
    if output is not None:
        ran.save(output, record=record, overwrite=force, note=warn)
    answer(ran, json, quiet)
    if ran.unfinished:
        warn(f"stopped early: {ran.samples} of {ran.samples + ran.unfinished} samples had finished")
    if not quiet:
        show(_next(artifact, output if output is not None and not is_nir_data(output) else None))
    if ran.stopped is not None:
        raise ran.stopped


def _with_options(engine: Backend, options: dict[str, Any]) -> Backend:
    """The backend with the options of Lava. Raises InputError when there are any and it is not Lava."""
    said = {k: v for k, v in options.items() if v is not None}
    if isinstance(engine, LavaBackend):
        return replace(engine, **said)
    if said:
        words = ", ".join(WORDS[k] for k in said)
        raise InputError(Problem(words, f"not for the backend {engine.name}", "add --backend lava"))
    return engine


def _next(artifact: Path, kept: Path | None) -> list[str]:
    """What to type after a run."""
    again = "the same with -o RUN keeps it for a report"
    words = again if kept is None else f"seamount report {shlex.quote(str(kept))}"
    lines = [] if kept is None else [f"run: {kept}"]
    return [*lines, f"next: {words}; seamount fit {shlex.quote(str(artifact))}"]
