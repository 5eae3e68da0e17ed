"""Analysis: how active each source of weights is on real samples, and how large currents and membranes get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.interpreter import Kind, Values, interpret
from seamount.compiler.ir.ops import LI, Array, Input, Shape, is_neuron

LATTICE_LIMIT = 255
"""Largest denominator tried for input values that are all multiples of 1/n."""


@dataclass(frozen=True, eq=False)
class Activity:
    """What was measured on calibration samples.

    mean, square: source (input or neuron layer) -> first and second moment per neuron, over samples and steps.
    current: neuron layer -> bound on |u| seen, for readouts also |v|.
    lattice: input -> n when all values are multiples of 1/n, else 0.
    samples: how many samples were used; 0 means assumed, not measured.
    """

    mean: Mapping[str, Array]
    square: Mapping[str, Array]
    current: Mapping[str, float]
    lattice: Mapping[str, int]
    samples: int


def measure(graph: Graph, x: Mapping[str, Values], dtype: type = np.float32) -> Activity:
    """Run the float graph on x (input name -> (N, T, *shape)) and collect moments."""
    total: dict[str, Array] = {}
    square: dict[str, Array] = {}
    current: dict[str, float] = {}
    counted = 0
    alphas = {n.name: float(np.max(getattr(n.op, "alpha", 0.0))) for n in graph.nodes}

    def watch(node: Node, kind: Kind, t: int, value: Values) -> None:
        if kind == "out" and (is_neuron(node.op) or isinstance(node.op, Input)):
            total[node.name] = total.get(node.name, np.float64(0)) + value.sum(axis=0, dtype=np.float64)
            square[node.name] = square.get(node.name, np.float64(0)) + np.square(value, dtype=np.float64).sum(axis=0)
        elif kind == "in" and is_neuron(node.op):
            peak = float(np.max(np.abs(value), initial=0.0)) / max(1 - alphas[node.name], 1 / 4096)
            current[node.name] = max(current.get(node.name, 0.0), peak)
        elif kind == "v" and isinstance(node.op, LI):
            current[node.name] = max(current.get(node.name, 0.0), float(np.max(np.abs(value), initial=0.0)))

    samples, steps = next(iter(x.values())).shape[:2]
    for start in range(0, samples, 64):
        interpret(graph, {k: v[start : start + 64] for k, v in x.items()}, record=set(), watch=watch, dtype=dtype)
    counted = samples * steps
    lattice = {name: lattice_of(values) for name, values in x.items()}
    return Activity(
        {k: v / counted for k, v in total.items()},
        {k: v / counted for k, v in square.items()},
        current,
        lattice,
        samples,
    )


def assume(graph: Graph) -> Activity:
    """Without samples: one spike in ten steps everywhere, graded inputs uniform over their range."""
    mean: dict[str, Array] = {}
    square: dict[str, Array] = {}
    for node in graph.nodes:
        shape: Shape = node.shape or ()
        if isinstance(node.op, Input) and node.op.coding == "graded":
            low, high = node.op.low, node.op.high
            mean[node.name] = np.full(shape, (low + high) / 2)
            square[node.name] = np.full(shape, (low * low + low * high + high * high) / 3)
        elif isinstance(node.op, Input) or is_neuron(node.op):
            mean[node.name] = square[node.name] = np.full(shape, 0.1)
    return Activity(mean, square, {}, {}, 0)


def lattice_of(values: NDArray[np.generic]) -> int:
    """Smallest n <= 255 for which all values are multiples of 1/n (to 1e-5), or 0. Pixels / 255 give 255."""
    distinct = np.unique(np.asarray(values, np.float64).reshape(-1)[:200_000])
    for n in (*range(1, 33), 64, 100, 127, 128, LATTICE_LIMIT):
        scaled = distinct * n
        if np.all(np.abs(scaled - np.rint(scaled)) < 1e-5 * n):
            return int(n)
    return 0
