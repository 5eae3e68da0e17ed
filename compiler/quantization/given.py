"""Scales and grids that are given, because a network was tuned on them: no choice is left."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seamount.compiler.errors import Problem
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import LI, LIF, Array, Input, freeze
from seamount.compiler.ir.tuned import Grids
from seamount.compiler.ir.weights import grid, values_of
from seamount.compiler.quantization.rounding import Rounded
from seamount.compiler.quantization.scales import Choice, Incoming

ON_GRID = 1e-6
"""Codes further than this share of a step from their grid, relative to the largest, are not those that were tuned."""
AGAIN = "tune the network again"


def given_choice(name: str, incoming: tuple[Incoming, ...], grids: Grids) -> Choice:
    """The scale and the codes of a population."""
    scale = grids.scales[name]
    rounded = []
    for q in incoming:
        g, unit = grid(q.bits, q.mode), 2.0 ** grids.weights[q.name].exponent
        scaled = values_of(q.op) * (scale * q.unit)
        codes = np.rint(scaled / (unit * g.step)) * g.step
        error = float((q.importance * np.square(codes * unit - scaled)).sum())
        rounded.append(Rounded(codes.astype(np.int32), grids.weights[q.name].exponent, error, 0))
    return Choice(scale, tuple(rounded), 0.0, True)


def given_problems(
    graph: Graph, grids: Grids, vth_max: int, exponents: range, payload_bits: int, largest: Mapping[str, float]
) -> list[Problem]:
    """Grids that are not those of the graph, that the target lacks, or that a proof would have to change."""
    neurons = [n for n in graph.nodes if isinstance(n.op, (LIF, LI))]
    weights = [n for n in graph.nodes if hasattr(n.op, "format")]
    inputs = [n for n in graph.inputs if isinstance(n.op, Input) and n.op.coding == "graded"]
    known = ((neurons, grids.scales), (weights, grids.weights), (inputs, grids.units))
    missing = [n for nodes, told in known for n in nodes if n.name not in told]
    if missing:
        return [Problem(n.where, "has no grid in what tuning left", AGAIN) for n in missing]
    problems = []
    for node in neurons:
        scale = grids.scales[node.name]
        bad = not 0 < scale < np.inf or (isinstance(node.op, LIF) and round(scale) > vth_max)
        if bad or (isinstance(node.op, LIF) and scale != round(scale)):
            found = f"was tuned to a threshold of {scale:g}"
            problems.append(Problem(node.where, found, AGAIN + " for this target", f"1 to {vth_max}, whole"))
        if scale > largest.get(node.name, np.inf):
            found = "may overflow at the scale it was tuned to, which cannot be lowered afterwards"
            problems.append(Problem(node.where, found, "compile without the proof, or tune again"))
    for node in inputs:
        problems += _unsendable(node, grids.units[node.name], payload_bits)
    for node in weights:
        problems += _off_grid(graph, node, grids, exponents)
    return problems


def _unsendable(node: Node, unit: float, payload_bits: int) -> list[Problem]:
    op = node.op
    assert isinstance(op, Input)
    most = 2**payload_bits - 1 if op.low >= 0 else 2 ** (payload_bits - 1) - 1
    if 0 < unit < np.inf and max(abs(round(op.low / unit)), abs(round(op.high / unit))) <= most:
        return []
    found = f"was tuned with a payload of {unit:g} for 1"
    return [Problem(node.where, found, AGAIN + " for this target", f"payloads of {payload_bits} bits")]


def _off_grid(graph: Graph, node: Node, grids: Grids, exponents: range) -> list[Problem]:
    told = grids.weights[node.name]
    if told.exponent not in exponents:
        found = f"was tuned with weight exponent {told.exponent}"
        return [Problem(node.where, found, AGAIN + " for this target", f"{exponents[0]} to {exponents[-1]}")]
    source, target = graph.into(node.name)[0].source, graph.out_of(node.name)[0].target
    unit, g = grids.units.get(source, 1.0), grid(told.bits, told.sign_mode)
    values: Array = freeze(values_of(node.op))  # type: ignore[arg-type]
    steps = values * (grids.scales[target] * unit / 2.0**told.exponent / g.step)
    off = np.abs(steps - np.rint(steps)) > ON_GRID * max(1.0, float(np.max(np.abs(steps), initial=0.0)))
    beyond = (np.rint(steps) < g.low // g.step) | (np.rint(steps) > g.high // g.step)
    count = int(np.count_nonzero(off | beyond))
    if not count:
        return []
    found = f"{count} of its {values.size} weights are not on the grid of {told.bits} bits that it was tuned on"
    return [Problem(node.where, found, "save the tuned network unchanged, or tune it again")]
