"""Time against steps, batch, neurons and threads, and the plots of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cases import BUILT
from benchmarks.measure import ROOT, environment

RESULT = BUILT / "scaling.json"
PLOT = ROOT / "docs" / "performance-scaling.svg"
NEURONS = (10_000, 100_000, 1_000_000, 10_000_000)
STEPS = (1, 4, 16, 64, 256)
BATCHES = (1, 4, 16, 64)
SIZE = 100_000
"""Neurons of the network that steps, batch and threads are varied on."""
AXES = {"steps": "steps T", "batch": "batch", "neurons": "neurons", "threads": "threads"}
Say = Callable[[str], None]


def measure(threads: int, say: Say) -> dict[str, Any]:
    """Runs of benchmarks/synthetic.py, each in a process of its own, so that memory is its own."""
    cores = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= (os.cpu_count() or 1)]
    series = {
        "steps": [_run(say, steps=t, neurons=SIZE, threads=threads) for t in STEPS],
        "batch": [_run(say, batch=b, neurons=SIZE, threads=threads, steps=16) for b in BATCHES],
        "neurons": [_run(say, neurons=n, threads=threads) for n in NEURONS],
        "threads": [_run(say, threads=n, neurons=SIZE, batch=16, steps=16) for n in cores],
    }
    return {"threads": threads, "series": series}


def _run(say: Say, **sizes: int) -> dict[str, Any]:
    words = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.synthetic", *words],
        cwd=ROOT, capture_output=True, text=True, env=environment(sizes["threads"]),
    )  # fmt: skip
    if said.returncode != 0:
        words_ = said.stderr.strip().splitlines()
        found: dict[str, Any] = {**sizes, "failed": words_[-1] if words_ else f"code {said.returncode}"}
    else:
        found = json.loads(said.stdout.splitlines()[-1])
    say(f"scaling {' '.join(words)}: {found.get('seconds', found.get('failed'))}")
    return found


def draw(result: Mapping[str, Any], path: Path = PLOT) -> None:
    """Four plots in one picture. Needs matplotlib (extra `bench`)."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "seamount"  # the same picture, the same bytes
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 4, figsize=(14, 3.4), layout="constrained")
    for axis, (key, label) in zip(axes, AXES.items(), strict=True):
        points = measured(result["series"][key])
        axis.loglog([p[key] for p in points], [p["seconds"] for p in points], "o-", label="time")
        axis.set_xlabel(label)
        axis.set_ylabel("seconds")
        axis.grid(True, which="both", alpha=0.3)
        if key == "neurons":
            memory = axis.twinx()
            memory.loglog([p[key] for p in points], [p["peak_bytes"] / 2**30 for p in points], "s--", color="tab:red")
            memory.set_ylabel("peak memory, GiB", color="tab:red")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def measured(series: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The runs that did not fail."""
    return [p for p in series if "failed" not in p]


def rows(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Time and memory against neurons, as a table."""
    head = ["neurons", "T", "time", "neuron updates/s", "SynOps/s", "peak memory"]
    return head, [
        [
            f"{p['neurons']:,}", str(p["steps"]), f"{p['seconds']:.3g} s",
            f"{p['neurons'] * p['steps'] * p['batch'] / p['seconds']:.3g}", f"{p['synops'] / p['seconds']:.3g}",
            f"{p['peak_bytes'] / 2**30:.2f} GiB",
        ]
        for p in measured(result["series"]["neurons"])
    ]  # fmt: skip
