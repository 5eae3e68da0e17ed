"""The notes of a graph as sentences."""

from __future__ import annotations

from seamount.compiler.ir.graph import Graph


def said(graph: Graph) -> tuple[str, ...]:
    """Every note, as it is shown."""
    return tuple(map(str, graph.notes))
