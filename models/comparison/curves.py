"""Curves of a grid as one picture: accuracy by T, and the loss of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from seamount.compiler.errors import InputError, Problem
from seamount.models.comparison.settings import SETTINGS
from seamount.models.comparison.summary import Trees
from seamount.models.mechanisms.paired import Result

CROSS_ENTROPY = ("plain", "tet", "direct, T = 2", "direct, T = 1", "clip, no spiking epoch", "one-step", "pipe-d")
"""Variants whose loss is cross-entropy and nothing else; those of others have further terms, and do not compare."""
LONG = 10
"""Epochs of a training whose loss is drawn by epochs instead of tenths of them."""
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
    with matplotlib.rc_context({"svg.hashsalt": "seamount", "svg.fonttype": "none", "font.size": 8}):
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
    summary = result.summary()
    for i, (variant, values) in enumerate(summary.items()):
        middle, spread = zip(*values.values(), strict=True)
        look = {"marker": MARKS[i % len(MARKS)], "color": f"C{i % 10}", "ls": "-" if i < 10 else "--"}
        axis.errorbar(list(values), middle, spread, ms=4, lw=1, capsize=2, label=variant, **look)
    steps = sorted({t for r in result.runs for t in r.accuracy})
    # Spreads may be cut off below: one wild variant would press all others together.
    lowest = min(m for values in summary.values() for m, _ in values.values())
    axis.set(title=result.setting, xlabel="T at which it is read", ylabel="test accuracy, %", xscale="log")
    axis.set_ylim(bottom=lowest - 2)
    axis.set_xticks(steps, map(str, steps))
    axis.minorticks_off()
    axis.grid(True, alpha=0.3)
    axis.legend(fontsize=6, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.13))


def _losses(axis: Any, result: Result, trees: Trees) -> None:
    highest, lowest = 0.0, float("inf")
    for variant in CROSS_ENTROPY:
        runs = [t["history"] for t in trees if t["variant"] == variant]
        if runs:
            place = _places(runs[0])
            middle = [mean(at) for at in zip(*map(_values, runs), strict=True)]
            highest, lowest = max(highest, *middle), min(lowest, *middle)
            (line,) = axis.plot(place, middle, lw=1, label=variant)
            if len(runs) > 1:
                _band(axis, place, [_values(r) for r in runs], middle, line.get_color())
    batch = SETTINGS[result.mechanism].batch
    axis.set(xlabel="epoch", ylabel="cross-entropy of training", yscale="log" if highest > 10 * lowest else "linear")
    axis.set_title(f"batch {batch}; mean over seeds, band: sample standard deviation")
    axis.grid(True, which="both", alpha=0.3)
    axis.legend(fontsize=6)


def _band(axis: Any, place: Sequence[float], runs: Sequence[Sequence[float]], middle: list[float], color: Any) -> None:
    spread = [stdev(at) for at in zip(*runs, strict=True)]
    low, high = ([m + sign * s for m, s in zip(middle, spread, strict=True)] for sign in (-1, 1))
    axis.fill_between(place, [max(v, 1e-3) for v in low], high, color=color, alpha=0.2, lw=0)


def _values(history: list[dict[str, Any]]) -> list[float]:
    """Losses by tenths of an epoch; of a long training, by epochs."""
    if len(history) > LONG:
        return [mean(entry["curve"]) for entry in history]
    return [value for entry in history for value in entry["curve"]]


def _places(history: list[dict[str, Any]]) -> list[float]:
    """The middle of what each value stands for, in epochs."""
    count = len(_values(history))
    return [(i + 0.5) * len(history) / count for i in range(count)]
