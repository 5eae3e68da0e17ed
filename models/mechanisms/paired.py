"""Paired runs and gates: every variant sees the same split, initial weights and order of samples with a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import mean, stdev
from typing import Any

from seamount.models.networks.stages import Task, chain
from seamount.models.recipes.evaluate import evaluate
from seamount.models.recipes.recipe import Builder, Recipe
from seamount.models.recipes.training import Samples, Schedule, Trained, train

Tick = Callable[[str], None]
"""Called after each run with a line about it."""


@dataclass(frozen=True)
class Run:
    """One trained variant. accuracy: T -> share of test samples; seconds: processor time of training; more: what the
    test adds."""

    variant: str
    seed: int
    accuracy: Mapping[int, float]
    divergence: float
    rates: Mapping[str, float]
    seconds: float
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """What is demanded, what was found, whether it holds."""

    demand: str
    found: str
    holds: bool


@dataclass(frozen=True)
class Result:
    """A mechanism test on one setting. gates is empty where a setting is only reported."""

    mechanism: str
    setting: str
    runs: tuple[Run, ...]
    gates: tuple[Gate, ...]

    def tree(self) -> dict[str, Any]:
        """For JSON, with mean and spread per variant."""
        return {**asdict(self), "summary": self.summary()}

    def summary(self) -> dict[str, Any]:
        """variant -> T -> (mean, sample standard deviation) of the accuracy in percent."""
        found: dict[str, Any] = {}
        for variant in dict.fromkeys(r.variant for r in self.runs):
            runs = [r for r in self.runs if r.variant == variant]
            values = {t: [100 * r.accuracy[t] for r in runs] for t in runs[0].accuracy}
            found[variant] = {t: (mean(v), stdev(v) if len(v) > 1 else 0.0) for t, v in values.items()}
        return found


def plain_network(layers: str, task: Task, gamma: float = 0.5) -> Builder:
    """A builder of the plain network."""
    return lambda activation: chain(layers, task, activation, gamma)


def run(
    variant: str,
    recipe: Recipe,
    build: Builder,
    data: tuple[Samples, Samples],
    schedule: Schedule,
    seed: int,
    steps: Sequence[int],
    tick: Tick,
) -> tuple[Run, Trained]:
    """Train and score one variant."""
    trained = train(recipe, build, data[0], schedule, seed)
    scores = evaluate(trained.network, data[1], steps)
    done = Run(variant, seed, scores.accuracy, scores.divergence, scores.rates, trained.seconds)
    reached = " / ".join(f"{100 * scores.accuracy[t]:.1f}" for t in steps)
    tick(f"{variant}, seed {seed}: {reached} % at T = {' / '.join(map(str, steps))}, {trained.seconds:.0f} s")
    return done, trained


def differences(runs: Sequence[Run], a: str, b: str, steps: int, other_steps: int | None = None) -> list[float]:
    """Accuracy of variant a at `steps` minus that of b, in points, seed by seed."""
    first = {r.seed: r.accuracy[steps] for r in runs if r.variant == a}
    second = {r.seed: r.accuracy[other_steps or steps] for r in runs if r.variant == b}
    return [100 * (first[s] - second[s]) for s in sorted(first)]


def gate(demand: str, found: Sequence[float], least_mean: float, every_seed: bool = False) -> Gate:
    """Holds when the mean difference is at least `least_mean` and, if asked, every one is positive."""
    wins = sum(d > 0 for d in found)
    holds = mean(found) >= least_mean and (wins == len(found) or not every_seed)
    return Gate(demand, f"mean {mean(found):+.1f}, {wins}/{len(found)} positive", holds)
