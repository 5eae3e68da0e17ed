"""A tuned network as a float graph whose parameters lie on its grids, and back to a model file."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from seamount.compiler.diff.programs import program_differences
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.interpreter import interpret, reduce_steps
from seamount.compiler.ir.ops import LIF, Input, IntLIF, Op, Output, freeze
from seamount.compiler.ir.quantized import dequantized
from seamount.compiler.ir.tuned import Grids, WeightGrid
from seamount.compiler.pipelines import Options, quantizing
from seamount.compiler.program.lower import lower
from seamount.compiler.program.program import Program
from seamount.compiler.target.target import Target
from seamount.frontends.conventions import Conventions, Meaning
from seamount.frontends.model_file.model import Golden, ModelFile, alone
from seamount.frontends.nir.to_nir import to_nir
from seamount.tuning.network import IntegerNetwork

Values = NDArray[Any]


def program_of(net: IntegerNetwork, target: Target, options: Options | None = None) -> Program:
    """The program that the module is at this moment: delays balanced, lowered, verified."""
    options = options or Options()
    balance = quantizing(target, options, None).passes[-1]
    return lower(balance(net.quantized()), options.delay_max(target), options.slow_down)


def integers_differing(a: Program, b: Program) -> tuple[str, ...]:
    """What differs between two programs, whatever order their parts are listed in: a file sorts its nodes by name."""
    return program_differences(_by_name(a), _by_name(b))


def _by_name(program: Program) -> Program:
    parts: dict[str, Any] = {
        kind: tuple(sorted(getattr(program, kind), key=lambda part: part.name))
        for kind in ("inputs", "populations", "projections", "readouts")
    }
    return replace(program, **parts)


def grids_of(graph: Graph) -> Grids:
    """The scales and grids of a quantized graph."""
    scales = {n.name: float(n.op.scale) for n in graph.nodes if isinstance(n.op, IntLIF)}
    weights = {
        n.name: WeightGrid(form.bits, form.sign_mode, form.exponent)
        for n in graph.nodes
        if (form := getattr(n.op, "format", None)) is not None
    }
    units = {n.name: float(n.op.unit or 1.0) for n in graph.inputs if isinstance(n.op, Input)}
    return Grids(scales, weights, units)


def tuned_graph(net: IntegerNetwork) -> Graph:
    """The float graph, linear ops folded and thresholds 1, that quantizes to the module's integers on `grids_of`.

    Decays that did not learn keep their trained values, of which the registers are the rounding.
    """
    graph = net.quantized()
    for name, n in net.neurons.items():
        before: Any = net.canonical[name].op
        kept: dict[str, Any] = {
            kind: getattr(before, kind) for kind in ("alpha", "beta") if not net.latent(kind, name).requires_grad
        }
        if isinstance(before, LIF):
            kept |= {"threshold": freeze(1.0), "reset_by": freeze(n.ratio), "compare": before.compare}
        graph = graph.with_op(name, replace(dequantized(graph[name].op), **kept))
    return graph.map_nodes(lambda node: replace(node, op=_unrounded(node.op)))


def _unrounded(op: Op) -> Op:
    return replace(op, unit=None) if isinstance(op, Input) else dequantized(op)


def tuned_file(
    graph: Graph, file: ModelFile | None, encoding: str, inputs: dict[str, Values], name: str, **known: Any
) -> ModelFile:
    """A model file of a float graph. inputs: a few samples, for a golden trace that the interpreter makes.

    known: fields of ModelFile. file: whose conventions on time and provenance are kept.
    """
    said = file.meaning.default if file is not None else Conventions()
    meaning = Meaning(default=Conventions(dt=said.dt, encoding=encoding))  # type: ignore[arg-type]
    written, meaning = to_nir(graph, meaning)
    stream = io.BytesIO()
    nir.write(stream, written)
    empty = Golden(np.zeros(0, np.float32), {}, np.zeros(0, np.float32), np.zeros(0, np.float32))
    bare = ModelFile(stream.getvalue(), meaning, empty, known.pop("framework", "unknown"), name=name, **known)
    given = {k: np.ascontiguousarray(v, np.float32) for k, v in inputs.items()}
    return replace(bare, golden=_golden(bare, given))


def _golden(file: ModelFile, inputs: dict[str, NDArray[np.float32]]) -> Golden:
    """What the interpreter computes on a few samples, in the place of a framework."""
    from seamount.frontends.model_file.model import with_shapes
    from seamount.frontends.nir.from_nir import from_nir

    graph = with_shapes(from_nir(file.nir_file().graph, file.meaning))
    steps = graph.steps
    if file.encoding == "constant":
        kept, fed = inputs, {k: np.repeat(x[:, None], steps, axis=1) for k, x in inputs.items()}
    else:
        kept = fed = {k: np.ascontiguousarray(x[:, :steps]) for k, x in inputs.items()}
    run = interpret(graph, fed)
    series = {k: np.ascontiguousarray(v, np.float32) for k, v in run.series.items()}
    rules = {n.name: n.op.rule for n in graph.outputs if isinstance(n.op, Output)}
    outputs = {k: np.ascontiguousarray(reduce_steps(rules[k], v), np.float32) for k, v in run.series.items()}
    return Golden(alone(kept), dict(run.spikes), alone(series), alone(outputs))


__all__ = ["grids_of", "program_of", "tuned_file", "tuned_graph"]
