"""Pass infer-shapes: every node gets the shape of its output."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import LIF, Input, IntLIF, Shape
from seamount.compiler.ir.properties import SHAPES_KNOWN
from seamount.compiler.ir.shapes import output_shape
from seamount.compiler.passes.base import Pass


@dataclass(frozen=True)
class InferShapes(Pass):
    """Give every node its output shape, from the inputs on.

    Handles: every op; cycles, by visiting a node as soon as one of its sources is known.
    Refuses: shapes that do not fit an op, sums of unequal shapes, nodes that no input reaches (CompileError, all
             at once).
    Error:   none.
    """

    name = "infer-shapes"
    ensures = frozenset({SHAPES_KNOWN})

    def __call__(self, graph: Graph) -> Graph:
        shapes, problems = self._propagate(graph)
        for edge in graph.edges:
            node = graph[edge.target]
            if edge.source not in shapes or node.name not in shapes:
                continue
            arriving = {shapes[e.source] for e in graph.into(node.name) if e.source in shapes}
            if len(arriving) > 1:
                found = f"receives a sum of different shapes: {', '.join(map(str, sorted(arriving)))}"
                problems.append(Problem(node.where, found, "make the branches equal before they meet"))
        if not problems:
            problems = [
                Problem(n.where, "no input reaches it, so its shape is unknown", "connect or remove it")
                for n in graph.nodes
                if n.name not in shapes
            ]
        raise_all(CompileError, dict.fromkeys(problems))
        return graph.map_nodes(lambda n: replace(n, shape=shapes[n.name]))

    @staticmethod
    def _propagate(graph: Graph) -> tuple[dict[str, Shape], list[Problem]]:
        shapes: dict[str, Shape] = {}
        problems: list[Problem] = []
        waiting = [n for n in graph.nodes if _is_root(graph, n)]
        for n in waiting:
            shapes[n.name] = n.op.shape if isinstance(n.op, Input) else _own_shape(n)
        while waiting:
            source = waiting.pop(0)
            for edge in graph.out_of(source.name):
                target = graph[edge.target]
                if target.name in shapes:
                    continue
                try:
                    shapes[target.name] = output_shape(target.op, shapes[source.name], target.where)
                except CompileError as error:
                    problems += error.problems
                    continue
                waiting.append(target)
        return shapes, problems


def _is_root(graph: Graph, node: Node) -> bool:
    return isinstance(node.op, Input) or (isinstance(node.op, (LIF, IntLIF)) and not graph.into(node.name))


def _own_shape(node: Node) -> Shape:
    """Shape of a neuron layer without inputs (a tonic neuron), from its bias."""
    assert isinstance(node.op, (LIF, IntLIF))
    bias = node.op.bias if isinstance(node.op, LIF) else node.op.bias_mant
    return bias.shape or (1,)
