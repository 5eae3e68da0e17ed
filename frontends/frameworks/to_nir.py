"""Traced graph to NIR graph and the conventions of its neurons."""

from __future__ import annotations

import inspect
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version

import nir
import numpy as np
from torch import nn

from seamount.compiler.errors import ImportRefused, InputError, Problem, raise_all
from seamount.frontends.conventions import Conventions
from seamount.frontends.frameworks import layers
from seamount.frontends.frameworks.framework import Framework
from seamount.frontends.frameworks.parts import Part, single
from seamount.frontends.frameworks.refusal import Refusal
from seamount.frontends.frameworks.upsampling import fitted
from seamount.frontends.traced import Ref, Traced, TracedNode

SPIKING = (nir.LIF, nir.CubaLIF, nir.IF, nir.Threshold)
"""Nodes that send 0 or 1."""


@dataclass(eq=False)
class NirModel:
    """A NIR graph and what goes with it. neurons: NIR node -> the torch module whose output it is."""

    graph: nir.NIRGraph
    conventions: dict[str, Conventions] = field(default_factory=dict)
    neurons: dict[str, object] = field(default_factory=dict)


def to_nir(framework: Framework, traced: Traced) -> NirModel:
    """Write every reachable node. Raises ImportRefused with the problems of all nodes, InputError for an old nir."""
    if "v_reset" not in inspect.signature(nir.LIF).parameters:
        found = f"version {version('nir')} is installed, whose neurons have no v_reset"
        raise InputError(Problem("nir", found, "pip install 'nir>=1.0.8'", "nir 1.0.6 or newer is needed"))
    return _Writer(framework, traced).run()


class _Writer:
    def __init__(self, framework: Framework, traced: Traced) -> None:
        self.framework, self.traced = framework, traced
        self.parts: dict[int, Part] = {}
        self.taken: set[str] = set(traced.outputs)
        self.problems: list[Problem] = []
        self.edges: list[tuple[str, str]] = []
        self.extra: dict[str, nir.NIRNode] = {}

    def run(self) -> NirModel:
        numbers = self.traced.reachable()
        for n in numbers:
            if self.traced.nodes[n].kind != "add":
                try:
                    self.parts[n] = self._write(self.traced.nodes[n])
                except ImportRefused as refused:
                    self.problems += refused.problems
        self.problems += [problem for n in numbers for problem in self._analog_maximum(self.traced.nodes[n])]
        raise_all(ImportRefused, dict.fromkeys(self.problems))
        for n in numbers:
            if n in self.parts and self.traced.nodes[n].refs:
                self._wire(self.traced.nodes[n].refs, self.parts[n])
        for name, out in self.traced.outputs.items():
            self._connect((out.ref,), name)
        return self._assemble()

    def _wire(self, refs: tuple[Ref, ...], part: Part) -> None:
        if part.feedback is not None:
            self._connect(refs[-1:], part.feedback)
            refs = refs[:-1]
        self._connect(refs, part.entry)

    def _name(self, wanted: str) -> str:
        """A free NIR name; NIR forbids "/"."""
        stem = wanted.replace("/", "_") or "layer"
        name, k = stem, 1
        while name in self.taken or f"{name}.w_in" in self.taken:
            name, k = f"{stem}_{k}", k + 1
        self.taken.add(name)
        return name

    def _write(self, node: TracedNode) -> Part:
        name = self._name(node.name)
        if node.kind == "input":
            return single(name, nir.Input({"input": np.array(node.shape)}))
        if node.kind == "scale":
            return layers.write_scale(name, node.factor, node.shape)
        if node.kind == "and":
            return single(name, nir.Threshold(np.full(node.shape, node.factor, np.float64)))
        if node.kind == "not":
            remedy = "multiply it with other spikes, or put the constant into the bias of a layer"
            raise ImportRefused(Problem(f"1 - the spikes of '{self._source(node)}'", "adds a constant", remedy))
        if node.kind == "embed":
            return layers.write_embed(name, node.in_shape, node.shape, node.offset)
        if node.kind == "reshape":
            return layers.write_reshape(name, node.in_shape, node.shape)
        if node.kind == "neuron":
            return self.framework.writer(node.module)(name, node.module, node.in_shape)
        if node.kind == "membrane":
            read = self.framework.membrane(node.module)
            assert read is not None, "only readable membranes are traced"
            return read.writer(name, node.module, node.in_shape)
        kind, loops = self.framework.kind(node.module), self.framework.loops(node.module)
        plain = self.framework.plain(node.module)
        assert not isinstance(plain, Refusal), "objected to before tracing"
        plain = fitted(plain, node.in_shape, node.shape)
        return layers.write_layer(name, plain, node.in_shape, node.lead, kind, loops)

    def _source(self, node: TracedNode) -> str:
        return self.traced.nodes[node.refs[0].node].name

    def _analog_maximum(self, node: TracedNode) -> list[Problem]:
        """A maximum over anything but the spikes of one layer is no OR, and has no counterpart."""
        if node.kind != "layer" or self.framework.kind(node.module) is not nn.MaxPool2d:
            return []
        terms = self._terms(node.refs)
        ends = [self.parts[t.node] for t in terms if t.node in self.parts]
        several = any(c.spikes == "multi" for part in ends for c in part.conventions.values())
        if len(terms) == 1 and not several and all(isinstance(part.nodes[part.exit], SPIKING) for part in ends):
            return []
        found = "takes the maximum of values other than the spikes of one neuron layer"
        remedy = (
            "put it behind the neuron layer, where it is exact, or use torch.nn.AvgPool2d or a strided convolution, "
            "and train again"
        )
        return [
            Problem(f"layer '{node.name}' (MaxPool2d)", found, remedy, "of spikes, a maximum is an OR; neurons add")
        ]

    def _terms(self, refs: tuple[Ref, ...]) -> list[Ref]:
        terms = []
        for ref in refs:
            node = self.traced.nodes[ref.node]
            if node.kind == "add":
                terms += self._terms(tuple(Ref(r.node, r.lag + ref.lag) for r in node.refs))
            else:
                terms.append(ref)
        return terms

    def _connect(self, refs: tuple[Ref, ...], target: str) -> None:
        """Edges from everything that is summed into `target`; a term that occurs k times is scaled by k."""
        for ref, count in Counter(self._terms(refs)).items():
            part, shape = self.parts[ref.node], self.traced.nodes[ref.node].shape
            source = part.exit
            for extra in self._between(ref, count, shape):
                name = self._name(f"{source}.{type(extra).__name__.lower()}")
                self.extra[name] = extra
                self.edges.append((source, name))
                source = name
            self.edges.append((source, target))

    def _between(self, ref: Ref, count: int, shape: tuple[int, ...]) -> list[nir.NIRNode]:
        nodes: list[nir.NIRNode] = []
        if count > 1:
            nodes.append(nir.Scale(np.full(shape, float(count), np.float64)))
        if ref.lag:
            nodes.append(nir.Delay(np.full(shape, ref.lag * self._dt(), np.float64)))
        return nodes

    def _dt(self) -> float:
        """The step, for delays; the same in all cells."""
        known = {c.dt for p in self.parts.values() for c in p.conventions.values() if c.dt is not None}
        if len(known) > 1:
            found = f"its cells use different time steps: {', '.join(f'{k:g}' for k in sorted(known))} s"
            raise ImportRefused(Problem("model", found, "give all cells the same dt"))
        return known.pop() if known else float(self.framework.defaults.dt or 1.0)

    def _assemble(self) -> NirModel:
        nodes: dict[str, nir.NIRNode] = {}
        conventions: dict[str, Conventions] = {}
        neurons: dict[str, object] = {}
        edges: list[tuple[str, str]] = []
        for n, part in self.parts.items():
            nodes.update(part.nodes)
            edges += part.edges
            conventions.update(part.conventions)
            if self.traced.nodes[n].kind == "neuron":
                neurons[part.exit] = self.traced.nodes[n].module
        nodes.update(self.extra)
        for name, out in self.traced.outputs.items():
            nodes[name] = nir.Output({"output": np.array(self.traced.nodes[out.ref.node].shape)})
        graph = nir.NIRGraph(nodes, edges + self.edges, type_check=False)
        return NirModel(graph, conventions, neurons)


__all__ = ["NirModel", "to_nir"]
