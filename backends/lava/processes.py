"""Processes for what stock Lava lacks. Their fixed-point models are in models.py.

Each extends a stock process and keeps its ports and variables, so that it connects like one.
"""

# lava-nc ships no types: its classes are Any to the type checker.
# mypy: disable-error-code="misc"

from __future__ import annotations

from typing import Any

from lava.proc.conv.process import Conv
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.lif.process import LIFReset
from lava.proc.sparse.process import DelaySparse, Sparse

from seamount.compiler.program.program import Population


class ExtendedLIF(LIFReset):
    """LIFReset with reset by subtraction, a lower clamp of v, and an initial v other than 0.

    A population whose `needs_microcode` is not empty. On a chip it needs microcode of its own.
    """

    def __init__(self, *, population: Population, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.proc_params["population"] = population


class Gated:
    """Synapses that are silent in the first `lag` steps of each window of their target.

    A message sent in one sample must not act in the next one; with a lag it could. `gate` is (offset, steps, lag):
    offset of the target population, steps per sample, lag of the projection.
    """

    gate: tuple[int, int, int]


class GatedDense(Dense, Gated):
    """Dense synapses with a gate."""


class GatedSparse(Sparse, Gated):
    """Sparse synapses with a gate."""


class GatedConv(Conv, Gated):
    """Convolution with a gate."""


class GatedDelayDense(DelayDense, Gated):
    """Dense synapses with delays and a gate."""


class GatedDelaySparse(DelaySparse, Gated):
    """Sparse synapses with delays and a gate."""


GATED = {
    Dense: GatedDense,
    Sparse: GatedSparse,
    Conv: GatedConv,
    DelayDense: GatedDelayDense,
    DelaySparse: GatedDelaySparse,
}
"""Stock process -> the same with a gate."""
