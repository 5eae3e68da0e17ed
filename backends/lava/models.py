"""Fixed-point models: stock Lava arithmetic, recorded, and our own where stock Lava has none.

The classes below leave every formula of lava-nc 0.10.0 as it is. They add: recording; the gate, which clears what a
synapse process is about to deliver; and, for ExtendedLIF alone, what follows the spike. `implements_process` is what
Lava's decorator would set, which refuses subclasses of models that have one; protocol and tags are inherited.
"""

# lava-nc ships no types: its classes are Any to the type checker.
# mypy: disable-error-code="misc"

from __future__ import annotations

from typing import Any

import numpy as np
from lava.proc.conv.models import PyConvModelFixed
from lava.proc.conv.process import Conv
from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.io.source import PySendModelFixed, RingBuffer
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset
from lava.proc.sparse.models import PyDelaySparseModelBitAcc, PySparseModelBitAcc
from lava.proc.sparse.process import DelaySparse, Sparse
from numpy.typing import NDArray

from seamount.backends.lava.processes import (
    ExtendedLIF,
    GatedConv,
    GatedDelayDense,
    GatedDelaySparse,
    GatedDense,
    GatedSparse,
)


class RecordedLifReset(PyLifResetModelBitAcc):
    """The stock LIFReset; its registers are copied after each step when the process has a recorder."""

    def spiking_activation(self) -> Any:
        """The stock comparison, kept for the recorder."""
        self.fired = super().spiking_activation()
        return self.fired

    def run_spk(self) -> None:
        """One stock step, then a copy of the registers."""
        super().run_spk()
        recorder = self.proc_params.get("recorder")
        if recorder is not None:
            recorder.write(self.time_step, self.fired, self.u, self.v)


class PyExtendedLifModelFixed(RecordedLifReset):
    """Stock decay, sum, wrap, saturation and comparison; then reset by subtraction and the lower clamp."""

    implements_process = ExtendedLIF

    def scale_bias(self) -> None:
        """Stock scaling. Called once per step, right after the periodic reset: the place to set the initial v."""
        if self.time_step % self.reset_interval == self.reset_offset:
            self.v[:] = self.proc_params["population"].v_init
        super().scale_bias()

    def reset_voltage(self, spike_vector: NDArray[Any]) -> None:
        """v to 0, or less `reset_by`, where it fired; then not below v_min."""
        population = self.proc_params["population"]
        if population.reset == "subtract":
            self.v[spike_vector] -= population.reset_by
        else:
            super().reset_voltage(spike_vector)
        self.v[:] = np.maximum(self.v, population.v_min)


class CachedDelays:
    """Stock delays; the stack of weights by delay, which never changes, is built once and not in every step."""

    stack: Any = None

    def get_delay_wgts_mat(self, weights: Any, delays: Any, max_delay: int) -> Any:
        """The stock stack of weights by delay."""
        if self.stack is None:
            self.stack = super().get_delay_wgts_mat(weights, delays, max_delay)
        return self.stack


class CachedDelayDense(CachedDelays, PyDelayDenseModelBitAcc):
    """Stock DelayDense, with its stack built once."""


class CachedDelaySparse(CachedDelays, PyDelaySparseModelBitAcc):
    """Stock DelaySparse, with its stack built once."""


class Gate:
    """Clears what the synapse process would deliver now, in the first `lag` steps of a window of the target."""

    def run_spk(self) -> None:
        """One stock step, after the gate."""
        offset, steps, lag = self.proc_params["gate"]  # type: ignore[attr-defined]
        if (self.time_step - 1 - offset) % steps < lag:  # type: ignore[attr-defined]
            self.arriving()[...] = 0
        super().run_spk()

    def arriving(self) -> Any:
        """What the process sends to its target in this step."""
        return self.a_buff  # type: ignore[attr-defined]


class PyGatedDenseModel(Gate, PyDenseModelBitAcc):
    """Stock Dense behind a gate."""

    implements_process = GatedDense


class PyGatedSparseModel(Gate, PySparseModelBitAcc):
    """Stock Sparse behind a gate."""

    implements_process = GatedSparse


class PyGatedConvModel(Gate, PyConvModelFixed):
    """Stock Conv behind a gate."""

    implements_process = GatedConv

    def arriving(self) -> Any:
        return self.a_buf


class DelayGate(Gate):
    """A gate for delayed synapses: column 0 of their buffer is what they deliver now."""

    def arriving(self) -> Any:
        """The column of this step."""
        return self.a_buff[:, 0]  # type: ignore[attr-defined]


class PyGatedDelayDenseModel(DelayGate, CachedDelayDense):
    """Stock DelayDense behind a gate."""

    implements_process = GatedDelayDense


class PyGatedDelaySparseModel(DelayGate, CachedDelaySparse):
    """Stock DelaySparse behind a gate."""

    implements_process = GatedDelaySparse


MODELS = {
    RingBuffer: PySendModelFixed,
    LIFReset: RecordedLifReset,
    Dense: PyDenseModelBitAcc,
    Sparse: PySparseModelBitAcc,
    Conv: PyConvModelFixed,
    DelayDense: CachedDelayDense,
    DelaySparse: CachedDelaySparse,
    ExtendedLIF: PyExtendedLifModelFixed,
    GatedDense: PyGatedDenseModel,
    GatedSparse: PyGatedSparseModel,
    GatedConv: PyGatedConvModel,
    GatedDelayDense: PyGatedDelayDenseModel,
    GatedDelaySparse: PyGatedDelaySparseModel,
}
"""Every process that build.py makes -> the model that runs it."""
