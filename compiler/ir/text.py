"""Graph to text: one line per node, arrays as shape, range and digest. The form of all golden files."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import Any

import numpy as np

from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.ops import Conv, WeightFormat

INLINE = 6
"""Arrays with at most this many entries are printed in full."""


def to_text(graph: Graph) -> str:
    """The graph as text, nodes in evaluation order."""
    lines = [f"graph steps={graph.steps}"]
    for node in graph.order:
        lines.append(_node(graph, node))
    lines += [f"note {note}" for note in graph.notes]
    return "\n".join(lines) + "\n"


def _node(graph: Graph, node: Node) -> str:
    kind = type(node.op).__name__
    options = " ".join(f"{f.name}={show(getattr(node.op, f.name))}" for f in fields(node.op) if _shown(node, f.name))
    sources = ", ".join(_source(e) for e in sorted(graph.into(node.name)))
    shape = "?" if node.shape is None else _shape(node.shape)
    origin = [o for o in node.origin if o != node.name]
    parts = [f"{node.name}: {shape} = {kind}({sources})", options]
    if origin:
        parts.append(f"from={','.join(origin)}")
    return "  " + " ".join(p for p in parts if p)


def _shown(node: Node, name: str) -> bool:
    value = getattr(node.op, name)
    usual = {"most": 1, "guarded": False, "shape": node.shape}
    if isinstance(node.op, Conv):
        rank = len(node.op.windows)
        usual |= {"input_dilation": (1,) * rank, "output_padding": (0,) * rank}
    return value is not None and not (name in usual and value == usual[name])


def _source(edge: Edge) -> str:
    return edge.source + (f"@-{edge.delay}" if edge.delay else "")


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def show(value: Any) -> str:
    """A field of an op, compactly and without machine noise."""
    if isinstance(value, np.ndarray):
        return show_array(value)
    if isinstance(value, WeightFormat):
        return f"{value.bits}bit,{value.sign_mode},2^{value.exponent},scale={value.scale:.6g}"
    if isinstance(value, tuple):
        return "(" + ",".join(map(str, value)) + ")"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def show_array(array: np.ndarray[Any, Any]) -> str:
    """Small arrays in full; others as shape[min..max]#digest, the digest over values rounded to 6 digits.

    Values below 1e-12 of the largest are 0: which of them a machine leaves over differs.
    """
    flat = array.reshape(-1)
    if flat.size == 0:
        return f"{_shape(array.shape)}[]"
    flat = np.where(np.abs(flat) < 1e-12 * np.max(np.abs(flat)), 0, flat) + 0
    if flat.size <= INLINE:
        inner = ",".join(f"{x:.6g}" for x in flat.tolist())
        return inner if array.ndim == 0 else f"{_shape(array.shape)}[{inner}]"
    text = ",".join(f"{x:.6g}" for x in flat.tolist())
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{_shape(array.shape)}[{flat.min():.6g}..{flat.max():.6g}]#{digest}"
