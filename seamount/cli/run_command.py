"""seamount run: an artifact on data."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from seamount.backends.registry import load_backend, suited_backend
from seamount.cli import options as o
from seamount.cli import show
from seamount.cli.console import out, percent, progress
from seamount.compiler.artifact import Artifact, load_artifact
from seamount.compiler.codes import clipped, scores, share_right
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.execution import Backend, EventCounts
from seamount.compiler.files import write_json
from seamount.compiler.kept_run import check_run_place
from seamount.compiler.program.verify import check as check_program
from seamount.workflows.keep import RECORD, described, keep_run
from seamount.workflows.load import Labelled, load_data, only_output
from seamount.workflows.price import Brief, brief
from seamount.workflows.run import Batches, LavaOptions, gathered, neuron_updates

BackendName = Annotated[
    str | None,
    typer.Option(
        help="vectorized, cpu, cuda, reference, lava, or loihi2 (a board); default vectorized, for large runs cpu."
    ),
]
Processes = Annotated[int | None, typer.Option(min=1, help="Lava: graphs at a time.")]
TimeLimit = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Lava: longest duration of the run.")]
Keep = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Lava: finished batches stay here; run again, it goes on there."),
]
LavaPython = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Lava: its Python; default $SEAMOUNT_LAVA_PYTHON, or .venv-lava.")
]


def run(
    artifact: Annotated[Path, typer.Argument(help="Folder that 'seamount compile' wrote.")],
    data: o.DataName = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    backend: BackendName = None,
    batch_size: o.BatchSize = None,
    output: o.RunFolder = None,
    record: o.Record = RECORD,
    force: o.Force = False,
    processes: Processes = None,
    time_limit: TimeLimit = None,
    keep: Keep = None,
    lava_python: LavaPython = None,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Run an artifact on data: accuracy, spikes and synaptic operations. Without --data, check its test vectors."""
    loaded = load_artifact(artifact)
    check_program(loaded.program)
    show.caution(loaded)
    engine = LavaOptions(processes, time_limit, keep, lava_python).applied(load_backend(backend or "vectorized"))
    if output is not None:
        if data is None:
            raise InputError(Problem("-o", "test vectors have no labels, so their run is not kept", "give --data"))
        check_run_place(output, force)
    if data is None:
        summary, stopped = _vectors(loaded, engine, quiet), None
    else:
        only_output(loaded.outputs)
        batches = Batches(engine, loaded.program, loaded.inputs, steps or loaded.steps, batch_size)
        samples = load_data(data, split, data_folder, limit, seed, batches.steps)
        if backend is None:
            batches.engine = load_backend(suited_backend(neuron_updates(loaded, batches.steps, len(samples.y))))
        ran = _data(loaded, batches, samples, quiet)
        summary, stopped = ran.summary, ran.stopped
        if output is not None:
            about = {k: summary[k] for k in ("backend", "unfinished", "clipped_inputs")}
            about["data"] = described(data, split, limit, seed, samples.x, samples.y)
            keep_run(
                output, loaded, ran.counts, ran.readout, samples.x, ran.labels, about, record=record, overwrite=force
            )
    if data is not None and not quiet:
        _next(artifact, output)
    if json is not None:
        write_json(json, summary)
    if stopped is not None:
        raise stopped


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


@dataclass(frozen=True, eq=False)
class _Ran:
    """What finished, and what stopped the rest."""

    counts: EventCounts
    readout: Mapping[str, NDArray[np.int64]]
    labels: NDArray[np.int64]
    summary: dict[str, Any]
    stopped: CheckFailed | KeyboardInterrupt | None


def _data(artifact: Artifact, batches: Batches, data: Labelled, quiet: bool) -> _Ran:
    steps, name = batches.steps, batches.engine.name
    outside = clipped(batches.codes, data.x)
    if outside:
        ranges = ", ".join(f"{c.low:g}..{c.high:g}" for c in batches.codes)
        show.warn(f"{outside} input values lie outside {ranges} and are clipped")
    begin = time.perf_counter()
    with progress(f"run on {name}", quiet) as tick:
        stopped = batches.run(data.x, tick)
    seconds = time.perf_counter() - begin
    ran, labels = gathered(artifact, batches.traces, seconds), data.y[: batches.done]
    counts, answers, readout = ran.counts, ran.answers.predictions, ran.readout[artifact.outputs[0].readout]
    _check_labels(readout.shape[answers.ndim :], labels)
    cost = brief(artifact, counts)
    summary: dict[str, Any] = {
        "accuracy": share_right(answers, labels),
        "float_accuracy": artifact.manifest.model.float_accuracy,
        "backend": name,
        "samples": len(labels),
        "unfinished": len(data.y) - len(labels),
        "steps": steps,
        "seconds": seconds,
        "synops_per_sample": ran.synops_per_sample,
        "synops_per_projection": {k: v / counts.samples for k, v in counts.synop_totals.items()},
        "spikes_per_sample": {k: v / counts.samples for k, v in counts.spike_totals.items()},
        "neuron_updates_per_sample": sum(counts.updates.values()) / counts.samples,
        "energy": cost.tree(),
        "clipped_inputs": outside,
        "predictions": answers.tolist(),
        "scores": scores(artifact.outputs[0], readout, steps).reshape(*answers.shape, -1).round(6).tolist(),
    }
    if not quiet:
        _print(artifact, counts, summary, cost)
    if stopped is not None:
        show.warn(f"stopped early: {len(labels)} of {len(data.y)} samples had finished")
    return _Ran(counts, ran.readout, labels, summary, stopped)


def _check_labels(outputs: tuple[int, ...], labels: Any) -> None:
    classes = int(np.prod(outputs))
    if int(np.max(labels)) >= classes:
        found = f"label {int(np.max(labels))}, but the network has {classes} outputs"
        raise InputError(Problem("data", found, "use the data the model was trained on"))


def _print(artifact: Artifact, counts: EventCounts, summary: dict[str, Any], cost: Brief) -> None:
    show.activity(artifact.program, counts)
    stated = summary["float_accuracy"]
    comparable = stated is not None and summary["steps"] == artifact.steps
    beside = f" (float, as saved with the model: {percent(stated)})" if comparable else ""
    out.print(
        f"accuracy {percent(summary['accuracy'])} on {summary['samples']} samples, T = {summary['steps']}{beside}"
    )
    for line in cost.lines():
        out.print(line, markup=False, soft_wrap=True)
    firing = {p.name for p in artifact.program.populations if p.fires}
    spikes = sum(n for name, n in summary["spikes_per_sample"].items() if name in firing)
    out.print(f"per sample: {spikes:,.0f} spikes, {summary['synops_per_sample']:,.0f} synaptic operations")
    rate = summary["samples"] / max(summary["seconds"], 1e-9)
    out.print(f"{summary['backend']}: {summary['seconds']:.2f} s, {rate:,.0f} samples/s")


def _next(artifact: Path, kept: Path | None) -> None:
    """What to type after a run."""
    if kept is not None:
        out.print(f"run: {kept}", markup=False, soft_wrap=True)
    words = (
        f"seamount report {shlex.quote(str(kept))}"
        if kept is not None
        else "the same with -o RUN keeps it for a report"
    )
    out.print(f"next: {words}; seamount fit {shlex.quote(str(artifact))}", markup=False, soft_wrap=True)
