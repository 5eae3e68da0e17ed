"""What a network has to compute at least, counted from the integer program."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.cases import Case, Point
from seamount.compiler.artifact import load_artifact
from seamount.compiler.program.program import Conv, Program, Projection, Sparse

BYTES_PER_UPDATE = 5
"""One pass of the neuron update over memory, layer by layer over time: the summed input is read (4 bytes), the spike
written (1 byte); u and v of a layer stay in the cache from step to step."""


@dataclass(frozen=True)
class Work:
    """Of one run: multiply-accumulates of dense products, and neuron updates."""

    macs: int
    updates: int

    def bound_s(self, probes: Mapping[str, Any]) -> float:
        """The dense products at the machine's int8 rate, plus one pass over memory for the updates."""
        products = 2 * self.macs / probes["int8_ops_per_s"]
        return float(products + self.updates * BYTES_PER_UPDATE / probes["bytes_per_s"])

    def tree(self) -> dict[str, int]:
        return asdict(self)


def work(case: Case, point: Point) -> Work:
    """Of a row. What a still image brings to the first layer is computed once, not at every step."""
    program = load_artifact(case.artifact).program
    return count(program, point.steps, point.batch, still=case.encoding == "constant")


def count(program: Program, steps: int, batch: int, still: bool, names: Collection[str] | None = None) -> Work:
    """Of a program run on `batch` samples; with `names` of these populations alone, and what leads to them."""
    chosen = program.populations if names is None else [p for p in program.populations if p.name in names]
    ports = {port.name for port in program.inputs}
    into = [q for p in chosen for q in program.into(p.name)]
    macs = sum(macs_per_step(program, q) * (1 if still and q.source in ports else steps) for q in into)
    return Work(macs * batch, sum(p.size for p in chosen) * steps * batch)


def macs_per_step(program: Program, q: Projection) -> int:
    """Multiply-accumulates of one projection, borders of convolutions included, as a dense product has them."""
    connection = q.connection
    if isinstance(connection, Conv):
        return int(np.prod(program.shapes[q.target])) * int(np.prod(connection.weight.shape[1:]))
    return int(len(connection.rows) if isinstance(connection, Sparse) else connection.weight.size)
