"""The check ladder: one class that holds the samples and makes the rungs, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import seamount.compiler.artifact as artifacts
from seamount.backends.registry import load_backend
from seamount.compiler.codes import OutputCode, Samples, clipped, some, unused_steps
from seamount.compiler.codes import count as samples_of
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.execution import Trace
from seamount.compiler.ir.graph import Graph
from seamount.compiler.measures import Likeness, Measures, likeness, measured
from seamount.compiler.pipelines import Options, canonical
from seamount.compiler.program.verify import check as check_program
from seamount.progress import Progress, watched
from seamount.results.blocks import Block, Shown, number, percent, table
from seamount.workflows.artifact import load_artifact
from seamount.workflows.compile import Compilation, compilation
from seamount.workflows.data import Data, Labelled, described, labelled, of_one_length
from seamount.workflows.judged import JUDGED
from seamount.workflows.keep import keep_run
from seamount.workflows.labels import Labels, read_labels
from seamount.workflows.load import Model, load, model_of
from seamount.workflows.outputs import only_output
from seamount.workflows.requirements import judge, parse_requirements
from seamount.workflows.run import Run, unused
from seamount.workflows.rungs import (
    Answers,
    Form,
    LayerAgreement,
    Rung,
    differences,
    full_trace,
    interpreted,
    layer_agreement,
    weights_into,
)
from seamount.workflows.runner import run
from seamount.workflows.witness import CHECKED, answered, too_large, vector_messages

INTEGERS = "vectorized"
"""Backend of the integer program."""
LAYER_SAMPLES = 100
"""Samples on which spikes are compared layer by layer."""
EXACT_SAMPLES = 4
"""Samples of the bit-exact comparisons unless asked otherwise."""


@dataclass(frozen=True, eq=False, repr=False)
class Check(Shown):
    """What the forms of a network reached on the same samples, and whether that is good.

    checked: name of the model or artifact. rungs: one per form. layers: float against integers, layer by layer.
    problems: forms that must be exact and differ, requirements that do not hold; empty when all is good. notes: what
    was not compared, and why. ladder: what it was made of; keeps the run of the integers.
    """

    checked: str
    steps: int
    rungs: tuple[Rung, ...]
    layers: tuple[LayerAgreement, ...]
    required: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    ladder: Ladder

    @property
    def ok(self) -> bool:
        """Whether everything that must hold does."""
        return not self.problems

    @property
    def accuracy_drop(self) -> float | None:
        """Points of accuracy lost between the imported graph and the integer program."""
        named = {r.form: r.accuracy for r in self.rungs}
        before, after = named.get(Form.IMPORTED), named.get(Form.INTEGER)
        return None if before is None or after is None else 100 * (before - after)

    def raise_if_failed(self) -> None:
        """Raise CheckFailed with every problem."""
        if self.problems:
            raise CheckFailed(self.problems)

    def to_dict(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "rungs": [r.as_json() for r in self.rungs],
            "layers": [vars(r) for r in self.layers],
            "checked": self.checked,
            "accuracy_drop": self.accuracy_drop,
            "required": list(self.required),
            "failed": [str(p) for p in self.problems],
        }

    def blocks(self) -> Iterator[Block]:
        judged = JUDGED[self.ladder.output.task]
        rows = [
            (
                r.name, r.samples or "", *(cell(r) for cell in judged.values()),
                number(r.spikes_per_sample, ",.1f"), number(r.synops_per_sample, ",.0f"), number(r.seconds, ".2f"),
                "" if r.differing is None else f"{r.differing} of {r.compared:,}", r.remark,
            )
            for r in self.rungs
        ]  # fmt: skip
        columns = ("form", "samples", *judged, "spikes", "SynOps", "seconds", "differing", "")
        yield table(f"check of {self.checked}", columns, rows)
        if self.layers:
            yield self._layers()
        if any(r.differing == 0 for r in self.rungs):
            yield "0 differing: spikes, u, v and readouts are equal at every step"

    def _layers(self) -> Block:
        made = self.ladder.compiled
        weights = {} if made is None else weights_into(made.quantized)
        shown = [
            (
                a.layer, ", ".join(weights.get(a.layer, ())), f"{a.float_spikes:,.1f}", f"{a.integer_spikes:,.1f}",
                number(a.correlation, ".4f"), percent(a.same),
            )
            for a in self.layers
        ]  # fmt: skip
        columns = ("layer", "weights", "spikes, float", "spikes, integers", "correlation", "same entries")
        return table("layers", columns, shown, left=2)

    def save(self, path: str | os.PathLike[str], *, record: int = 3, overwrite: bool = False) -> None:
        """Keep the integer program's run, with what every form of the network reached, as a folder for
        `seamount.report`; how long it took is omitted.

        Raises InputError where samples have no source, and for a place that cannot be used.
        """
        self.ladder.keep(path, self.rungs, record, overwrite)

    def plot(self, ax: Any = None) -> Any:
        """Accuracy of every form as bars: the accuracy ladder. Needs matplotlib; returns the axes."""
        from seamount.results.plots import ladder

        return ladder([(r.name, r.accuracy) for r in self.rungs if r.accuracy is not None], ax)


def check(
    source: Any,
    data: Data | None = None,
    *,
    require: Sequence[str] = (),
    target: str = "loihi-sim",
    weight_bits: int = 8,
    bits: Mapping[str, int] | None = None,
    calibrate: Data | None = None,
    steps: int | None = None,
    exact_samples: int = EXACT_SAMPLES,
    lava: str = "auto",
    assume: Sequence[str] = (),
    progress: Progress = None,
    **tracing: Any,
) -> Check:
    """Run the same samples through every form of a network, from the framework to Lava, and compare.

    source         a model (path, `seamount.Model`, live module), which is compiled now; or an artifact (or its path),
                   which is taken as it is
    data           samples, with labels where there are any: a name, (x, y), or a loader; default: the golden samples of
                   the model file, or the test vectors of the artifact
    require        what must hold, e.g. "accuracy-drop<=1%", "agreement>=98%", "lava=exact"
    exact_samples  samples for the bit-exact comparisons; lava: "auto" runs Lava if it is installed, "yes", "no"

    Other arguments as for `seamount.compile`. What does not hold is in `.problems`; `.raise_if_failed()` raises it.
    Raises InputError as `compile` and `Artifact.run` do.

    Example:
        found = seamount.check("model.pt", (x_test, y_test), require=["accuracy-drop<=1%"])
        assert found.ok, found.problems
    """
    required = parse_requirements(require)
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else ""
    if name and Path(name).is_dir():
        source = load_artifact(name)
    if isinstance(source, artifacts.Artifact):
        ladder = _of_artifact(source, data, steps, progress)
        name = name or source.manifest.model.name
    else:
        model = load(name, assume=assume, steps=steps) if name else model_of(source, assume=assume, **tracing)
        name = name or model.about.name
        ours = data is None and model.integer  # nothing was recorded with it, so its test vectors are ours
        samples = None if ours else _samples(model, data, steps)
        options = Options(weight_bits, dict(bits or {}), steps)
        made = compilation(model, target, options, calibrate=calibrate, vectors=ours, progress=False)
        samples = samples or (_vector_values(made.artifact), None)
        ladder = Ladder(made.artifact, samples, steps or model.graph.steps, made, progress)
    rungs = ladder.climb(exact_samples, lava)
    problems = (*inexact(rungs), *judge(required, rungs))
    words = tuple(str(r) for r in required)
    return Check(name, ladder.steps, tuple(rungs), tuple(ladder.layers), words, problems, tuple(ladder.notes), ladder)


def inexact(rungs: Sequence[Rung], remedy: str = "") -> Iterator[Problem]:
    """Forms that must be exact and are not."""
    for r in rungs:
        if r.differing and r.exact_with is not None:
            found = f"{r.differing} of {r.compared} entries differ from the {r.exact_with.value}"
            usual = "this must not happen: please report it with the model file"
            yield Problem(r.name, found, remedy or usual, "exact")


def _samples(model: Model, data: Data | None, steps: int | None) -> Labelled | tuple[Samples, Any]:
    if data is not None:
        return _one_length(labelled(data, steps or model.graph.steps), steps, model.graph.steps)
    if model.file is None:
        raise InputError(Problem("check", "a .nir file holds no samples", "give --data"))
    return model.file.golden.inputs, model.file.golden.labels


def _one_length(data: Labelled, stated: int | None, steps: int) -> Labelled:
    of_one_length(data, stated or steps, stated is not None)
    return data


def _of_artifact(artifact: artifacts.Artifact, data: Data | None, steps: int | None, progress: Progress) -> Ladder:
    check_program(artifact.program)
    wanted = steps or artifact.steps
    if data is not None:
        return Ladder(artifact, _one_length(labelled(data, wanted), steps, wanted), wanted, None, progress)
    if not artifact.vectors.messages:
        raise InputError(Problem("check", "the artifact has no test vectors", "give --data, or compile again"))
    held = int(next(iter(artifact.vectors.messages.values())).shape[1])
    return Ladder(artifact, (_vector_values(artifact), None), min(wanted, held), None, progress)


def _vector_values(artifact: artifacts.Artifact) -> Any:
    """Test vectors back as real samples, so that they take the same way as data."""
    values = {code.port: artifact.vectors.messages[code.port] * code.unit for code in artifact.inputs}
    return {c.port: values[c.port][:, 0] if c.encoding == "constant" else values[c.port] for c in artifact.inputs}


@dataclass
class Ladder:
    """Samples, and the forms of a network that they go through.

    samples: (x, labels or None), with their source where that is known. compiled: None when an artifact is checked by
    itself: then only its integers are compared.
    """

    artifact: artifacts.Artifact
    samples: Labelled | tuple[Samples, NDArray[Any] | None]
    steps: int
    compiled: Compilation | None = None
    progress: Progress = None
    layers: list[LayerAgreement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    imported: Answers | None = None
    ran: Run | None = None

    @property
    def x(self) -> Samples:
        return self.samples.x if isinstance(self.samples, Labelled) else self.samples[0]

    @property
    def output(self) -> OutputCode:
        """The output that is judged. Raises InputError where there are several."""
        return only_output(self.artifact.outputs)

    @cached_property
    def y(self) -> Labels | None:
        """Labels in the form of the task. Raises InputError for labels that the output cannot be."""
        return read_labels(self.artifact, self.samples.y if isinstance(self.samples, Labelled) else self.samples[1])

    def climb(self, exact_samples: int, lava: str) -> list[Rung]:
        """All rungs, from the framework down. Raises InputError for several outputs."""
        only_output(self.artifact.outputs)
        if text := unused(unused_steps(self.artifact.inputs, self.x, self.steps), self.steps):
            self.notes.append(text)
        rungs = self._float_rungs()
        rungs.append(self._integers())
        rungs += self.exact(exact_samples, lava)
        return rungs

    def _float_rungs(self) -> list[Rung]:
        made = self.compiled
        if made is None:
            return []
        if made.model.integer:
            self.notes.append("the file holds integers, so there is no float form to compare with")
            return []
        graph = canonical().until("infer-shapes")(made.model.graph)
        rungs = [*self._framework(made.model), self._float(Form.IMPORTED, graph)]
        rungs.append(self._float(Form.FOLDED, made.canonical))
        rungs.append(self._float(Form.ROUNDED, made.quantized))
        few = some(self.x, slice(LAYER_SAMPLES))
        trace = full_trace(self.artifact, load_backend(INTEGERS), few, self.steps, lambda done, total: None)
        self.layers = layer_agreement(graph, made.model.stepped(few, self.steps), trace)
        return rungs

    def _framework(self, model: Model) -> list[Rung]:
        file = model.file
        if file is None:
            return []
        from seamount.frontends.model_file.self_check import self_check

        result = self_check(file)
        golden = Rung(
            Form.GOLDEN, file.golden.samples, exact_with=Form.IMPORTED, differing=result.differing,
            compared=result.compared, remark=f"{result.ties} rounding ties" if result.ties else "",
            framework=model.about.provenance.get("framework", "framework"),
        )  # fmt: skip
        if file.accuracy is None:
            return [golden]
        return [Rung(Form.RECORDED, 0, Measures(accuracy=file.accuracy), remark="stored in the model file"), golden]

    def _float(self, form: Form, graph: Graph) -> Rung:
        assert self.compiled is not None
        with watched(self.progress, form.value) as tick:
            answers = interpreted(graph, self.output, self.compiled.model.stepped(self.x, self.steps), tick)
        self.imported = self.imported or answers
        return self._rung(form, answers)

    def _rung(self, form: Form, answers: Answers, synops: float | None = None) -> Rung:
        found, labels = answers.predictions, self.y
        alike = Likeness() if self.imported is None else likeness(self.output, found, self.imported.predictions)
        good = measured(self.output, found, None if labels is None else labels[: len(found)])
        return Rung(form, len(found), good, alike, answers.spikes_per_sample, synops, answers.seconds)

    def _integers(self) -> Rung:
        ran = run(self.artifact, self.x, steps=self.steps, backend=INTEGERS, progress=self.progress)
        if ran.stopped is not None:
            raise ran.stopped
        self.ran = ran
        answers = Answers(ran.predictions, ran.spikes_per_sample, ran.seconds)
        return self._rung(Form.INTEGER, answers, ran.synops_per_sample)

    def exact(self, count: int, lava: str) -> list[Rung]:
        """The first `count` samples on the reference, and in Lava as `wants_lava` says: what differs from the fast
        simulator."""
        x = some(self.x, slice(count))
        unasked = too_large(self.artifact.program, samples_of(x), self.steps, CHECKED)
        if unasked:
            self.notes.append(unasked)
        wanted, note = wants_lava(lava)
        self.notes += [note] if note else []
        named = {"reference": Form.REFERENCE} if not unasked else {}
        named |= {"lava": Form.LAVA} if wanted else {}
        fast = self._trace(INTEGERS, x)
        rungs = []
        for name, form in named.items():
            differing, compared = differences(self._trace(name, x), fast)
            rungs.append(
                Rung(form, samples_of(x), exact_with=Form.INTEGER, differing=differing, compared=compared)
            )  # fmt: skip
        return rungs

    def _trace(self, name: str, x: Samples) -> Trace:
        with watched(self.progress, name) as tick:
            return full_trace(self.artifact, load_backend(name), x, self.steps, tick)

    def keep(self, path: str | os.PathLike[str], rungs: Sequence[Rung], record: int, overwrite: bool) -> None:
        """The integer program's run with what every form of the network reached."""
        ran, labels = self.ran, self.y
        if ran is None or not isinstance(self.samples, Labelled):
            raise InputError(Problem("-o", "golden samples and test vectors are not kept as a run", "give --data"))
        about: dict[str, Any] = {"backend": INTEGERS, "unfinished": 0}
        about["data"] = described(self.samples.source, self.x, labels)
        about["clipped_inputs"] = clipped(self.artifact.inputs, self.x)
        about["unused_steps"] = unused_steps(self.artifact.inputs, self.x, self.steps)
        timeless = [{k: v for k, v in r.as_json().items() if k != "seconds"} | {"form": r.form.value} for r in rungs]
        artifact = self.artifact
        if self.compiled is not None:
            sent = vector_messages(self.compiled.model, artifact)
            artifact = answered(artifact, sent)
        keep_run(
            path, artifact, ran.counts, ran.readout, self.x, labels, about,
            record=record, rungs=timeless, layers=[vars(r) for r in self.layers], overwrite=overwrite,
            note=self.notes.append,
        )  # fmt: skip


def wants_lava(lava: str) -> tuple[bool, str]:
    """Whether to run Lava: "yes" insists (InputError when it is missing), "auto" if it is installed; and a note."""
    from seamount.backends.lava.environment import find_interpreter

    if lava == "no":
        return False, ""
    try:
        find_interpreter()
    except InputError:
        if lava == "yes":
            raise
        return False, "Lava is not installed, so it is not compared ('make lava' installs it)"
    return True, ""
