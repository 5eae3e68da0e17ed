"""Small NIR graphs for tests, and files made of them."""

from __future__ import annotations

import io

import h5py
import nir
import numpy as np

from seamount.compiler.ir.interpreter import interpret
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.frontends.conventions import Conventions, Meaning

ALL = Conventions(
    dt=1e-3,
    integrate="euler",
    reset="zero",
    timing="immediate",
    compare="gt",
    spikes="single",
    start="zero",
    coding="graded",
    low=-10.0,
    high=10.0,
    steps=8,
    readout="last",
)


def meaning(**changes):
    """Everything known, with changes; None forgets a convention."""
    return Meaning(default=Conventions(**{**ALL.known(), **changes}))


def port(*shape):
    return nir.Input({"input": np.array(shape)})


def out(*shape):
    return nir.Output({"output": np.array(shape) if shape else None})


def chain(first, *nodes):
    """input -> nodes -> output, nodes named after their types, without nir's own checks."""
    full = {"input": first}
    for node in nodes:
        stem = type(node).__name__.lower()
        full[stem if stem not in full else f"{stem}_{len(full)}"] = node
    full["output"] = out()
    return net(full, list(zip(list(full), list(full)[1:], strict=False)))


def net(nodes, edges):
    return nir.NIRGraph(nodes, edges, type_check=False)


def lif(shape=(3,), tau=0.01, r=1.0, v_leak=0.0, v_threshold=1.0, v_reset=0.0):
    values = {"tau": tau, "r": r, "v_leak": v_leak, "v_threshold": v_threshold, "v_reset": v_reset}
    return nir.LIF(**{k: np.broadcast_to(np.asarray(v, dtype=np.float64), shape).copy() for k, v in values.items()})


def affine(out_size, in_size, seed=0, gain=1.0, bias=True):
    rng = np.random.default_rng(seed)
    weight = rng.normal(0, gain, (out_size, in_size))
    return nir.Affine(weight, rng.normal(0, gain, out_size)) if bias else nir.Linear(weight)


def write(graph, **options):
    """The bytes nir.write makes of a graph; Outputs without a shape, which it cannot write, lack the field."""
    stream = io.BytesIO()
    nodes = {k: out(1) if _is_open(n) else n for k, n in graph.nodes.items()}
    nir.write(stream, net(nodes, graph.edges), **options)
    with h5py.File(stream, "r+") as file:
        for name, node in graph.nodes.items():
            if _is_open(node):
                del file[f"node/nodes/{name}/shape"]
    return stream.getvalue()


def _is_open(node):
    return isinstance(node, nir.Output) and node.output_type["output"] is None


def run(graph, x, **options):
    """Interpret a graph on (T, *shape); outputs have no sample axis."""
    shaped = InferShapes()(graph)
    inputs = {k: v[None] for k, v in x.items()} if isinstance(x, dict) else x[None]
    return interpret(shaped, inputs, record={"spikes", "v", "margin"}, **options)
