"""What a proof costs: answers that the lowered scales change on the samples at hand, and whether a clamp keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend, suited_backend
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import BY_VALUE, payloads
from seamount.compiler.errors import CompileError
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.notes import Clamped, ProofChanges, ScaleLowered
from seamount.compiler.ir.ops import LIF
from seamount.compiler.measures import answers, values_of

CLAMPS = (1.0, 4.0)
"""Lower clamps that are tried, in thresholds below the resting value."""
WORTH_TRYING = 0.005
"""Share of changed answers above which clamps are tried."""

Compiler = Callable[[Graph, bool], Artifact]
"""(graph, whether to prove) -> artifact."""


def proof_changes(graph: Graph, proven: Artifact, samples: Mapping[str, Any], build: Compiler) -> ProofChanges | None:
    """How many answers differ between the proven program and the one with the scales that lose least.

    samples: port -> (N, T, *shape) real values. None where no answer changes, scales are as they were, or the output is
    real values.
    """
    lowered = [n.population for n in proven.manifest.notes if isinstance(n, ScaleLowered)]
    if not lowered or len(proven.outputs) != 1 or proven.outputs[0].task in BY_VALUE:
        return None
    wanted = _answers(build(graph, False), samples)
    changed = int(np.sum(_answers(proven, samples) != wanted))
    if not changed:
        return None
    best: Clamped | None = None
    for clamp in CLAMPS if changed > WORTH_TRYING * wanted.size else ():
        tried = _clamped(graph, lowered, clamp)
        if tried is None:
            break
        try:
            found = int(np.sum(_answers(build(tried, True), samples) != wanted))
        except CompileError:
            continue
        if found < min(changed, changed if best is None else best.changed):
            best = Clamped(clamp, found)
    return ProofChanges(changed, int(wanted.size), tuple(lowered), best)


def _answers(artifact: Artifact, samples: Mapping[str, Any]) -> NDArray[Any]:
    sent = {c.port: payloads(c, samples[c.port]).astype(np.int32) for c in artifact.inputs}
    count, steps = next(iter(sent.values())).shape[:2]
    updates = count * steps * sum(p.size for p in artifact.program.populations)
    trace = load_backend(suited_backend(updates)).run(artifact.program, sent)
    output = artifact.outputs[0]
    return np.asarray(answers(output, values_of(output, trace.readout, steps)))


def _clamped(graph: Graph, names: list[str], thresholds: float) -> Graph | None:
    """The graph with a lower clamp at the named neurons; None where none of them can have one."""
    nodes, any_ = [], False
    for node in graph.nodes:
        op = node.op
        if node.name in names and isinstance(op, LIF) and not np.isfinite(op.v_min) and not np.ptp(op.threshold):
            rest = float(np.max(op.v_init)) if np.ptp(op.v_init) == 0 else None
            if rest is not None:
                low = rest - thresholds * abs(float(np.max(op.threshold)))
                node, any_ = replace(node, op=replace(op, v_min=low)), True
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes)) if any_ else None
