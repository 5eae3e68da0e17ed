"""seamount train card: a shipped network again, by the schedule of its card."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from seamount.cli.console import out, percent, progress
from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.compiler.files import write_json

OWN = ("data", "batch", "rate", "steps", "crop", "flip", "checkpoint", "start", "device", "amp")
"""Options of recipes that a card decides itself."""


def train_by_card(job: Any, given: Collection[str], output: Path | None, json: Path | None, quiet: bool) -> None:
    """Train, test and write. given: options that the user stated."""
    from seamount.models.reference import train

    remedy = "omit it: the network's card decides; 'seamount networks NAME' shows it"
    raise_all(InputError, [Problem(f"--{name}", "is an option of recipes", remedy) for name in OWN if name in given])
    train.check(job, writes=output is not None)
    with progress(f"train {job.network}", quiet) as tick:
        outcome = train.run(job, lambda done, total, loss: tick(done, total))
    if output is not None:
        train.write(job, outcome, output)
    if json is not None:
        tree = {"recipe": train.RECIPE, "network": job.network, "schedule": repr(job.cycle), "hold_out": job.hold_out}
        found = {"accuracy": outcome.accuracy, "parameters": outcome.parameters, "seconds": outcome.seconds}
        write_json(json, tree | found)
    if not quiet:
        kind = "test" if job.hold_out is None else "held-out"
        out.print(f"{outcome.trained_on} training samples, {job.cycle.epochs} epochs in {outcome.seconds:.0f} s")
        out.print(f"{kind} accuracy {percent(outcome.accuracy)} on {len(outcome.tested.y)} samples")
        if output is not None:
            out.print(f"model file: {output}; next: seamount compile {output}", markup=False, soft_wrap=True)
