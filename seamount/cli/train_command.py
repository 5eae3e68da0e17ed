"""seamount train: a network by one of the published methods, ready to be compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer, progress, show
from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.compiler.places import check_outputs
from seamount.models.networks.cards import CARDS
from seamount.workflows.train import Settings
from seamount.workflows.train import train as train_network
from seamount.workflows.train_card import train_card

_RECIPES = "plain, tet, etc, tssd, joint, branch-ce, pipe-s, pipe-relu, pipe-s-etc, pipe-d, one-step"
_NETWORKS = f"{', '.join(CARDS)} ('seamount networks' has their cards), or a short form like 16C3-AP2-32C3"

OWN_TOO = ("epochs", "seed", "threads", "limit")
"""Options that stand in for what a card says."""
OWN = ("data", "batch", "rate", "steps", "crop", "flip", "checkpoint", "start", "device", "amp")
"""Options of recipes that a card decides itself."""


def train(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help=f"One of {_RECIPES}; or card: a shipped network by its own schedule.")],
    network: Annotated[str, typer.Option("--network", "-n", help=f"One of {_NETWORKS}.")] = "digits-conv3",
    data: Annotated[str, typer.Option("--data", "-d", metavar="NAME", help=o.DATA_HELP)] = "digits",
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Of weights and order; runs with equal seeds are paired.")
    ] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training split.")] = 20,
    batch: Annotated[int, typer.Option(min=2, help="Samples per update.")] = 32,
    rate: Annotated[float, typer.Option(min=1e-9, max=1e6, help="Learning rate at the start of a phase.")] = 0.05,
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
    hold_out: Annotated[
        int | None, typer.Option(metavar="N", help="With card: test on every Nth training sample instead.")
    ] = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Train a network by a published low-latency method (docs/methods.md) and save it for compile."""
    check_outputs([data, start], {"--json": json, "-o": output, "--checkpoint": checkpoint})
    if recipe == "card":
        stated = _stated(context)
        own: dict[str, int] = {key: context.params[key] for key in OWN_TOO if key in stated}
        found = train_card(network, own, hold_out, data_folder=data_folder, path=output, progress=progress(quiet))
        answer(found, json, quiet)
        return
    if hold_out is not None:
        raise InputError(Problem("--hold-out", f"is for card, not for {recipe}", "omit it"))
    settings = Settings(
        seed, epochs, batch, rate, steps, crop, flip, limit, checkpoint, start, device, amp, threads, data_folder
    )  # fmt: skip

    def each(phase: str, done: int, total: int, terms: dict[str, float]) -> None:
        losses = ", ".join(f"{name} {value:.4f}" for name, value in terms.items())
        show([f"epoch {done}/{total} ({phase}): {losses}"])

    trained = train_network(
        recipe, network, data, settings, path=output, each=None if quiet else each, progress=progress(quiet)
    )
    answer(trained, json, quiet)


def _stated(context: typer.Context) -> list[str]:
    """The options that the user stated. Raises InputError for those that a card decides itself."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    stated = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    remedy = "omit it: the network's card decides; 'seamount networks NAME' shows it"
    raise_all(InputError, [Problem(f"--{name}", "is an option of recipes", remedy) for name in OWN if name in stated])
    return stated
