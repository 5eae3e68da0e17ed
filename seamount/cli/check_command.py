"""seamount check: does every form of the network agree, from the framework to Lava?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seamount.cli import options as o
from seamount.cli.console import answer, progress, show
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.kept_run import check_run_place
from seamount.compiler.places import check_outputs
from seamount.workflows.compile import CALIBRATED, layer_bits
from seamount.workflows.data import DataSource
from seamount.workflows.keep import RECORD
from seamount.workflows.ladder import EXACT_SAMPLES
from seamount.workflows.ladder import check as check_model
from seamount.workflows.record_check import check_recording
from seamount.workflows.requirements import parse_requirements

REQUIRE_HELP = (
    "What must hold, e.g. accuracy-drop<=1%, accuracy>=95%, agreement>=98%, lava=exact. Repeatable; else exit code 1."
)


def check(
    path: Annotated[Path, typer.Argument(help="model.pt, .nir, .net, or an artifact.", metavar="MODEL|ARTIFACT")],
    data: o.DataName = None,
    trace: Annotated[
        Path | None, typer.Option(help="Compare an artifact with a recording made elsewhere (.npz, .csv, or NIR data).")
    ] = None,
    silicon: Annotated[bool, typer.Option("--silicon", help="In the recording, v reads 128 at a spike.")] = False,
    require: Annotated[list[str] | None, typer.Option("--require", metavar="BOUND", help=REQUIRE_HELP)] = None,
    target: o.TargetName = "loihi-sim",
    assume: o.Assume = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    weight_bits: Annotated[int, typer.Option(min=1, max=8, help="Bits per weight of a model compiled now.")] = 8,
    bits: o.LayerBits = None,
    calibrate: Annotated[str | None, typer.Option(metavar="NAME", help="As for compile.")] = None,
    output: o.RunFolder = None,
    record: o.Record = RECORD,
    force: o.Force = False,
    exact_samples: Annotated[int, typer.Option(min=1, help="Samples for the bit-exact comparisons.")] = EXACT_SAMPLES,
    lava: Annotated[
        Literal["auto", "yes", "no"], typer.Option(help="Run in Lava: if it is installed, always, never.")
    ] = "auto",
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Run the same samples through every form of a network and compare.

    A model is compiled now; an artifact is taken as it is. Without --data: the golden samples of the model file, or the
    test vectors of the artifact. Exit code 1 when forms that must be exact differ, or a requirement fails.
    """
    check_outputs([path, data, trace, calibrate, target], {"--json": json}, {"-o": output})
    parse_requirements(require or [])
    if output is not None:
        _check_output(output, force, data, trace)
    source = None if data is None else DataSource(data, split, limit, seed, data_folder)
    if trace is not None:
        recorded = check_recording(path, trace, source, silicon=silicon, require=require or ())
        answer(recorded, json, quiet)
        recorded.raise_if_failed()
        return
    calibration = None if calibrate is None else DataSource(calibrate, "train", CALIBRATED, folder=data_folder)
    found = check_model(
        path, source, require=require or (),
        target=target, weight_bits=weight_bits, bits=layer_bits(bits or []), calibrate=calibration, steps=steps,
        exact_samples=exact_samples, lava=lava, assume=assume or [], progress=progress(quiet),
    )  # fmt: skip
    show(f"note: {note}" for note in found.notes)
    if output is not None:
        found.save(output, record=record, overwrite=force)
    answer(found, json, quiet)
    found.raise_if_failed()


def _check_output(output: Path, force: bool, data: str | None, trace: Path | None) -> None:
    """Refuse before the work what could not be kept after it."""
    if trace is not None:
        raise InputError(Problem("-o", "a recording made elsewhere is not kept as a run", "omit --trace or -o"))
    if data is None:
        raise InputError(Problem("-o", "golden samples and test vectors are not kept as a run", "give --data"))
    check_run_place(output, force)
