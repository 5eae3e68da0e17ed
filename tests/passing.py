"""What the tests of all passes share."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.ops import LI, LIF, Op, freeze
from seamount.compiler.ir.text import to_text
from seamount.compiler.passes.base import Pass
from seamount.compiler.pipelines import canonical

NEURON = {
    "alpha": 0.0, "beta": 0.9, "gain": 1.0, "bias": 0.0, "threshold": 1.0, "v_reset": 0.0, "v_init": 0.0,
    "reset_by": 0.0,
}  # fmt: skip


def lif(**given: Any) -> LIF:
    """A LIF with plain numbers as parameters."""
    options = {k: given.pop(k) for k in ("reset", "compare", "v_min") if k in given}
    return LIF(**{k: freeze(v) for k, v in {**NEURON, **given}.items()}, **options)


def li(**given: Any) -> LI:
    """A readout with plain numbers as parameters."""
    names = ("alpha", "beta", "gain", "bias", "v_init")
    return LI(**{k: freeze({**NEURON, **given}[k]) for k in names})


def graph_of(nodes: dict[str, Op], edges: str, steps: int = 4) -> Graph:
    """Nodes by name and edges as "x w n y, n w@1": rows of nodes, each fed by the one before, @ a delay later."""
    joined = []
    for row in edges.split(","):
        words = [w.partition("@") for w in row.split()]
        joined += [Edge(a[0], b[0], int(b[2] or 0)) for a, b in pairwise(words)]
    return Graph(tuple(Node(k, op, (k,)) for k, op in nodes.items()), tuple(joined), steps)


def weights(*shape: int, seed: int = 0) -> Any:
    """Reproducible weights with three decimals, so that golden texts do not depend on the machine."""
    return freeze(np.round(np.random.default_rng(seed).normal(0, 0.5, shape), 3))


def around(name: str, graph: Graph) -> tuple[Graph, Graph]:
    """The graph before and after the named pass of the canonical pipeline."""
    seen = [graph]
    canonical().until(name)(graph, lambda p, result: seen.append(result))
    return seen[-2], seen[-1]


def both(before: Graph, after: Graph) -> str:
    """Text of the graph before and after a pass, for golden files."""
    return f"{to_text(before)}\n-- becomes --\n\n{to_text(after)}"


def assert_idempotent(p: Pass, after: Graph) -> None:
    """Applying the pass to its own result changes nothing."""
    assert to_text(p(after)) == to_text(after)
