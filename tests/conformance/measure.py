"""Measure one row: the imported graph against the framework's own forward pass, and the integer program against it."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seamount.backends.registry import load_target
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.codes import messages
from seamount.compiler.driver import compile_graph
from seamount.compiler.errors import SeamountError
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.interpreter import Kind, Values, interpret
from seamount.compiler.ir.ops import LIF
from seamount.compiler.ir.quantized import dequantized
from seamount.frontends import ModelFile, load_model, save
from tests.conformance.case import Case, sample

LIVELY = (0.02, 0.95)
"""Rates between which a row counts as lively."""
TARGET = "loihi2"


@dataclass(frozen=True)
class Agreement:
    """The integer program against the framework, free running, and what explains the rest.

    rounded: entries in which one step with the rounded parameters, from the membrane that the trained ones left, gives
    the framework's spike. step_error: what that step adds to v', root mean square, in thresholds. weight_error:
    relative root mean square.
    """

    compared: int
    agreeing: int
    rounded: int
    step_error: float
    weight_error: float


@dataclass(frozen=True)
class Outcome:
    """What a row shows. on_threshold: entries at which the membrane stands on the threshold exactly."""

    compared: int = 0
    differing: int = 0
    ties: int = 0
    on_threshold: int = 0
    rate: float = 0.0
    refused: str = ""
    program: Agreement | str = ""


def import_case(case: Case, folder: Path) -> ModelFile:
    """Save the row's network and load the file. Raises SeamountError where it is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = case.network()
    save(model, folder / "model.pt", sample=sample(), readout="sum")
    return load_model(folder / "model.pt")


def measure(case: Case, integers: bool = False) -> Outcome:
    """Import a row's network and compare every spike; `integers`: the compiled program too."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            file = import_case(case, Path(folder))
        except SeamountError as error:
            return Outcome(refused=error.problems[0].found)
    (name, spikes), *_ = file.golden.spikes.items()
    run = interpret(file.graph(), file.inputs(), record={"spikes", "margin"}, forced=dict(file.golden.spikes))
    differs, margin = run.spikes[name] != spikes, run.margin[name]
    return Outcome(
        compared=spikes.size,
        differing=int(differs.sum()) - file.ties,
        ties=file.ties,
        on_threshold=int((margin == 0).sum()),
        rate=float(spikes.mean()),
        program=compare_program(file) if integers else "",
    )


def compare_program(file: ModelFile) -> Agreement | str:
    """Compile for a chip, run the integers on the file's own input, count equal spikes; the cause where it cannot."""
    (name, spikes), *_ = file.golden.spikes.items()
    x = file.inputs()
    graph = file.graph()
    try:
        compiled = compile_graph(graph, load_target(TARGET), samples={graph.inputs[0].name: x})
    except SeamountError as error:
        return error.problems[0].found
    artifact = compiled.artifact
    sent = {code.port: messages(code, x, x.shape[1]) for code in artifact.inputs}
    trace = VectorizedSimulator().run(artifact.program, sent, record=frozenset({"spikes"}))
    agreeing = int((np.asarray(trace.spikes[name]) == spikes).sum())
    fired, added = _one_step(compiled.canonical, compiled.quantized, x, name, spikes)
    alike, error = int((fired == spikes).sum()), float(np.sqrt(np.mean(added**2)))
    return Agreement(spikes.size, agreeing, alike, error, max(row.error for row in compiled.precision))


def _one_step(trained: Graph, quantized: Graph, x: Values, name: str, spikes: Values) -> tuple[Values, Values]:
    """A layer that is reset by `spikes`, one step with the rounded parameters from where the trained ones stood before
    it: whether it fires, and how far v' is off in thresholds; both (N, T, *shape)."""
    arriving: list[Values] = []
    levels: list[Values] = []
    for key, graph in (("trained", trained), ("quantized", quantized)):

        def watch(node: Node, kind: Kind, t: int, value: Values, key: str = key) -> None:
            if node.name == name and (key, kind) == ("quantized", "in"):
                arriving.append(value)
            if node.name == name and (key, kind) == ("trained", "v"):
                levels.append(value)

        interpret(graph, x, record=set(), forced={name: spikes}, watch=watch)
    before, after = trained[name].op, dequantized(quantized[name].op)
    assert isinstance(before, LIF) and isinstance(after, LIF)
    v = np.broadcast_to(before.v_init, levels[0].shape)
    u, found, sent = np.zeros(levels[0].shape), [], []
    for t, level in enumerate(levels):
        u = after.alpha * u + arriving[t]
        found.append(after.beta * v + after.gain * u + after.bias)
        sent.append(_sent(after, found[-1], v > before.threshold))
        reset = before.v_reset if before.reset == "zero" else level - spikes[:, t] * before.reset_by
        v = np.maximum(np.where(spikes[:, t] != 0, reset, level), before.v_min)
    return np.stack(sent, 1), (np.stack(found, 1) - np.stack(levels, 1)) / before.threshold


def _sent(op: LIF, v: Values, high: Values) -> Values:
    """Spikes of a step with so much on the membrane. high: where it stood above the threshold before the step."""
    if op.most > 1:
        return np.clip(np.ceil((v - op.threshold) / op.reset_by), 0, op.most)
    return np.asarray(v > op.threshold + (high * op.reset_by if op.guarded else 0.0), np.float64)
