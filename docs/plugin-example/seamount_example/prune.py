"""A pass: weights that are small beside the largest of their layer become 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import Affine, Conv, freeze
from seamount.compiler.ir.properties import SHAPES_KNOWN
from seamount.compiler.passes.base import Pass


@dataclass(frozen=True)
class PruneWeights(Pass):
    """Set weights below a fraction of the largest of their layer to 0.

    Error: the network is another one where `fraction` is above 0.
    """

    fraction: float = 0.0

    name: ClassVar[str] = "prune-weights"
    requires = frozenset({SHAPES_KNOWN})

    def __call__(self, graph: Graph) -> Graph:
        for node in graph.nodes:
            if isinstance(node.op, Affine | Conv):
                weight = node.op.weight
                small = np.abs(weight) < self.fraction * float(np.max(np.abs(weight)))
                graph = graph.with_op(node.name, replace(node.op, weight=freeze(np.where(small, 0.0, weight))))
        return graph
