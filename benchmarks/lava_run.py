"""Lava's fixed-point models on the compiled network. The start of a process graph is taken out and told apart."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.cases import CASES, Point
from benchmarks.data import samples
from benchmarks.runners import Integers
from seamount.backends.lava.run import LavaBackend
from seamount.backends.registry import load_backend
from seamount.compiler.errors import SeamountError

LIMIT_S = 300.0


def measure_lava(point: Point) -> dict[str, Any]:
    """Seconds per sample: the difference between runs of few and of more samples in one graph. Run once."""
    case = CASES[point.case]
    x, _ = samples(case.source, "test", point.steps, 1 + case.lava)
    took = []
    try:
        for count in (1, 1 + case.lava):
            runner = Integers(case, LavaBackend(batch_size=count, time_limit_s=LIMIT_S), x[:count], point.steps)
            begin = time.perf_counter()
            answer = runner.run()
            took.append(time.perf_counter() - begin)
    except SeamountError as error:
        return {"failed": str(error).splitlines()[0]}
    ours = Integers(case, load_backend("vectorized"), x, point.steps).run()
    per_sample = (took[1] - took[0]) / case.lava
    return {
        "seconds_per_sample": per_sample,
        "start_s": took[0] - per_sample,
        "samples": case.lava,
        "equal": bool(np.array_equal(answer, ours)),
    }
