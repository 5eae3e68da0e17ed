"""Pass fold-batchnorm: BatchNorm into the weights beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import Affine, Array, BatchNorm, Conv, Op, Shape, Sparse, freeze
from seamount.compiler.ir.properties import NO_BATCHNORM, SHAPES_KNOWN
from seamount.compiler.passes.base import Pass


@dataclass(frozen=True)
class FoldBatchnorm(Pass):
    """Fold BatchNorm into the linear ops that feed it.

    W' = s * W,  b' = s * b + t    with y = s * x + t the reduced BatchNorm, per output channel

    Folds:   linear -> BatchNorm, and sums of linear ops -> BatchNorm (t enters once), when the BatchNorm is their
             only consumer and no delay lies between.
    Keeps:   any other BatchNorm becomes a diagonal linear op of its own, which fold-linear composes further.
    Refuses: nothing.
    Error:   rounding only; 1e-9 relative in the test.
    Source:  Jacob et al., CVPR 2018, section 3.2.
    """

    name = "fold-batchnorm"
    requires = frozenset({SHAPES_KNOWN})
    ensures = frozenset({NO_BATCHNORM})

    def __call__(self, graph: Graph) -> Graph:
        for node in graph.order:
            if isinstance(node.op, BatchNorm):
                graph = self._fold(graph, graph[node.name], node.op)
        return graph

    @staticmethod
    def _fold(graph: Graph, node: Node, norm: BatchNorm) -> Graph:
        edges = graph.into(node.name)
        feeders = [graph[e.source] for e in edges]
        foldable = all(
            isinstance(f.op, (Affine, Conv, Sparse)) and len(graph.out_of(f.name)) == 1 and e.delay == 0
            for f, e in zip(feeders, edges, strict=True)
        )
        if not foldable or not feeders:
            return graph.with_op(node.name, _diagonal(norm, node.shape or ()))
        for k, feeder in enumerate(feeders):
            shift = norm.shift if k == 0 else np.zeros_like(norm.shift)
            scaled = _scaled(feeder.op, norm.scale, shift, feeder.shape or ())
            graph = graph.with_op(feeder.name, scaled, origin=(node.name, *node.origin))
        return graph.without(node.name)


def _scaled(op: Op, scale: Array, shift: Array, shape: Shape) -> Op:
    """Op followed by y = scale[c] * x + shift[c]."""
    if isinstance(op, Conv):
        weight = op.weight * scale.reshape((-1,) + (1,) * (op.weight.ndim - 1))
        bias = shift if op.bias is None else scale * op.bias + shift
        return replace(op, weight=freeze(weight), bias=freeze(bias))
    tail = (-1,) + (1,) * (len(shape) - 1)
    scales = np.broadcast_to(scale.reshape(tail), shape)
    shifts = np.broadcast_to(shift.reshape(tail), shape)
    if isinstance(op, Affine):
        bias = shifts.reshape(-1) if op.bias is None else scales.reshape(-1) * op.bias + shifts.reshape(-1)
        return replace(op, weight=freeze(op.weight * scales.reshape(-1, 1)), bias=freeze(bias))
    assert isinstance(op, Sparse)
    bias = shifts if op.bias is None else scales * op.bias + shifts
    return replace(op, values=freeze(op.values * scales.reshape(-1)[op.rows]), bias=freeze(bias))


def _diagonal(norm: BatchNorm, shape: Shape) -> Op:
    """The BatchNorm as a depthwise 1x1 convolution, or as one synapse per neuron where there is no image."""
    rank = len(shape) - 1
    if rank in (1, 2):
        weight = norm.scale.reshape((-1, 1) + (1,) * rank)
        ones = (1,) * rank
        return Conv(freeze(weight), freeze(norm.shift), ones, (0,) * rank, ones, len(norm.scale))
    index = np.arange(int(np.prod(shape)), dtype=np.int64)
    tail = (-1,) + (1,) * rank
    values = np.broadcast_to(norm.scale.reshape(tail), shape).reshape(-1)
    bias = np.broadcast_to(norm.shift.reshape(tail), shape)
    return Sparse(index, index, freeze(values), shape, shape, freeze(bias))
