"""Pass fold-threshold: gains and thresholds into the weights in front of a neuron."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.compose import as_connection, compose
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import LI, LIF, Array, Op, Scale, Shape, freeze
from seamount.compiler.ir.properties import LINEAR_FOLDED, NEURONS_NORMAL, SHAPES_KNOWN, THRESHOLD_FOLDED
from seamount.compiler.passes.base import Pass


@dataclass(frozen=True)
class FoldThreshold(Pass):
    """Divide each neuron's membrane by its threshold, so that all thresholds and gains become 1.

    W' = (gain / threshold) W per neuron;  bias, v_init, reset_by, v_min divided by threshold

    Handles: thresholds and gains that differ per channel (a convolution stays one) or per neuron (a convolution
             becomes explicit synapses); readouts, whose gain alone is folded.
    Keeps:   subtracted amounts that differ between neurons, as leaks per neuron make them (th / beta of a reset inside
             the next update).
    Refuses: a lower clamp together with thresholds that differ between neurons (a population has one clamp).
    Error:   rounding only; a value within rounding of the threshold may fall on the other side.
    """

    name = "fold-threshold"
    requires = frozenset({SHAPES_KNOWN, LINEAR_FOLDED, NEURONS_NORMAL})
    ensures = frozenset({THRESHOLD_FOLDED})

    def __call__(self, graph: Graph) -> Graph:
        problems: list[Problem] = []
        changed: dict[str, Op] = {}
        for node in graph.nodes:
            if isinstance(node.op, (LIF, LI)):
                changed |= self._fold(graph, node, node.op, problems)
        raise_all(CompileError, problems)
        return graph.map_nodes(lambda n: replace(n, op=changed[n.name]) if n.name in changed else n)

    @staticmethod
    def _fold(graph: Graph, node: Node, op: LIF | LI, problems: list[Problem]) -> dict[str, Op]:
        """Ops that change, by node."""
        if isinstance(op, LI):
            folded: Op = replace(op, gain=freeze(1.0))
            return {**_scaled_weights(graph, node, op.gain), node.name: folded}
        th = op.threshold
        reset_by = op.reset_by / th
        if np.isfinite(op.v_min) and np.ptp(th):
            found = "a lower clamp together with thresholds that differ between neurons"
            problems.append(Problem(node.where, found, "use one threshold per layer"))
        folded = replace(
            op,
            gain=freeze(1.0),
            threshold=freeze(1.0),
            bias=freeze(op.bias / th),
            v_init=freeze(op.v_init / th),
            reset_by=freeze(reset_by if np.ptp(reset_by) > 1e-9 else reset_by.reshape(-1)[0]),
            v_min=op.v_min / float(th.reshape(-1)[0]),
        )
        return {**_scaled_weights(graph, node, op.gain / th), node.name: folded}


def _scaled_weights(graph: Graph, node: Node, factor: Array) -> dict[str, Op]:
    changed: dict[str, Op] = {}
    if np.all(factor == 1):
        return changed
    for edge in graph.into(node.name):
        weights = graph[edge.source]
        source = graph[graph.into(weights.name)[0].source].shape or ()
        shape: Shape = weights.shape or ()
        changed[weights.name] = as_connection(compose(Scale(freeze(factor)), weights.op, source), source, shape)
    return changed
