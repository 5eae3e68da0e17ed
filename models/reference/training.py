"""The training loop that all reference networks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch

from seamount.models.data.samples import NO_LABEL, Data
from seamount.models.recipes.augment import mirrored, shifted
from seamount.models.reference.card import Card, OneCycle
from seamount.models.reference.unroll import unroll

Tensor = torch.Tensor
Report = Callable[[int, int, float], None]
"""Called after each update with (updates done, updates in all, loss)."""


def scores(outputs: Tensor, card: Card) -> Tensor:
    """Class scores (B, classes, ...) of outputs (T, B, classes, ...) by the card's rule; "each": (B, T, classes)."""
    if card.readout == "each":
        return outputs.transpose(0, 1)
    if card.readout == "last":
        return outputs[-1]
    return outputs.sum(0) if card.readout == "sum" else outputs.mean(0)


def accuracy(model: torch.nn.Module, data: Data, card: Card, batch: int = 500) -> float:
    """Share of the labels, one per sample, step or pixel, whose class has the largest score; in evaluation mode."""
    model.eval()
    right = 0
    with torch.no_grad():
        for i in range(0, len(data.y), batch):
            x = torch.from_numpy(data.x[i : i + batch])
            found = scores(unroll(model, x, card), card).argmax(1 if card.task == "pixels" else -1).numpy()
            right += int((found == data.y[i : i + batch]).sum())
    return right / int((data.y != NO_LABEL).sum())


def train(card: Card, data: Data, cycle: OneCycle, report: Report | None = None) -> torch.nn.Module:
    """Build the network and train it by the cycle; the weights after the last update are taken.

    The same cycle, data and torch version give the same weights on one machine.
    """
    torch.manual_seed(cycle.seed)
    model = card.build()
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    updates = cycle.epochs * max(1, len(y) // cycle.batch)
    optimiser = torch.optim.AdamW(model.parameters(), cycle.rate, weight_decay=cycle.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, cycle.rate, total_steps=updates)
    model.train()
    done = 0
    for _ in range(cycle.epochs):
        order = torch.randperm(len(y))
        for k in range(max(1, len(y) // cycle.batch)):
            chosen = order[k * cycle.batch : (k + 1) * cycle.batch]
            part, labels = cut(augment(x[chosen], cycle), y[chosen], cycle)
            loss = _loss(unroll(model, part, card), labels, card, cycle)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            done += 1
            if report is not None:
                report(done, updates, loss.item())
    return model.eval()


def _loss(outputs: Tensor, y: Tensor, card: Card, cycle: OneCycle) -> Tensor:
    def entropy(found: Tensor, labels: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(found, labels, ignore_index=NO_LABEL)

    found = scores(outputs, card)
    found, wanted = (found, y) if card.task == "pixels" else (found.flatten(0, -2), y.flatten())
    loss = (1 - cycle.per_step) * entropy(found, wanted)
    if cycle.per_step:
        loss = loss + cycle.per_step * entropy(outputs.flatten(0, 1), torch.cat([y] * len(outputs)))
    return loss


def cut(x: Tensor, y: Tensor, cycle: OneCycle) -> tuple[Tensor, Tensor]:
    """`window` steps of sequences (B, T, ...) and labels (B, T), from a random step on, the same for the batch."""
    if cycle.window is None or cycle.window >= x.shape[1]:
        return x, y
    start = int(torch.randint(0, x.shape[1] - cycle.window + 1, ()))
    return x[:, start : start + cycle.window], y[:, start : start + cycle.window]


def augment(x: Tensor, cycle: OneCycle) -> Tensor:
    """Mirror and move images (B, [[T,] C,] H, W) at random as the cycle says; what leaves is lost, 0 enters.

    All steps of a sample are moved alike. Other numbers are drawn than in `Augment`: the shipped weights were trained
    with these.
    """
    if cycle.flip:
        x = mirrored(x, torch.rand(len(x)) < 0.5)
    if cycle.shift_px:
        down, right = (torch.randint(0, 2 * cycle.shift_px + 1, (len(x),)) for _ in range(2))
        x = shifted(x, down.tolist(), right.tolist(), cycle.shift_px)
    return x


def parameter_count(model: torch.nn.Module) -> int:
    """Trained numbers of a network."""
    return sum(p.numel() for p in cast("list[Tensor]", list(model.parameters())))
