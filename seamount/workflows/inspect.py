"""What is in a model or an artifact, as text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from seamount.backends.registry import load_target
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.notes import Note
from seamount.compiler.ir.text import to_text
from seamount.compiler.passes import PASSES
from seamount.compiler.passes.base import Pass
from seamount.compiler.passes.parse import words_of
from seamount.compiler.pipelines import Options, quantizing
from seamount.compiler.program.lower import lower
from seamount.compiler.program.text import to_text as program_text
from seamount.workflows.artifact import Artifact, load_artifact
from seamount.workflows.compile import compilation
from seamount.workflows.data import Data
from seamount.workflows.load import Model, model_of

STAGES = ("import", *PASSES, "program")


def inspect(
    source: Any,
    *,
    after: str = "import",
    target: str = "loihi-sim",
    assume: Sequence[str] = (),
    options: Options | None = None,
) -> str:
    """A model's graph after any pass, or an artifact's integer program, as text.

    source: a model or an artifact, or the path of one. after: "import", a pass, or "program".
    Raises InputError for what cannot be read and for a stage that there is not, CompileError as `compile` does.

    Example:
        print(seamount.inspect("model.pt", after="fold-batchnorm"))
    """
    if isinstance(source, str | os.PathLike) and Path(source).is_dir():
        source = load_artifact(source)
    if isinstance(source, Artifact):
        about = source.manifest
        head = f"artifact of {about.model.name} for {about.target.name}, seamount {about.seamount}\n"
        return head + program_text(source.program) + _remarks(about.notes)
    if after not in STAGES:
        raise InputError(Problem(f"--after {after}", "there is no such stage", f"one of {', '.join(STAGES)}"))
    model, options = model_of(source, assume=assume), options or Options()
    if after == "import":
        return to_text(model.graph)
    chosen = load_target(target)
    pipeline = quantizing(chosen, options, None)
    if after == "program":
        graph = pipeline(model.graph)
        return program_text(lower(graph, options.delay_max(chosen), options.slow_down)) + _remarks(graph.notes)
    return to_text(pipeline.until(after)(model.graph))


def _remarks(notes: Iterable[Note]) -> str:
    return "".join(f"note {note}\n" for note in notes)


class _Stopped(Exception):
    def __init__(self, text: str) -> None:
        self.text = text


def stage_of(
    model: Model, stage: str, target: str, options: Options, calibrate: Data | None = None, pipeline: str | None = None
) -> str:
    """The graph as `compile` leaves it after a pass, with calibrated scales; "import" for none.

    Raises InputError for a pass that there is not.
    """
    if stage == "import":
        return to_text(model.graph)
    known = PASSES if pipeline is None else words_of(pipeline)
    if stage not in known:
        remedy = f"one of {', '.join(('import', *known))}"
        raise InputError(Problem(f"--stop-after {stage}", "there is no such pass", remedy))

    def watch(p: Pass, graph: Graph) -> None:
        if p.name == stage:
            raise _Stopped(to_text(graph))

    try:
        compilation(
            model, target, options, calibrate=calibrate, watch=watch, pipeline=pipeline, vectors=False, progress=False
        )
    except _Stopped as stopped:
        return stopped.text
    return ""
