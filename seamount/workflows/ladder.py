"""Running the check ladder: one class that holds the samples and makes the rungs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend
from seamount.cli.console import out, progress
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import Samples, share_right, some
from seamount.compiler.codes import count as samples_of
from seamount.compiler.driver import Compiled
from seamount.compiler.errors import InputError
from seamount.compiler.execution import Trace
from seamount.compiler.ir.graph import Graph
from seamount.compiler.pipelines import canonical
from seamount.workflows.compile import too_large
from seamount.workflows.load import Source, only_output
from seamount.workflows.run import Executed, executed
from seamount.workflows.rungs import (
    Answers,
    LayerAgreement,
    Rung,
    differences,
    full_trace,
    interpreted,
    layer_agreement,
)

INTEGERS = "vectorized"
"""Backend of the integer program."""
LAYER_SAMPLES = 100
"""Samples on which spikes are compared layer by layer."""


@dataclass
class Ladder:
    """Samples x with labels y, and the forms of a network that they go through.

    source and compiled are None when an artifact is checked by itself: then only its integers are compared.
    """

    artifact: Artifact
    x: Samples
    y: NDArray[Any] | None
    steps: int
    source: Source | None = None
    compiled: Compiled | None = None
    quiet: bool = False
    layers: list[LayerAgreement] = field(default_factory=list)
    imported: Answers | None = None
    executed: Executed | None = None

    def climb(self, exact_samples: int, lava: str) -> list[Rung]:
        """All rungs, from the framework down. Raises InputError for several outputs."""
        only_output(self.artifact.outputs)
        rungs = self._float_rungs()
        rungs.append(self._integers())
        rungs += self.exact(exact_samples, lava)
        return rungs

    def _float_rungs(self) -> list[Rung]:
        if self.source is None or self.compiled is None:
            return []
        graph = canonical().until("infer-shapes")(self.source.graph)
        rungs = [*self._framework(self.source), self._float("imported graph", graph)]
        rungs.append(self._float("after folding", self.compiled.canonical))
        rungs.append(self._float("rounded, in float", self.compiled.quantized))
        few = some(self.x, slice(LAYER_SAMPLES))
        trace = full_trace(self.artifact, load_backend(INTEGERS), few, self.steps, lambda done, total: None)
        self.layers = layer_agreement(graph, self.source.stepped(few, self.steps), trace)
        return rungs

    def _framework(self, source: Source) -> list[Rung]:
        file = source.file
        if file is None:
            return []
        from seamount.frontends.model_file.self_check import self_check

        result = self_check(file)
        name = f"{source.about.provenance.get('framework', 'framework')}, golden trace"
        ties = f"{result.ties} rounding ties" if result.ties else ""
        samples = file.golden.samples
        golden = Rung(
            name, samples, None, None, exact_with="imported graph", differing=result.differing,
            compared=result.compared, remark=ties,
        )  # fmt: skip
        if file.accuracy is None:
            return [golden]
        return [Rung("framework, as recorded", 0, file.accuracy, None, remark="stored in the model file"), golden]

    def _float(self, name: str, graph: Graph) -> Rung:
        assert self.source is not None
        with progress(name, self.quiet) as tick:
            answers = interpreted(graph, self.source.stepped(self.x, self.steps), tick)
        self.imported = self.imported or answers
        return self._rung(name, answers)

    def _rung(self, name: str, answers: Answers, synops: float | None = None) -> Rung:
        found = answers.predictions
        agreement = None if self.imported is None else float(np.mean(found == self.imported.predictions))
        accuracy = None if self.y is None else share_right(found, self.y[: len(found)])
        return Rung(name, len(found), accuracy, agreement, answers.spikes_per_sample, synops, answers.seconds)

    def _integers(self) -> Rung:
        with progress("integer program", self.quiet) as tick:
            ran = executed(self.artifact, load_backend(INTEGERS), self.x, self.steps, tick)
        self.executed = ran
        return self._rung("integer program", ran.answers, ran.synops_per_sample)

    def exact(self, count: int, lava: str) -> list[Rung]:
        """The first `count` samples on the reference, and in Lava as `wants_lava` says: what differs from the fast
        simulator."""
        x = some(self.x, slice(count))
        unasked = too_large(self.artifact.program)
        if unasked:
            out.print(f"note: {unasked}", soft_wrap=True)
        names = [INTEGERS, *([] if unasked else ["reference"]), *(["lava"] if wants_lava(lava) else [])]
        traces: Mapping[str, Trace] = {name: self._trace(name, x) for name in names}
        rungs = []
        for name in names[1:]:
            differing, compared = differences(traces[name], traces["vectorized"])
            title = {"reference": "reference simulator", "lava": "Lava"}[name]
            rungs.append(
                Rung(
                    title,
                    samples_of(x),
                    None,
                    None,
                    exact_with="integer program",
                    differing=differing,
                    compared=compared,
                )
            )
        return rungs

    def _trace(self, name: str, x: Samples) -> Trace:
        with progress(name, self.quiet) as tick:
            return full_trace(self.artifact, load_backend(name), x, self.steps, tick)


def wants_lava(lava: str) -> bool:
    """Whether to run Lava: "yes" insists (InputError when it is missing), "auto" if it is installed."""
    from seamount.backends.lava.environment import find_interpreter

    if lava == "no":
        return False
    try:
        find_interpreter()
    except InputError:
        if lava == "yes":
            raise
        out.print("note: Lava is not installed, so it is not compared ('make lava' installs it)")
        return False
    return True
