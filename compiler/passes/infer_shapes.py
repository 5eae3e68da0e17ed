"""Pass infer-shapes: every node gets the shape of its output."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.properties import SHAPES_KNOWN
from seamount.compiler.ir.shape_inference import infer
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
        shapes, problems = infer(graph)
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
