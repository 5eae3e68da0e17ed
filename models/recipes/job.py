"""A training job from names: data, network and recipe to a trained network and its model file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.models.data import datasets
from seamount.models.data.samples import Data
from seamount.models.networks.grouped import GroupNetwork, unrolled
from seamount.models.networks.recurrence import HandedOn, recurrent_layers
from seamount.models.networks.registry import maker
from seamount.models.networks.stages import Task
from seamount.models.recipes.checkpoint import read_weights
from seamount.models.recipes.evaluate import Scores, evaluate
from seamount.models.recipes.pipe import adapt
from seamount.models.recipes.recipe import Builder, Recipe
from seamount.models.recipes.training import Report, Samples, Schedule, Trained, train

Load = Callable[..., Data]
"""As datasets.load."""


@dataclass(frozen=True)
class Job:
    """network, data: names. limit: training samples used; start: weights of an earlier job's checkpoint.

    bins: time bins of event recordings, by default as many as training has steps; with more, it sees the first ones.
    reads: T at which the test split is scored, besides the recipe's own.

    Test scores are computed once, after the last update.
    """

    recipe: Recipe
    network: str
    data: str
    seed: int = 0
    schedule: Schedule = field(default_factory=Schedule)
    limit: int | None = None
    root: Path | None = None
    device: str = "cpu"
    threads: int = 1
    checkpoint: Path | None = None
    start: Path | None = None
    bins: int | None = None
    reads: tuple[int, ...] = (1, 2, 4)


@dataclass(frozen=True, eq=False)
class Outcome:
    """network: as deployed. scores: on the test split, at the T asked for and the recipe's own, as far as data last."""

    network: nn.Module
    scores: Scores
    trained: Trained
    parameters: int
    test: Data
    steps: int


def run(job: Job, report: Report | None = None, load: Load = datasets.load) -> Outcome:
    """Train and score; `load` may keep data that several jobs share. Raises InputError with what cannot be used."""
    _check(job)
    torch.set_num_threads(job.threads)
    steps = job.recipe.steps
    bins = (job.bins or job.recipe.training_steps) if datasets.takes_steps(job.data) else None
    training = load(job.data, "train", job.root, job.limit, bins)
    test = load(job.data, "test", job.root, None, bins)
    _suits(job, training)
    data, held_out = _samples(training), _samples(test)
    task = Task(tuple(data.x.shape[1 if data.constant else 2 :]), _classes(training))
    make = maker(job.network)

    def build(activation: Any) -> Any:
        return make(task, activation)

    trained = train(
        job.recipe, build, data, job.schedule, job.seed,
        device=job.device, start=_start(job, build), checkpoint=job.checkpoint, report=report,
    )  # fmt: skip
    network = trained.network.cpu()
    if isinstance(network, GroupNetwork):
        network = unrolled(network)
    longest = 4 if held_out.constant else held_out.x.shape[1]
    read = sorted({t for t in (*job.reads, steps) if t <= max(longest, steps)})
    scores = evaluate(network, held_out, read)
    return Outcome(network, scores, trained, sum(p.numel() for p in network.parameters()), test, steps)


def write(job: Job, outcome: Outcome, path: Path, golden: int = 3) -> None:
    """The model file that `seamount compile` reads, checked against the network's own spikes."""
    from seamount.frontends import save

    test = outcome.test
    constant = not is_sequence(test)
    count = min(golden, len(test.y))
    x = test.x[:count] if constant else test.x[:count, : outcome.steps]
    looped = bool(recurrent_layers(outcome.network))
    save(
        HandedOn(outcome.network) if looped else outcome.network,
        path,
        sample=x,
        steps=outcome.steps if constant else None,
        readout="mean" if test.y.ndim == 1 else "each",
        labels=test.y[:count] if test.y.ndim == 1 else test.y[:count, : outcome.steps],
        classes=test.classes,
        accuracy=outcome.scores.accuracy[outcome.steps],
        coding="graded",
        input_range=(test.low, test.high),
        name=path.stem,
        description=f"{job.network} trained by {job.recipe!r} on {job.data}, seed {job.seed}",
    )


def _suits(job: Job, data: Data) -> None:
    """Raise InputError where the recipe cannot train on such samples."""
    where, recipe, sequence = f"data '{job.data}'", job.recipe, is_sequence(data)
    problems = []
    if data.y.ndim != 1 and not recipe.takes_label_per_step:
        found = f"has a label per step, and {recipe.name} trains one class per sample"
        problems.append(Problem(where, found, "use plain or tet"))
    if sequence and recipe.needs_images:
        found = f"holds sequences, and a part of {recipe.name} sees a sample as one image"
        problems.append(Problem(where, found, "use plain, tet, etc, tssd or pipe-d"))
    if sequence and data.x.shape[1] < recipe.training_steps:
        found = f"lasts {data.x.shape[1]} steps, and training takes {recipe.training_steps}"
        problems.append(Problem(where, found, "give fewer --steps"))
    raise_all(InputError, problems)


def is_sequence(data: Data) -> bool:
    """Whether axis 1 of x is time. Samples of the user's own are images, unless they have a label per step."""
    return data.encoding == "sequence" or data.y.ndim == 2


def _samples(data: Data) -> Samples:
    return Samples(torch.from_numpy(data.x), torch.from_numpy(data.y), not is_sequence(data))


def _classes(data: Data) -> int:
    return len(data.classes) or int(data.y.max()) + 1


def _start(job: Job, build: Builder) -> dict[str, Any] | None:
    """Weights of an earlier checkpoint, fitted to this network."""
    if job.start is None:
        return None
    try:
        return adapt(read_weights(job.start), build(job.recipe.neuron))
    except (RuntimeError, LookupError, StopIteration) as error:
        found = f"holds weights that do not fit this network: {type(error).__name__}"
        raise InputError(Problem(str(job.start), found, "give a file that --checkpoint wrote")) from None


def _check(job: Job) -> None:
    problems = []
    if job.device.startswith("cuda") and not torch.cuda.is_available():
        problems.append(Problem(f"--device {job.device}", "no CUDA device is there", "use --device cpu"))
    elif job.device.split(":")[0] not in ("cpu", "cuda"):
        problems.append(Problem(f"--device {job.device}", "is unknown", "use cpu or cuda"))
    if job.schedule.amp and not job.device.startswith("cuda"):
        problems.append(Problem("--amp", "mixed precision is for a GPU", "add --device cuda, or omit it"))
    raise_all(InputError, problems)
