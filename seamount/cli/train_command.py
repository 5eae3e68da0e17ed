"""seamount train: a network by one of the published methods, ready to be compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer, progress, show
from seamount.compiler.places import check_outputs
from seamount.models.networks.cards import CARDS
from seamount.workflows.train import Settings
from seamount.workflows.train import train as train_network

_RECIPES = "plain, tet, etc, tssd, joint, branch-ce, pipe-s, pipe-relu, pipe-s-etc, pipe-d, one-step"
_NETWORKS = f"{', '.join(CARDS)} ('seamount networks' has their cards), or a short form like 16C3-AP2-32C3"


def train(
    recipe: Annotated[str, typer.Argument(help=f"One of {_RECIPES}.")],
    network: Annotated[str, typer.Option("--network", "-n", help=f"One of {_NETWORKS}.")] = "digits-conv3",
    data: Annotated[str, typer.Option("--data", "-d", metavar="NAME", help=o.DATA_HELP)] = "digits",
    seed: Annotated[int, typer.Option(min=0, help="Of weights and order; runs with equal seeds are paired.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training split.")] = 20,
    batch: Annotated[int, typer.Option(min=2, help="Samples per update.")] = 32,
    rate: Annotated[float, typer.Option(min=1e-9, help="Learning rate at the start of a phase.")] = 0.05,
    steps: Annotated[int | None, typer.Option(min=1, help="T; default: the recipe's.")] = None,
    crop: Annotated[int, typer.Option(min=0, help="Shift images by up to so many pixels.")] = 0,
    flip: Annotated[bool, typer.Option("--flip", help="Mirror half of the images.")] = False,
    limit: Annotated[int | None, typer.Option(min=2, help="Train on so many samples only.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Written after each epoch; run again, it goes on there, exactly."),
    ] = None,
    start: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Begin with the weights of an earlier --checkpoint (pipe-d).")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    amp: Annotated[bool, typer.Option("--amp", help="Mixed precision (bfloat16), on a GPU.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; results are equal for equal numbers.")] = 1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Model file to write, for compile.")] = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Train a network by a published low-latency method (docs/methods.md) and save it for compile."""
    check_outputs([data, start], {"--json": json, "-o": output, "--checkpoint": checkpoint})
    settings = Settings(
        seed, epochs, batch, rate, steps, crop, flip, limit, checkpoint, start, device, amp, threads, data_folder
    )  # fmt: skip

    def each(phase: str, done: int, total: int, terms: dict[str, float]) -> None:
        losses = ", ".join(f"{name} {value:.4f}" for name, value in terms.items())
        show([f"epoch {done}/{total} ({phase}): {losses}"])

    found = train_network(
        recipe, network, data, settings, path=output, each=None if quiet else each, progress=progress(quiet)
    )
    answer(found, json, quiet)
