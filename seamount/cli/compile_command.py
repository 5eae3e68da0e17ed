"""seamount compile: a trained network to an artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from seamount.backends.registry import load_target
from seamount.cli import options as o
from seamount.cli.console import answer, progress, raw, warn
from seamount.compiler.ir.notes import Unbalanced
from seamount.compiler.pipelines import Options
from seamount.compiler.places import check_outputs
from seamount.workflows.compile import CALIBRATED, compilation, layer_bits
from seamount.workflows.data import DataSource
from seamount.workflows.inspect import stage_of
from seamount.workflows.load import load


def compile_model(
    model: Annotated[Path, typer.Argument(help="model.pt written by seamount.frontends.save, a .nir or a .net file.")],
    target: o.TargetName = "loihi-sim",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; default: the model's name + .seamount")
    ] = None,
    assume: o.Assume = None,
    steps: o.Steps = None,
    weight_bits: Annotated[int, typer.Option(min=1, max=8, help="Bits per weight, sign included.")] = 8,
    bits: o.LayerBits = None,
    max_delay: o.MaxDelay = None,
    no_balance_delays: o.NoBalance = False,
    slow_down: o.SlowDown = 1,
    pipeline: Annotated[str | None, typer.Option(metavar="TEXT", help=o.PIPELINE_HELP)] = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Lower scales until no input can overflow a register, or refuse.")
    ] = False,
    calibrate: Annotated[
        str | None, typer.Option(metavar="NAME", help="Data whose train split sets scales; names as for run --data.")
    ] = None,
    calibration_samples: Annotated[int, typer.Option(min=1, help="Samples used for --calibrate.")] = CALIBRATED,
    data_folder: o.DataFolder = None,
    stop_after: Annotated[
        str | None, typer.Option(metavar="PASS", help="Print the graph after this pass and stop; 'import' for none.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an artifact that exists.")] = False,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Compile a trained network to Loihi's integers and write the artifact.

    Without --calibrate, scales are set on the real samples in the model file; for a .nir file, on assumed activity. The
    integers of a .net file are taken as they are.
    """
    check_outputs([model, calibrate, target], {"--json": json}, {"-o": output or Path(f"{model.stem}.seamount")})
    load_target(target)
    source = load(model, assume=assume or [], steps=steps)
    options = Options(
        weight_bits, layer_bits(bits or []), steps, max_delay, not no_balance_delays, slow_down, prove
    )  # fmt: skip
    data = None if calibrate is None else DataSource(calibrate, "train", calibration_samples, folder=data_folder)
    if stop_after is not None:
        raw(stage_of(source, stop_after, target, options, data, pipeline))
        return
    made = compilation(source, target, options, calibrate=data, pipeline=pipeline, progress=progress(quiet))
    folder = output or Path(f"{model.stem}.seamount")
    made.artifact.save(folder, overwrite=force)
    for note in made.artifact.manifest.notes:
        if isinstance(note, Unbalanced):
            warn(str(note))
    answer(replace(made, folder=folder), json, quiet)
