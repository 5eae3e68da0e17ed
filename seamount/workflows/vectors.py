"""An artifact's test vectors, run again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import Artifact
from seamount.compiler.errors import CheckFailed, Problem
from seamount.compiler.execution import Backend
from seamount.compiler.program.verify import check as check_program
from seamount.results.blocks import Block, Shown


@dataclass(frozen=True, repr=False)
class VectorCheck(Shown):
    """An artifact's test vectors on a backend: every spike and readout as it was stored when compiling."""

    backend: str
    samples: int
    differing: int = 0

    def blocks(self) -> Iterator[Block]:
        yield f"test vectors: {self.samples} samples on {self.backend}, all spikes and readouts as stored"

    def to_dict(self) -> dict[str, Any]:
        return {"backend": self.backend, "samples": self.samples, "differing": self.differing}


def check_vectors(artifact: Artifact, backend: str | Backend = "auto") -> VectorCheck:
    """Run the artifact's test vectors and compare with the answers stored when compiling, bit for bit.

    Raises CheckFailed when an entry differs.
    """
    check_program(artifact.program)
    engine = load_backend("vectorized" if backend == "auto" else backend) if isinstance(backend, str) else backend
    vectors = artifact.vectors
    trace = engine.run(artifact.program, vectors.messages, record=frozenset({"spikes"}))
    differing = 0
    for name, expected in vectors.spikes.items():
        differing += int(np.sum(np.asarray(trace.spikes[name]) != expected))
    for name, answer in vectors.readout.items():
        differing += int(np.sum(trace.readout[name] != answer))
    if differing:
        found = f"{differing} entries differ from the answers stored at compile time"
        raise CheckFailed(Problem(f"test vectors on {engine.name}", found, "compile again with this Seamount"))
    return VectorCheck(engine.name, trace.counts.samples)
