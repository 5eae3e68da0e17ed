"""The path to a board: what is said without board software, what is refused, and the wiring with stand-ins.

The stand-ins pass messages on within a step and record registers on the CPU. They show that ports, windows and records
fit together, not that a board does the same; nothing here was run on one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seamount.backends.lava.lowering import board_faults
from seamount.backends.lava.run import Loihi2Backend
from seamount.backends.registry import load_backend
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import CompileError, InputError
from tests.backends.lava_support import ALL, lava_python
from tests.backends.test_lava_constructs import CONNECTIONS, loops, with_messages
from tests.backends.test_lava_failures import patched
from tests.program_samples import i32, one_population, small_program

STAND_INS = """
import importlib.machinery, types
import numpy as np
from lava.magma.core import run_configs
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.magma.core.resources import CPU
from lava.magma.core.decorator import implements, requires
from lava.proc.monitor.process import Monitor

class PyToNxAdapter(AbstractProcess):
    def __init__(self, shape, num_message_bits=0):
        super().__init__(shape=shape)
        self.inp, self.out = InPort(shape=shape), OutPort(shape=shape)

class NxToPyAdapter(PyToNxAdapter):
    pass

@implements(proc=PyToNxAdapter, protocol=LoihiProtocol)
@requires(CPU)
class In(PyLoihiProcessModel):
    inp = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    out = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    def run_spk(self):
        self.out.send(self.inp.recv())

class Out(In):
    implements_process = NxToPyAdapter

class StateProbe:
    def __init__(self, var):
        self.var, self.monitor = var, Monitor()
        self.monitor.probe(var, 100)
    @property
    def time_series(self):
        (process,) = self.monitor.get_data().values()
        (series,) = process.values()
        axes = list(range(1, series.ndim)) + [0]
        return series.transpose(axes)[..., :LENGTH[0]].reshape(-1)

class ByType(dict):
    def __contains__(self, process):
        return super().__contains__(type(process))
    def __getitem__(self, process):
        return super().__getitem__(type(process))

LENGTH = [0]
class Config(run_configs.Loihi2SimCfg):
    def __init__(self, select_tag, callback_fxs):
        from seamount.backends.lava.exported.network import MODELS
        models = ByType({**MODELS, PyToNxAdapter: In, NxToPyAdapter: Out})
        super().__init__(select_tag=select_tag, exception_proc_model_map=models)
run_configs.Loihi2HwCfg = Config
import lava.magma.core.process.process as process
run = process.AbstractProcess.run
def counted(self, condition, run_cfg):
    LENGTH[0] = condition.num_steps
    run(self, condition=condition, run_cfg=run_cfg)
process.AbstractProcess.run = counted
for name, content in {
    "lava.utils.loihi2_profiler": {},
    "lava.utils.loihi2_state_probes": {"StateProbe": StateProbe},
    "lava.proc.embedded_io": {},
    "lava.proc.embedded_io.spike": {"PyToNxAdapter": PyToNxAdapter, "NxToPyAdapter": NxToPyAdapter},
}.items():
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    vars(module).update(content)
    sys.modules[name] = module
"""


@pytest.mark.lava
def test_no_board_software() -> None:
    program, messages = with_messages(one_population(weight=8))
    with pytest.raises(InputError) as caught:
        replace(load_backend("loihi2"), interpreter=lava_python()).run(program, messages)  # type: ignore[type-var]
    message = str(caught.value)
    assert message.startswith("target loihi2: Lava's extension for Loihi (lava-loihi) is not installed in ")
    assert "--backend lava" in message
    assert len(caught.value.problems) == 1


def test_what_a_board_cannot_do_is_refused_before_anything_starts() -> None:
    program, messages = with_messages(small_program())
    with pytest.raises(CompileError) as caught:
        Loihi2Backend(interpreter="/nowhere").run(program, messages)
    assert [p.found for p in caught.value.problems] == [
        "needs microcode: reset by subtraction",
        "needs microcode: lower clamp of v",
        "needs microcode: initial v other than 0",
        "needs a shift of the sum: the chip shifts each weight, Lava's CPU model the sum",
        "may fire before the first sample, and projections loop->loop would carry that into it",
    ]


def test_a_loop_without_bias_is_not_refused() -> None:
    assert board_faults(loops()["self loop"]) == []


@pytest.mark.lava
@pytest.mark.parametrize("name", ["self loop", "conv, exponent", "dense"])
def test_wiring_with_stand_ins(name: str, tmp_path: Path) -> None:
    """Samples behind each other, or one by one where there is a loop: the reference simulator's trace."""
    program = loops()[name] if name in loops() else CONNECTIONS[name]()
    quiet = tuple(replace(p, bias_mant=i32(0)) for p in program.populations)
    program, messages = with_messages(replace(program, populations=quiet), samples=2, density=0.9)
    found = Loihi2Backend(interpreter=patched(tmp_path, STAND_INS)).run(program, messages, ALL)
    expected = ReferenceSimulator().run(program, messages, ALL)
    for part in ("spikes", "u", "v", "readout"):
        for key, values in getattr(expected, part).items():
            assert np.array_equal(values, getattr(found, part)[key]), (part, key)
    assert expected.counts.differences(found.counts) == []
    assert expected.counts.spike_totals[program.populations[0].name] > 0
