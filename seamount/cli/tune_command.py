"""seamount tune: a trained network, fine-tuned in the integers that will run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seamount.cli import options as o
from seamount.cli.console import answer, progress, show
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.places import check_outputs
from seamount.workflows.compile import layer_bits
from seamount.workflows.data import DataSource
from seamount.workflows.tune import tune
from seamount.workflows.tuned import LEARN, LEARNABLE, TuneSettings

_TERNARY = "ternary"


def tune_model(
    model: Annotated[Path, typer.Argument(help="model.pt or .nir file.")],
    data: Annotated[str, typer.Option("--data", "-d", metavar="NAME", help=f"Samples to train on. {o.DATA_HELP}")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write; .nir: for other tools.")
    ],
    weight_bits: Annotated[
        str,
        typer.Option(metavar="N", help="Bits per weight, sign included, 1 to 8; or ternary: -1, 0 and 1 in 2 bits."),
    ] = "8",
    bits: o.LayerBits = None,
    learn: Annotated[
        list[str] | None,
        typer.Option(metavar="WHAT", help=f"{', '.join(LEARNABLE)}. Repeatable; default {', '.join(LEARN)}."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the samples.")] = TuneSettings.epochs,
    batch: Annotated[int, typer.Option(min=1, help="Samples per update.")] = TuneSettings.batch,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Share of its layer's rms by which an update moves a weight at most; default 0.02, 0.003 with loops."
        ),
    ] = None,
    validation: Annotated[
        float, typer.Option(help="Share of the samples that is held out, to choose the epoch.")
    ] = TuneSettings.validation,
    no_labels: Annotated[
        bool, typer.Option("--no-labels", help="Learn from the float network's answers alone.")
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Written after each epoch; run again, it goes on there, exactly."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    target: o.TargetName = "loihi-sim",
    assume: o.Assume = None,
    steps: o.Steps = None,
    split: o.Split = "train",
    limit: o.Limit = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples held out and of the order.")] = 0,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Fine-tune a trained network in Loihi's integers, from labels or from its own answers in float.

    The forward pass is the integer program, entry for entry; the file that is written compiles to those integers.
    """
    check_outputs([model, data, target], {"--json": json, "-o": output, "--checkpoint": checkpoint})

    def each(entry: Any) -> None:
        loss = "" if entry["loss"] is None else f"loss {entry['loss']:.4f}, "
        show([f"epoch {entry['epoch']}/{epochs}: {loss}held out {entry['held_loss']:.4f}"])

    found = tune(
        model, DataSource(data, split, limit, folder=data_folder), weight_bits=_width(weight_bits),
        bits=layer_bits(bits or []), ternary=weight_bits == _TERNARY,
        settings=TuneSettings(
            tuple(learn or LEARN), epochs, batch, rate, validation, seed, not no_labels, device, checkpoint
        ),
        target=target, steps=steps, path=output, each=None if quiet else each, assume=assume or [],
        progress=progress(quiet),
    )  # fmt: skip
    answer(found, json, quiet)


def _width(word: str) -> int:
    """Bits of "1" to "8" or "ternary". Raises InputError."""
    if word == _TERNARY:
        return 2
    if word not in tuple("12345678"):
        raise InputError(Problem(f"--weight-bits {word}", "is no number of bits", f"give 1 to 8, or {_TERNARY}"))
    return int(word)
