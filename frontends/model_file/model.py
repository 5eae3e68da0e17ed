"""What a model file holds: a NIR graph, what its neurons mean, and the framework's own answers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import Task
from seamount.compiler.errors import CompileError, InputError, Problem, raise_all
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import LIF, Input, Rule, Shape
from seamount.compiler.ir.shape_inference import infer
from seamount.compiler.ir.tuned import Tuning
from seamount.frontends.conventions import Meaning
from seamount.frontends.nir.file import NirFile, read_nir
from seamount.frontends.nir.from_nir import from_nir

Floats = NDArray[np.float32]


Ports = Floats | Mapping[str, Floats]
"""The array of the only input or output; where there are several, their arrays by NIR node."""


def by_port(values: Ports, ports: Sequence[str]) -> dict[str, Floats]:
    """The arrays by port, whether there is one or several. ports: the names of all."""
    return dict(values) if isinstance(values, Mapping) else {ports[0]: values}


def alone(values: Mapping[str, Floats]) -> Ports:
    """One array where there is one port, else the arrays by port."""
    return next(iter(values.values())) if len(values) == 1 else dict(values)


@dataclass(frozen=True, eq=False)
class Golden:
    """A few real inputs and what the framework computed on them. N samples, T steps.

    inputs: (N, *shape) float32 for constant encoding, else (N, T, *shape). spikes: firing NIR node -> (N, T, *shape)
    of 0 and 1. series: the output at each step, (N, T, *out). outputs: the readout rule applied to it, (N, *out).
    labels: (N,), (N, T) with an answer per step, (N, *out) of real values, (N, *pixels); or None.
    """

    inputs: Ports
    spikes: Mapping[str, NDArray[np.uint8]]
    series: Ports
    outputs: Ports
    labels: NDArray[np.int64] | NDArray[np.float64] | None = None

    @property
    def samples(self) -> int:
        """N."""
        return len(next(iter(by_port(self.inputs, ("",)).values())))


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A trained network: NIR graph, meaning of its neurons, golden trace, provenance.

    nir: the bytes of a NIR file. accuracy: of the float network on its test set, 0..1. classes: names of the
    output classes. versions: package -> version at saving. ties: spikes that differ in the self-check because the
    membrane stood on the threshold to rounding. left_out: layers that ran but reach no output. task: what the output
    answers; None in files that do not say. tuning: of a network that was tuned in integers.
    """

    nir: bytes
    meaning: Meaning
    golden: Golden
    framework: str
    versions: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    description: str = ""
    accuracy: float | None = None
    classes: tuple[str, ...] = ()
    ties: int = 0
    left_out: tuple[str, ...] = ()
    task: Task | None = None
    tuning: Tuning | None = None

    @property
    def encoding(self) -> Literal["constant", "sequence"]:
        """ "constant" or "sequence"."""
        return self.meaning.default.encoding or "constant"

    @property
    def steps(self) -> int:
        """Steps per sample."""
        return int(self.meaning.default.steps or 1)

    @property
    def readout(self) -> Rule:
        """How the output is combined over the steps."""
        return self.meaning.default.readout or "sum"

    def inputs(self) -> Ports:
        """The golden inputs step by step, (N, T, *shape)."""
        if self.encoding == "sequence":
            return self.golden.inputs
        return alone({name: self._stepped(x) for name, x in by_port(self.golden.inputs, ("",)).items()})

    def _stepped(self, x: Floats) -> Floats:
        return np.broadcast_to(x[:, None], (len(x), self.steps, *x.shape[1:]))

    def nir_file(self) -> NirFile:
        """The NIR graph. Raises InputError when its bytes are damaged."""
        return read_nir(io.BytesIO(self.nir))

    def graph(self) -> Graph:
        """The network as a Graph, shapes known. Raises InputError or ImportRefused."""
        graph = with_shapes(from_nir(self.nir_file().graph, self.meaning))
        raise_all(InputError, self._misfits(graph))
        return graph

    def _misfits(self, graph: Graph) -> list[Problem]:
        """Golden inputs and spikes that are not those of the graph's nodes."""
        wanted = {n.name: n.op.shape for n in graph.nodes if isinstance(n.op, Input)}
        inputs, lead = by_port(self.golden.inputs, tuple(wanted)), 1 if self.encoding == "constant" else 2
        firing = {n.name: n.shape for n in graph.nodes if isinstance(n.op, LIF)}
        found = [("golden.inputs", name, values.shape[lead:], wanted.get(name)) for name, values in inputs.items()] + [
            ("golden.spikes", name, values.shape[2:], firing.get(name)) for name, values in self.golden.spikes.items()
        ]
        problems = [
            Problem(f"field '{member}', node '{name}'", f"has shape {shape}, {_told(node)}", _AGAIN)
            for member, name, shape, node in found
            if shape != node
        ]
        for name in sorted(set(wanted) - set(inputs)):
            problems.append(Problem("field 'golden.inputs'", f"holds nothing for input '{name}'", _AGAIN))
        return problems


_AGAIN = "save the model again"


def _told(shape: Shape | None) -> str:
    return "but the network has no such node" if shape is None else f"but the network {shape}"


def with_shapes(graph: Graph) -> Graph:
    """Every node with its output shape, from the inputs on. Raises CompileError with every op that does not fit."""
    shapes, problems = infer(graph)
    raise_all(CompileError, dict.fromkeys(problems))
    return graph.map_nodes(lambda n: replace(n, shape=n.shape or shapes.get(n.name)))
