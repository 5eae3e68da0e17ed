"""A convolutional network of any size with random weights, and one run of it. `python -m benchmarks.synthetic --help`.

2 x S x S events at 5 %, two layers of 16 channels with 3 x 3 kernels: 32 S S neurons that fire in about a tenth of the
steps. Not trained: only its size and its activity matter here.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.machine import peak_bytes
from seamount.backends.registry import load_backend
from seamount.compiler.program.program import Conv, InputPort, Population, Program, Projection, Readout

CHANNELS = 16
DENSITY = 0.05
VTH = (60, 150)
"""Thresholds of the two layers, units of 64, low enough for that activity."""


def side_for(neurons: int) -> int:
    """Side of the image that gives at least so many neurons."""
    return int(np.ceil(np.sqrt(neurons / (2 * CHANNELS))))


def network(side: int, seed: int = 0) -> Program:
    """The program; 2 * CHANNELS * side**2 neurons."""
    rng = np.random.default_rng(seed)
    shape = (CHANNELS, side, side)
    populations = tuple(
        Population(
            f"layer{k + 1}", shape, du=np.array(4095, np.int32), dv=np.array(410, np.int32),
            vth=np.array(VTH[k], np.int32), bias_mant=np.array(0, np.int32), offset=k + 1,
        )
        for k in range(2)
    )  # fmt: skip
    projections = tuple(
        Projection(
            f"conv{k + 1}", source, f"layer{k + 1}",
            Conv((2 * rng.integers(-30, 31, (CHANNELS, c_in, 3, 3))).astype(np.int32), (1, 1), (1, 1), (1, 1), 1),
        )
        for k, (source, c_in) in enumerate((("events", 2), ("layer1", CHANNELS)))
    )  # fmt: skip
    readout = Readout("out", "layer2", "s", "sum")
    return Program((InputPort("events", (2, side, side), False),), populations, projections, (readout,), 1)


def run(neurons: int, steps: int, batch: int, threads: int, backend: str, repeats: int) -> dict[str, Any]:
    """Seconds of the fastest of some runs, events, and the largest memory of this process."""
    program = network(side_for(neurons))
    rng = np.random.default_rng(1)
    shape = (batch, steps, *program.inputs[0].shape)
    events = (rng.random(shape, np.float32) < DENSITY).astype(np.int8)
    engine: Any = load_backend(backend)
    if "threads" in getattr(engine, "__dataclass_fields__", {}):
        engine = replace(engine, threads=threads)
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        trace = engine.run(program, {"events": events})
        times.append(time.perf_counter() - begin)
    made = sum(p.size for p in program.populations)
    fired = sum(int(np.sum(trace.counts.spikes[p.name])) for p in program.populations)
    return {
        "neurons": made, "steps": steps, "batch": batch, "threads": threads, "seconds": min(times),
        "rate": fired / (made * steps * batch), "synops": sum(int(np.sum(v)) for v in trace.counts.synops.values()),
        "peak_bytes": peak_bytes(),
    }  # fmt: skip


def main() -> None:
    """One run; its result as JSON on the last line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.synthetic", description=__doc__)
    parser.add_argument("--neurons", type=int, default=10_000_000)
    for name, default in (("steps", 10), ("batch", 1), ("threads", 1), ("repeats", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--backend", default="cpu")
    o = parser.parse_args()
    print(json.dumps(run(o.neurons, o.steps, o.batch, o.threads, o.backend, o.repeats)))


if __name__ == "__main__":
    main()
