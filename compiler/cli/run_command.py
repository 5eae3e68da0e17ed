"""seamount run: an artifact on data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import Artifact, load_artifact
from seamount.compiler.cli import options as o
from seamount.compiler.cli import show
from seamount.compiler.cli.console import out, percent, progress, write_json
from seamount.compiler.cli.sources import load_data, only_input
from seamount.compiler.encoding import clipped, messages, predictions, scores
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.execution import Backend, EventCounts, Trace
from seamount.compiler.program.verify import check as check_program

BackendName = Annotated[str | None, typer.Option(help="vectorized, reference or lava; default: the target's own.")]


def run(
    artifact: Annotated[Path, typer.Argument(help="Folder that 'seamount compile' wrote.")],
    data: o.DataName = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    backend: BackendName = None,
    batch_size: o.BatchSize = 500,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Run an artifact on data: accuracy, spikes and synaptic operations. Without --data, check its test vectors."""
    loaded = load_artifact(artifact)
    check_program(loaded.program)
    engine = load_backend(backend or "vectorized")
    if data is None:
        summary = _vectors(loaded, engine, quiet)
    else:
        summary = _data(loaded, engine, quiet, data, split, steps, limit, batch_size, seed, data_folder)
    if json is not None:
        write_json(json, summary)


def _vectors(artifact: Artifact, engine: Backend, quiet: bool) -> dict[str, Any]:
    """Compare with the answers stored at compile time, bit for bit."""
    vectors = artifact.vectors
    trace = engine.run(artifact.program, vectors.messages, record=frozenset({"spikes"}))
    differing = 0
    for name, expected in vectors.spikes.items():
        differing += int(np.sum(np.asarray(trace.spikes[name]) != expected))
    for name, answer in vectors.readout.items():
        differing += int(np.sum(trace.readout[name] != answer))
    samples = trace.counts.samples
    if differing:
        found = f"{differing} entries differ from the answers stored at compile time"
        raise CheckFailed(Problem(f"test vectors on {engine.name}", found, "compile again with this Seamount"))
    if not quiet:
        out.print(f"test vectors: {samples} samples on {engine.name}, all spikes and readouts as stored")
    return {"backend": engine.name, "samples": samples, "differing": differing}


def _data(
    artifact: Artifact,
    engine: Backend,
    quiet: bool,
    name: str,
    split: str,
    steps: int | None,
    limit: int | None,
    batch_size: int,
    seed: int | None,
    folder: Path | None,
) -> dict[str, Any]:
    code = only_input(artifact.inputs)
    steps = steps or artifact.steps
    data = load_data(name, split, folder, limit, seed, steps)
    outside = clipped(code, data.x)
    if outside:
        show.warn(f"{outside} input values lie outside {code.low:g}..{code.high:g} and are clipped")
    begin = time.perf_counter()
    runs: list[Trace] = []
    with progress(f"run on {engine.name}", quiet) as tick:
        for start in range(0, len(data.y), batch_size):
            part = messages(code, data.x[start : start + batch_size], steps)
            runs.append(engine.run(artifact.program, {code.port: part}))
            tick(min(start + batch_size, len(data.y)), len(data.y))
    seconds = time.perf_counter() - begin
    readout = np.concatenate([next(iter(t.readout.values())) for t in runs])
    counts = add_counts([t.counts for t in runs])
    answers = predictions(readout)
    _check_labels(readout, data.y)
    summary: dict[str, Any] = {
        "accuracy": float(np.mean(answers == data.y)),
        "float_accuracy": artifact.manifest["model"]["float_accuracy"],
        "backend": engine.name,
        "samples": len(data.y),
        "steps": steps,
        "seconds": seconds,
        "synops_per_sample": sum(counts.synops.values()) / counts.samples,
        "synops_per_projection": {k: v / counts.samples for k, v in counts.synops.items()},
        "spikes_per_sample": {k: v / counts.samples for k, v in counts.spikes.items()},
        "neuron_updates_per_sample": sum(counts.updates.values()) / counts.samples,
        "clipped_inputs": outside,
        "predictions": answers.tolist(),
        "scores": scores(artifact.outputs[0], readout, steps).reshape(len(answers), -1).round(6).tolist(),
    }
    if not quiet:
        _print(artifact, counts, summary)
    return summary


def _check_labels(readout: Any, labels: Any) -> None:
    classes = int(np.prod(readout.shape[1:]))
    if int(np.max(labels)) >= classes:
        found = f"label {int(np.max(labels))}, but the network has {classes} outputs"
        raise InputError(Problem("data", found, "use the data the model was trained on"))


def add_counts(parts: list[EventCounts]) -> EventCounts:
    """Counts of several batches as one."""

    def total(member: str) -> dict[str, int]:
        names = getattr(parts[0], member)
        return {k: sum(int(getattr(p, member)[k]) for p in parts) for k in names}

    return EventCounts(
        sum(p.samples for p in parts), parts[0].steps, total("spikes"), total("synops"), total("updates")
    )


def _print(artifact: Artifact, counts: EventCounts, summary: dict[str, Any]) -> None:
    show.activity(artifact.program, counts)
    stated = summary["float_accuracy"]
    beside = f" (float, as saved with the model: {percent(stated)})" if stated is not None else ""
    out.print(
        f"accuracy {percent(summary['accuracy'])} on {summary['samples']} samples, T = {summary['steps']}{beside}"
    )
    rate = summary["samples"] / max(summary["seconds"], 1e-9)
    out.print(f"{summary['backend']}: {summary['seconds']:.2f} s, {rate:,.0f} samples/s")
