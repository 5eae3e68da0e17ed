"""A backend: the vectorized simulator, which here also says how many samples it has run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.execution import Progress, Trace
from seamount.compiler.program.program import Program


class CountedSimulator:
    """Fulfils `seamount.compiler.execution.Backend`: a name, and run."""

    name = "counted"

    def __init__(self) -> None:
        self.samples = 0

    def run(
        self,
        program: Program,
        messages: Mapping[str, NDArray[np.integer]],
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace:
        """The trace of the messages, bit for bit that of the reference simulator."""
        trace = VectorizedSimulator().run(program, messages, record, progress)
        self.samples += trace.counts.samples
        return trace
