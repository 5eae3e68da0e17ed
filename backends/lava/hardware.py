"""A program on a Loihi 2 board, through Lava's hardware run configuration. Runs in Lava's Python.

Not tried: no board was at hand. What is known and what is not stands in docs/lava.md. Tested are the detection of the
board software, the refusals, and the wiring, with stand-ins for adapters and probes, which only that software has.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2HwCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.utils.loihi import is_installed
from numpy.typing import NDArray

from seamount.backends.lava.exported.network import Net, bits_of_messages
from seamount.backends.lava.lowering import board_faults, for_lava
from seamount.backends.lava.recorder import Recorder
from seamount.backends.lava.results import join_traces, make_trace, registers_needed
from seamount.compiler.errors import CompileError, InputError, Problem, raise_all
from seamount.compiler.execution import Trace, check_request
from seamount.compiler.program.program import Program

Messages = Mapping[str, NDArray[np.integer]]
STEPS_IN = 0
"""Steps by which the input adapter delays messages; not known without a board."""
STEPS_OUT = 0
"""Steps by which the output adapter delays spikes; not known without a board."""
SPIKE_MARK = 128
"""What v reads on the chip at a spike, where Lava's CPU model has 0 (lava issue 282)."""


def require_board() -> None:
    """Raise InputError where Lava has no extension for Loihi."""
    if not is_installed():
        found = f"Lava's extension for Loihi (lava-loihi) is not installed in {sys.executable}"
        remedy = "name a Python that has it with --lava-python or SEAMOUNT_LAVA_PYTHON; without a board: --backend lava"
        raise InputError(Problem("target loihi2", found, remedy, "Intel gives it to members of its research community"))


def run_on_board(program: Program, messages: Messages, record: frozenset[str]) -> Trace:
    """The trace of a program on a board. Raises InputError without board software, CompileError for what it lacks."""
    require_board()
    raise_all(CompileError, board_faults(program))
    samples, _ = check_request(program, messages, record)
    if not any(q.lag for q in program.projections):
        return _run(program, messages, record)
    # Stock synapses have no gate, so what one sample leaves behind would reach the next: each has a start of its own.
    alone = replace(program, projections=tuple(replace(q, lag=0) for q in program.projections))
    parts = [_run(alone, {k: x[i : i + 1] for k, x in messages.items()}, record, program) for i in range(samples)]
    return join_traces(parts)


def _run(program: Program, messages: Messages, record: frozenset[str], counted: Program | None = None) -> Trace:
    """One graph. counted: the program whose lags decide which messages count as delivered."""
    spikes = import_module("lava.proc.embedded_io.spike")
    probe = import_module("lava.utils.loihi2_state_probes").StateProbe
    samples, steps = next(iter(messages.values())).shape[:2]
    # No exponents in convolutions: on a chip they cannot be folded into the weights.
    net = Net(for_lava(program, folded=False), steps, start=STEPS_IN)
    for port in program.inputs:
        source = Source(data=net.stream(messages[port.name])[..., STEPS_IN:])
        adapter = spikes.PyToNxAdapter(shape=port.shape, num_message_bits=bits_of_messages(port))
        source.s_out.connect(adapter.inp)
        adapter.out.connect(net.inputs[port.name])
    length = net.run_length(samples) + STEPS_OUT
    sinks, probes = {}, {}
    for p in program.populations:
        adapter = spikes.NxToPyAdapter(shape=p.shape)
        sinks[p.name] = Sink(shape=p.shape, buffer=length)
        net.populations[p.name].s_out.connect(adapter.inp)
        adapter.out.connect(sinks[p.name].a_in)
        for register in registers_needed(program, record)[p.name]:
            probes[p.name, register] = probe(getattr(net.populations[p.name], register))
    config = Loihi2HwCfg(select_tag="fixed_pt", callback_fxs=list(probes.values()))
    try:
        net.root.run(condition=RunSteps(num_steps=length), run_cfg=config)
        recorders = {p.name: _recorded(net, p, samples, sinks[p.name], probes) for p in program.populations}
    finally:
        net.root.stop()
    return make_trace(counted or program, messages, recorders, record)


def _recorded(net: Net, p: Any, samples: int, sink: Any, probes: Mapping[Any, Any]) -> Recorder:
    """What sink and probes saw of a population, in its own time."""
    kept = {register: series for (name, register), series in probes.items() if name == p.name}
    recorder = Recorder(p.shape, samples * net.steps, p.offset, frozenset(kept), net.slow)
    recorder.spikes[:] = _rows(net, p, samples, sink.data.get()[..., STEPS_OUT:])
    for register, series in kept.items():
        values = np.asarray(series.time_series).reshape(*p.shape, -1)
        recorder.registers[register][:] = _rows(net, p, samples, values)
    if "v" in kept:
        v = recorder.registers["v"]
        v[(recorder.spikes == 1) & (v == SPIKE_MARK)] = 0
    return recorder


def _rows(net: Net, p: Any, samples: int, recorded: Any) -> Any:
    """(*shape, steps of the run) -> (samples * steps, *shape)."""
    return net.windows(p.name, recorded)[:samples].reshape(-1, *p.shape)
