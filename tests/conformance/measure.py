"""Measure one row: the imported graph against the framework's own forward pass, and the integer program against it."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seamount.backends.registry import load_target
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.driver import compile_graph
from seamount.compiler.encoding import messages
from seamount.compiler.errors import SeamountError
from seamount.compiler.ir.interpreter import interpret
from seamount.frontends import ModelFile, load_model, save
from tests.conformance.case import Case, sample

LIVELY = (0.02, 0.95)
"""Rates between which a row counts as lively."""
TARGET = "loihi2"


@dataclass(frozen=True)
class Agreement:
    """The integer program against the framework, free running. weight_error: relative root-mean-square."""

    compared: int
    agreeing: int
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
    return Agreement(spikes.size, agreeing, max(row.error for row in compiled.precision))
