"""What a grid found: one JSON of all runs, and its tables with mean, spread and paired differences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from seamount.compiler.errors import InputError, Problem
from seamount.models.comparison.grid import read_json
from seamount.models.comparison.settings import SETTINGS, Pair, Setting
from seamount.models.mechanisms.paired import Result, Run, differences

Trees = list[dict[str, Any]]


@dataclass(frozen=True)
class Difference:
    """Of a pair: in points, seed by seed. spread: the larger sample standard deviation of the two variants' accuracies
    over these seeds."""

    pair: Pair
    found: tuple[float, ...]
    spread: float

    @property
    def exceeds(self) -> bool:
        """The mean difference is larger than the spread, which nothing says of a single seed."""
        return len(self.found) > 1 and abs(mean(self.found)) > self.spread


def collect(folder: Path) -> Trees:
    """All finished runs of a grid's folder, in the order of the settings; losses to four digits, for a small file.

    Raises InputError when there are none, or one of another grid.
    """
    trees = [read_json(p) for p in sorted(folder.glob("*.json"))]
    if not trees:
        remedy = "give the folder that python -m seamount.models.comparison -o wrote"
        raise InputError(Problem(str(folder), "holds no finished run", remedy))
    order = [(s.name, v) for s in SETTINGS.values() for v in s.variants]
    for tree in trees:
        if (tree.get("setting"), tree.get("variant")) not in order:
            found = f"holds a run of '{tree.get('variant')}' on '{tree.get('setting')}', which no setting has"
            raise InputError(Problem(str(folder), found, "give a folder of this version's grid"))
        for entry in tree["history"]:
            entry["curve"] = [round(v, 4) for v in entry["curve"]]
            entry["loss"] = {k: round(v, 4) for k, v in entry["loss"].items()}
    return sorted(trees, key=lambda t: (order.index((t["setting"], t["variant"])), t["seed"]))


def text_of(trees: Trees) -> str:
    """JSON with a line per run."""
    return "[\n" + ",\n".join(json.dumps(t, separators=(",", ":")) for t in trees) + "\n]\n"


def read(source: Path) -> Trees:
    """Of a grid's folder, or of the file that `text_of` fills. Raises InputError."""
    if source.is_dir():
        return collect(source)
    trees: Any = read_json(source)
    if not isinstance(trees, list):
        raise InputError(Problem(str(source), "is no list of runs", "give a grid's folder, or the file made from it"))
    return trees


def results(trees: Trees) -> dict[str, Result]:
    """Setting -> its runs."""
    found = {}
    for setting in SETTINGS.values():
        aside = [name for name, v in setting.variants.items() if v.aside]
        runs = [_run(t) for t in trees if t["setting"] == setting.name and t["variant"] not in aside]
        if runs:
            found[setting.name] = Result(setting.name, setting.title, tuple(runs), ())
    return found


def _run(tree: dict[str, Any]) -> Run:
    accuracy = {int(t): a for t, a in tree["accuracy"].items()}
    return Run(tree["variant"], tree["seed"], accuracy, tree["divergence"], tree["rates"], tree["seconds"])


def paired(setting: Setting, runs: Sequence[Run]) -> list[Difference]:
    """The setting's pairs, over the seeds that both variants of a pair have."""
    found = []
    for pair in setting.pairs:
        seeds = _seeds(runs, pair.a) & _seeds(runs, pair.b)
        both = [r for r in runs if r.seed in seeds and r.variant in (pair.a, pair.b)]
        if both:
            values = [[100 * r.accuracy[pair.steps] for r in both if r.variant == v] for v in (pair.a, pair.b)]
            spread = max(_spread(v) for v in values)
            found.append(Difference(pair, tuple(differences(both, pair.a, pair.b, pair.steps)), spread))
    return found


def _seeds(runs: Sequence[Run], variant: str) -> set[int]:
    return {r.seed for r in runs if r.variant == variant}


def _spread(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def tables(result: Result) -> str:
    """Markdown: accuracy of every variant, then every difference."""
    setting = SETTINGS[result.mechanism]
    columns = sorted({t for r in result.runs for t in r.accuracy})
    lines = [
        f"| variant | seeds | {' | '.join(f'T = {t}' for t in columns)} | training, s |",
        f"|---|---|{'---|' * len(columns)}---|",
    ]
    for variant, values in result.summary().items():
        runs = [r for r in result.runs if r.variant == variant]
        cells = [_cell(values[t], len(runs)) if t in values else "" for t in columns]
        lines.append(f"| {variant} | {len(runs)} | {' | '.join(cells)} | {mean(r.seconds for r in runs):.0f} |")
    lines += ["", "| difference | T | points, seed by seed | mean | spread | exceeds it |", "|---|---|---|---|---|---|"]
    for d in paired(setting, result.runs):
        points = ", ".join(f"{p:+.2f}" for p in d.found)
        known = len(d.found) > 1
        spread, verdict = (f"{d.spread:.2f}", "yes" if d.exceeds else "no") if known else ("", "one seed")
        name = f"{_quoted(d.pair.a)} - {_quoted(d.pair.b)}"
        lines.append(f"| {name} | {d.pair.steps} | {points} | {mean(d.found):+.2f} | {spread} | {verdict} |")
    return "\n".join(lines) + "\n"


def _cell(value: tuple[float, float], seeds: int) -> str:
    return f"{value[0]:.2f} +- {value[1]:.2f}" if seeds > 1 else f"{value[0]:.2f}"


def _quoted(name: str) -> str:
    return f"({name})" if "," in name else name
