"""Test vectors of an artifact: which messages, and which simulator answers them.

All simulators give the same integers, bit for bit (docs/conformance.md); the plain reference is asked wherever it ends
soon, the fast ones where it would not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import seamount.compiler.artifact as artifacts
from seamount.backends.registry import load_backend, suited_backend
from seamount.compiler.codes import encode, some
from seamount.compiler.driver import with_vectors
from seamount.compiler.execution import Backend
from seamount.compiler.program.fan_out import synapse_count
from seamount.compiler.program.program import InputPort, Program
from seamount.workflows.load import Model

VECTORS = 4
"""Samples stored as test vectors."""
LISTED = 2**26
"""Synapses up to which the reference is asked. It lists each of them in 24 bytes, and adds them one by one."""
ANSWERED, CHECKED = 3 * 10**8, 3 * 10**9
"""Work up to which the reference answers for test vectors, and is compared by `check`: about 10 s and 2 minutes."""
VECTOR_BYTES = 2**28
"""Spikes and messages of the test vectors take at most so much memory; fewer samples, or fewer of random steps, do."""


def answered(artifact: artifacts.Artifact, messages: dict[str, Any]) -> artifacts.Artifact:
    """The artifact with test vectors: these messages and what the witness answers."""
    return with_vectors(artifact, witness(artifact.program, *extent(messages, artifact.steps)), messages)


def extent(messages: Mapping[str, NDArray[Any]], steps: int) -> tuple[int, int]:
    """(samples, steps) of messages."""
    shape = next((m.shape for m in messages.values()), (VECTORS, steps))
    return shape[0], shape[1]


def vector_messages(model: Model, artifact: artifacts.Artifact) -> dict[str, Any]:
    """Messages of the golden samples, or seeded random ones where there are none; as many as VECTOR_BYTES hold."""
    program = artifact.program
    each = 4 * sum(map(_size, program.inputs)) + sum(p.size for p in program.populations)
    if model.file is not None:
        count = max(1, min(VECTORS, VECTOR_BYTES // (each * model.graph.steps)))
        return dict(encode(artifact.inputs, some(model.file.golden.inputs, slice(count)), model.graph.steps))
    steps = max(1, min(artifact.steps, VECTOR_BYTES // (each * VECTORS)))
    rng = np.random.default_rng(0)
    made = {}
    for port in program.inputs:
        shape = (VECTORS, steps, *port.shape)
        drawn = rng.integers(port.low, port.high + 1, shape) if port.graded else rng.random(shape) < 0.1
        made[port.name] = np.asarray(drawn, np.int32)
    return made


def _size(port: InputPort) -> int:
    return int(np.prod(port.shape, dtype=np.int64))


def synapses_in(program: Program) -> int:
    """All pairs of neurons that projections join."""
    shapes = program.shapes
    return sum(synapse_count(q.connection, shapes[q.source], shapes[q.target]) for q in program.projections)


def reference_work(program: Program, samples: int, steps: int) -> int:
    """What a run costs the reference, in synapses added (about 30 ns each).

    It adds every synapse in every step of every sample, and updates every population in every step of the chip: some
    3,000 times that for the population and 24 times for each neuron, measured on two cores of 2.6 GHz.
    """
    neurons = sum(p.size for p in program.populations)
    updates = program.duration(samples, steps) * (3_000 * len(program.populations) + 24 * neurons)
    return synapses_in(program) * samples * steps + updates


def too_large(program: Program, samples: int = VECTORS, steps: int | None = None, work: int = ANSWERED) -> str:
    """Why the reference is not asked for such a run, as a note; empty where it is. steps: default: the program's."""
    count = synapses_in(program)
    if count > LISTED:
        listed = f"the reference simulator would list {count:,} synapses in {count * 24 / 2**30:.0f} GiB"
        return f"{listed}, so it is not asked"
    needed = reference_work(program, samples, steps or program.steps)
    if needed > work:
        return f"the reference simulator would take about {needed * 30e-9:,.0f} s, so it is not asked"
    return ""


def witness(program: Program, samples: int = VECTORS, steps: int | None = None) -> Backend:
    """The simulator whose answers to so many samples are stored as test vectors."""
    if not too_large(program, samples, steps):
        return load_backend("reference")
    neurons = sum(p.size for p in program.populations)
    return load_backend(suited_backend(neurons * samples * (steps or program.steps)))
