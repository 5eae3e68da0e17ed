"""Pass quantize: float parameters to the integer codes of Loihi's registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from seamount.compiler.analysis.activity import Activity, assume
from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import LI, LIF, Array, Input, IntArray, IntLIF, Sparse, WeightFormat, freeze
from seamount.compiler.ir.properties import LINEAR_FOLDED, QUANTIZED, SHAPES_KNOWN, THRESHOLD_FOLDED
from seamount.compiler.ir.weights import sign_mode, values_of
from seamount.compiler.passes.base import Pass
from seamount.compiler.passes.rounding import per_weight
from seamount.compiler.passes.scales import (
    Choice,
    Incoming,
    Limits,
    choose,
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
    Refuses: synaptic currents that never decay, graded inputs where the target has none (CompileError).
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
        for node in graph.nodes:
            if isinstance(node.op, (LIF, LI)):
                graph = self._population(graph, node, node.op, activity)
        return graph

    def _problems(self, graph: Graph) -> list[Problem]:
        problems = []
        weights = {n.name for n in graph.nodes if hasattr(n.op, "format")}
        for name in sorted(set(self.layer_bits) - weights):
            known = ", ".join(sorted(weights))
            problems.append(Problem(f"bits of layer '{name}'", "there is no such layer", f"one of {known}"))
        for node in graph.nodes:
            op = node.op
            if isinstance(op, (LIF, LI)) and np.any(op.alpha > 1 - 0.5 / 4096):
                limit = "du = 0 still loses 1/4096 per step (lava-nc 0.10.0)"
                remedy = "train with a finite synaptic time constant"
                problems.append(Problem(node.where, "its synaptic current never decays", remedy, limit))
            if isinstance(op, Input) and op.coding == "graded" and self.payload_bits == 0:
                found = "takes graded values, and the target has no graded spikes"
                problems.append(Problem(node.where, found, "compile for loihi2 or loihi-sim, or train on spikes"))
        return problems

    # Inputs: how fine a payload is.

    def _inputs(self, graph: Graph, activity: Activity) -> Graph:
        for node in graph.inputs:
            assert isinstance(node.op, Input)
            if node.op.coding == "spikes":
                graph = graph.with_op(node.name, replace(node.op, unit=1.0))
                continue
            units = self._units(node.op, activity.lattice.get(node.name, 0))
            best = min(units, key=lambda u: self._input_error(graph, node, u, activity))
            graph = graph.with_op(node.name, replace(node.op, unit=best))
        return graph

    def _units(self, op: Input, lattice: int) -> list[float]:
        largest = 2**self.payload_bits - 1 if op.low >= 0 else 2 ** (self.payload_bits - 1) - 1
        units = [payload_unit(op.low, op.high, b) for b in range(self.payload_bits, 2, -1)]
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
            source = graph[graph.into(weights.name)[0].source]
            unit, low, high = 1.0, 0.0, 1.0
            if isinstance(source.op, Input) and source.op.coding == "graded":
                unit, low, high = source.op.unit or 1.0, source.op.low, source.op.high
            importance = per_weight(op, _floored(activity.square[source.name], max(abs(low), abs(high))))
            bits = self.layer_bits.get(weights.name, self.weight_bits)
            found.append(Incoming(weights.name, op, unit, low, high, importance, bits, sign_mode(values_of(op))))
        return tuple(found)

    def _choose(
        self, graph: Graph, node: Node, op: LIF | LI, incoming: tuple[Incoming, ...], activity: Activity
    ) -> Choice:
        gain = 1 / max(1 - float(np.max(op.alpha)), 1 / 4096)
        if isinstance(op, LI):
            gain *= min(1 / max(1 - float(np.max(op.beta)), 1 / 4096), max(graph.steps, 1))
        bias_max = self.bias_mant_max * 2**self.bias_exp_max
        limits = Limits(self.vth_max, bias_max, range(self.exponents[0], self.exponents[1] + 1))
        return choose(incoming, float(np.max(np.abs(op.bias))), gain, activity.current.get(node.name), limits)

    def _population(self, graph: Graph, node: Node, op: LIF | LI, activity: Activity) -> Graph:
        incoming = self._incoming(graph, node, activity)
        choice = self._choose(graph, node, op, incoming, activity)
        shift: Array = np.zeros(())
        for q, r in zip(incoming, choice.rounded, strict=True):
            form = WeightFormat(q.bits, q.mode, r.exponent, choice.scale * q.unit)
            if activity.samples >= ENOUGH and not np.any(op.alpha):
                mean = activity.mean[graph[graph.into(q.name)[0].source].name]
                shift = shift + _mean_error(q, r.codes * (2.0**r.exponent / form.scale), mean)
            codes = {"values" if isinstance(q.op, Sparse) else "weight": freeze(r.codes)}
            graph = graph.with_op(q.name, replace(q.op, format=form, **codes))  # type: ignore[arg-type]
        neuron = self._registers(op, freeze(op.bias - shift), choice.scale)
        graph = graph.with_op(node.name, neuron)
        return graph.noting(*self._notes(node, op, choice))

    def _registers(self, op: LIF | LI, bias: Array, scale: int) -> IntLIF:
        unit = 64 * scale
        mant, exp = self._bias(bias * unit, lattice=isinstance(op, LIF) and op.compare == "ge")
        common = {
            "du": _int(4095 - np.rint(4096 * op.alpha).clip(0, 4095)),
            "dv": _int((4096 - np.rint(4096 * op.beta)).clip(0, 4095)),
            "bias_mant": mant,
            "bias_exp": exp,
            "scale": float(scale),
            "v_init": _int(np.rint(op.v_init * unit)),
        }
        if isinstance(op, LI):
            return IntLIF(vth=None, **common)  # type: ignore[arg-type]
        vth = scale
        if op.compare == "ge" and _moves_in_64(common["du"], common["dv"], mant, exp):  # type: ignore[arg-type]
            vth = scale - 1
        clamp = -(2**23 - 1) if not np.isfinite(op.v_min) else max(-(2**23 - 1), round(op.v_min * unit))
        reset_by = round(float(op.reset_by) * unit) if op.reset == "subtract" else 0
        return IntLIF(vth=_int(vth), reset=op.reset, reset_by=reset_by, v_min=clamp, **common)  # type: ignore[arg-type]

    def _bias(self, bias: Array, lattice: bool) -> tuple[IntArray, int]:
        """Mantissa and the smallest exponent that fits; with `lattice`, multiples of 64 when that is exact."""
        for exp in (6, *range(self.bias_exp_max + 1)) if lattice else range(self.bias_exp_max + 1):
            mant = np.rint(bias / 2**exp)
            exact = exp != 6 or not lattice or np.all(np.abs(mant * 64 - bias) < 1e-6 * np.abs(bias) + 1e-9)
            if np.all(np.abs(mant) <= self.bias_mant_max) and exact:
                return _int(mant), exp if np.any(mant != 0) else 0
        return _int(np.clip(mant, -self.bias_mant_max, self.bias_mant_max)), self.bias_exp_max

    @staticmethod
    def _notes(node: Node, op: LIF | LI, choice: Choice) -> list[str]:
        notes = []
        if not choice.proven:
            notes.append(f"{node.name}: u may leave 24 bits for extreme inputs; the scale follows typical ones")
        beta = np.atleast_1d(op.beta)
        stored = (4096 - np.rint(4096 * beta)).clip(0, 4095)
        if np.any(np.abs(stored / 4096 - (1 - beta)) > 0.01 * (1 - beta) + 1e-12):
            notes.append(f"{node.name}: 12 bits change its membrane time constant by more than 1 %")
        if isinstance(op, LIF) and op.compare == "ge":
            notes.append(f"{node.name}: v >= threshold runs as v > threshold of integers (docs/semantics.md)")
        return notes


def _floored(square: Array, largest: float) -> Array:
    """Mean squared activity, kept away from 0: a source that was silent on few samples is not free to distort."""
    return square + 0.1 * float(np.mean(square)) + 1e-3 * largest**2


def _mean_error(q: Incoming, rounded: Array, mean: Array) -> Array:
    """Mean current that rounding adds to each neuron (each channel of a convolution), in graph units."""
    delta = (rounded - values_of(q.op)) * per_weight(q.op, mean)
    if isinstance(q.op, Sparse):
        total = np.bincount(q.op.rows, weights=delta, minlength=int(np.prod(q.op.shape)))
        return np.asarray(total.reshape(q.op.shape))
    total = delta.reshape(len(delta), -1).sum(axis=1)
    if hasattr(q.op, "stride"):
        return np.asarray(total.reshape((-1,) + (1,) * (q.op.weight.ndim - 2)))
    return np.asarray(total.reshape(getattr(q.op, "shape", None) or total.shape))


def _moves_in_64(du: IntArray, dv: IntArray, mant: IntArray, exp: int) -> bool:
    """Whether v only takes multiples of 64: no synaptic memory, no leak, biases in multiples of 64."""
    return bool(np.all(du == 4095) and np.all(dv == 0) and (exp >= 6 or not np.any(mant)))


def _int(value: Any) -> IntArray:
    array = np.asarray(np.rint(value), np.int32)
    if array.ndim and array.size and np.all(array == array.reshape(-1)[0]):
        array = array.reshape(-1)[0:1].reshape(())
    array.setflags(write=False)
    return array
