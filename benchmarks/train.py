"""Training of the benchmark's networks with SpikingJelly, on one thread and with fixed seeds, within a time box: AdamW
under a one-cycle schedule.

    python -m benchmarks.train recurrent --hold-out 5

trains without every fifth sample and tells the accuracy on those; recipes are chosen by that, not by test samples.
The box is of processor time, so that other work beside it changes nothing; a slower machine trains less, and the number
of updates is kept with the result.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cases import CASES, Case, Phase
from benchmarks.data import images, samples, spikes
from benchmarks.networks import fold_batchnorm
from benchmarks.neurons import spikingjelly
from seamount.compiler.codes import share_right
from seamount.models.data.samples import NO_LABEL

Tensor = torch.Tensor
TESTED = 500
Report = Callable[[int, int, float], None]
"""Called after each update with (updates done, updates planned, loss)."""


def train(case: Case, report: Report, hold_out: int = 0) -> tuple[torch.nn.Module, int]:
    """The trained network with batch norms folded, and the updates made. With hold_out every Nth sample is left out."""
    torch.manual_seed(case.seed)
    kit = spikingjelly()
    model = case.network(kit).train()
    planned = sum(p.updates for p in case.phases)
    optimiser = torch.optim.AdamW(model.parameters(), case.rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, case.rate, total_steps=planned)
    begin, done = time.process_time(), 0
    for phase in case.phases:
        # The last phase, at the size of use, gets its share of the time box even where the others are slow.
        share = (done + phase.updates) / planned if phase is not case.phases[-1] else 1.0
        share = min(share, 0.8) if phase is not case.phases[-1] else share
        for x, y in _batches(case, phase, hold_out):
            if time.process_time() - begin > 60 * case.minutes * share:
                break
            kit.reset(model)
            outputs = model(x)
            loss = _loss(case, outputs, y)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            done += 1
            report(done, planned, loss.item())
    kit.reset(model)
    return fold_batchnorm(model), done


def _loss(case: Case, outputs: Tensor, y: Tensor) -> Tensor:
    """Of outputs (T, B, classes) and a class per sample (B,), or per step (B, T), NO_LABEL where there is none."""
    found = outputs.permute(1, 2, 0) if case.readout == "each" else outputs.mean(0)
    return torch.nn.functional.cross_entropy(found, y, ignore_index=NO_LABEL)


def _batches(case: Case, phase: Phase, hold_out: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches x (T, B, *shape) and y."""
    rng = np.random.default_rng(case.seed)
    x, y = _pool(case, phase.bins or phase.steps)
    if hold_out:
        x, y = (a[np.arange(len(a)) % hold_out != 0] for a in (x, y))
    order = np.empty(0, np.int64)
    for _ in range(phase.updates):
        if len(order) < phase.batch:
            order = np.concatenate([order, rng.permutation(len(y))])
        chosen, order = order[: phase.batch], order[phase.batch :]
        frames, labels = _frames(case, phase, x[chosen], y[chosen], rng)
        yield torch.from_numpy(frames), torch.from_numpy(labels)


def _pool(case: Case, steps: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All training samples; MNIST as images, since its spikes are drawn anew for each batch."""
    return images("mnist", "train") if case.source == "mnist-spikes" else samples(case.source, "train", steps)


def _frames(
    case: Case, phase: Phase, x: NDArray[np.float32], y: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Augmented frames (T, B, *shape) and their labels."""
    if case.source == "mnist-spikes":
        x = spikes(x, phase.steps, int(rng.integers(2**31)))
    elif case.encoding == "constant":
        x = x[:, :, :, ::-1] if rng.random() < 0.5 else x
        if phase.size is not None:
            top, left = (int(rng.integers(x.shape[axis] - phase.size + 1)) for axis in (2, 3))
            x = x[:, :, top : top + phase.size, left : left + phase.size]
        return np.ascontiguousarray(np.broadcast_to(x, (phase.steps, *x.shape)), np.float32), y
    elif phase.bins:
        start = int(rng.integers(x.shape[1] - phase.steps + 1))
        x = x[:, start : start + phase.steps]
        y = y[:, start : start + phase.steps] if y.ndim == 2 else y
        x = x * (rng.random(x.shape, np.float32) < rng.uniform(phase.thin, 1))
    return np.ascontiguousarray(np.moveaxis(x, 1, 0)), np.ascontiguousarray(y)


def held_out_accuracy(case: Case, model: torch.nn.Module, hold_out: int) -> float:
    """Share of right answers on at most TESTED of the samples that `train` left out, at the case's smallest T."""
    steps = case.timed[0]
    x, y = samples(case.source, "train", steps, TESTED * hold_out)
    windows = (case.phases[-1].bins or steps) // steps if y.ndim == 2 else 1
    held = np.flatnonzero(np.arange(len(y)) // windows % hold_out == 0)
    answers = []
    with torch.no_grad():
        for part in np.array_split(x[held], -(-len(held) // 64)):
            spikingjelly().reset(model)
            frames = np.broadcast_to(part, (steps, *part.shape)) if case.encoding == "constant" else part.swapaxes(0, 1)
            outputs = model(torch.from_numpy(np.ascontiguousarray(frames)))
            found = outputs.transpose(0, 1) if case.readout == "each" else outputs.mean(0)
            answers.append(found.argmax(-1).numpy())
    return share_right(np.concatenate(answers), y[held])


def main() -> None:
    """Train without some of the samples and print the accuracy on them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=__doc__)
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--hold-out", type=int, default=5, metavar="N", help="every Nth sample; default 5")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    case = CASES[asked.case]
    model, updates = train(case, lambda done, planned, loss: None, asked.hold_out)
    print(f"{case.name}: {updates} updates, held-out accuracy {held_out_accuracy(case, model, asked.hold_out):.1%}")


if __name__ == "__main__":
    main()
