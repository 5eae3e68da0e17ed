"""Analysis: the products of every layer as it was trained, before anything is folded.

A program cannot tell them any more. A 2 x 2 mean in front of a convolution becomes part of its kernel, which then has
four times the synapses; a spiking chip works through all of them, an artificial network pools first and does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.ops import Affine, BatchNorm, Conv, Op, Pool, Reshape, Scale, Shape, Sparse, fires
from seamount.compiler.ir.shapes import output_shape, size
from seamount.compiler.windows import Window


@dataclass(frozen=True)
class Products:
    """A linear layer, or a pool, in one pass of the network.

    macs: products with weights other than 0, borders of convolutions left out; of a pool, its additions.
    weights: numbers other than 0 that it stores. inputs, outputs: values it reads and writes.
    sources: neuron layers and inputs whose sum it gets, through pools and batch norms. analog: whether one of them is
    no layer of spikes.
    """

    layer: str
    pool: bool
    macs: int
    weights: int
    inputs: int
    outputs: int
    sources: tuple[str, ...]
    analog: bool


def products(graph: Graph) -> tuple[Products, ...]:
    """Every linear layer and every pool of a graph with known shapes, in order. Batch norms are left out: both kinds of
    network fold them."""
    return tuple(_products(graph, node) for node in graph.nodes if isinstance(node.op, (Affine, Conv, Sparse, Pool)))


def _products(graph: Graph, node: Node) -> Products:
    before = graph[graph.into(node.name)[0].source].shape
    assert before is not None and node.shape is not None
    sources = _sources(graph, node)
    pool = isinstance(node.op, Pool)
    return Products(
        node.name, pool, mac_count(node.op, before), 0 if pool else weight_count(node.op), size(before),
        size(node.shape), tuple(s.name for s in sources), not all(fires(s.op) for s in sources),
    )  # fmt: skip


def _sources(graph: Graph, node: Node) -> list[Node]:
    """The nearest nodes upstream that are no pool, batch norm or reshape; each once."""
    found: dict[str, Node] = {}
    ahead, seen = [node.name], set()
    while ahead:
        for edge in graph.into(ahead.pop()):
            source = graph[edge.source]
            if not isinstance(source.op, (Pool, BatchNorm, Scale, Reshape)):
                found[source.name] = source
            elif source.name not in seen:
                seen.add(source.name)
                ahead.append(source.name)
    return list(found.values())


def weight_count(op: Op) -> int:
    """Weights other than 0; the kernel of a convolution counts once."""
    values: Any = op.values if isinstance(op, Sparse) else getattr(op, "weight", np.zeros(0))
    return int(np.count_nonzero(values))


def mac_count(op: Op, source: Shape) -> int:
    """Products of a linear op on an input of shape `source`, or additions of a pool."""
    if isinstance(op, Pool):
        windows = tuple(Window(*axis) for axis in zip(op.kernel, op.stride, op.padding, strict=True))
        return int(_positions(op, windows, source).sum()) * size(source[: -len(op.kernel)])
    if isinstance(op, Conv):
        taps = _positions(op, op.windows, source)
        return int((np.count_nonzero(op.weight, axis=(0, 1)) * taps).sum())
    return weight_count(op)


def _positions(op: Conv | Pool, windows: tuple[Window, ...], source: Shape) -> NDArray[np.int64]:
    """Tap of the kernel -> places of the output at which it lies on an input."""
    rank = len(windows)
    sizes = zip(windows, source[-rank:], output_shape(op, source)[-rank:], strict=True)
    along = [window.seen(n, out)[1].sum(axis=0) for window, n, out in sizes]
    return np.asarray(reduce(np.multiply.outer, along), np.int64)
