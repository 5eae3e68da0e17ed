"""Pass quantize: float parameters to the integer codes of Loihi's registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from seamount.compiler.analysis.activity import Activity, assume
from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.linear import apply
from seamount.compiler.ir.notes import Note
from seamount.compiler.ir.ops import LI, LIF, Array, Input, IntLIF, Linear, Op, Sparse, WeightFormat, freeze
from seamount.compiler.ir.properties import LINEAR_FOLDED, QUANTIZED, SHAPES_KNOWN, THRESHOLD_FOLDED
from seamount.compiler.ir.tuned import Grids
from seamount.compiler.ir.weights import sign_mode, values_of
from seamount.compiler.passes.base import Pass
from seamount.compiler.quantization.given import given_choice, given_problems
from seamount.compiler.quantization.losses import input_problems, losses, neuron_problems, weight_problems
from seamount.compiler.quantization.registers import ONE, current_decay, registers
from seamount.compiler.quantization.rounding import per_weight, spacing
from seamount.compiler.quantization.scales import (
    Choice,
    Demand,
    Incoming,
    Limits,
    choose,
    expected,
    payload_error,
    payload_unit,
)

ENOUGH = 32
"""Calibration samples from which on mean rounding errors are trusted and moved into the bias."""


@dataclass(frozen=True)
class Quantize(Pass):
    """Choose scales, and round weights, decays, thresholds and biases to what the chip stores.

    a = 64 S * current, with one integer scale S per population; threshold = S exactly; du, dv to 12 bits;
    bias = mant 2**exp; weights = codes 2**e on the grid of their bits and sign mode, one e per projection.

    Handles: per-layer bits; several projections of different size into one population; graded inputs, whose payload
             width is chosen together with the weights; v >= threshold where v moves in multiples of 64 only.
    Uses:    activity measured on calibration samples, when given: rounding errors count as much as their source is
             active, and the mean error moves into the bias. S keeps u inside 24 bits for all inputs where that
             costs at most two bits of weights, else for twice the largest current measured; notes say which.
             `largest` bounds the scales of the populations it names (compiler/ranges/proven_scales.py).
             `grids` of a network that was tuned in integers stand in for every choice, and give those integers again.
    Prefers: scales that put weights exactly on their grid, where there are such scales.
    Refuses: parameters that no register holds: synaptic currents that never decay, decays outside 0..1, NaN, biases
             and start values of more than thousands of thresholds; weights of both signs in one bit; graded inputs
             where the target has none (CompileError).
    Notes:   weights that a large bias or threshold leaves fewer bits, layers most of whose weights round to 0, time
             constants that 12 bits change, v >= threshold where it is not exact.
    Error:   about 2**-bits of the largest weight per layer; reported, not bounded.
    """

    weight_bits: int = 8
    layer_bits: Mapping[str, int] = field(default_factory=dict)
    payload_bits: int = 8
    vth_max: int = 131071
    bias_mant_max: int = 4095
    bias_exp_max: int = 7
    exponents: tuple[int, int] = (0, 7)
    activity: Activity | None = field(default=None, repr=False)
    largest: Mapping[str, float] = field(default_factory=dict)
    grids: Grids | None = field(default=None, repr=False)

    name = "quantize"
    requires = frozenset({SHAPES_KNOWN, LINEAR_FOLDED, THRESHOLD_FOLDED})
    ensures = frozenset({QUANTIZED})
    breaks = frozenset({THRESHOLD_FOLDED})

    def __call__(self, graph: Graph) -> Graph:
        if not QUANTIZED.violations(graph):
            return graph
        raise_all(CompileError, self._problems(graph))
        activity = self.activity or assume(graph)
        graph = self._inputs(graph, activity)
        changed: dict[str, Op] = {}
        notes: list[Note] = []
        for node in graph.nodes:
            if isinstance(node.op, (LIF, LI)):
                ops, said = self._population(graph, node, node.op, activity)
                changed |= ops
                notes += said
        integers = graph.map_nodes(lambda n: replace(n, op=changed[n.name]) if n.name in changed else n)
        return integers.noting(*dict.fromkeys(notes))

    def _problems(self, graph: Graph) -> list[Problem]:
        problems = []
        weights = [n for n in graph.nodes if hasattr(n.op, "format")]
        into = [_target(graph, n) for n in weights]
        named = {name for n in (*weights, *into) for name in (n.name, *n.origin)}
        for name in sorted(set(self.layer_bits) - named):
            known = ", ".join(sorted(n.name for n in weights))
            problems.append(Problem(f"bits of layer '{name}'", "there is no such layer", f"one of {known}"))
        for node in graph.nodes:
            op = node.op
            if isinstance(op, (LIF, LI)):
                problems += neuron_problems(node, op, self.bias_mant_max * 2**self.bias_exp_max)
            elif isinstance(op, Input):
                problems += input_problems(node, op, self.payload_bits)
        for node in weights:
            problems += weight_problems(node, self._bits(graph, node), isinstance(_target(graph, node).op, LIF))
        if self.grids is not None and not problems:
            exponents = range(self.exponents[0], self.exponents[1] + 1)
            problems += given_problems(graph, self.grids, self.vth_max, exponents, self.payload_bits, self.largest)
        return problems

    def _bits(self, graph: Graph, weights: Node) -> int:
        """Bits of a layer by its name, else by a layer that was folded into it, else by the neurons that it drives (the
        fewest of several)."""
        if self.grids is not None and weights.name in self.grids.weights:
            return self.grids.weights[weights.name].bits
        neurons = _target(graph, weights)
        for names in ((weights.name,), weights.origin, (neurons.name, *neurons.origin)):
            named = [self.layer_bits[name] for name in names if name in self.layer_bits]
            if named:
                return min(named)
        return self.weight_bits

    # Inputs: how fine a payload is.

    def _inputs(self, graph: Graph, activity: Activity) -> Graph:
        for node in graph.inputs:
            assert isinstance(node.op, Input)
            if node.op.coding == "spikes":
                graph = graph.with_op(node.name, replace(node.op, unit=1.0))
                continue
            if self.grids is not None:
                graph = graph.with_op(node.name, replace(node.op, unit=self.grids.units[node.name]))
                continue
            units = self._units(node.op, activity.lattice.get(node.name, 0))
            best = min(units, key=lambda u: self._input_error(graph, node, u, activity))
            graph = graph.with_op(node.name, replace(node.op, unit=best))
        return graph

    def _units(self, op: Input, lattice: int) -> list[float]:
        largest = 2**self.payload_bits - 1 if op.low >= 0 else 2 ** (self.payload_bits - 1) - 1
        bits = range(self.payload_bits, min(2, self.payload_bits - 1), -1)
        units = [payload_unit(op.low, op.high, b) for b in bits]
        if lattice and max(abs(op.low), abs(op.high)) * lattice <= largest:
            units.insert(0, 1 / lattice)
        return units

    def _input_error(self, graph: Graph, node: Node, unit: float, activity: Activity) -> float:
        trial = graph.with_op(node.name, replace(node.op, unit=unit))  # type: ignore[arg-type]
        error = 0.0
        for edge in graph.out_of(node.name):
            target = graph[graph.out_of(edge.target)[0].target]
            assert isinstance(target.op, (LIF, LI))
            incoming = self._incoming(trial, target, activity)
            error += self._choose(trial, target, target.op, incoming, activity).error
            mine = next(q for q in incoming if q.name == edge.target)
            error += payload_error(mine, unit, activity.lattice.get(node.name, 0))
        return error

    # Populations: scale, weights, registers.

    def _incoming(self, graph: Graph, node: Node, activity: Activity) -> tuple[Incoming, ...]:
        found = []
        for edge in graph.into(node.name):
            weights = graph[edge.source]
            op: Any = weights.op
            source = _source(graph, weights.name)
            unit, low, high = 1.0, 0.0, 1.0
            if isinstance(source.op, Input) and source.op.coding == "graded":
                unit, low, high = source.op.unit or 1.0, source.op.low, source.op.high
            if isinstance(source.op, (LIF, IntLIF)):
                high = float(source.op.most)
            importance = per_weight(op, _floored(activity.square[source.name], max(abs(low), abs(high))))
            mode = self.grids.weights[weights.name].sign_mode if self.grids else sign_mode(values_of(op))
            found.append(Incoming(weights.name, op, unit, low, high, importance, self._bits(graph, weights), mode))
        return tuple(found)

    def _choose(
        self, graph: Graph, node: Node, op: LIF | LI, incoming: tuple[Incoming, ...], activity: Activity
    ) -> Choice:
        keeps = float(ONE - 1 - np.min(current_decay(op.alpha))) / ONE
        gain = 1 / (1 - keeps)
        held = max(float(np.max(np.abs(op.v_init))), float(np.max(op.reset_by)) if isinstance(op, LIF) else 0.0)
        leak = max(1 - float(np.max(op.beta)), 1 / ONE)
        measured = activity.current.get(node.name)
        means = tuple(per_weight(q.op, activity.mean[_source(graph, q.name).name]) for q in incoming)
        demand = Demand(
            fires=isinstance(op, LIF),
            bias=float(np.max(np.abs(op.bias))),
            held=held,
            current_gain=gain,
            membrane_gain=min(1 / leak, max(graph.steps, 1)),
            typical=2 * measured if measured is not None else gain * expected(incoming, means),
            quantum=_quantum(op) if isinstance(op, LIF) and op.compare == "ge" else 0.0,
            largest=self.largest.get(node.name, np.inf),
        )
        bias_max = self.bias_mant_max * 2**self.bias_exp_max
        return choose(incoming, demand, Limits(self.vth_max, bias_max, range(self.exponents[0], self.exponents[1] + 1)))

    def _population(
        self, graph: Graph, node: Node, op: LIF | LI, activity: Activity
    ) -> tuple[dict[str, Op], list[Note]]:
        """The population and the weights into it as integers, and what is to be said of them."""
        ops: dict[str, Op] = {}
        incoming = self._incoming(graph, node, activity)
        if self.grids is None:
            choice = self._choose(graph, node, op, incoming, activity)
        else:
            choice = given_choice(node.name, incoming, self.grids)
        shift: Array = freeze(0.0)
        for q, r in zip(incoming, choice.rounded, strict=True):
            form = WeightFormat(q.bits, q.mode, r.exponent, choice.scale * q.unit)
            if self.grids is None and activity.samples >= ENOUGH and not np.any(op.alpha):
                mean = activity.mean[_source(graph, q.name).name]
                shift = np.add(shift, _mean_error(q, freeze(r.codes * (2.0**r.exponent / form.scale)), mean))
            codes = {"values" if isinstance(q.op, Sparse) else "weight": freeze(r.codes)}
            ops[q.name] = replace(q.op, format=form, **codes)  # type: ignore[arg-type]
        largest = self.bias_mant_max * 2**self.bias_exp_max / (64 * choice.scale)
        bias = freeze(np.clip(op.bias - shift, -largest, largest))
        neuron = registers(op, bias, choice.scale, self.bias_mant_max, self.bias_exp_max)
        return {**ops, node.name: neuron}, losses(node, op, neuron, incoming, choice)


def _quantum(op: LIF) -> float:
    """What all constants of a neuron without memory and leak are multiples of; 0 where that does not matter."""
    if np.any(op.alpha != 0) or np.any(op.beta != 1):
        return 0.0
    clamp = op.v_min if np.isfinite(op.v_min) else 0.0
    amount = op.reset_by if op.reset == "subtract" else np.zeros(())
    return spacing(np.concatenate([np.ravel(x) for x in (op.bias, op.v_init, amount, clamp, 1.0)]))


def _source(graph: Graph, weights: str) -> Node:
    """The input or neuron layer that the weights read."""
    return graph[graph.into(weights)[0].source]


def _target(graph: Graph, weights: Node) -> Node:
    """The neuron layer that the weights drive."""
    return graph[graph.out_of(weights.name)[0].target]


def _floored(square: Array, largest: float) -> Array:
    """Mean squared activity, kept away from 0: a source that was silent on few samples is not free to distort."""
    return square + 0.1 * float(np.mean(square)) + 1e-3 * largest**2


def _mean_error(q: Incoming, rounded: Array, mean: Array) -> Array:
    """Mean current that rounding adds to each neuron, in graph units; exact at the borders of convolutions too."""
    part = "values" if isinstance(q.op, Sparse) else "weight"
    delta: Linear = replace(q.op, **{part: freeze(rounded - values_of(q.op))})  # type: ignore[arg-type]
    return np.asarray(apply(delta, mean[None])[0], np.float64)
