"""seamount blame: which layer, and what of it, loses the accuracy between float and integers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer, progress
from seamount.compiler.places import check_outputs
from seamount.workflows.blame.blame import blame as blame_model
from seamount.workflows.compile import CALIBRATED, layer_bits
from seamount.workflows.data import DataSource


def blame(
    path: Annotated[Path, typer.Argument(help="model.pt or .nir.", metavar="MODEL")],
    data: Annotated[str, typer.Option("--data", metavar="NAME", help="As for run.")],
    target: o.TargetName = "loihi-sim",
    assume: o.Assume = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    weight_bits: Annotated[int, typer.Option(min=1, max=8, help="Bits per weight.")] = 8,
    bits: o.LayerBits = None,
    calibrate: Annotated[str | None, typer.Option(metavar="NAME", help="As for compile.")] = None,
    no_balance_delays: o.NoBalance = False,
    within: Annotated[float, typer.Option(help="Stop when all intervals are so tight, in points.")] = 0.5,
    remedies: Annotated[bool, typer.Option("--remedies/--no-remedies", help="Try what may mend it.")] = True,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Attribute the accuracy that integers lose: by stage, and by layer and kind, each alone and all but each.

    Ctrl-C ends with what is known by then.
    """
    check_outputs([path, data, calibrate, target], {"--json": json}, {})
    calibration = None if calibrate is None else DataSource(calibrate, "train", CALIBRATED, folder=data_folder)
    found = blame_model(
        path, DataSource(data, split, limit, seed, data_folder), target=target, weight_bits=weight_bits,
        bits=layer_bits(bits or []), calibrate=calibration, steps=steps, balance_delays=not no_balance_delays,
        within=within, remedies=remedies, assume=assume or [], progress=progress(quiet),
    )  # fmt: skip
    answer(found, json, quiet)
