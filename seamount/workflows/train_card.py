"""A shipped network trained again, by the schedule of its card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seamount.compiler.errors import InputError, Problem
from seamount.progress import Progress, watched
from seamount.results.blocks import Block, Shown, percent


@dataclass(frozen=True, eq=False, repr=False)
class TrainedCard(Shown):
    """What training by a card gave: the job, its outcome, and where the model file was written, if it was."""

    job: Any
    outcome: Any
    path: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        job, outcome = self.job, self.outcome
        tree = {"recipe": "card", "network": job.network, "schedule": repr(job.cycle), "hold_out": job.hold_out}
        found = {"accuracy": outcome.accuracy, "parameters": outcome.parameters, "seconds": outcome.seconds}
        return tree | found

    def blocks(self) -> Iterator[Block]:
        job, outcome = self.job, self.outcome
        kind = "test" if job.hold_out is None else "held-out"
        yield f"{outcome.trained_on} training samples, {job.cycle.epochs} epochs in {outcome.seconds:.0f} s"
        yield f"{kind} accuracy {percent(outcome.accuracy)} on {len(outcome.tested.y)} samples"
        if self.path is not None:
            yield f"model file: {self.path}; next: seamount compile {self.path}"


def train_card(
    network: str,
    own: Mapping[str, int] | None = None,
    hold_out: int | None = None,
    *,
    data_folder: Path | None = None,
    path: Path | None = None,
    progress: Progress = None,
) -> TrainedCard:
    """Train and test a shipped network by its card.

    own: epochs, seed, threads or limit instead of the card's. hold_out: test on every so many-th training sample
    instead of the test split. path: the model file to write.
    Raises InputError with every value that cannot be used, or when PyTorch is missing.
    """
    try:
        from seamount.models.reference import train
    except ModuleNotFoundError as error:
        found = f"needs the Python package '{error.name}', which is not installed"
        raise InputError(Problem("seamount train", found, "pip install 'seamount[spikingjelly,data]'")) from None
    job = train.CardJob(network, data_folder, **(own or {}), hold_out=hold_out)
    train.check(job, writes=path is not None)
    with watched(progress, f"train {job.network}") as tick:
        outcome = train.run(job, lambda done, total, loss: tick(done, total))
    if path is not None:
        train.write(job, outcome, path)
    return TrainedCard(job, outcome, path)
