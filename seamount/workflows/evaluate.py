"""A trained model as it is deployed: one artifact per weight width, run at every T; accuracy, events, energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend, load_costs, suited_backend
from seamount.cli.console import progress
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import Samples, clipped, count, predictions, share_right, some
from seamount.compiler.energy.assessment import Assessment, estimate_tree, twin_tree
from seamount.compiler.energy.counts import mean_rate
from seamount.compiler.energy.papers import SET, convention
from seamount.compiler.ir.interpreter import interpret, reduce_steps
from seamount.compiler.ir.ops import Output
from seamount.compiler.pipelines import canonical
from seamount.workflows.compile import compile_source
from seamount.workflows.ladder import Ladder
from seamount.workflows.load import Labelled, Source, only_output
from seamount.workflows.price import COMPARED, assessed
from seamount.workflows.run import Executed, executed, neuron_updates
from seamount.workflows.rungs import BATCH, Rung, Tick

Tree = dict[str, Any]


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
    calibrate: str | None = None
    folder: Path | None = None

    @property
    def longest(self) -> int:
        """The largest T. The artifact is compiled for it, or for what the model was trained with if that is more."""
        return max(self.steps)


def evaluate(source: Source, data: Labelled, plan: Plan, quiet: bool) -> Tree:
    """Everything about one model, for JSON: accuracies as shares, energies in pJ, counts per inference."""
    name = source.about.name
    artifacts = {bits: _compiled(source, bits, plan) for bits in plan.bits}
    with progress(f"{name}: float", quiet) as tick:
        answers = float_answers(source, data.x, plan.steps, tick)
    integers, exact = [], []
    for bits, artifact in artifacts.items():
        for steps in plan.steps:
            engine = load_backend(plan.backend or suited_backend(neuron_updates(artifact, steps, len(data.y))))
            with progress(f"{name}: {bits} bits, T = {steps}", quiet) as tick:
                ran = executed(artifact, engine, data.x, steps, tick)
            row = {"bits": bits, "steps": steps, **_reached(ran, data.y, answers[steps])}
            integers.append({**row, "energy": _energy(artifact, ran, plan)})
        ladder = Ladder(artifact, data.x, data.y, plan.longest, quiet=quiet)
        exact += [{"bits": bits, **_exactness(rung)} for rung in ladder.exact(plan.exact, plan.lava)]
    return {
        "model": name,
        "trained_steps": source.graph.steps,
        "stored_accuracy": source.about.float_accuracy,
        "samples": len(data.y),
        "clipped_inputs": clipped(next(iter(artifacts.values())).inputs, data.x),
        "target": plan.target,
        "calibrate": plan.calibrate,
        "float_accuracy": {str(t): share_right(found, data.y) for t, found in answers.items()},
        "integers": integers,
        "exact": exact,
    }


def _compiled(source: Source, bits: int, plan: Plan) -> Artifact:
    lasts = max(plan.longest, source.graph.steps)
    artifact = compile_source(source, plan.target, bits, plan.calibrate, plan.folder, lasts).artifact
    only_output(artifact.outputs)
    return artifact


def float_answers(source: Source, x: Samples, steps: Sequence[int], tick: Tick) -> dict[int, NDArray[np.int64]]:
    """T -> predictions of the imported graph in float. One run of the longest T serves all: what comes later does not
    change what came before."""
    graph = canonical().until("infer-shapes")(source.graph)
    output = graph.outputs[0]
    assert isinstance(output.op, Output)
    found: dict[int, list[NDArray[np.int64]]] = {t: [] for t in steps}
    samples = count(x)
    for start in range(0, samples, BATCH):
        part = source.stepped(some(x, slice(start, start + BATCH)), max(steps))
        series = interpret(graph, part, record=set()).series[output.name]
        for t in steps:
            found[t].append(predictions(reduce_steps(output.op.rule, series[:, :t]), output.op.rule))
        tick(min(start + BATCH, samples), samples)
    return {t: np.concatenate(parts) for t, parts in found.items()}


def _reached(ran: Executed, labels: NDArray[Any], in_float: NDArray[np.int64]) -> Tree:
    answers = ran.answers.predictions
    accuracy = share_right(answers, labels)
    return {
        "accuracy": accuracy,
        "drop_points": 100 * (share_right(in_float, labels) - accuracy),
        "same_answer": float(np.mean(answers == in_float)),
        "spikes": ran.answers.spikes_per_sample,
        "synops": ran.synops_per_sample,
        "updates": sum(ran.counts.updates.values()) / ran.counts.samples,
        "seconds": ran.answers.seconds,
    }


def _exactness(rung: Rung) -> Tree:
    return {"with": rung.name, "samples": rung.samples, "differing": rung.differing, "compared": rung.compared}


def _energy(artifact: Artifact, ran: Executed, plan: Plan) -> Tree:
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
