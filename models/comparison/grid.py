"""Runs a grid of (setting, variant, seed) one after the other; what is finished is skipped, what was killed goes on.

A run leaves NAME.json (its results), NAME.pt (the network for `seamount compile`) and NAME.ckpt in the folder, where
NAME is setting-seed-variant. NAME.json is written last, and marks the run as finished. Its "seconds" are processor time
of training, with that of the run it started from; where "resumed" is true, they lack what was done before the stop.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import replace_file
from seamount.models.comparison.settings import Setting, Variant
from seamount.models.data import datasets
from seamount.models.recipes import job
from seamount.models.recipes.evaluate import Scores, evaluate
from seamount.models.recipes.training import Report, Samples, Schedule

Tick = Callable[[int, str], None]
"""Called after each run with (runs of the grid that are done, a line about this one)."""


@dataclass(frozen=True)
class Place:
    """One run of the grid, and where its files lie."""

    setting: Setting
    name: str
    seed: int
    folder: Path

    @property
    def variant(self) -> Variant:
        return self.setting.variants[self.name]

    def file(self, ending: str, name: str | None = None) -> Path:
        """Of this run, or of another variant with the same setting and seed."""
        plain = re.sub(r"[^a-z0-9]+", "-", (name or self.name).lower())
        return self.folder / f"{self.setting.name}-{self.seed}-{plain}.{ending}"


def places(settings: Sequence[Setting], seeds: Sequence[int], folder: Path) -> Iterator[Place]:
    """Seed by seed, so that a grid that is stopped has whole pairs."""
    for seed in seeds:
        for setting in settings:
            for name in setting.variants:
                yield Place(setting, name, seed, folder)


def run(grid: Sequence[Place], root: Path | None, threads: int, tick: Tick, report: Report | None = None) -> None:
    """Run what is not finished. root: data folder. Raises InputError when data are missing or a file is damaged."""
    # Both splits, and all of training where a limit leaves some: runs that follow one another mostly share them.
    load = lru_cache(maxsize=3)(datasets.load)
    for number, place in enumerate(grid, 1):
        if place.file("json").exists():
            continue
        tree = _run_one(place, root, threads, load, report)
        write_json(place.file("json"), tree)
        reached = " / ".join(f"{100 * a:.2f}" for a in tree["accuracy"].values())
        tick(number, f"{place.file('json').stem}: {reached} %, {tree['seconds']:.0f} s")


def _run_one(place: Place, root: Path | None, threads: int, load: job.Load, report: Report | None) -> dict[str, Any]:
    order = _job(place, root, threads)
    resumed = place.file("ckpt").exists()
    outcome = job.run(order, report, load)
    scores = outcome.scores
    if place.setting.limit and not place.variant.aside:
        scores = _untouched(place.setting, order, outcome, load)
    job.write(order, outcome, place.file("pt"))
    before = read_json(place.file("json", place.variant.start))["seconds"] if place.variant.start else 0.0
    return {
        "setting": place.setting.name,
        "variant": place.name,
        "seed": place.seed,
        "recipe": repr(order.recipe),
        "schedule": repr(order.schedule),
        "network": order.network,
        "data": order.data,
        "parameters": outcome.parameters,
        "steps": outcome.steps,
        "accuracy": scores.accuracy,
        "divergence": scores.divergence,
        "rates": scores.rates,
        "seconds": outcome.trained.seconds + before,
        "resumed": resumed,
        "history": outcome.trained.history,
    }


def _job(place: Place, root: Path | None, threads: int) -> job.Job:
    setting, variant = place.setting, place.variant
    epochs = setting.epochs if variant.epochs is None else variant.epochs
    return job.Job(
        variant.recipe,
        variant.network or setting.network,
        variant.data or setting.data,
        place.seed,
        Schedule(epochs, setting.batch),
        variant.limit or setting.limit,
        root,
        threads=threads,
        checkpoint=place.file("ckpt"),
        start=place.file("ckpt", variant.start) if variant.start else None,
        bins=setting.bins,
        reads=variant.reads,
    )


def _untouched(setting: Setting, order: job.Job, outcome: job.Outcome, load: job.Load) -> Scores:
    """Scores on the test split and all training samples beyond the limit, because small test splits decide little."""
    rest, test = load(order.data, "train", order.root, None, setting.bins), outcome.test
    x = np.concatenate([rest.x[order.limit :], test.x])
    y = np.concatenate([rest.y[order.limit :], test.y])
    samples = Samples(torch.from_numpy(x), torch.from_numpy(y), test.encoding != "sequence")
    return evaluate(outcome.network, samples, list(outcome.scores.accuracy))


def write_json(path: Path, tree: Any) -> None:
    """At once or not at all. Raises InputError when it cannot be written."""
    replace_file(path, (json.dumps(tree, indent=1) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Raises InputError for a file that is missing or no JSON."""
    try:
        tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        found = f"cannot be read: {str(error).splitlines()[0]}"
        raise InputError(Problem(str(path), found, "delete it, and run the grid again")) from None
    return tree
