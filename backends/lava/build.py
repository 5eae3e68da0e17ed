"""Program -> Lava process graph.

One RingBuffer per input port, one LIFReset (or ExtendedLIF) per population, one synapse process per projection.
With the staggered resets of docs/semantics.md samples follow each other without a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIFReset
from numpy.typing import NDArray

from seamount.backends.lava.models import MODELS
from seamount.backends.lava.processes import ExtendedLIF
from seamount.backends.lava.recorder import Recorder
from seamount.backends.lava.synapses import Synapses, make_synapses, tie
from seamount.compiler.program.program import Population, Program

NEVER = 2**17
"""A threshold no membrane reaches: 64 * 2**17 = 2**23, and v <= 2**23 - 1."""


@dataclass(frozen=True, eq=False)
class Network:
    """The process graph. Processes by the names of the program; populations keep their shapes."""

    sources: Mapping[str, Any]
    populations: Mapping[str, Any]
    projections: Mapping[str, Synapses]

    @property
    def root(self) -> Any:
        """A process from which Lava finds the whole graph."""
        return next(iter(self.populations.values()))


def run_config() -> Any:
    """Fixed point, and the model of each process by name: MODELS."""
    return Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=MODELS)


def build(
    program: Program,
    messages: Mapping[str, NDArray[np.integer]],
    recorders: Mapping[str, Recorder] | None = None,
) -> Network:
    """The graph of a program. messages: input port -> (N, T, *shape), sent one sample behind the other."""
    steps = next(iter(messages.values())).shape[1]
    sources = {port.name: _source(messages[port.name], program.depth) for port in program.inputs}
    populations = {p.name: _neurons(p, steps) for p in program.populations}
    for name, recorder in (recorders or {}).items():
        populations[name].proc_params["recorder"] = recorder
    projections = {q.name: make_synapses(program, q, steps) for q in program.projections}
    for q in program.projections:
        source = sources[q.source] if q.source in sources else populations[q.source]
        projections[q.name].receive(source.s_out)
        projections[q.name].deliver(populations[q.target].a_in)
    _tie_together(program, populations)
    return Network(sources, populations, projections)


def _source(messages: NDArray[np.integer], depth: int) -> Any:
    """All samples behind each other, then silence until the last population has finished; time is the last axis."""
    stream = messages.reshape(-1, *messages.shape[2:]).astype(np.int32)
    silence = np.zeros((depth, *stream.shape[1:]), np.int32)
    return RingBuffer(data=np.ascontiguousarray(np.moveaxis(np.concatenate([stream, silence]), 0, -1)))


def _neurons(p: Population, steps: int) -> Any:
    """LIFReset resets before step t when t % interval == offset; Lava counts steps from 1."""
    parameters = {
        "shape": p.shape,
        "du": _plain(p.du),
        "dv": _plain(p.dv),
        "vth": NEVER if p.vth is None else _plain(p.vth),
        "bias_mant": p.bias_mant,
        "bias_exp": p.bias_exp,
        "reset_interval": steps,
        "reset_offset": p.offset + 1,
        "name": p.name,
    }
    return ExtendedLIF(population=p, **parameters) if p.needs_microcode else LIFReset(**parameters)


def _plain(value: NDArray[np.int32]) -> Any:
    """Python int for one value, as Lava's fixed-point model asks for; an array, which it takes too, per neuron."""
    return int(value) if value.ndim == 0 else value


def _tie_together(program: Program, populations: Mapping[str, Any]) -> None:
    """Lava runs what is connected to the process it is given: tie parts that are not."""
    part = {name: name for name in program.shapes}

    def find(name: str) -> str:
        while part[name] != name:
            name = part[name]
        return name

    for q in program.projections:
        part[find(q.source)] = find(q.target)
    first = program.populations[0]
    for p in program.populations[1:]:
        if find(p.name) != find(first.name):
            loose = tie(first.size, p.size)
            loose.receive(populations[first.name].s_out)
            loose.deliver(populations[p.name].a_in)
            part[find(p.name)] = find(first.name)
