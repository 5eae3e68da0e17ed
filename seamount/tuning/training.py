"""The training loop: epochs that depend on nothing but the settings, the data and the epoch before."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seamount.compiler.codes import BY_VALUE, Samples, count, some
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.measures import answers, measured
from seamount.models.recipes.checkpoint import Checkpoint, check_state, read_checkpoint, write_checkpoint
from seamount.tuning.network import IntegerNetwork, float_network
from seamount.tuning.objective import Objective, objective

WARM = 0.05
"""Share of the updates over which the learning rate rises."""
EVALUATED = 128
"""Samples run at a time where nothing is learned."""
SCALES_SHARE = 0.1
"""Learning rate of scales and decays as a share of that of weights: each of them moves a whole layer."""

Part = NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """epochs, batch; rate: the share of a layer's rms weight by which an update moves a weight, at its highest."""

    epochs: int
    batch: int
    rate: float
    seed: int


@dataclass(frozen=True, eq=False)
class Split:
    """Samples to learn from and samples held out of them, as indices."""

    learn: Part
    held: Part


@dataclass(frozen=True, eq=False)
class Outcome:
    """history: for each epoch, the untuned network first, its number, loss, and loss and score on the samples held out.
    best: the epoch whose parameters the network has now."""

    history: list[dict[str, Any]]
    best: int


def split(samples: int, share: float, seed: int) -> Split:
    """A random part of the samples, held out. Raises InputError where one side would be empty."""
    held = max(1, round(samples * share))
    if held >= samples:
        found = f"{samples} samples, of which {held} would be held out"
        raise InputError(Problem("data", found, "give more samples to train on"))
    order = np.random.default_rng(seed).permutation(samples).astype(np.int64)
    return Split(np.sort(order[held:]), np.sort(order[:held]))


class Trainer:
    """Tunes a network on samples x with labels, or None. The float network's answers are computed once, beforehand."""

    def __init__(
        self, net: IntegerNetwork, code: Any, x: Samples, labels: NDArray[Any] | None, parts: Split, plan: Schedule
    ) -> None:
        self.net, self.code, self.x, self.parts, self.plan = net, code, x, parts, plan
        self.labels = None if labels is None else torch.from_numpy(labels)
        self.trained = torch.cat([v.cpu() for v in self.values(float_network(net), np.arange(count(x)))])
        held = parts.held
        known = None if self.labels is None else self.labels[held]
        self.objective: Objective = objective(code, self.trained[held], known)
        self.optimizer = torch.optim.Adam(self._groups(), lr=plan.rate)
        self.updates = plan.epochs * math.ceil(len(parts.learn) / plan.batch)

    def _groups(self) -> list[dict[str, Any]]:
        groups = []
        for kind, name, p in self.net.learning():
            layer = self.net.synapses[name].path.target if kind == "weight" else name
            into = [self.net.latent("weight", w) for w, s in self.net.synapses.items() if s.path.target == layer]
            size = max((float(w.detach().square().mean().sqrt()) for w in into), default=0.0) or 1.0
            if kind == "weight":
                size = float(p.detach().square().mean().sqrt()) or size
            elif kind != "bias":
                size = SCALES_SHARE * (1.0 if kind == "scale" else float((1 - p.detach()).mean()) or 1.0)
            groups.append({"params": [p], "size": size})
        return groups

    def run(self, checkpoint: Path | None, identity: str, each: Callable[[dict[str, Any]], None]) -> Outcome:
        """Train, from the checkpoint on if there is one; `each` is called after every epoch with its history entry."""
        found = None if checkpoint is None else read_checkpoint(checkpoint, identity, _is_entry)
        if found is None or checkpoint is None:
            history, best = [self._judged(0, None)], copy.deepcopy(self.net.state_dict())
            each(history[0])
        else:
            history, best = found.history, self._restored(checkpoint, found)
        for epoch in range(len(history), self.plan.epochs + 1):
            loss = self._epoch(epoch)
            history.append(self._judged(epoch, loss))
            if self._kept(history) == epoch:
                best = copy.deepcopy(self.net.state_dict())
            if checkpoint is not None:
                both = {"now": self.net.state_dict(), "best": best}
                weights = {f"{part}/{k}": v.cpu() for part, state in both.items() for k, v in state.items()}
                optimizer = _on_cpu(self.optimizer.state_dict())
                write_checkpoint(checkpoint, Checkpoint(0, epoch, weights, optimizer, history), identity)
            each(history[-1])
        self.net.load_state_dict(best)
        return Outcome(history, self._kept(history))

    def _restored(self, path: Path, point: Checkpoint) -> dict[str, Any]:
        """Put a checkpoint into the network and the optimizer; the weights of the best epoch. Raises InputError."""
        own = self.net.state_dict()
        wanted = {f"{part}/{k}": v for part in ("now", "best") for k, v in own.items()}
        check_state(path, point, self.plan.epochs, wanted, self.optimizer)
        now, best = ({k: point.weights[f"{part}/{k}"] for k in own} for part in ("now", "best"))
        self.net.load_state_dict(now)
        self.optimizer.load_state_dict(point.optimizer)
        return best

    @staticmethod
    def _kept(history: list[dict[str, Any]]) -> int:
        """The epoch of the highest score, of several the one of the least loss on the samples held out."""
        return max(range(len(history)), key=lambda k: (history[k]["score"], -history[k]["held_loss"]))

    def _epoch(self, epoch: int) -> float:
        order = np.random.default_rng((self.plan.seed, epoch)).permutation(self.parts.learn)
        done = (epoch - 1) * math.ceil(len(order) / self.plan.batch)
        losses: list[float] = []
        for start in range(0, len(order), self.plan.batch):
            part = order[start : start + self.plan.batch]
            loss = self._loss(self._forward(self.net, part), part)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._step(done + len(losses))
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def _step(self, update: int) -> None:
        """One update. In a network with loops a gradient counts by its direction: after many steps its size says
        little, and a huge one would shorten Adam's steps for long. One that is not finite moves nothing."""
        warm = max(1.0, WARM * self.updates)
        share = min(1.0, (update + 1) / warm) * 0.5 * (1 + math.cos(math.pi * update / self.updates))
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate * share * group["size"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                size = float(p.grad.square().mean().sqrt())
                sound = math.isfinite(size) and size > 0
                p.grad.mul_((1 / size if self.net.has_loops else 1.0) if sound else 0.0).nan_to_num_(0.0, 0.0, 0.0)
        self.optimizer.step()
        self.net.clip_()

    def _forward(self, net: IntegerNetwork, part: Part) -> Tensor:
        outputs: dict[str, Tensor] = net(net.messages(some(self.x, part)))
        return outputs[self.code.readout]

    def _loss(self, values: Tensor, part: Part) -> Tensor:
        loss = self.objective.from_float(values, self.trained[part].to(values.device))
        if self.labels is None:
            return loss
        return loss + self.objective.from_labels(values, self.labels[part].to(values.device))

    def values(self, net: IntegerNetwork, part: Part) -> Iterator[Tensor]:
        """What the network answers, in pieces, without gradients."""
        with torch.no_grad():
            for start in range(0, len(part), EVALUATED):
                yield self._forward(net, part[start : start + EVALUATED])

    def _judged(self, epoch: int, loss: float | None) -> dict[str, Any]:
        held = self.parts.held
        values = torch.cat([v.cpu() for v in self.values(self.net, held)])
        held_loss = float(self._loss(values, held))
        score = -held_loss
        if self.labels is not None and self.code.task not in BY_VALUE:
            found = answers(self.code, values.numpy())
            score = float(measured(self.code, found, self.labels[held].numpy()).accuracy or 0.0)
        return {"epoch": epoch, "loss": loss, "held_loss": held_loss, "score": score}


def _is_entry(entry: object) -> bool:
    """An epoch of the history: numbers by name."""
    if not isinstance(entry, dict) or entry.keys() != {"epoch", "loss", "held_loss", "score"}:
        return False
    numbers = [entry["held_loss"], entry["score"], *([] if entry["loss"] is None else [entry["loss"]])]
    return type(entry["epoch"]) is int and all(type(x) is float for x in numbers)


def _on_cpu(tree: Any) -> Any:
    """The state of an optimizer with its tensors in main memory."""
    if isinstance(tree, torch.Tensor):
        return tree.cpu()
    if isinstance(tree, dict):
        return {k: _on_cpu(v) for k, v in tree.items()}
    return [_on_cpu(v) for v in tree] if isinstance(tree, list) else tree
