"""seamount evaluate: trained models as they are deployed, at every weight width and every T, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seamount.cli import options as o
from seamount.cli.console import progress, show
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import write_json
from seamount.compiler.places import check_outputs
from seamount.workflows.compile import CALIBRATED, layer_bits
from seamount.workflows.data import DataSource
from seamount.workflows.evaluate import Evaluation, evaluate
from seamount.workflows.ladder import wants_lava


def evaluate_models(
    models: Annotated[list[Path], typer.Argument(help="model.pt or .nir files.", metavar="MODEL...")],
    data: Annotated[str, typer.Option("--data", "-d", metavar="NAME", help=o.DATA_HELP)],
    weight_bits: Annotated[
        list[int] | None, typer.Option(min=1, max=8, help="Bits per weight. Repeatable; default 8 and 4.")
    ] = None,
    bits: o.LayerBits = None,
    steps: Annotated[
        list[int] | None, typer.Option(min=1, help="T, from one artifact. Repeatable; default 1, 2 and 4.")
    ] = None,
    calibrate: Annotated[str | None, typer.Option(metavar="NAME", help="As for compile.")] = None,
    exact_samples: Annotated[int, typer.Option(min=1, help="Samples for the bit-exact comparisons.")] = 3,
    lava: Annotated[
        Literal["auto", "yes", "no"], typer.Option(help="Run in Lava: if it is installed, always, never.")
    ] = "auto",
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME", help="A cost set more, from 'seamount costs'.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="As for run.")] = None,
    target: o.TargetName = "loihi-sim",
    assume: o.Assume = None,
    split: o.Split = "test",
    limit: o.Limit = None,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Evaluate trained models as deployed: accuracy in float and integers, exactness, events, energy beside the ANN.

    One artifact per weight width runs at every T. The JSON is written after each model.
    Exit code 1 when a form differs that must be exact.
    """
    check_outputs([*models, data, calibrate, target, *(sets or ())], {"--json": json})
    if json is not None and json.is_dir():
        raise InputError(Problem(str(json), "is a folder", "name a file"))

    def then(found: Evaluation) -> None:
        if json is not None:
            write_json(json, found.to_dict())
        if not quiet:
            show(Evaluation(found.models[-1:]).blocks())

    wanted, note = wants_lava(lava)
    show([f"note: {note}"] if note else [])
    found = evaluate(
        models, DataSource(data, split, limit, seed, data_folder), weight_bits=weight_bits or (8, 4),
        bits=layer_bits(bits or []),
        steps=steps or (1, 2, 4), exact_samples=exact_samples, lava="yes" if wanted else "no", sets=sets or (),
        calibrate=None if calibrate is None else DataSource(calibrate, "train", CALIBRATED, folder=data_folder),
        backend=backend, target=target, assume=assume or [], then=then, progress=progress(quiet),
    )  # fmt: skip
    found.raise_if_failed()
