"""Measure the mapper: spike-hops of the shipped networks, and time and memory from 10^3 to 10^8 neurons.

    python benchmarks/mapping.py hops --run ARTIFACT=RUN ... --json docs/mapping-hops.json
    python benchmarks/mapping.py scale --json docs/mapping-scale.json --plot docs/mapping-scale.svg

The plot needs matplotlib; METIS is used where pymetis is installed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_system, load_target
from seamount.compiler.artifact import load_artifact
from seamount.compiler.files import write_text
from seamount.compiler.placement.graph import core_edges
from seamount.compiler.placement.place import assemble, place_plan
from seamount.compiler.placement.plan import plan
from seamount.compiler.program.program import Conv, InputPort, Population, Program, Projection, Readout

LAYERS, CHANNELS = 20, 32
SIZES = (*(10**k * m for k in range(3, 8) for m in (1, 3)), 10**8)
RANDOM = 100


def layered(neurons: int) -> Program:
    """20 layers of 32 channels with 3 x 3 kernels between them, about so many neurons in all."""
    side = max(1, round((neurons / LAYERS / CHANNELS) ** 0.5))
    shape = (CHANNELS, side, side)

    def number(n: int) -> NDArray[np.int32]:
        return np.array(n, np.int32)

    weight = np.full((CHANNELS, CHANNELS, 3, 3), 2, np.int32)
    names = ["x", *(f"layer{k}" for k in range(LAYERS))]
    return Program(
        (InputPort("x", shape, False),),
        tuple(Population(n, shape, number(4095), number(0), number(100), number(0), offset=k + 1)
              for k, n in enumerate(names[1:])),
        tuple(Projection(f"{a}-{b}", a, b, Conv(weight, (1, 1), (1, 1), (1, 1), 1))
              for a, b in pairwise(names)),
        (Readout("y", names[-1], "s", "sum"),),
        4,
    )  # fmt: skip


def measured(neurons: int) -> dict[str, Any]:
    """One size, in a process of its own, so that its peak memory is its own."""
    begin = time.perf_counter()
    program = layered(neurons)
    made = plan(program, load_target("loihi2"), load_system("hala-point"))
    planned = time.perf_counter()
    placement = place_plan(made)
    done = time.perf_counter()
    return {
        "neurons": sum(p.size for p in program.populations),
        "cores": len(placement.loads),
        "chips": placement.chips,
        "partition_s": round(planned - begin, 3),
        "place_s": round(done - planned, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "spike_hops": placement.spike_hops,
        "lower_bound": placement.lower_bound,
    }


def scale(sizes: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    for neurons in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            yield pool.apply(measured, (neurons,))


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "seamount"
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6))
    n = [r["neurons"] for r in rows]
    left.loglog(n, [r["partition_s"] + r["place_s"] for r in rows], "o-", label="both")
    left.loglog(n, [r["partition_s"] for r in rows], "s--", label="partition")
    left.loglog(n, [r["place_s"] for r in rows], "^:", label="place and route")
    left.set(xlabel="neurons", ylabel="seconds", title="time")
    left.legend()
    right.semilogx(n, [r["peak_mb"] for r in rows], "o-")
    right.set(xlabel="neurons", ylabel="MB", title="peak memory of the process", ylim=(0, None))
    for axes in (left, right):
        axes.grid(True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def hops(artifact: Path, run: Path | None, neurons_per_core: int | None) -> dict[str, Any]:
    """Spike-hops of the mapper, of random placements of the same slices, and the lower bound, on one Loihi 2."""
    from seamount.compiler.kept_run import load_run

    counts = load_run(run).counts if run else None
    made = plan(load_artifact(artifact).program, load_target("loihi2"), None, neurons_per_core)
    placement = place_plan(made, counts)
    sent = None if counts is None else counts.sent
    edges = core_edges(made.network, made.partition, made.cores, sent)
    totals = [
        assemble(made, edges, np.random.default_rng(k).permutation(made.mesh.cores)[: len(made.cores)], True).spike_hops
        for k in range(RANDOM)
    ]
    return {
        "network": artifact.name,
        "measured": counts is not None,
        "neurons_per_core": neurons_per_core,
        "cores": len(placement.loads),
        "messages": sum(t.messages for t in placement.projections.values()),
        "spike_hops": placement.spike_hops,
        "random_mean": float(np.mean(totals)),
        "random_least": int(min(totals)),
        "lower_bound": placement.lower_bound,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("hops")
    one.add_argument("--run", action="append", required=True, metavar="ARTIFACT[=RUN]")
    one.add_argument("--neurons-per-core", type=int)
    two = commands.add_parser("scale")
    two.add_argument("--most", type=float, default=1e8, help="largest number of neurons")
    two.add_argument("--plot", type=Path)
    for parser_ in (one, two):
        parser_.add_argument("--json", type=Path, required=True)
    asked = parser.parse_args()
    rows = []
    if asked.command == "hops":
        for pair in asked.run:
            artifact, _, run = pair.partition("=")
            rows.append(hops(Path(artifact), Path(run) if run else None, asked.neurons_per_core))
            print(rows[-1], flush=True)
    else:
        for row in scale(tuple(n for n in SIZES if n <= asked.most)):
            rows.append(row)
            print(row, flush=True)
        if asked.plot:
            plot(rows, asked.plot)
    write_text(asked.json, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
