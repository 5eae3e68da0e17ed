"""A trained model as it is deployed: one artifact per weight width, run at every T; accuracy, events, energy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend, load_costs
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import BY_VALUE, OutputCode, Samples, clipped, count, some, unused_steps
from seamount.compiler.energy import text as text
from seamount.compiler.energy.assessment import Assessment, estimate_tree, twin_tree
from seamount.compiler.energy.counts import mean_rate
from seamount.compiler.energy.estimate import Interval
from seamount.compiler.energy.papers import SET, convention
from seamount.compiler.errors import CheckFailed, Problem
from seamount.compiler.ir.interpreter import interpret, reduce_steps
from seamount.compiler.measures import answers as answers_of
from seamount.compiler.measures import likeness, measured
from seamount.compiler.pipelines import Options, canonical
from seamount.progress import Progress, Tick, watched
from seamount.results.blocks import Block, Shown, number, percent, table
from seamount.workflows.brief import COMPARED
from seamount.workflows.compile import compilation
from seamount.workflows.data import Data, DataSource, Labelled, labelled, of_one_length
from seamount.workflows.labels import read_labels
from seamount.workflows.ladder import Ladder
from seamount.workflows.load import Model, model_of
from seamount.workflows.outputs import only_output
from seamount.workflows.price import assessed
from seamount.workflows.run import Run
from seamount.workflows.rungs import BATCH, Rung
from seamount.workflows.runner import run

Tree = dict[str, Any]
COLUMNS = ("weights", "T", "float", "integers", "points lost", "same answer", "spikes", "SynOps", "updates")
VALUE_COLUMNS = ("RMS error, float", "RMS error, integers", "R2", "RMS from float", "correlation with float")
"""What stands in the place of accuracies for real values."""
ENERGY = ("weights", "T", "SNN", "int8 ANN", "SNN / int8 ANN", "float32 ANN", "SNN / float32 ANN", "ANN / SNN, papers")


@dataclass(frozen=True)
class Plan:
    """What is measured. bits, steps: every pair of them. sets: cost sets beside the two that always are.

    exact: samples compared with the reference and, with `lava` "yes" instead of "no", with Lava.
    backend: None for the one that suits the size of the run.
    """

    bits: tuple[int, ...] = (8, 4)
    steps: tuple[int, ...] = (1, 2, 4)
    sets: tuple[str, ...] = ()
    exact: int = 3
    lava: str = "no"
    backend: str | None = None
    target: str = "loihi-sim"
    calibrate: Data | None = None
    layer_bits: Mapping[str, int] = field(default_factory=dict)

    @property
    def longest(self) -> int:
        """The largest T. The artifact is compiled for it, or for what the model was trained with if that is more."""
        return max(self.steps)


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Shown):
    """Trained models as deployed. models: everything about each, energies in pJ, counts per inference."""

    models: tuple[Tree, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Forms that must be exact and differ."""
        return tuple(problem for one in self.models for problem in inexact(one))

    def raise_if_failed(self) -> None:
        """Raise CheckFailed where a form differs that must be exact."""
        if self.problems:
            raise CheckFailed(self.problems)

    def to_dict(self) -> dict[str, Any]:
        return {"models": list(self.models)}

    def blocks(self) -> Iterator[Block]:
        for one in self.models:
            yield from _blocks(one)

    def plot(self, ax: Any = None) -> Any:
        """Accuracy against energy of every model, width and T. Needs matplotlib; returns the axes."""
        from seamount.results.plots import front

        return front(self.models, COMPARED, ax)


def evaluate(
    models: Any,
    data: Data,
    *,
    weight_bits: Sequence[int] = (8, 4),
    bits: Mapping[str, int] | None = None,
    steps: Sequence[int] = (1, 2, 4),
    calibrate: Data | None = None,
    exact_samples: int = 3,
    lava: str = "no",
    sets: Sequence[str] = (),
    backend: str | None = None,
    target: str = "loihi-sim",
    assume: Sequence[str] = (),
    then: Callable[[Evaluation], None] | None = None,
    progress: Progress = None,
) -> Evaluation:
    """Trained models as deployed: accuracy in float and integers, exactness, events, energy beside the ANN.

    models       a model (path or `seamount.Model`), or a list of them
    data         samples, with labels where there are any
    bits         exceptions from weight_bits, by the name of a layer of weights or of neurons
    weight_bits, steps  every pair of them is measured; one artifact per width runs at every T
    sets         cost sets beside the two that always are
    then         called after each model with what is known so far

    Other arguments as for `seamount.check`. Raises InputError as `compile` and `Artifact.run` do.

    Example:
        print(seamount.evaluate("model.pt", (x_test, y_test), weight_bits=(8, 4, 2)))
    """
    for name in sets:
        load_costs(name)
    if backend is not None:
        load_backend(backend)
    plan = Plan(
        tuple(dict.fromkeys(weight_bits)), tuple(sorted(set(steps))), tuple(sets), exact_samples, lava, backend,
        target, calibrate, dict(bits or {}),
    )  # fmt: skip
    given = models if isinstance(models, list | tuple) else [models]
    sources = [(_file(one), model_of(one, assume=assume)) for one in given]
    for _, model in sources:
        why = "evaluate compares widths of weights with the float network"
        model.check_trained(why, "use seamount check, or run its artifact")
    rows: list[Tree] = []
    for file, model in sources:
        samples = labelled(data, max(plan.longest, model.graph.steps))
        rows.append(
            {"file": file or model.about.name, **_of(samples.source), **_evaluated(model, samples, plan, progress)}
        )
        if then is not None:
            then(Evaluation(tuple(rows)))
    return Evaluation(tuple(rows))


def _file(model: Any) -> str:
    return Path(model).name if isinstance(model, str | os.PathLike) else ""


def _of(source: DataSource) -> Tree:
    name = source.name
    return {"data": Path(name).name if name.endswith(".npz") else name, "split": source.split}


def _evaluated(model: Model, data: Labelled, plan: Plan, progress: Progress) -> Tree:
    """Everything about one model, for JSON: accuracies as shares, energies in pJ, counts per inference."""
    name = model.about.name
    artifacts = {bits: _compiled(model, bits, plan) for bits in plan.bits}
    with watched(progress, f"{name}: float") as tick:
        output = only_output(next(iter(artifacts.values())).outputs)
        answers = float_answers(model, output, of_one_length(data, plan.longest, True), plan.steps, tick)
    integers, exact = [], []
    for bits, artifact in artifacts.items():
        for steps in plan.steps:
            ran = run(artifact, data.x, data.y, steps=steps, backend=plan.backend or "auto", progress=progress)
            if ran.stopped is not None:
                raise ran.stopped
            row = {"bits": bits, "steps": steps, **_reached(ran, answers[steps])}
            integers.append({**row, "energy": _energy(artifact, ran, plan)})
        ladder = Ladder(artifact, data, plan.longest, None, progress)
        exact += [{"bits": bits, **_exactness(rung)} for rung in ladder.exact(plan.exact, plan.lava)]
    labels = read_labels(next(iter(artifacts.values())), data.y)
    in_float = {str(t): measured(output, found, labels) for t, found in answers.items()}
    tree = {
        "model": name,
        "trained_steps": model.graph.steps,
        "stored_accuracy": model.about.float_accuracy,
        "samples": data.samples,
        "clipped_inputs": clipped(next(iter(artifacts.values())).inputs, data.x),
        "target": plan.target,
        "calibrate": calibrated_on(plan.calibrate),
        "float_accuracy": {t: found.accuracy for t, found in in_float.items()},
        "integers": integers,
        "exact": exact,
    }
    if any(set(found.known()) - {"accuracy"} for found in in_float.values()):
        tree["float_measures"] = {t: found.known() for t, found in in_float.items()}
    if output.task in BY_VALUE:
        tree["task"] = output.task.value
    unused = unused_steps(next(iter(artifacts.values())).inputs, data.x, max(plan.longest, model.graph.steps))
    return {**tree, "unused_steps": unused} if unused else tree


def calibrated_on(data: Data | None) -> str | None:
    """The name of the data that set scales; None for the golden samples."""
    if data is None:
        return None
    return data.name if isinstance(data, DataSource) else data if isinstance(data, str) else "given in Python"


def _compiled(model: Model, bits: int, plan: Plan) -> Artifact:
    options = Options(weight_bits=bits, layer_bits=plan.layer_bits, steps=max(plan.longest, model.graph.steps))
    made = compilation(model, plan.target, options, calibrate=plan.calibrate, vectors=False, progress=False)
    only_output(made.artifact.outputs)
    return made.artifact


def float_answers(
    source: Model, code: OutputCode, x: Samples, steps: Sequence[int], tick: Tick
) -> dict[int, NDArray[Any]]:
    """T -> answers of the imported graph in float. One run of the longest T serves all: what comes later does not
    change what came before."""
    graph = canonical().until("infer-shapes")(source.graph)
    found: dict[int, list[NDArray[Any]]] = {t: [] for t in steps}
    samples = count(x)
    for start in range(0, samples, BATCH):
        part = source.stepped(some(x, slice(start, start + BATCH)), max(steps))
        series = interpret(graph, part, record=set()).series[code.readout]
        for t in steps:
            found[t].append(answers_of(code, reduce_steps(code.rule, series[:, :t])))
        tick(min(start + BATCH, samples), samples)
    return {t: np.concatenate(parts) for t, parts in found.items()}


def _reached(ran: Run, in_float: NDArray[Any]) -> Tree:
    output = only_output(ran.artifact.outputs)
    alike = likeness(output, ran.predictions, in_float)
    good, before = ran.metrics, measured(output, in_float, ran.labels)
    more = {"measures": good.known()} if set(good.known()) - {"accuracy"} else {}
    if alike.rms is not None:
        more["likeness"] = alike.known()
    lost = None if before.accuracy is None or good.accuracy is None else 100 * (before.accuracy - good.accuracy)
    return {
        **more,
        "accuracy": good.accuracy,
        "drop_points": lost,
        "same_answer": alike.same,
        "spikes": ran.spikes_per_sample,
        "synops": ran.synops_per_sample,
        "updates": sum(ran.counts.updates.values()) / ran.counts.samples,
        "seconds": ran.seconds,
    }


def _exactness(rung: Rung) -> Tree:
    return {"with": rung.name, "samples": rung.samples, "differing": rung.differing, "compared": rung.compared}


def _energy(artifact: Artifact, ran: Run, plan: Plan) -> Tree:
    """By every cost set, and by the convention of training papers."""
    names = list(dict.fromkeys((COMPARED, SET, *plan.sets)))
    found = assessed(artifact, ran.counts, names, None)
    passes = found[0].twins["float32"].passes
    constant = all(code.encoding == "constant" for code in artifact.inputs)
    papers = convention(ran.counts, artifact.analysis.trained, load_costs(SET), passes, constant)
    return {
        "rate": mean_rate(artifact.program, ran.counts),
        "sets": {one.run.costs.name: _priced(one) for one in found},
        "convention": None if papers is None else papers.tree(),
    }


def _priced(one: Assessment) -> Tree:
    """Without the lines, which `seamount energy` lists."""
    kept = ("macs", "energy_pj", "verdict", "why", "snn_over_ann")
    twins: Mapping[str, Tree] = {form: twin_tree(t, one.comparisons[form]) for form, t in one.twins.items()}
    return {
        "snn_pj": estimate_tree(one.run.dynamic),
        "ann": {form: {k: tree[k] for k in kept} for form, tree in twins.items()},
    }


def inexact(tree: Tree) -> Iterator[Problem]:
    for row in tree["exact"]:
        if row["differing"]:
            where = f"{tree['file']}, {row['bits']} bits: {row['with']}"
            counted = f"{row['differing']} of {row['compared']} entries differ from the integer program"
            yield Problem(where, counted, "this must not happen: please report it with the model file", "exact")


# as tables and lines


def _blocks(tree: Tree) -> Iterator[Block]:
    judged = VALUE_COLUMNS if "task" in tree else COLUMNS[2:6]
    rows = [
        (
            f"{r['bits']} bits", r["steps"], *_judged(tree, r),
            f"{r['spikes']:,.0f}", f"{r['synops']:,.0f}", f"{r['updates']:,.0f}",
        )
        for r in tree["integers"]
    ]  # fmt: skip
    columns = (*COLUMNS[:2], *judged, *COLUMNS[6:])
    trained = f"trained at T = {tree['trained_steps']}"
    yield table(f"{tree['file']} on {tree['data']}, {tree['samples']:,} samples, {trained}", columns, rows)
    yield table(
        f"energy per inference by {COMPARED}, and by the papers' convention", ENERGY, map(_energy_row, tree["integers"])
    )
    for row in tree["exact"]:
        verdict = "exact" if not row["differing"] else f"{row['differing']} entries differ"
        counted = f"{row['compared']:,} entries of {row['samples']} samples"
        yield f"{row['bits']} bits, {row['with']}: {verdict} ({counted})"
    if steps := tree.get("unused_steps"):
        yield f"note: {steps} steps of the samples were not run"
    if tree["clipped_inputs"]:
        yield f"note: {tree['clipped_inputs']} input values were clipped"
    yield ""


def _judged(tree: Tree, row: Tree) -> tuple[str, ...]:
    """Cells that say how good the answers are."""
    before = str(row["steps"])
    if "task" not in tree:
        lost = row["drop_points"]
        in_float = percent(tree["float_accuracy"][before])
        return in_float, percent(row["accuracy"]), number(lost, "+.2f"), percent(row["same_answer"])
    measures, alike = row.get("measures", {}), row["likeness"]
    in_float = tree.get("float_measures", {}).get(before, {})
    pairs = ((in_float, "rms"), (measures, "rms"), (measures, "r2"), (alike, "rms"), (alike, "correlation"))
    return tuple(number(found.get(name), ".4g") for found, name in pairs)


def _energy_row(row: Tree) -> tuple[object, ...]:
    one, papers = row["energy"]["sets"][COMPARED], row["energy"]["convention"]
    cells = [between_pj(one["snn_pj"])]
    for form in ("int8", "float32"):
        ann = one["ann"][form]
        cells += [between_pj(ann["energy_pj"]), ratio(ann["snn_over_ann"])]
    said = "" if papers is None else f"{papers['ann_over_once']:.2g}, {papers['ann_over_every_step']:.2g}"
    return (f"{row['bits']} bits", row["steps"], *cells, said)


def between_pj(tree: Tree) -> str:
    """An estimate of an energy as written to JSON: "25 .. 65 nJ"."""
    if tree["unknown"]:
        return "unknown"
    high = float("inf") if tree["high"] is None else tree["high"]
    return text.span(Interval(tree["low"], high), "J", 1e-12)


def ratio(ends: list[float | None] | None) -> str:
    """A quotient of two energies as written to JSON: "0.4 .. 2"."""
    if ends is None:
        return "unknown"
    low, high = ends
    return f"{low:.2g} or more" if high is None else f"{low:.2g} .. {high:.2g}"
