"""Program -> Lava process graph, with sources and recorders. The lowering is exported/network.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.proc.io.source import PySendModelFixed, RingBuffer
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset
from numpy.typing import NDArray

from seamount.backends.lava.exported.network import ExtendedLIF, Net, PyExtendedLifModel
from seamount.backends.lava.lowering import for_lava
from seamount.backends.lava.recorder import Recorder
from seamount.compiler.program.program import Program


class Recorded:
    """Added to a neuron model: its registers are copied after each step when the process has a recorder."""

    fired: Any = 0

    def spiking_activation(self: Any) -> Any:
        """The stock comparison, kept for the recorder."""
        self.fired = super().spiking_activation()
        return self.fired

    def run_spk(self: Any) -> None:
        """One step, then a copy of the registers."""
        super().run_spk()
        recorder = self.proc_params.get("recorder")
        if recorder is not None:
            recorder.write(self.time_step, self.fired, self.u, self.v)


class RecordedLifReset(Recorded, PyLifResetModelBitAcc):
    """The stock LIFReset, recorded."""


class RecordedExtendedLif(Recorded, PyExtendedLifModel):
    """Our extension of it, recorded."""


RECORDED = {LIFReset: RecordedLifReset, ExtendedLIF: RecordedExtendedLif}


class Network(Net):
    """The graph of a program with its sources, which send all samples one behind the other.

    messages: input port -> (N, T, *shape). recorders: population -> where its registers go.
    """

    def __init__(
        self,
        program: Program,
        messages: Mapping[str, NDArray[np.integer]],
        recorders: Mapping[str, Recorder] | None = None,
    ) -> None:
        super().__init__(for_lava(program), next(iter(messages.values())).shape[1])
        self.sources = {name: RingBuffer(data=self.stream(x)) for name, x in messages.items()}
        for name, source in self.sources.items():
            source.s_out.connect(self.inputs[name])
        for name, recorder in (recorders or {}).items():
            self.populations[name].proc_params["recorder"] = recorder

    def run_config(self, models: Any = None, **options: Any) -> Any:
        """Fixed point, and the model of every process."""
        recorded = {p: RECORDED[type(p)] for p in self.populations.values()}
        sending = dict.fromkeys(self.sources.values(), PySendModelFixed)
        return super().run_config({**recorded, **sending, **(models or {})}, **options)
