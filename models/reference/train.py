"""Train a shipped network again, by the schedule of its card: what `seamount train card` does.

The test split is used once, after the last update; with samples held out not at all, to choose a schedule by.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.models.data import datasets
from seamount.models.data.samples import Data
from seamount.models.reference.card import Card, OneCycle
from seamount.models.reference.registry import card
from seamount.models.reference.training import Report, accuracy, parameter_count, train

RECIPE = "card"
"""What `seamount train` calls it, beside its recipes."""


@dataclass(frozen=True)
class CardJob:
    """network: name of a shipped one. epochs, seed, threads: instead of the card's.

    limit: training samples used. hold_out: every so many-th training sample is not trained on but tested.
    """

    network: str
    root: Path | None = None
    epochs: int | None = None
    seed: int | None = None
    threads: int | None = None
    limit: int | None = None
    hold_out: int | None = None

    @property
    def cycle(self) -> OneCycle:
        """The schedule."""
        usual = card(self.network).cycle
        return dataclasses.replace(
            usual,
            epochs=usual.epochs if self.epochs is None else self.epochs,
            seed=usual.seed if self.seed is None else self.seed,
            threads=usual.threads if self.threads is None else self.threads,
        )


@dataclass(frozen=True, eq=False)
class CardOutcome:
    """accuracy: on `tested`, the test split or what was held out. seconds: of training."""

    network: torch.nn.Module
    accuracy: float
    trained_on: int
    tested: Data
    parameters: int
    seconds: float


def check(job: CardJob, writes: bool) -> None:
    """Raise InputError with every value that cannot be used. writes: whether a model file is wanted."""
    cycle = job.cycle
    problems = [
        Problem(f"--{key}", f"is {getattr(cycle, key)}", "give at least 1")
        for key in ("epochs", "threads")
        if getattr(cycle, key) < 1
    ]
    if job.hold_out is not None:
        if job.hold_out < 2:
            problems.append(Problem("--hold-out", f"is {job.hold_out}", "give at least 2"))
        if writes:
            problems.append(Problem("--output", "with --hold-out", "train on all samples for a file"))
    raise_all(InputError, problems)


def run(job: CardJob, report: Report | None = None) -> CardOutcome:
    """Train and test. Raises InputError with what cannot be used."""
    chosen, cycle = card(job.network), job.cycle
    check(job, writes=False)
    torch.set_num_threads(cycle.threads)
    training, tested = _splits(job, chosen)
    start = time.perf_counter()
    network = train(chosen, training, cycle, report)
    seconds = time.perf_counter() - start
    reached = accuracy(network, tested, chosen)
    return CardOutcome(network, reached, len(training.y), tested, parameter_count(network), seconds)


def _splits(job: CardJob, chosen: Card) -> tuple[Data, Data]:
    """Samples to train on and to test on."""
    steps = chosen.steps if chosen.data in datasets.BINNED else None
    training = datasets.load(chosen.data, "train", job.root, job.limit, steps)
    if job.hold_out is None:
        return training, datasets.load(chosen.data, "test", job.root, steps=steps)
    held = np.arange(len(training.y)) % job.hold_out == 0
    one, other = (dataclasses.replace(training, x=training.x[k], y=training.y[k]) for k in (~held, held))
    return one, other


def write(job: CardJob, outcome: CardOutcome, path: Path) -> None:
    """The file that `seamount compile` reads; golden samples are the first of the test split."""
    from seamount.frontends import save

    chosen, test = card(job.network), outcome.tested
    count = chosen.golden
    save(
        outcome.network,
        path,
        sample=test.x[:count],
        steps=chosen.steps,
        encoding=chosen.encoding,
        readout=chosen.readout,
        task=chosen.task,
        labels=test.y[:count],
        classes=test.classes,
        accuracy=outcome.accuracy,
        coding="spikes" if np.isin(test.x, (0, 1)).all() else "graded",
        input_range=(0.0, chosen.high),
        name=chosen.name,
        description=f"{chosen.layers}; {chosen.origin}; data: {chosen.data_licence}",
    )
