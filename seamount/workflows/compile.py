"""A trained network to an artifact: calibration, compilation, test vectors."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_target
from seamount.compiler.artifact import Artifact as CompiledArtifact
from seamount.compiler.codes import BY_VALUE, some
from seamount.compiler.driver import Compiled, compile_graph
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import Backend
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.notes import Convention
from seamount.compiler.manifest import noted_first, plain
from seamount.compiler.measures import Likeness, answers, likeness, values_of
from seamount.compiler.passes.base import Pass, Watcher
from seamount.compiler.pipelines import Options
from seamount.compiler.program.needs import chip_needs
from seamount.compiler.program.program import Population, Program
from seamount.compiler.target.target import Target
from seamount.progress import Progress, watched
from seamount.results.blocks import Block, Shown, likeness_words, table
from seamount.workflows.artifact import Artifact
from seamount.workflows.data import Data, DataSource, labelled
from seamount.workflows.load import Model, model_of
from seamount.workflows.proof_cost import proof_changes
from seamount.workflows.witness import answered, extent, too_large, vector_messages, witness

CALIBRATED = 256
"""Samples that set scales unless told otherwise."""
STAGES = 12
"""Passes that a compilation usually runs, for the progress bar."""


@dataclass(frozen=True, eq=False, repr=False)
class Compilation(Shown):
    """An artifact, the model it was made of, and the graphs in between: canonical (float) and quantized.

    folder: where it was written, if it was.
    """

    artifact: Artifact
    model: Model
    canonical: Graph
    quantized: Graph
    folder: Path | None = None

    @property
    def golden_agreement(self) -> tuple[int, int] | None:
        """(answers of the golden samples that equal the framework's, answers); None for a .nir file, and for real
        values."""
        if self.artifact.outputs[0].task in BY_VALUE or (pair := self._golden_answers()) is None:
            return None
        return int(np.sum(pair[0] == pair[1])), pair[0].size

    @property
    def golden_likeness(self) -> Likeness | None:
        """Real values of the golden samples against the framework's; None for a .nir file, and for classes."""
        output = self.artifact.outputs[0]
        if output.task not in BY_VALUE or (pair := self._golden_answers()) is None:
            return None
        return likeness(output, *pair)

    def _golden_answers(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """What the integers and the framework answer on the golden samples; None for a .nir file."""
        file, output = self.model.file, self.artifact.outputs[0]
        if file is None:
            return None
        found = answers(output, values_of(output, self.artifact.vectors.readout, self.model.steps))
        golden = file.golden.outputs
        trained = answers(output, golden[output.readout] if isinstance(golden, Mapping) else golden)
        return found, trained[: len(found)]

    def _answered(self) -> tuple[int, int]:
        """(samples, steps) of the test vectors."""
        return extent(self.artifact.vectors.messages, self.artifact.steps)

    def _witness(self) -> Backend:
        return witness(self.artifact.program, *self._answered())

    def to_dict(self) -> dict[str, Any]:
        artifact, program = self.artifact, self.artifact.program
        tree: dict[str, Any] = {
            "artifact": str(self.folder),
            "target": plain(artifact.manifest.target),
            "steps": artifact.steps,
            "answered_by": self._witness().name,
            "neurons": sum(p.size for p in program.populations),
            "populations": len(program.populations),
            "projections": len(program.projections),
            "layers": plain(artifact.manifest.layers),
            "notes": [str(note) for note in artifact.manifest.notes],
            "chip_needs": [{"where": n.where, "what": n.what} for n in chip_needs(program)],
            "calibration_samples": artifact.manifest.calibration_samples,
        }
        if self.golden_agreement is not None:
            tree["golden_agreement"] = list(self.golden_agreement)
        if self.golden_likeness is not None:
            tree["golden_likeness"] = self.golden_likeness.known()
        return tree

    def blocks(self) -> Iterator[Block]:
        program = self.artifact.program
        yield populations(program)
        yield layers(self.artifact)
        yield from conventions(self.artifact)
        yield from imported(self.model)
        yield from notes(self.artifact)
        if unasked := too_large(program, *self._answered()):
            yield f"note: {unasked}: the {self._witness().name} one gave the stored answers"
        if self.golden_agreement is not None:
            same, total = self.golden_agreement
            yield f"golden samples: integer prediction equals the framework's on {same} of {total}"
        if self.golden_likeness is not None:
            yield f"golden samples: integer values beside the framework's: {likeness_words(self.golden_likeness)}"
        if self.folder is not None:
            folder = shlex.quote(str(self.folder))
            yield f"artifact: {self.folder}"
            yield f"next: seamount run {folder} --data DATA -o RUN; seamount fit {folder}"


def compile(
    source: Any,
    *,
    target: str | Target = "loihi-sim",
    weight_bits: int = 8,
    bits: Mapping[str, int] | None = None,
    calibrate: Data | None = None,
    calibration_samples: int = CALIBRATED,
    steps: int | None = None,
    max_delay: int | None = None,
    balance_delays: bool = True,
    slow_down: int = 1,
    prove: bool = False,
    pipeline: str | None = None,
    assume: Sequence[str] | Mapping[str, object] | str = (),
    progress: Progress = None,
    **tracing: Any,
) -> Artifact:
    """Compile a trained network to Loihi's integers.

    source          the path of a model file (.pt), .nir or .net file, a `seamount.Model`, or a live PyTorch module
                    with the arguments of `seamount.save` (at least sample= and readout=)
    target          a name of `seamount.targets()`, the path of a .toml file, or a Target
    weight_bits     bits per weight, sign included, 1 to 8; bits: exceptions by layer
    calibrate       data whose values set the scales: the train split of a data set by name, an array or tensor, a
                    loader, or (x, y), of which the first `calibration_samples` are used; default: the golden samples
                    of the model file; for a .nir file activity is assumed; a .net file has no scales
    steps           T: steps per sample; default: what the model was saved with
    max_delay       longest delay of a projection, in steps; default: the target's. balance_delays: False lets short
                    paths arrive early, which is not the trained network. slow_down: steps of the chip for each of the
                    network
    prove           lower scales until no input can overflow a register, or refuse
    pipeline        passes to run, in order, with options, as `seamount.passes()` prints them; what it omits comes from
                    the target and the other arguments
    assume          what a .nir or .net file does not say; as for `seamount.load`
    progress        None: a bar where somebody watches; False; or a function (what, done, in all)

    Returns the artifact, with test vectors. Raises InputError, ImportRefused, and CompileError with every reason why
    the target cannot represent the network.

    Example:
        artifact = seamount.compile(net, sample=x_train[:8], steps=20, readout="sum")
        artifact = seamount.compile("model.pt", weight_bits=4, calibrate=x_train)
    """
    model = model_of(source, assume=assume, steps=steps, **tracing)
    options = Options(weight_bits, dict(bits or {}), steps, max_delay, balance_delays, slow_down, prove)
    return compilation(
        model, target, options, calibrate=calibrate, calibration_samples=calibration_samples, pipeline=pipeline,
        progress=progress,
    ).artifact  # fmt: skip


def compilation(
    model: Model,
    target: str | Target = "loihi-sim",
    options: Options | None = None,
    *,
    calibrate: Data | None = None,
    calibration_samples: int = CALIBRATED,
    watch: Watcher | None = None,
    pipeline: str | None = None,
    vectors: bool = True,
    progress: Progress = None,
) -> Compilation:
    """As `compile`, with everything in between. watch: called after each pass. vectors: False omits test vectors."""
    options = options or Options()
    chosen = load_target(target) if isinstance(target, str) else target
    samples = calibration(model, calibrate, calibration_samples, options.steps)
    with watched(progress, "compile") as tick:
        stages = _Stages(watch, tick)
        made: Compiled = compile_graph(
            model.graph, chosen, options, samples=samples, encoding=model.encoding, about=model.about, watch=stages,
            pipeline=pipeline, task=model.task,
        )  # fmt: skip
    artifact = made.artifact
    if options.prove and samples is not None and pipeline is None:
        artifact = _with_cost_of_proof(model, chosen, options, samples, artifact)
    if vectors:
        _recheck(model)
        artifact = answered(artifact, vector_messages(model, artifact))
    return Compilation(Artifact.of(artifact), model, made.canonical, made.quantized)


def _with_cost_of_proof(
    model: Model, target: Target, options: Options, samples: dict[str, NDArray[Any]], proven: CompiledArtifact
) -> CompiledArtifact:
    """The artifact with a warning where the proof changes answers."""

    def build(graph: Graph, prove: bool) -> CompiledArtifact:
        return compile_graph(
            graph, target, replace(options, prove=prove), samples=samples, encoding=model.encoding, about=model.about,
            task=model.task,
        ).artifact  # fmt: skip

    found = proof_changes(model.graph, proven, samples, build)
    if found is None:
        return proven
    return replace(proven, manifest=noted_first(proven.manifest, found))


def _recheck(model: Model) -> None:
    """Raise CheckFailed where a model file's graph no longer does what the framework did: the file was damaged."""
    if model.file is not None and not model.checked:
        from seamount.frontends.model_file.self_check import self_check

        self_check(model.file).raise_if_failed()


class _Stages:
    """Counts passes for the progress bar."""

    def __init__(self, watch: Watcher | None, tick: Any) -> None:
        self.watch, self.tick, self.done = watch, tick, 0

    def __call__(self, p: Pass, graph: Graph) -> None:
        self.done += 1
        self.tick(self.done, max(STAGES, self.done))
        if self.watch is not None:
            self.watch(p, graph)


def calibration(model: Model, data: Data | None, count: int, steps: int | None) -> dict[str, NDArray[Any]] | None:
    """Real values to set scales on: samples that were named or given, else the model file's golden samples."""
    steps = steps or model.graph.steps
    if data is not None:
        model.check_trained("no scale is left to set", "omit --calibrate")
        return model.stepped(_unlabelled(data, count, steps), steps)
    if model.file is not None:
        return model.stepped(model.file.golden.inputs, min(steps, model.graph.steps))
    return None


def _unlabelled(data: Data, count: int, steps: int) -> Any:
    if isinstance(data, str | os.PathLike):
        data = DataSource(os.fspath(data), "train", count)
    if isinstance(data, DataSource):
        return labelled(data, steps).x
    from seamount.models.data.batches import gathered

    return some(gathered(data)[0], slice(count))


_WIDTHS = tuple("12345678")


def layer_bits(words: Sequence[str]) -> dict[str, int]:
    """Bits by layer of "LAYER=N" texts. Raises InputError with all that are none."""
    chosen, problems = {}, []
    for word in words:
        layer, _, number = word.rpartition("=")
        if layer and number in _WIDTHS:
            chosen[layer] = int(number)
        else:
            problems.append(Problem(f"--bits {word}", "is not LAYER=N with N from 1 to 8", "e.g. --bits conv1=6"))
    if problems:
        raise InputError(problems)
    return chosen


# as tables and lines


def layers(artifact: Artifact) -> Block:
    """Projections after quantization."""
    shown = [
        (r.layer, r.target, r.weights, r.bits, r.sign_mode, f"2^{r.exponent}", f"{100 * r.error:.2f} %", r.clipped)
        for r in artifact.manifest.layers
    ]
    columns = ("projection", "into", "weights", "bits", "signs", "exponent", "rms error", "clipped")
    return table("weights", columns, shown, left=2)


def populations(program: Program) -> Block:
    """Neuron layers with their registers."""
    rows = [
        (p.name, "x".join(map(str, p.shape)), p.size, _span(p.du), _span(p.dv), _threshold(p), p.reset, p.offset)
        for p in program.populations
    ]
    columns = ("population", "shape", "neurons", "du", "dv", "vth", "reset", "offset")
    return table("populations", columns, rows, left=2)


def _span(value: NDArray[np.int32]) -> str:
    low, high = int(np.min(value)), int(np.max(value))
    return str(low) if low == high else f"{low}..{high}"


def _threshold(p: Population) -> str:
    return "never fires" if p.vth is None else _span(p.vth)


def conventions(artifact: Artifact) -> Iterator[str]:
    """What the neurons mean, grouped by where that is known from."""
    grouped: dict[str, list[str]] = {}
    for note in artifact.manifest.model.conventions:
        source, what = (note.source, note.what) if isinstance(note, Convention) else ("", str(note))
        grouped.setdefault(source, []).append(what)
    for source, known in grouped.items():
        title = f"conventions ({source})" if source else "conventions"
        yield f"{title}: {', '.join(known)}"


def imported(model: Model) -> Iterator[str]:
    """What saving found and left out."""
    if model.file is None:
        return
    if model.file.ties:
        yield f"note: {model.file.ties} spikes of the golden trace fall on the threshold to rounding"
    for name in model.file.left_out:
        yield f"note: left out when saving, for the outputs do not need it: {name}"


def notes(artifact: Artifact) -> Iterator[str]:
    """Everything that was assumed, approximated, or needs more than stock hardware."""
    found = artifact.manifest.notes
    yield from (f"warning: {note}" for note in found if note.is_warning)
    yield from (f"note: {note}" for note in found if not note.is_warning)
    for need in chip_needs(artifact.program):
        yield f"on a chip: {need.where} needs {need.what}"
