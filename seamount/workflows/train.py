"""A network trained by one of the published methods, ready to be compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seamount.compiler.errors import InputError, Problem
from seamount.progress import Progress, watched
from seamount.results.blocks import Block, Shown, percent

Epoch = Callable[[str, int, int, dict[str, float]], None]
"""Called after each epoch with (phase, epoch, epochs, terms of the loss)."""


@dataclass(frozen=True)
class Settings:
    """How to train. seed: of weights and order. rate: learning rate at the start of a phase. steps: T, None for the
    recipe's. crop: shift images by up to so many pixels; flip: mirror half of them. limit: training samples used.
    checkpoint: written after each epoch, from which the same training goes on exactly. start: weights of an earlier
    checkpoint. device: "cpu" or "cuda". amp: mixed precision. threads: of the processor."""

    seed: int = 0
    epochs: int = 20
    batch: int = 32
    rate: float = 0.05
    steps: int | None = None
    crop: int = 0
    flip: bool = False
    limit: int | None = None
    checkpoint: Path | None = None
    start: Path | None = None
    device: str = "cpu"
    amp: bool = False
    threads: int = 1
    data_folder: Path | None = None


@dataclass(frozen=True, eq=False, repr=False)
class TrainedNetwork(Shown):
    """What training gave: the job, its outcome, and where the model file was written, if it was."""

    recipe: str
    job: Any
    outcome: Any
    path: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        job, outcome = self.job, self.outcome
        return {
            "recipe": self.recipe,
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

    def blocks(self) -> Iterator[Block]:
        reached = ", ".join(f"T = {t}: {percent(a)}" for t, a in self.outcome.scores.accuracy.items())
        yield f"test accuracy {reached}"
        yield f"{self.outcome.parameters:,} parameters, trained in {self.outcome.trained.seconds:.0f} s"
        if self.path is not None:
            yield f"model file: {self.path}; next: seamount compile {self.path}"


def train(
    recipe: str,
    network: str = "digits-conv3",
    data: str = "digits",
    settings: Settings | None = None,
    *,
    path: Path | None = None,
    each: Epoch | None = None,
    progress: Progress = None,
) -> TrainedNetwork:
    """Train a network by a published low-latency method (docs/methods.md).

    recipe, network, data: names, or a short form of a network like 16C3-AP2-32C3. path: the model file to write. each:
    called after each epoch. Raises InputError with what cannot be used, or when PyTorch or SpikingJelly is missing.
    """
    jobs = _job_module()
    from seamount.models.recipes.augment import Augment
    from seamount.models.recipes.registry import recipe as named
    from seamount.models.recipes.training import Schedule

    s = settings or Settings()
    chosen = named(recipe) if s.steps is None else named(recipe).at(s.steps)
    schedule = Schedule(s.epochs, s.batch, s.rate, amp=s.amp, augment=Augment(s.crop, s.flip))
    job = jobs.Job(
        chosen, network, data, s.seed, schedule, s.limit, s.data_folder, s.device, s.threads, s.checkpoint, s.start
    )
    with watched(progress, f"train {recipe}") as tick:

        def report(phase: str, done: int, total: int, terms: dict[str, float]) -> None:
            tick(done, total)
            if each is not None:
                each(phase, done, total, terms)

        outcome = jobs.run(job, report)
    if path is not None:
        jobs.write(job, outcome, path)
    return TrainedNetwork(recipe, job, outcome, path)


def _job_module() -> Any:
    """The job module. Raises InputError without PyTorch or SpikingJelly."""
    try:
        from seamount.models.recipes import job
    except ModuleNotFoundError as error:
        found = f"needs the Python package '{error.name}', which is not installed"
        raise InputError(Problem("seamount train", found, "pip install 'seamount[spikingjelly,data]'")) from None
    return job
