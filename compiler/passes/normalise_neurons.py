"""Pass normalise-neurons: every hard reset goes to 0."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import LIF, Array, freeze
from seamount.compiler.ir.properties import NEURONS_NORMAL
from seamount.compiler.passes.base import Pass


@dataclass(frozen=True)
class NormaliseNeurons(Pass):
    """Shift each membrane so that it resets to 0 (hard reset) or, where possible, starts at 0 (subtraction).

    With w = v - c:  w' = beta w + gain u + (bias - (1 - beta) c),  threshold - c, v_init - c, v_min - c.
    c = v_reset for a hard reset, v_init for a reset by subtraction (which no shift changes).

    Handles: any v_reset, v_leak (already part of bias) and start value; per-neuron parameters.
    Keeps:   the start value of a reset by subtraction, where a shift would start at or above the threshold, or make
             subtracted amounts or lower clamps differ between neurons.
    Refuses: a threshold at or below the reset value, where the neuron would fire forever (CompileError).
    Error:   rounding only.
    """

    name = "normalise-neurons"
    ensures = frozenset({NEURONS_NORMAL})

    def __call__(self, graph: Graph) -> Graph:
        problems: list[Problem] = []
        graph = graph.map_nodes(lambda n: self._shifted(n, problems))
        raise_all(CompileError, problems)
        return graph

    @staticmethod
    def _shifted(node: Node, problems: list[Problem]) -> Node:
        op = node.op
        if not isinstance(op, LIF):
            return node
        c = op.v_reset if op.reset == "zero" else _start_shift(op)
        threshold = op.threshold - c
        if np.any(threshold <= 0):
            rest = "where v restarts" if op.reset == "zero" else "where v rests"
            found = f"threshold {float(np.min(op.threshold)):g} is not above {float(np.max(c)):g}, {rest}"
            problems.append(Problem(node.where, found, "give it a threshold above that"))
            return node
        if not np.any(c != 0):
            return node
        if np.isfinite(op.v_min) and c.size > 1 and np.ptp(c):
            found = "a lower clamp together with reset values that differ between neurons"
            problems.append(Problem(node.where, found, "use one reset value per layer"))
            return node
        shifted = replace(
            op,
            bias=freeze(op.bias - (1 - op.beta) * c),
            threshold=freeze(threshold),
            v_reset=freeze(np.zeros_like(op.v_reset)),
            v_init=freeze(op.v_init - c),
            v_min=op.v_min - float(c.reshape(-1)[0]),
        )
        return replace(node, op=shifted)


def _start_shift(op: LIF) -> Array:
    """v_init, or 0 where shifting by it would cost more than a register that starts at 0 is worth."""
    left = op.threshold - op.v_init
    if np.any(left <= 0) or (np.isfinite(op.v_min) and np.ptp(op.v_init)):
        return freeze(0.0)
    ratio = op.reset_by / left
    return op.v_init if np.ptp(ratio) <= 1e-9 * np.max(np.abs(ratio)) else freeze(0.0)
