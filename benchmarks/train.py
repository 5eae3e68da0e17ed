"""Training of the benchmark's networks with SpikingJelly, on one thread and with fixed seeds, within a time box: AdamW
under a one-cycle schedule.

The time box makes a slower machine train less; the number of updates is kept with the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cases import Case, Phase
from benchmarks.data import images, samples, spikes
from benchmarks.networks import fold_batchnorm
from benchmarks.neurons import spikingjelly

Tensor = torch.Tensor
Report = Callable[[int, int, float], None]
"""Called after each update with (updates done, updates planned, loss)."""


def train(case: Case, report: Report) -> tuple[torch.nn.Module, int]:
    """The trained network with batch norms folded, and the updates made."""
    torch.manual_seed(case.seed)
    kit = spikingjelly()
    model = case.network(kit).train()
    planned = sum(p.updates for p in case.phases)
    optimiser = torch.optim.AdamW(model.parameters(), case.rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, case.rate, total_steps=planned)
    begin, done = time.monotonic(), 0
    for phase in case.phases:
        # The last phase, at the size of use, gets its share of the time box even where the others are slow.
        share = (done + phase.updates) / planned if phase is not case.phases[-1] else 1.0
        share = min(share, 0.8) if phase is not case.phases[-1] else share
        for x, y in _batches(case, phase):
            if time.monotonic() - begin > 60 * case.minutes * share:
                break
            kit.reset(model)
            outputs = model(x)
            loss = torch.nn.functional.cross_entropy(case.gain * outputs.mean(0), y)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            done += 1
            report(done, planned, loss.item())
    kit.reset(model)
    return fold_batchnorm(model), done


def _batches(case: Case, phase: Phase) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches x (T, B, *shape) and y."""
    rng = np.random.default_rng(case.seed)
    x, y = _pool(case, phase.bins or phase.steps)
    order = np.empty(0, np.int64)
    for _ in range(phase.updates):
        if len(order) < phase.batch:
            order = np.concatenate([order, rng.permutation(len(y))])
        chosen, order = order[: phase.batch], order[phase.batch :]
        yield torch.from_numpy(_frames(case, phase, x[chosen], rng)), torch.from_numpy(y[chosen])


def _pool(case: Case, steps: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All training samples; MNIST as images, since its spikes are drawn anew for each batch."""
    return images("mnist", "train") if case.source == "mnist-spikes" else samples(case.source, "train", steps)


def _frames(case: Case, phase: Phase, x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Augmented frames (T, B, *shape)."""
    if case.source == "mnist-spikes":
        x = spikes(x, phase.steps, int(rng.integers(2**31)))
    elif case.encoding == "constant":
        x = x[:, :, :, ::-1] if rng.random() < 0.5 else x
        if phase.size is not None:
            top, left = (int(rng.integers(x.shape[axis] - phase.size + 1)) for axis in (2, 3))
            x = x[:, :, top : top + phase.size, left : left + phase.size]
        return np.ascontiguousarray(np.broadcast_to(x, (phase.steps, *x.shape)), np.float32)
    elif phase.bins:
        start = int(rng.integers(x.shape[1] - phase.steps + 1))
        x = x[:, start : start + phase.steps]
        x = x * (rng.random(x.shape, np.float32) < rng.uniform(phase.thin, 1))
    return np.ascontiguousarray(np.moveaxis(x, 1, 0))
