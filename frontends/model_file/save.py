"""`save`: a trained torch module to a model file, checked against the module itself."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import nir
import numpy as np
import torch

from seamount.compiler.codes import Task
from seamount.compiler.errors import CheckFailed, ImportRefused, InputError, Problem, raise_all
from seamount.compiler.ir.ops import Coding, Rule
from seamount.frontends.conventions import Conventions, Meaning
from seamount.frontends.frameworks.framework import Framework, find_framework
from seamount.frontends.frameworks.to_nir import NirModel, to_nir
from seamount.frontends.model_file.file import write_model
from seamount.frontends.model_file.golden import record_golden
from seamount.frontends.model_file.model import ModelFile
from seamount.frontends.model_file.sample import Encoding, Sample
from seamount.frontends.model_file.self_check import SelfCheck, self_check
from seamount.frontends.model_file.task import answered
from seamount.frontends.traced import Time, Traced
from seamount.frontends.tracing.driving import OUTPUT
from seamount.frontends.tracing.trace import trace


def save(
    model: torch.nn.Module,
    path: str | os.PathLike[str],
    *,
    sample: Any,
    readout: Rule | Mapping[str, Rule],
    steps: int | None = None,
    encoding: Encoding | None = None,
    labels: Any = None,
    classes: Sequence[str] = (),
    accuracy: float | None = None,
    coding: Coding | Mapping[str, Coding] | None = None,
    input_range: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    name: str | None = None,
    framework: str | None = None,
    description: str = "",
    time: Time | None = None,
    task: Task | str | None = None,
) -> SelfCheck:
    """Write `model` to a model file, after checking that the imported graph does what the module does.

    sample      a few real inputs: (N, *shape) with encoding "constant" (the same frame at each of `steps` steps), or
                (N, T, *shape) with encoding "sequence"
    readout     how the output is combined over the steps: "sum", "mean", "max" or "last"; "each": an answer per step
    encoding    default: "constant" when `steps` is given, else "sequence"
    labels      (N,) class numbers of the sample, or (N, T) with readout "each", negative where a step has none;
                real values (N, *out), or class numbers (N, *pixels), where that is the task; classes: their names
    accuracy    of the module on its test set, 0..1
    coding      "spikes" (0 and 1) or "graded"; default: spikes when the sample holds nothing else
    input_range lowest and highest graded input; default [0, 1] when the sample stays within
    framework   default: found from the classes of the module
    time        how the module is called: "step", model(x_t, state) -> (y_t, state); "loop", model(x) with x
                (T, N, *shape); "batch_first", with x (N, T, *shape); "inside", model(x) with x (N, *shape) and the
                loop inside; "merged", with x (N * T, *shape); default: found by trying

    task        what the output answers, by which it is judged: "classes", "population" (a class per group of
                neighbouring outputs, as many as `classes`), "values" (real numbers), "pixels" (a class for each),
                "none"; default: real values of a single output, or where labels are fractions; a population code where
                `classes` are fewer and divide the outputs; pixels where each has a label; else classes

    Several inputs: `sample` maps each parameter of forward to its array; `coding` and `input_range` may map them too.
    Several outputs: the module returns a dict of tensors; `readout` may give each its rule.

    The module must be in eval mode where that matters. Returns the result of the self-check. Raises InputError
    (arguments, sample, file), ImportRefused (what cannot be carried over, all of it), CheckFailed (the graph differs
    from the module: first step, layer and neuron).
    """
    made, result = imported(
        model, sample=sample, readout=readout, steps=steps, encoding=encoding, labels=labels, classes=classes,
        accuracy=accuracy, coding=coding, input_range=input_range, name=name, framework=framework,
        description=description, time=time, task=task,
    )  # fmt: skip
    write_model(made, path)
    return result


def imported(
    model: torch.nn.Module,
    *,
    sample: Any,
    readout: Rule | Mapping[str, Rule],
    steps: int | None = None,
    encoding: Encoding | None = None,
    labels: Any = None,
    classes: Sequence[str] = (),
    accuracy: float | None = None,
    coding: Coding | Mapping[str, Coding] | None = None,
    input_range: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    name: str | None = None,
    framework: str | None = None,
    description: str = "",
    time: Time | None = None,
    task: Task | str | None = None,
) -> tuple[ModelFile, SelfCheck]:
    """What `save` writes, and the result of its self-check, without a file: arguments and errors are the same."""
    labels = _numbered(labels, classes)
    sample_ = Sample.read(sample, steps, encoding, readout, labels, accuracy, coding, input_range)
    chosen = find_framework(model, framework)
    place = _place(model)
    x = {key: torch.from_numpy(one).to(**place) for key, one in sample_.x.items()}
    traced = trace(chosen, model, x, sample_.steps, sample_.constant, time)
    rules = _rules(traced, readout, sample_)
    written = to_nir(chosen, traced)
    golden = record_golden(chosen, model, traced, written, x, sample_.steps, sample_.constant, rules)
    chosen_task, labels_ = answered(task, golden.outputs, rules, sample_.labels, classes)
    file = ModelFile(
        nir=_nir_bytes(written),
        meaning=_meaning(chosen, written, sample_, rules),
        golden=replace(golden, labels=labels_),
        framework=chosen.name,
        versions=chosen.versions(),
        name=name if name is not None else type(model).__name__,
        description=description,
        accuracy=None if accuracy is None else float(accuracy),
        classes=tuple(str(c) for c in classes),
        left_out=traced.unused,
        task=chosen_task,
    )
    result = self_check(file)
    if not result.ok:
        raise CheckFailed(result.problems)
    return replace(file, ties=result.ties), result


def _numbered(labels: Any, classes: Sequence[str]) -> Any:
    """Labels given as text, as the places of the classes that they name. Raises InputError."""
    words = np.asarray(labels if labels is not None and not isinstance(labels, torch.Tensor) else 0)
    if words.dtype.kind not in "UO" or not all(isinstance(word, str) for word in words.ravel()):
        return labels
    places = {str(name): k for k, name in enumerate(classes)}
    unknown = sorted({str(word) for word in words.ravel()} - set(places))
    if unknown:
        found = f"text that classes= does not hold: {', '.join(map(repr, unknown[:5]))}"
        top = max(len(classes) - 1, 0)
        remedy = f"give class numbers, 0 to {top or 'the number of classes - 1'}, or name every class in classes="
        raise InputError(Problem("save(labels=)", found, remedy))
    return np.array([places[str(word)] for word in words.ravel()], np.int64).reshape(words.shape)


def _place(model: torch.nn.Module) -> dict[str, Any]:
    """Device and float type of the module's parameters."""
    tensor = next((p for p in [*model.parameters(), *model.buffers()] if p.is_floating_point()), None)
    return {} if tensor is None else {"device": tensor.device, "dtype": tensor.dtype}


def _rules(traced: Traced, readout: Rule | Mapping[str, Rule], sample: Sample) -> dict[str, Rule]:
    """The rule of each output. Raises ImportRefused where it is not what the module itself does, or names clash."""
    problems = []
    rules = {name: readout.get(name) if isinstance(readout, Mapping) else readout for name in traced.outputs}
    for name, out in traced.outputs.items():
        where = "output" if name == OUTPUT else f"output '{name}'"
        if rules[name] is None:
            problems.append(Problem(where, "has no rule in readout", "give each output a rule, or one rule for all"))
        elif out.rule is not None and out.rule != rules[name]:
            found = f"the module combines its output by {out.rule!r} itself, but readout={rules[name]!r}"
            problems.append(Problem(where, found, f"use readout={out.rule!r}, or return all steps"))
    for name in set(readout) - set(rules) if isinstance(readout, Mapping) else ():
        problems.append(Problem(f"readout '{name}'", "the module returns no output of this name", "correct the name"))
    for name in traced.outputs:
        if not name or "/" in name:
            problems.append(Problem(f"output {name!r}", "NIR cannot store this name", 'use a name without "/"'))
    for name in sorted(set(sample.x) & set(traced.outputs)):
        problems.append(Problem(f"output '{name}'", "an input has the same name", "rename the output"))
    raise_all(ImportRefused, problems)
    return {name: rule for name, rule in rules.items() if rule is not None}


def _nir_bytes(written: NirModel) -> bytes:
    stream = io.BytesIO()
    nir.write(stream, written.graph)
    return stream.getvalue()


def _meaning(framework: Framework, written: NirModel, sample: Sample, rules: Mapping[str, Rule]) -> Meaning:
    """Conventions of the framework, those of single cells and ports, and how the network is driven and read."""
    first = next(iter(sample.spans.values()))
    said = Conventions(
        coding=first.coding,
        low=first.low,
        high=first.high,
        encoding="constant" if sample.constant else "sequence",
        steps=sample.steps,
        readout=next(iter(rules.values())),
    )
    steps = {c.dt for c in written.conventions.values() if c.dt is not None}
    if len(steps) == 1:
        said = Conventions(dt=steps.pop()).over(said)
    default = said.over(framework.defaults)
    special = {
        **written.conventions,
        **{name: Conventions(coding=s.coding, low=s.low, high=s.high) for name, s in sample.spans.items()},
        **{name: Conventions(readout=rule) for name, rule in rules.items()},
    }
    nodes = {}
    for node, own in special.items():
        differing = {k: v for k, v in own.known().items() if v != getattr(default, k)}
        if differing:
            nodes[node] = Conventions(**differing)
    return Meaning(default=default, nodes=nodes, sources=dict.fromkeys(default.known(), "model file"))
