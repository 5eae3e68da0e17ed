"""seamount train: a network by one of the published methods, ready to be compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seamount.cli import options as o
from seamount.cli.console import out, percent, progress
from seamount.cli.train_card import train_by_card
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import write_json
from seamount.models.networks.cards import CARDS

_RECIPES = "plain, tet, etc, tssd, joint, branch-ce, pipe-s, pipe-relu, pipe-s-etc, pipe-d, one-step"
_NETWORKS = f"{', '.join(CARDS)} ('seamount networks' has their cards), or a short form like 16C3-AP2-32C3"


def train(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help=f"One of {_RECIPES}; or card: a shipped network by its own schedule.")],
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
    hold_out: Annotated[
        int | None, typer.Option(metavar="N", help="With card: test on every Nth training sample instead.")
    ] = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Train a network by a published low-latency method (docs/methods.md) and save it for compile."""
    job_module = _training_modules()
    from seamount.models.recipes.augment import Augment
    from seamount.models.recipes.registry import recipe as named
    from seamount.models.recipes.training import Schedule
    from seamount.models.reference.train import CardJob

    if recipe == "card":
        sources = {name: context.get_parameter_source(name) for name in context.params}
        stated = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
        own = {key: context.params[key] for key in ("epochs", "seed", "threads", "limit") if key in stated}
        train_by_card(CardJob(network, data_folder, **own, hold_out=hold_out), stated, output, json, quiet)
        return
    if hold_out is not None:
        raise InputError(Problem("--hold-out", f"is for card, not for {recipe}", "omit it"))
    chosen = named(recipe) if steps is None else named(recipe).at(steps)
    schedule = Schedule(epochs, batch, rate, amp=amp, augment=Augment(crop, flip))
    job = job_module.Job(
        chosen, network, data, seed, schedule, limit, data_folder, device, threads, checkpoint, start
    )  # fmt: skip
    with progress(f"train {recipe}", quiet) as tick:

        def report(phase: str, done: int, total: int, terms: dict[str, float]) -> None:
            tick(done, total)
            if not quiet:
                losses = ", ".join(f"{name} {value:.4f}" for name, value in terms.items())
                out.print(f"epoch {done}/{total} ({phase}): {losses}", markup=False)

        outcome = job_module.run(job, report)
    if output is not None:
        job_module.write(job, outcome, output)
    if json is not None:
        write_json(json, _summary(job, recipe, outcome))
    if not quiet:
        _print(outcome, output)


def _training_modules() -> Any:
    """The job module. Raises InputError without PyTorch or SpikingJelly."""
    try:
        from seamount.models.recipes import job
    except ModuleNotFoundError as error:
        found = f"needs the Python package '{error.name}', which is not installed"
        raise InputError(Problem("seamount train", found, "pip install 'seamount[spikingjelly,data]'")) from None
    return job


def _summary(job: Any, recipe: str, outcome: Any) -> dict[str, Any]:
    return {
        "recipe": recipe,
        "hyperparameters": repr(job.recipe),
        "schedule": repr(job.schedule),
        "network": job.network,
        "data": job.data,
        "seed": job.seed,
        "parameters": outcome.parameters,
        "steps": outcome.steps,
        "accuracy": outcome.scores.accuracy,
        "divergence": outcome.scores.divergence,
        "rates": outcome.scores.rates,
        "history": outcome.trained.history,
        "seconds": outcome.trained.seconds,
    }


def _print(outcome: Any, output: Path | None) -> None:
    reached = ", ".join(f"T = {t}: {percent(a)}" for t, a in outcome.scores.accuracy.items())
    out.print(f"test accuracy {reached}")
    out.print(f"{outcome.parameters:,} parameters, trained in {outcome.trained.seconds:.0f} s")
    if output is not None:
        out.print(f"model file: {output}; next: seamount compile {output}", markup=False, soft_wrap=True)
