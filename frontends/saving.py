"""`save`: a trained torch module to a model file, checked against the module itself."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import nir
import numpy as np
import torch
from numpy.typing import NDArray

from seamount.compiler.errors import CheckFailed, ImportRefused, InputError, Problem, raise_all
from seamount.compiler.ir.ops import Coding, Rule
from seamount.frontends.checking import SelfCheck, self_check
from seamount.frontends.conventions import Conventions, Meaning
from seamount.frontends.framework import Framework, find_framework
from seamount.frontends.golden import record_golden
from seamount.frontends.model_file import ModelFile, write_model
from seamount.frontends.to_nir import NirModel, to_nir
from seamount.frontends.traced import Time, Traced
from seamount.frontends.tracing import trace

Encoding = Literal["constant", "sequence"]
MAX_SAMPLES = 256


def save(
    model: torch.nn.Module,
    path: str | os.PathLike[str],
    *,
    sample: Any,
    readout: Rule,
    steps: int | None = None,
    encoding: Encoding | None = None,
    labels: Any = None,
    classes: Sequence[str] = (),
    accuracy: float | None = None,
    coding: Coding | None = None,
    input_range: tuple[float, float] | None = None,
    name: str | None = None,
    framework: str | None = None,
    description: str = "",
    time: Time | None = None,
) -> SelfCheck:
    """Write `model` to a model file, after checking that the imported graph does what the module does.

    sample      a few real inputs: (N, *shape) with encoding "constant" (the same frame at each of `steps` steps), or
                (N, T, *shape) with encoding "sequence"
    readout     how the output is combined over the steps: "sum", "mean", "max" or "last"
    encoding    default: "constant" when `steps` is given, else "sequence"
    labels      (N,) class numbers of the sample; classes: their names
    accuracy    of the module on its test set, 0..1
    coding      "spikes" (0 and 1) or "graded"; default: spikes when the sample holds nothing else
    input_range lowest and highest graded input; default [0, 1] when the sample stays within
    framework   default: found from the classes of the module
    time        how the module is called: "step", model(x_t, state) -> (y_t, state); "loop", model(x) with x
                (T, N, *shape); "batch_first", with x (N, T, *shape); "inside", model(x) with x (N, *shape) and the
                loop inside; default: found by trying

    The module must be in eval mode where that matters. Returns the result of the self-check. Raises InputError
    (arguments, sample, file), ImportRefused (what cannot be carried over, all of it), CheckFailed (the graph differs
    from the module: first step, layer and neuron).
    """
    sample_ = _Sample.read(sample, steps, encoding, readout, labels, accuracy, coding, input_range)
    chosen = find_framework(model, framework)
    x = torch.from_numpy(sample_.x).to(**_place(model))
    traced = trace(chosen, model, x, sample_.steps, sample_.constant, time)
    _check_rule(traced, readout)
    written = to_nir(chosen, traced)
    golden = record_golden(chosen, model, traced, written, x, sample_.steps, sample_.constant, readout, sample_.labels)
    file = ModelFile(
        nir=_nir_bytes(written),
        meaning=_meaning(chosen, written, sample_, readout),
        golden=golden,
        framework=chosen.name,
        versions=chosen.versions(),
        name=name if name is not None else type(model).__name__,
        description=description,
        accuracy=None if accuracy is None else float(accuracy),
        classes=tuple(str(c) for c in classes),
        left_out=traced.unused,
    )
    result = self_check(file)
    if not result.ok:
        raise CheckFailed(result.problems)
    write_model(replace(file, ties=result.ties), path)
    return result


def _place(model: torch.nn.Module) -> dict[str, Any]:
    """Device and float type of the module's parameters."""
    tensor = next((p for p in [*model.parameters(), *model.buffers()] if p.is_floating_point()), None)
    return {} if tensor is None else {"device": tensor.device, "dtype": tensor.dtype}


def _check_rule(traced: Traced, readout: Rule) -> None:
    if traced.rule is not None and traced.rule != readout:
        found = f"the module combines its output by {traced.rule!r} itself, but readout={readout!r}"
        raise ImportRefused(Problem("output", found, f"use readout={traced.rule!r}, or return all steps"))


def _nir_bytes(written: NirModel) -> bytes:
    stream = io.BytesIO()
    nir.write(stream, written.graph)
    return stream.getvalue()


def _meaning(framework: Framework, written: NirModel, sample: _Sample, readout: Rule) -> Meaning:
    """Conventions of the framework, those of single cells, and how the network is driven and read."""
    said = Conventions(
        coding=sample.coding,
        low=sample.low,
        high=sample.high,
        encoding="constant" if sample.constant else "sequence",
        steps=sample.steps,
        readout=readout,
    )
    steps = {c.dt for c in written.conventions.values() if c.dt is not None}
    if len(steps) == 1:
        said = Conventions(dt=steps.pop()).over(said)
    default = said.over(framework.defaults)
    nodes = {}
    for node, own in written.conventions.items():
        differing = {k: v for k, v in own.known().items() if v != getattr(default, k)}
        if differing:
            nodes[node] = Conventions(**differing)
    return Meaning(default=default, nodes=nodes, sources=dict.fromkeys(default.known(), "model file"))


@dataclass(frozen=True, eq=False)
class _Sample:
    """The checked arguments of save that concern the sample."""

    x: NDArray[np.float32]
    steps: int
    constant: bool
    coding: Coding
    low: float
    high: float
    labels: NDArray[np.int64] | None

    @classmethod
    def read(
        cls, sample: Any, steps: Any, encoding: Any, readout: Any, labels: Any, accuracy: Any, coding: Any, span: Any
    ) -> _Sample:
        """Raise InputError with everything that is wrong."""
        problems: list[Problem] = []

        def bad(where: str, found: str, remedy: str) -> None:
            problems.append(Problem(f"save({where}=)", found, remedy))

        x = _array(sample, bad)
        constant = (encoding or ("sequence" if steps is None else "constant")) == "constant"
        form = "(N, *shape)" if constant else "(N, T, *shape)"
        if encoding not in (None, "constant", "sequence"):
            bad("encoding", f"{encoding!r}", 'use "constant" or "sequence"')
        if readout not in ("sum", "mean", "max", "last"):
            bad("readout", f"{readout!r}", 'use "sum", "mean", "max" or "last"')
        if x.ndim < (2 if constant else 3):
            bad("sample", f"shape {x.shape}", f"give {form}, with N samples on axis 0")
        elif not 1 <= len(x) <= MAX_SAMPLES or x.size == 0:
            bad("sample", f"shape {x.shape}", f"give between 1 and {MAX_SAMPLES} samples; 8 to 32 are usual")
        if constant and steps is None:
            bad("steps", "is missing", "say for how many steps a frame is shown")
        elif steps is not None and (isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1):
            bad("steps", f"{steps!r}", "give a whole number of at least 1")
        elif not constant and steps is not None and x.ndim > 2 and x.shape[1] != steps:
            bad("steps", f"{steps}, but the sample (N, T, *shape) has T = {x.shape[1]}", "leave steps out")
        if accuracy is not None and not 0 <= float(accuracy) <= 1:
            bad("accuracy", f"{accuracy}", "give a fraction between 0 and 1")
        kind, low, high = _range(x, coding, span, bad)
        numbers = _labels(labels, len(x) if x.ndim else 0, bad)
        raise_all(InputError, problems)
        return cls(x, int(steps) if constant else x.shape[1], constant, kind, low, high, numbers)


def _array(sample: Any, bad: Any) -> NDArray[np.float32]:
    """The sample as contiguous float32."""
    value = sample.detach().cpu().numpy() if isinstance(sample, torch.Tensor) else np.asarray(sample)
    if value.dtype.kind not in "fiub":
        bad("sample", f"dtype {value.dtype}", "give numbers")
        return np.zeros((1, 1, 1), np.float32)
    result = np.ascontiguousarray(value, dtype=np.float32)
    if not np.isfinite(result).all():
        bad("sample", "holds NaN or infinity", "give finite inputs")
    return result


def _range(x: NDArray[np.float32], coding: Any, span: Any, bad: Any) -> tuple[Coding, float, float]:
    """Coding and range of the input."""
    binary = bool(np.isin(x, (0.0, 1.0)).all())
    kind = coding or ("spikes" if binary and span is None else "graded")
    if kind not in ("spikes", "graded"):
        bad("coding", f"{coding!r}", 'use "spikes" or "graded"')
    if kind == "spikes":
        if not binary:
            bad("coding", '"spikes", but the sample holds values other than 0 and 1', 'use coding="graded"')
        return "spikes", 0.0, 1.0
    smallest, largest = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    if span is None:
        if smallest < 0 or largest > 1:
            found = f"is missing, and the sample spans [{smallest:g}, {largest:g}]"
            bad("input_range", found, "give the lowest and highest value an input can take")
        return "graded", 0.0, 1.0
    low, high = (float(v) for v in span)
    if not (np.isfinite([low, high]).all() and low < high):
        bad("input_range", f"({low:g}, {high:g})", "give two numbers, the lower first")
    elif smallest < low or largest > high:
        bad("input_range", f"({low:g}, {high:g}), but the sample spans [{smallest:g}, {largest:g}]", "widen the range")
    return "graded", low, high


def _labels(labels: Any, samples: int, bad: Any) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    value = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if value.shape != (samples,) or value.dtype.kind not in "iub":
        bad("labels", f"{value.dtype} of shape {value.shape} for {samples} samples", "give one class number per sample")
        return None
    return value.astype(np.int64)
