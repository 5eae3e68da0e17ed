"""The notes of a graph or a manifest as sentences."""

from __future__ import annotations

from seamount.compiler.ir.graph import Graph
from seamount.compiler.manifest import Manifest


def said(of: Graph | Manifest) -> tuple[str, ...]:
    """Every note, as it is shown."""
    return tuple(map(str, of.notes))
