"""The result of a run: answers, exact counts, recorded spikes and membranes."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import BY_VALUE, Samples, Task, scores
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.execution import EventCounts
from seamount.compiler.kept_run import check_run_place
from seamount.compiler.measures import Measures, answers, measured
from seamount.results.blocks import Block, Shown, measures, percent, table
from seamount.workflows.brief import Brief, brief
from seamount.workflows.keep import RECORD, keep_run, recorded
from seamount.workflows.nir_data import check_nir_place, is_nir_data, write_nir_data
from seamount.workflows.outputs import only_output

Stopped = CheckFailed | KeyboardInterrupt
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Run(Shown):
    """An artifact on data: what it answered, exact counts, and what was recorded.

    readout: readout name -> integers, (N, *shape), or (N, T, *shape) for the rule "each". labels: (N,), or (N, T) for
    an answer per step, negative where a step has none; (N, *pixels); real values in the form of the output; None
    without labels. spikes, u, v: layer -> (N, T, *shape) of
    the layers that were recorded; at a spike v is what the register holds after the reset. seconds: of the run.
    clipped: input values outside the range of their input. unfinished: samples that were not run. stopped: what ended
    the run early. x: the samples, or the first ones of a stream. data: where they are from. unused_steps: steps of the
    longest sample that were not run. lengths: (N,), the steps that each sample ran, where they differ; entries behind
    them are 0.
    """

    artifact: Artifact
    counts: EventCounts
    readout: Mapping[str, NDArray[np.int64]]
    labels: NDArray[np.int64] | NDArray[np.float64] | None
    spikes: Arrays
    u: Arrays
    v: Arrays
    backend: str
    seconds: float
    clipped: int
    unfinished: int
    stopped: Stopped | None
    x: Samples
    data: Mapping[str, Any] = field(default_factory=dict)
    unused_steps: int = 0
    lengths: NDArray[np.int64] | None = None

    @property
    def samples(self) -> int:
        """N."""
        return self.counts.samples

    @property
    def steps(self) -> int:
        """T."""
        return self.counts.steps

    @property
    def predictions(self) -> NDArray[Any]:
        """What the output answers, by its task. Classes: the index of the largest output, or group of outputs, the
        first one on ties: (N,), or (N, T) with an answer per step; (N, *pixels) per pixel. Real values: as `scores`.

        Raises InputError for a network of several outputs; see `outputs`.
        """
        output = only_output(self.artifact.outputs)
        by_value = output.task in BY_VALUE
        return answers(output, self.scores if by_value else self.readout[output.readout])

    @property
    def scores(self) -> NDArray[np.float64]:
        """The output in the units of the trained network, (N, *shape), or (N, T, *shape) with an answer per step.

        Raises InputError for a network of several outputs; see `outputs`.
        """
        return self.outputs[only_output(self.artifact.outputs).readout]

    @property
    def outputs(self) -> dict[str, NDArray[np.float64]]:
        """Output name -> its values in the units of the trained network."""
        lasting = self.steps if self.lengths is None else self.lengths
        return {c.readout: scores(c, self.readout[c.readout], lasting) for c in self.artifact.outputs}

    @property
    def metrics(self) -> Measures:
        """Answers against labels, by the task: accuracy; mean IoU of pixels; RMS error, correlation and R2 of real
        values. All None without labels."""
        if self.labels is None:
            return Measures()
        return measured(only_output(self.artifact.outputs), self.predictions, self.labels)

    @property
    def accuracy(self) -> float | None:
        """Share of the labels that were predicted, 0 to 1; None without labels, and for real values."""
        return self.metrics.accuracy

    @property
    def spikes_per_sample(self) -> float:
        """Spikes of all neurons, inputs not counted."""
        firing = {p.name for p in self.artifact.program.populations if p.fires}
        return sum(n for name, n in self.counts.spike_totals.items() if name in firing) / self.samples

    @property
    def synops_per_sample(self) -> float:
        """Synaptic operations: messages times the synapses that each one reaches."""
        return sum(self.counts.synop_totals.values()) / self.samples

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the data."""
        found = [text] if (text := unused(self.unused_steps, self.steps)) else []
        if self.clipped:
            ranges = ", ".join(f"{c.low:g}..{c.high:g}" for c in self.artifact.inputs)
            found.append(f"{self.clipped} input values lie outside {ranges} and are clipped")
        return tuple(found)

    def energy(self) -> Brief:
        """The energy in short: by the costs of the chip, and beside the ANN. `seamount.price` has all of it."""
        return brief(self.artifact, self.counts)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        record: int = RECORD,
        overwrite: bool = False,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Keep the run as a folder, for `seamount.report`; or, where the path ends in .nir, .h5 or .hdf5, its first
        samples as a file in NIR's data format: spikes, and v in integers, of every neuron node, and the inputs.

        record: samples recorded in full. overwrite: replace a kept run at this place; a file of recorded data is
        always replaced, another file never. note: called with what a user should know.
        Raises InputError for samples of different lengths, or a place that cannot be used.

        Example:
            ran = artifact.run(x, y)
            ran.save("my.run")
            ran.save("recorded.nir", record=100)
        """
        if self.lengths is not None:
            remedy = "run it with steps=, --steps N"
            raise InputError(Problem(os.fspath(path), "samples of different lengths are not kept as a run", remedy))
        if is_nir_data(path):
            check_nir_place(path)
            held = recorded(self.artifact, self.counts, self.readout, self.x, max(record, 1), note)
            write_nir_data(Path(path), self.artifact, held)
            return
        about = {"backend": self.backend, "unfinished": self.unfinished, "clipped_inputs": self.clipped}
        about["unused_steps"] = self.unused_steps
        keep_run(
            path, self.artifact, self.counts, self.readout, self.x, self.labels, {**about, "data": dict(self.data)},
            record=record, overwrite=overwrite, note=note,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        counts, n = self.counts, self.samples
        output = only_output(self.artifact.outputs)
        lead, metrics = (n, self.steps)[: output.lead], self.metrics
        tree = {
            "accuracy": metrics.accuracy,
            "float_accuracy": self.artifact.manifest.model.float_accuracy,
            "backend": self.backend,
            "samples": n,
            "unfinished": self.unfinished,
            "steps": self.steps,
            "seconds": self.seconds,
            "synops_per_sample": self.synops_per_sample,
            "synops_per_projection": {k: v / n for k, v in counts.synop_totals.items()},
            "spikes_per_sample": {k: v / n for k, v in counts.spike_totals.items()},
            "neuron_updates_per_sample": sum(counts.updates.values()) / n,
            "energy": self.energy().tree(),
            "clipped_inputs": self.clipped,
            "predictions": self.predictions.round(6).tolist(),
            "scores": self.scores.reshape(*lead, -1).round(6).tolist(),
        }
        if output.task is not Task.CLASSES:
            tree |= {"task": output.task.value, "metrics": metrics.known()}
        if self.unused_steps:
            tree["unused_steps"] = self.unused_steps
        if self.lengths is not None:
            tree["lengths"] = self.lengths.tolist()
        return tree

    def blocks(self) -> Iterator[Block]:
        yield from activity(self.counts, self.artifact)
        if self.labels is not None:
            stated = self.artifact.manifest.model.float_accuracy
            comparable = stated is not None and self.steps == self.artifact.steps
            beside = f" (float, as saved with the model: {percent(stated)})" if comparable else ""
            yield f"{measures(self.metrics)} on {self.samples} samples, T = {self._lasting}{beside}"
        else:
            yield f"{self.samples} samples without labels, T = {self._lasting}"
        yield from self.energy().lines()
        yield f"per sample: {self.spikes_per_sample:,.0f} spikes, {self.synops_per_sample:,.0f} synaptic operations"
        rate = self.samples / max(self.seconds, 1e-9)
        yield f"{self.backend}: {self.seconds:.2f} s, {rate:,.0f} samples/s"

    @property
    def _lasting(self) -> str:
        """T in words."""
        return str(self.steps) if self.lengths is None else f"{self.lengths.min()} to {self.steps}"

    def plot_raster(self, sample: int = 0, layers: Collection[str] = (), ax: Any = None) -> Any:
        """Spikes of one sample, neuron against step, of the recorded layers. Needs matplotlib; returns the axes.

        Raises InputError when spikes were not recorded, or matplotlib is missing.
        """
        from seamount.results.plots import raster

        return raster(self.spikes, sample, layers, ax)

    def plot_membranes(self, layer: str, neurons: Iterable[int] = range(4), sample: int = 0, ax: Any = None) -> Any:
        """Membranes of chosen neurons of a layer (flattened indices) over the steps of one sample, with the threshold.

        Raises InputError when v was not recorded, or matplotlib is missing.
        """
        from seamount.results.plots import membranes

        return membranes(self.artifact.program, self.v, layer, tuple(neurons), sample, ax)

    def plot_rates(self, ax: Any = None) -> Any:
        """Spikes per neuron and step of every layer, as bars."""
        from seamount.results.plots import rates

        return rates(self.counts, ax)


def unused(count: int, steps: int) -> str:
    """What a user should know of samples that last longer than they are run; empty where none does."""
    if not count:
        return ""
    return f"the samples last {steps + count} steps, of which the first {steps} are run (--steps N runs N of them)"


def activity(counts: EventCounts, artifact: Artifact) -> Iterator[Block]:
    """Spikes per population and synaptic operations per projection, per sample."""
    n, shapes = counts.samples, artifact.program.shapes
    spikes = []
    for name, total in counts.spike_totals.items():
        size = int(np.prod(shapes[name], dtype=np.int64))
        spikes.append((name, size, f"{total / n:,.1f}", f"{total / (n * counts.steps * size):.4f}"))
    yield table("messages per sample", ("source", "size", "messages", "per neuron and step"), spikes)
    synops = [(name, f"{total / n:,.0f}") for name, total in counts.synop_totals.items()]
    synops.append(("all", f"{sum(counts.synop_totals.values()) / n:,.0f}"))
    yield table("synaptic operations per sample", ("projection", "SynOps"), synops)


def check_save_place(path: Path, overwrite: bool) -> None:
    """Raise InputError when `Run.save` could not write there; to be asked before the run, not after."""
    if is_nir_data(path):
        check_nir_place(path)
    else:
        check_run_place(path, overwrite)
