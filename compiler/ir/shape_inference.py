"""The shapes of a graph's nodes, from its inputs on."""

from __future__ import annotations

from seamount.compiler.errors import CompileError, Problem
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import LIF, Input, IntLIF, Shape
from seamount.compiler.ir.shapes import output_shape


def infer(graph: Graph) -> tuple[dict[str, Shape], list[Problem]]:
    """Node -> shape of its output, as far as it is known, and what does not fit.

    A node is visited as soon as one of its sources is known, so that cycles end.
    """
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
