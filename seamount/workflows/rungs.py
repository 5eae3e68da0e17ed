"""The check ladder: the same samples through every form of a network, from the framework to Lava."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import OutputCode, Samples, encode
from seamount.compiler.execution import Backend, Trace
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.interpreter import Kind, Values, interpret
from seamount.compiler.ir.ops import fires
from seamount.compiler.measures import Likeness, Measures, answers
from seamount.progress import Tick

BATCH = 50
"""Samples interpreted at once; it bounds memory."""


class Form(Enum):
    """A form of the network; its value is the name that tables show."""

    RECORDED = "framework, as recorded"
    GOLDEN = "golden trace"
    IMPORTED = "imported graph"
    FOLDED = "after folding"
    ROUNDED = "rounded, in float"
    INTEGER = "integer program"
    REFERENCE = "reference simulator"
    LAVA = "Lava"
    TRACE = "recorded trace"


@dataclass(frozen=True, eq=False)
class Rung:
    """One form of the network on `samples` samples.

    measures: answers against labels. likeness: to the imported graph's answers. differing: entries of spikes, u and v
    that differ from `exact_with`, which should be none; None where no exactness is promised. framework: whose golden
    trace it is.
    """

    form: Form
    samples: int
    measures: Measures = field(default_factory=Measures)
    likeness: Likeness = field(default_factory=Likeness)
    spikes_per_sample: float | None = None
    synops_per_sample: float | None = None
    seconds: float | None = None
    exact_with: Form | None = None
    differing: int | None = None
    compared: int = 0
    remark: str = ""
    framework: str = ""

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, where there are labels and the task has it."""
        return self.measures.accuracy

    @property
    def agreement(self) -> float | None:
        """Share of answers equal to the imported graph's; None for real values."""
        return self.likeness.same

    @property
    def name(self) -> str:
        """What tables and files call it."""
        return f"{self.framework}, {self.form.value}" if self.framework else self.form.value

    def as_json(self) -> dict[str, Any]:
        """As files hold it."""
        measured, alike = self.measures.known(), self.likeness.known()
        measured.pop("accuracy", None)
        alike.pop("same", None)
        return {
            **({"measures": measured} if measured else {}),
            **({"likeness": alike} if alike else {}),
            "name": self.name,
            "samples": self.samples,
            "accuracy": self.accuracy,
            "agreement": self.agreement,
            "spikes_per_sample": self.spikes_per_sample,
            "synops_per_sample": self.synops_per_sample,
            "seconds": self.seconds,
            "exact_with": "" if self.exact_with is None else self.exact_with.value,
            "differing": self.differing,
            "compared": self.compared,
            "remark": self.remark,
        }


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers of a rung (compiler/measures.py), with what it took."""

    predictions: NDArray[Any]
    spikes_per_sample: float
    seconds: float


def interpreted(graph: Graph, output: OutputCode, inputs: Mapping[str, Values], tick: Tick) -> Answers:
    """Answers and spikes of a float graph. output: which of its outputs, and its task."""
    spikes = 0.0

    def watch(node: Node, kind: Kind, t: int, value: Values) -> None:
        nonlocal spikes
        if kind == "out" and fires(node.op):
            spikes += float(value.sum())

    samples = len(next(iter(inputs.values())))
    begin = time.perf_counter()
    found = []
    for start in range(0, samples, BATCH):
        part = {k: v[start : start + BATCH] for k, v in inputs.items()}
        run = interpret(graph, part, record=set(), watch=watch)
        found.append(answers(output, run.outputs[output.readout]))
        tick(min(start + BATCH, samples), samples)
    return Answers(np.concatenate(found), spikes / samples, time.perf_counter() - begin)


def full_trace(artifact: Artifact, backend: Backend, x: Samples, steps: int, tick: Tick) -> Trace:
    """Spikes, u and v of every population at every step."""
    sent = encode(artifact.inputs, x, steps)
    return backend.run(artifact.program, sent, record=frozenset({"spikes", "u", "v"}), progress=tick)


@dataclass(frozen=True)
class LayerAgreement:
    """One firing layer, float against integers. correlation: Pearson's, of spikes per neuron and sample; None where
    a side is constant. same: share of spike entries that are equal."""

    layer: str
    float_spikes: float
    integer_spikes: float
    correlation: float | None
    same: float


def layer_agreement(graph: Graph, inputs: Mapping[str, Values], trace: Trace) -> list[LayerAgreement]:
    """Spikes of the float graph and of the integer program on the same samples, layer by layer."""
    run = interpret(graph, inputs, record={"spikes"})
    rows = []
    for name, spikes in run.spikes.items():
        other = np.asarray(trace.spikes[name], np.uint8).reshape(spikes.shape)
        a, b = (x.sum(axis=1, dtype=np.float64).reshape(-1) for x in (spikes, other))
        constant = np.ptp(a) == 0 or np.ptp(b) == 0
        correlation = None if constant else float(np.corrcoef(a, b)[0, 1])
        n = len(spikes)
        rows.append(LayerAgreement(name, a.sum() / n, b.sum() / n, correlation, float(np.mean(spikes == other))))
    return rows


def weights_into(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Layer of neurons -> the layers of weights that drive it; --bits takes either name."""
    found: dict[str, tuple[str, ...]] = {}
    for node in graph.nodes:
        if hasattr(node.op, "format"):
            layer = graph.out_of(node.name)[0].target
            found[layer] = (*found.get(layer, ()), node.name)
    return found


def differences(a: Trace, b: Trace) -> tuple[int, int]:
    """(entries that differ, entries compared) over spikes, u, v and readouts of two traces."""
    differing = compared = 0
    for register in ("spikes", "u", "v", "readout"):
        left, right = getattr(a, register), getattr(b, register)
        for name in left:
            differing += int(np.sum(np.asarray(left[name], np.int64) != np.asarray(right[name], np.int64)))
            compared += int(np.size(left[name]))
    return differing, compared
