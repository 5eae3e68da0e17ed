"""Curves of a grid as one picture: accuracy by T, and the loss of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from seamount.compiler.errors import InputError, Problem
from seamount.models.mechanisms.paired import Result
from seamount.models.scale.settings import SETTINGS
from seamount.models.scale.summary import Trees

CROSS_ENTROPY = ("plain", "tet", "direct, T = 2", "direct, T = 1", "clip, no spiking epoch", "one-step", "pipe-d")
"""Variants whose loss is cross-entropy and nothing else; those of others have further terms, and do not compare."""
MARKS = "osv^<>DPX*hd8p+x"


def draw(trees: Trees, found: dict[str, Result], path: Path) -> None:
    """Above accuracy by T, mean over seeds with the sample standard deviation; below the loss, mean over seeds.

    The same results give the same bytes. Raises InputError without matplotlib.
    """
    try:
        import matplotlib
    except ModuleNotFoundError:
        remedy = "pip install 'seamount[bench]'"
        raise InputError(Problem("the curves", "need matplotlib, which is not installed", remedy)) from None
    matplotlib.use("svg")
    with matplotlib.rc_context({"svg.hashsalt": "seamount", "font.size": 8}):
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(
            2, len(found), figsize=(5.5 * len(found), 8), layout="constrained", squeeze=False
        )  # fmt: skip
        for column, result in enumerate(found.values()):
            _accuracy(axes[0][column], result)
            _losses(axes[1][column], result, [t for t in trees if t["setting"] == result.mechanism])
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def _accuracy(axis: Any, result: Result) -> None:
    for i, (variant, values) in enumerate(result.summary().items()):
        middle, spread = zip(*values.values(), strict=True)
        axis.errorbar(list(values), middle, spread, marker=MARKS[i % len(MARKS)], ms=4, lw=1, capsize=2, label=variant)
    axis.set(title=result.setting, xlabel="T at which it is read", ylabel="test accuracy, %", xscale="log")
    steps = sorted({t for r in result.runs for t in r.accuracy})
    axis.set_xticks(steps, map(str, steps))
    axis.minorticks_off()
    axis.grid(True, alpha=0.3)
    axis.legend(fontsize=6, ncols=2, loc="lower right")


def _losses(axis: Any, result: Result, trees: Trees) -> None:
    for variant in CROSS_ENTROPY:
        runs = [_curve(t) for t in trees if t["variant"] == variant]
        if runs:
            middle = [mean(at) for at in zip(*runs, strict=True)]
            place = [(i + 0.5) * _share(trees, variant) for i in range(len(middle))]
            (line,) = axis.plot(place, middle, lw=1, label=variant)
            if len(runs) > 1:
                _band(axis, place, runs, middle, line.get_color())
    batch = SETTINGS[result.mechanism].batch
    axis.set(xlabel="epoch", ylabel="cross-entropy of training, mean of a tenth of an epoch", yscale="log")
    axis.set_title(f"batch {batch}; mean over seeds, band: sample standard deviation")
    axis.grid(True, which="both", alpha=0.3)
    axis.legend(fontsize=6)


def _band(axis: Any, place: Sequence[float], runs: Sequence[Sequence[float]], middle: list[float], color: Any) -> None:
    spread = [stdev(at) for at in zip(*runs, strict=True)]
    low, high = ([m + sign * s for m, s in zip(middle, spread, strict=True)] for sign in (-1, 1))
    axis.fill_between(place, low, high, color=color, alpha=0.2, lw=0)


def _curve(tree: dict[str, Any]) -> list[float]:
    return [value for entry in tree["history"] for value in entry["curve"]]


def _share(trees: Trees, variant: str) -> float:
    """Of an epoch that one value of a curve stands for."""
    history = next(t for t in trees if t["variant"] == variant)["history"]
    return float(1 / len(history[0]["curve"]))
