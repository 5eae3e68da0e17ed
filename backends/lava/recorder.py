"""What a population did, step by step, kept in memory that a Lava graph's processes share with their parent.

Lava hands registers out one value at a time (`Var.get`, about 20 us each), which rules it out for thousands of
neurons. Here the process model itself copies its registers into memory mapped before the fork.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import Shape


def shared(shape: Shape, dtype: type[np.generic]) -> NDArray[Any]:
    """Zeros in anonymous memory that forked children write and the parent reads."""
    size = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(mmap.mmap(-1, max(1, size * np.dtype(dtype).itemsize)), dtype, size).reshape(shape)


class Recorder:
    """Registers of one population in its own time: row 0 is the first step of its first window.

    shape: of the population. rows: samples x steps. offset: of the population.
    keep: which of "u" and "v" to record beside the spikes. slow_down: steps of the chip for one of the population.
    """

    def __init__(self, shape: Shape, rows: int, offset: int, keep: frozenset[str], slow_down: int = 1) -> None:
        self.rows, self.offset, self.slow_down = rows, offset, slow_down
        self.spikes: NDArray[np.int8] = shared((rows, *shape), np.int8)
        self.registers: dict[str, NDArray[np.int32]] = {r: shared((rows, *shape), np.int32) for r in keep}
        self._clock: NDArray[np.int64] = shared((1,), np.int64)

    @property
    def clock(self) -> int:
        """Lava's number of the last step that was recorded; 0 before the first."""
        return int(self._clock[0])

    def write(self, time_step: int, s: NDArray[Any], u: NDArray[Any], v: NDArray[Any]) -> None:
        """Keep what the registers hold after Lava's step `time_step` (1, 2, ...)."""
        row, rest = divmod(time_step - 1 - self.offset, self.slow_down)
        if not rest and 0 <= row < self.rows:
            self.spikes[row] = s
            for name, value in (("u", u), ("v", v)):
                if name in self.registers:
                    self.registers[name][row] = value
        self._clock[0] = time_step
