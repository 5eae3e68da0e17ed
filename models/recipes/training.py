"""The training loop that all recipes share.

Everything that is drawn depends on the seed and the epoch alone: initial weights and the order of samples are the same
for all recipes with a seed (paired runs), and a run that was stopped goes on exactly as if it had not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seamount.models.recipes.augment import Augment
from seamount.models.recipes.checkpoint import Checkpoint, check_phase, read_checkpoint, restore, write_checkpoint
from seamount.models.recipes.recipe import Batch, Builder, Phase, Recipe

Tensor = torch.Tensor
Report = Callable[[str, int, int, dict[str, float]], None]
"""Called after each epoch with (phase, epochs done, epochs in all, mean of each loss term)."""


@dataclass(frozen=True)
class Schedule:
    """Stochastic gradient descent with momentum. rate: at the start of a phase; decay: weight decay; batch: samples.

    amp: mixed precision, bfloat16, on a GPU only.
    """

    epochs: int = 20
    batch: int = 32
    rate: float = 0.05
    momentum: float = 0.9
    decay: float = 1e-4
    amp: bool = False
    augment: Augment = field(default_factory=Augment)


@dataclass(frozen=True, eq=False)
class Samples:
    """x (N, *shape) shown at every step when `constant`, else (N, T, *shape); y (N,)."""

    x: Tensor
    y: Tensor
    constant: bool

    def to(self, device: str) -> Samples:
        return Samples(self.x.to(device), self.y.to(device), self.constant)


@dataclass(frozen=True, eq=False)
class Trained:
    """trainee: network and training-only modules; history: an entry per epoch (losses by term; their sum by
    tenths of the epoch); seconds: processor time of this call."""

    trainee: nn.Module
    network: nn.Module
    history: list[dict[str, Any]]
    seconds: float


def train(
    recipe: Recipe,
    build: Builder,
    data: Samples,
    schedule: Schedule,
    seed: int,
    *,
    device: str = "cpu",
    start: dict[str, Tensor] | None = None,
    checkpoint: Path | None = None,
    report: Report | None = None,
) -> Trained:
    """Train by a recipe.

    build: makes the network for an activation. start: weights to begin with instead of fresh ones.
    checkpoint: file that is written after each epoch, and from which the run goes on when it is there.
    Raises InputError when the checkpoint belongs to another run.
    """
    begin = time.process_time()
    data = data.to(device)
    phases = recipe.phases(schedule.epochs)
    identity = _identity(recipe, schedule, seed, data) if checkpoint else ""
    point = read_checkpoint(checkpoint, identity) if checkpoint else None
    lengths = [phase.epochs for phase in phases]
    if checkpoint and point:
        check_phase(checkpoint, point, lengths)
    history: list[dict[str, Any]] = list(point.history) if point else []
    trainee: nn.Module | None = None
    for number, phase in enumerate(phases):
        torch.manual_seed(seed)
        following = recipe.trainee(build, phase).to(device)
        if trainee is not None:
            recipe.transfer(trainee, following)
        elif start is not None:
            following.load_state_dict(start, strict=False)
        trainee = following
        if point is not None and number < point.phase:
            continue
        optimizer = _optimizer(trainee, phase, schedule)
        first = 0
        if checkpoint and point is not None and number == point.phase:
            restore(checkpoint, point, lengths, trainee, optimizer)
            first = point.epoch
        for epoch in range(first, phase.epochs):
            terms, curve = _epoch(recipe, trainee, optimizer, data, schedule, phase, epoch, _mixed(seed, number, epoch))
            history.append({"phase": phase.name, "epoch": epoch + 1, "loss": terms, "curve": curve})
            if checkpoint is not None:
                state = Checkpoint(number, epoch + 1, trainee.state_dict(), optimizer.state_dict(), history)
                write_checkpoint(checkpoint, state, identity)
            if report is not None:
                report(phase.name, len(history), sum(p.epochs for p in phases), terms)
    assert trainee is not None
    trainee.eval()
    return Trained(trainee, recipe.deployed(trainee).eval(), history, time.process_time() - begin)


def _epoch(
    recipe: Recipe,
    trainee: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Samples,
    schedule: Schedule,
    phase: Phase,
    epoch: int,
    seed: int,
) -> tuple[dict[str, float], list[float]]:
    """One pass over the samples; mean of each loss term over the batches, and of their sum over each tenth of them."""
    trainee.train()
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    order = torch.randperm(len(data.y), generator=generator)
    # A smaller last batch would give batch norms statistics of a few samples.
    size = min(schedule.batch, len(order))
    batches = list(order[: len(order) // size * size].reshape(-1, size))
    totals: dict[str, float] = {}
    losses: list[float] = []
    for i, chosen in enumerate(batches):
        rate = schedule.rate * phase.rate * _share((epoch + i / len(batches)) / phase.epochs, phase)
        for group in optimizer.param_groups:
            group["lr"] = rate
        at = chosen.to(data.y.device)
        x = schedule.augment(data.x[at], generator)
        with torch.autocast(data.x.device.type, torch.bfloat16, enabled=schedule.amp):
            terms = recipe.loss(trainee, Batch(x, data.y[at], data.constant, phase, epoch))
            loss = torch.stack(tuple(terms.values())).sum() if len(terms) > 1 else next(iter(terms.values()))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        for name, value in terms.items():
            totals[name] = totals.get(name, 0.0) + float(value.detach())
        losses.append(float(loss.detach()))
    return {name: value / max(1, len(batches)) for name, value in totals.items()}, _tenths(losses)


def _tenths(values: list[float]) -> list[float]:
    """Means over ten parts of nearly equal length, in order; over single values where they are fewer than ten."""
    parts = min(10, len(values))
    ends = [i * len(values) // parts for i in range(parts + 1)] if parts else [0]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(ends)]


def _share(done: float, phase: Phase) -> float:
    """Of the rate, after `done` of the phase: a cosine to 0, or 1."""
    if phase.shape == "constant":
        return 1.0
    return 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * done, dtype=torch.float64))))


def _optimizer(trainee: nn.Module, phase: Phase, schedule: Schedule) -> torch.optim.Optimizer:
    for name, parameter in trainee.named_parameters():
        parameter.requires_grad_(not phase.fresh or name.startswith(phase.fresh))
    trained = [p for p in trainee.parameters() if p.requires_grad]
    return torch.optim.SGD(trained, schedule.rate, momentum=schedule.momentum, weight_decay=schedule.decay)


def _mixed(seed: int, phase: int, epoch: int) -> int:
    """A seed of its own for each epoch."""
    return (seed * 1_000_003 + phase * 10_007 + epoch) % 2**63


def _identity(recipe: Recipe, schedule: Schedule, seed: int, data: Samples) -> str:
    """What two runs must share so that one can go on where the other stopped."""
    return f"{recipe!r} {schedule!r} seed={seed} x={tuple(data.x.shape)} sum={float(data.x.double().sum()):.17g}"
