"""Named invariants of a graph, each with the function that lists its violations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from seamount.compiler.errors import ContractError
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import (
    LI,
    LIF,
    Affine,
    BatchNorm,
    Conv,
    Input,
    IntLIF,
    Output,
    Pool,
    Reshape,
    Scale,
    Sparse,
    fires,
    is_neuron,
)


@dataclass(frozen=True)
class Property:
    """An invariant: `violations(graph)` lists where it does not hold."""

    name: str
    meaning: str
    violations: Callable[[Graph], list[str]] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.name


def _well_formed(graph: Graph) -> list[str]:
    names = Counter(n.name for n in graph.nodes)
    faults = [f"two nodes are named '{name}'" for name, count in sorted(names.items()) if count > 1]
    for e in graph.edges:
        faults += [f"edge {e} names unknown node '{x}'" for x in (e.source, e.target) if x not in names]
    if faults:
        return faults
    if len(set(graph.edges)) != len(graph.edges):
        faults.append("an edge occurs twice")
    for n in graph.nodes:
        if isinstance(n.op, Input) and graph.into(n.name):
            faults.append(f"{n.where} is an input and has an incoming edge")
        if isinstance(n.op, Output) and (graph.out_of(n.name) or not graph.into(n.name)):
            faults.append(f"{n.where} is an output and must have incoming edges only")
    try:
        _ = graph.order
    except ContractError as error:
        faults.append(str(error))
    return faults


def _shapes_known(graph: Graph) -> list[str]:
    return [f"{n.where} has no shape" for n in graph.nodes if n.shape is None]


def _no_batchnorm(graph: Graph) -> list[str]:
    return [f"{n.where} is a BatchNorm" for n in graph.nodes if isinstance(n.op, BatchNorm)]


def _linear_folded(graph: Graph) -> list[str]:
    faults = []
    for n in graph.nodes:
        if isinstance(n.op, (Scale, Pool, Reshape, BatchNorm)):
            faults.append(f"{n.where} is a {type(n.op).__name__}")
        elif isinstance(n.op, (Affine, Conv, Sparse)):
            if n.op.bias is not None:
                faults.append(f"{n.where} has a bias")
            ends = (
                [graph[e.source] for e in graph.into(n.name)],
                [graph[e.target] for e in graph.out_of(n.name)],
            )
            if [len(e) for e in ends] != [1, 1] or not is_neuron(ends[1][0].op):
                faults.append(f"{n.where} does not join one source to one neuron layer")
            elif not (fires(ends[0][0].op) or isinstance(ends[0][0].op, Input)):
                faults.append(f"{n.where} is fed by {ends[0][0].where}")
        elif is_neuron(n.op):
            for e in graph.into(n.name):
                if not isinstance(graph[e.source].op, (Affine, Conv, Sparse)):
                    faults.append(f"{n.where} is fed by '{e.source}' without weights between")
        elif isinstance(n.op, Output):
            faults += [
                f"{n.where} is fed by no neuron" for e in graph.into(n.name) if not is_neuron(graph[e.source].op)
            ]
    return faults


def _neurons_normal(graph: Graph) -> list[str]:
    return [
        f"{n.where} resets to a value other than 0"
        for n in graph.nodes
        if isinstance(n.op, LIF) and n.op.reset == "zero" and np.any(n.op.v_reset != 0)
    ]


def _threshold_folded(graph: Graph) -> list[str]:
    faults = [
        f"{n.where} has a threshold other than 1"
        for n in graph.nodes
        if isinstance(n.op, LIF) and np.any(n.op.threshold != 1)
    ]
    faults += [
        f"{n.where} has a gain other than 1"
        for n in graph.nodes
        if isinstance(n.op, (LIF, LI)) and np.any(n.op.gain != 1)
    ]
    return faults


def _quantized(graph: Graph) -> list[str]:
    faults = [f"{n.where} has float parameters" for n in graph.nodes if isinstance(n.op, (LIF, LI))]
    for n in graph.nodes:
        if isinstance(n.op, (Affine, Conv, Sparse)) and n.op.format is None:
            faults.append(f"{n.where} has float weights")
        if isinstance(n.op, Input) and n.op.unit is None:
            faults.append(f"{n.where} has no unit")
        if isinstance(n.op, IntLIF) and n.op.scale <= 0:
            faults.append(f"{n.where} has a scale of {n.op.scale}")
    return faults


WELL_FORMED = Property("well-formed", "names unique, edges valid, every cycle delayed", _well_formed)
SHAPES_KNOWN = Property("shapes-known", "every node has an output shape", _shapes_known)
NO_BATCHNORM = Property("no-batchnorm", "no BatchNorm is left", _no_batchnorm)
LINEAR_FOLDED = Property("linear-folded", "one bias-free linear op between neuron layers", _linear_folded)
NEURONS_NORMAL = Property("neurons-normal", "hard resets go to 0", _neurons_normal)
THRESHOLD_FOLDED = Property("threshold-folded", "gains and thresholds are 1", _threshold_folded)
QUANTIZED = Property("quantized", "integer codes everywhere", _quantized)
