"""The parts of an integer program that the module is made of: projections, neuron layers, and what learns in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seamount.compiler.analysis.delays import Path
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import LIF, Affine, Conv, Input, IntLIF, Sparse, WeightFormat
from seamount.compiler.ir.weights import Grid, grid

EXACT32 = 2**24
"""Sums of integers up to here are exact in float32, whatever their order."""
VTH_MAX, BIAS_MAX, BIAS_EXP_MAX = 131071, 4095, 7
"""Largest threshold, bias mantissa and bias exponent of a Loihi 1 core, which the targets share."""


@dataclass(frozen=True)
class Trained:
    """What learns. scales: the threshold of each layer in units of its weights, which is the scale of the weights' grid
    in thresholds. decays: of current and membrane, where a layer has them."""

    weights: bool = True
    scales: bool = True
    biases: bool = True
    decays: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, on in vars(self).items() if on)


@dataclass(frozen=True, eq=False)
class Synapses:
    """A projection. codes = round(weight * per_code) within `grid`; `wide`: sums may leave what float32 holds."""

    path: Path
    op: Affine | Conv | Sparse
    form: WeightFormat
    shape: tuple[int, ...]
    grid: Grid
    wide: bool

    @property
    def per_code(self) -> float:
        """Codes per unit of the weight in thresholds."""
        return float(self.form.scale / 2.0**self.form.exponent)


@dataclass(frozen=True, eq=False)
class Neurons:
    """A neuron layer. whole: v >= threshold is exact as v > threshold - 64. ratio: what a spike takes, in thresholds.
    tonic: fires in every step, without input."""

    name: str
    op: IntLIF
    shape: tuple[int, ...]
    whole: bool
    ratio: float
    tonic: bool

    @property
    def exponent(self) -> int:
        return self.op.bias_exp


def unit_of(graph: Graph, source: str) -> float:
    op = graph[source].op
    return float(op.unit or 1.0) if isinstance(op, Input) and op.coding == "graded" else 1.0


def neurons_of(quantized: Graph, canonical: Graph, node: Node) -> Neurons:
    op, trained = node.op, canonical[node.name].op
    assert isinstance(op, IntLIF) and node.shape is not None
    whole, ratio = False, 0.0
    if isinstance(trained, LIF):
        assert op.vth is not None
        whole = bool(np.all(op.vth == round(op.scale) - 1))
        ratio = float(trained.reset_by) if op.reset == "subtract" else 0.0
    return Neurons(node.name, op, node.shape, whole, ratio, not quantized.into(node.name))


def synapses_of(graph: Graph, path: Path, ternary: bool) -> Synapses:
    op: Any = graph[path.weights].op
    form: WeightFormat = op.format
    g = grid(form.bits, form.sign_mode)
    if ternary and form.bits == 2 and form.sign_mode == "mixed":
        g = Grid(g.step, -g.step, g.step)
    source = graph[path.source].op
    largest = 1.0
    if isinstance(source, Input) and source.coding == "graded":
        unit = source.unit or 1.0
        largest = max(abs(round(source.low / unit)), abs(round(source.high / unit)))
    per_row = np.bincount(op.rows) if isinstance(op, Sparse) else np.array([np.prod(op.weight.shape[1:])])
    fan_in = int(per_row.max(initial=0))
    wide = fan_in * 256 * largest > EXACT32
    return Synapses(path, replace(op, format=None), form, graph[path.weights].shape or (), g, wide)


def even_biases(quantized: Graph, canonical: Graph) -> Graph:
    """The quantized graph with one bias per channel where a layer reads convolutions and was trained with one.

    Calibration moves the mean error of rounding into the bias of each neuron, which differs at the borders of a
    convolution. A trained network has one bias per channel, and so has a tuned one.
    """
    for node in quantized.nodes:
        op, shape = node.op, node.shape or ()
        reads = [quantized[e.source].op for e in quantized.into(node.name)]
        if not isinstance(op, IntLIF) or op.bias_mant.ndim < 2 or not any(isinstance(r, Conv) for r in reads):
            continue
        before: Any = canonical[node.name].op
        trained = np.broadcast_to(before.bias, shape)
        channels = trained.reshape(shape[0], -1)
        if np.any(channels != channels[:, :1]):
            continue
        mean = op.bias_mant.reshape(shape[0], -1).mean(axis=1)
        wide = np.array(np.rint(mean), np.int32).reshape(-1, *(1,) * (len(shape) - 1))
        wide.setflags(write=False)
        quantized = quantized.with_op(node.name, replace(op, bias_mant=wide))
    return quantized
