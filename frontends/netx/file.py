"""A .net file, possibly from a stranger, to a quantized Graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from seamount.compiler.errors import ImportRefused, Problem, raise_all
from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.notes import Convention, FieldsUnused
from seamount.compiler.ir.ops import Input, IntLIF, Output, Rule
from seamount.frontends.conventions import Meaning
from seamount.frontends.examined import Examined
from seamount.frontends.hdf5.tree import Limits, image_of, read_tree
from seamount.frontends.netx.from_net import MANTISSA, Walk, first_shape
from seamount.frontends.netx.layers import Layer, LayerKind, lasting, layer_of

WRITER = "lava-dl (export_hdf5)"
LAYERS = 1000


@dataclass(frozen=True, eq=False)
class NetFile:
    """What a file holds. layers: blocks that are carried. steps: of a sample, where it says so. unused: block -> fields
    that change nothing. problems: everything that is not carried."""

    name: str
    layers: tuple[Layer, ...]
    steps: int | None
    unused: Mapping[str, tuple[str, ...]]
    problems: tuple[Problem, ...]


def read_net(source: str | Path | BinaryIO, name: str | None = None, limits: Limits | None = None) -> NetFile:
    """Read a .net file or a binary stream. `name` is what messages call it.

    Raises InputError, whatever the bytes are: see `read_tree`. What the network cannot be carried for is in `problems`.
    """
    limits = limits or Limits()
    file = name or (str(source) if isinstance(source, (str, Path)) else "the stream")
    tree = read_tree(image_of(source, file, limits, WRITER), file, limits, writer=WRITER)
    problems: list[Problem] = []
    unused: dict[str, tuple[str, ...]] = {}
    groups = tree.get("layer")
    if not isinstance(groups, dict) or not groups:
        problems.append(Problem("/layer", "there is no group of layers", f"give a file written by {WRITER}"))
        return NetFile(file, (), None, unused, tuple(problems))
    strange = sorted(set(groups) - {str(i) for i in range(min(len(groups), LAYERS))})
    if strange:
        found = f"layers are numbered from 0 to {len(groups) - 1}, and there is {strange[0][:40]!r}"
        problems.append(Problem("/layer", found, "export the network again", f"at most {LAYERS} layers"))
        return NetFile(file, (), None, unused, tuple(problems))
    found_ = [layer_of(groups[str(i)], i, problems, unused) for i in range(len(groups))]  # type: ignore[arg-type]
    layers = tuple(layer for layer in found_ if layer is not None)
    return NetFile(file, layers, lasting(tree, problems), unused, tuple(problems))


def from_net(file: NetFile, meaning: Meaning) -> Graph:
    """The quantized graph of a file. Raises ImportRefused with everything that stands against it."""
    found = examine(file, meaning)
    raise_all(ImportRefused, found.problems)
    assert found.graph is not None
    return found.graph


def examine(file: NetFile, meaning: Meaning) -> Examined:
    """As from_net, but nothing is raised: problems and conventions side by side."""
    import_ = _Import(file, meaning)
    graph = import_.graph()
    problems = tuple(dict.fromkeys(import_.problems))
    notes = tuple(FieldsUnused(where, names) for where, names in file.unused.items())
    assumed = tuple(import_.assumed)
    if problems or graph is None:
        return Examined(None, problems, assumed, notes)
    return Examined(replace(graph, notes=(*assumed, *notes)), (), assumed, notes)


@dataclass
class _Import:
    file: NetFile
    meaning: Meaning
    problems: list[Problem] = field(default_factory=list)
    assumed: list[Convention] = field(default_factory=list)

    def graph(self) -> Graph | None:
        """The graph; of use only where no problem came up."""
        self.problems += self.file.problems
        layers = list(self.file.layers)
        if not layers:
            return None
        walk = Walk(self.problems)
        port = self._port(layers)
        if port is None:
            return None
        first, rest = (layers[0], layers[1:]) if layers[0].kind is LayerKind.INPUT else (layers[0], layers)
        walk.input(first if rest is not layers else replace(first, neuron=None), port)
        for layer in rest:
            walk.add(layer)
        steps = self._told("steps", self.file.steps, "the file's tSample / Ts")
        if steps is None:
            found = "the file does not say how many steps a sample lasts"
            self.problems.append(Problem("network", found, "add --assume steps=N"))
        elif steps < 1:
            self.problems.append(Problem("network", f"{steps} steps per sample", "give at least one step"))
        self._told("encoding", "sequence", "usual for .net files")
        last = next((n for n in reversed(walk.nodes) if isinstance(n.op, IntLIF)), None)
        if last is None and not self.problems:
            self.problems.append(Problem("network", "has no layer of neurons", "export the whole network"))
        if last is None or self.problems:
            return None
        return self._read(walk, last, steps or 1)

    def _read(self, walk: Walk, last: Node, steps: int) -> Graph:
        assert isinstance(last.op, IntLIF) and walk.at is not None
        usual: Rule = "sum" if last.op.vth is not None or int(last.op.dv) == 4096 else "last"
        rule = self._told("readout", usual, "usual for .net files")
        output = Node("output", Output(rule), (), last.shape)
        edges = (*walk.edges, Edge(walk.at.name, "output"))
        graph = Graph((*walk.nodes, output), edges, steps)
        return replace(graph, nodes=graph.order)

    def _port(self, layers: list[Layer]) -> Input | None:
        """What the host sends: spikes, or the integers that drive the neurons of an input block."""
        shape = first_shape(layers)
        first = layers[0]
        if shape is None:
            found = "the file does not say which shape its input has"
            self.problems.append(Problem(first.where, found, "export it with its input block"))
            return None
        said = self.meaning.default
        driven = first.kind is LayerKind.INPUT and first.neuron is not None
        if not driven and said.coding != "graded":
            return Input(shape, "spikes", unit=1.0)
        spread, middle = abs(first.gain), first.shift
        source = f"{first.where}: 2 * {first.gain} x - {first.gain} + {first.shift} for x in 0..1"
        low = self._told("low", float(middle - spread) if driven else None, source)
        high = self._told("high", float(middle + spread) if driven else None, source)
        if low is None or high is None:
            found = "graded input without the range of its integers"
            self.problems.append(Problem(first.where, found, "add --assume low=VALUE --assume high=VALUE"))
            return None
        least, most = MANTISSA
        if (driven and first.gain == 0) or not least <= low < high <= most or low % 1 or high % 1:
            found = f"its input reaches from {low:g} to {high:g}"
            self.problems.append(
                Problem(first.where, found, "state it: --assume low=, high=", f"{least} to {most}, whole")
            )
            return None
        return Input(shape, "graded", low, high, unit=1.0)

    def _told(self, key: str, known: Any, source: str) -> Any:
        """A convention as it was given, else as it is known; noted with who said so."""
        given = getattr(self.meaning.default, key)
        value = known if given is None else given
        if value is not None:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            self.assumed.append(
                Convention(key, text, (), source if given is None else self.meaning.sources.get(key, "given"))
            )
        return value
