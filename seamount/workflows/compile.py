"""Which simulator vouches for a program: the reference, unless the network is too large for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seamount.backends.registry import DEFAULT_BACKEND, load_backend, load_target
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import encode, some
from seamount.compiler.driver import Compiled, compile_graph
from seamount.compiler.execution import Backend
from seamount.compiler.pipelines import Options
from seamount.compiler.program.fan_out import synapse_count
from seamount.compiler.program.program import Program
from seamount.workflows.load import Source, load_data

LISTED = 2**26
"""Synapses up to which the reference is asked. It lists each of them in 24 bytes, and adds them one by one."""


def synapses_in(program: Program) -> int:
    """All pairs of neurons that projections join."""
    shapes = program.shapes
    return sum(synapse_count(q.connection, shapes[q.source], shapes[q.target]) for q in program.projections)


def too_large(program: Program) -> str:
    """Why the reference is not asked, as a note; empty where it is."""
    count = synapses_in(program)
    if count <= LISTED:
        return ""
    return f"the reference simulator would list {count:,} synapses in {count * 24 / 2**30:.0f} GiB, so it is not asked"


def witness(program: Program) -> Backend:
    """The simulator whose answers are stored as test vectors."""
    return load_backend(DEFAULT_BACKEND if too_large(program) else "reference")


VECTORS, CALIBRATED = 4, 256
"""Samples stored as test vectors; samples that set scales unless told otherwise."""


def calibration(
    source: Source, name: str | None, count: int, folder: Path | None, steps: int | None
) -> dict[str, Any] | None:
    """Real values to set scales on: a named data set's train split, else the model file's golden samples."""
    steps = steps or source.graph.steps
    if name is not None:
        data = load_data(name, "train", folder, count, None, steps)
        return source.stepped(data.x, steps)
    if source.file is not None:
        return source.stepped(source.file.golden.inputs, min(steps, source.graph.steps))
    return None


def compile_source(
    source: Source, target: str, weight_bits: int, calibrate: str | None, folder: Path | None, steps: int | None
) -> Compiled:
    """Compile a model for a command that goes on with the result."""
    samples = calibration(source, calibrate, CALIBRATED, folder, steps)
    options = Options(weight_bits=weight_bits, steps=steps)
    return compile_graph(
        source.graph, load_target(target), options, samples=samples, encoding=source.encoding, about=source.about
    )


def vector_messages(source: Source, artifact: Artifact) -> dict[str, Any]:
    """Messages of the golden samples, or seeded random ones where there are none."""
    if source.file is not None:
        return dict(encode(artifact.inputs, some(source.file.golden.inputs, slice(VECTORS)), source.graph.steps))
    rng = np.random.default_rng(0)
    made = {}
    for port in artifact.program.inputs:
        shape = (VECTORS, artifact.steps, *port.shape)
        drawn = rng.integers(port.low, port.high + 1, shape) if port.graded else rng.random(shape) < 0.1
        made[port.name] = np.asarray(drawn, np.int32)
    return made
