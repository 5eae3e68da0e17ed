"""What examining a file before its import finds."""

from __future__ import annotations

from dataclasses import dataclass

from seamount.compiler.errors import Problem
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.notes import Convention, Note


@dataclass(frozen=True, eq=False)
class Examined:
    """What an import finds: the graph, or None and every problem; every convention used; what else it did."""

    graph: Graph | None
    problems: tuple[Problem, ...]
    assumed: tuple[Convention, ...]
    notes: tuple[Note, ...]
