"""seamount compile: a trained network to an artifact."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from seamount.backends.registry import load_target
from seamount.cli import options as o
from seamount.cli import show
from seamount.cli.console import out, progress
from seamount.compiler.artifact import Artifact, save_artifact
from seamount.compiler.codes import predictions
from seamount.compiler.driver import Compiled, compile_graph, with_vectors
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import write_json
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.text import to_text
from seamount.compiler.passes import PASSES
from seamount.compiler.passes.base import Pass
from seamount.compiler.passes.parse import words_of
from seamount.compiler.pipelines import Options
from seamount.workflows.compile import CALIBRATED, calibration, too_large, vector_messages, witness
from seamount.workflows.load import Source, load_source


def compile_model(
    model: Annotated[Path, typer.Argument(help="model.pt written by seamount.frontends.save, or a .nir file.")],
    target: o.TargetName = "loihi-sim",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; default: the model's name + .seamount")
    ] = None,
    assume: o.Assume = None,
    steps: o.Steps = None,
    weight_bits: Annotated[int, typer.Option(min=1, max=8, help="Bits per weight, sign included.")] = 8,
    bits: Annotated[
        list[str] | None, typer.Option("--bits", metavar="LAYER=N", help="Bits of one layer. Repeatable.")
    ] = None,
    max_delay: o.MaxDelay = None,
    no_balance_delays: o.NoBalance = False,
    slow_down: o.SlowDown = 1,
    pipeline: Annotated[str | None, typer.Option(metavar="TEXT", help=o.PIPELINE_HELP)] = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Lower scales until no input can overflow a register, or refuse.")
    ] = False,
    calibrate: Annotated[
        str | None, typer.Option(metavar="NAME", help="Data whose train split sets scales; names as for run --data.")
    ] = None,
    calibration_samples: Annotated[int, typer.Option(min=1, help="Samples used for --calibrate.")] = CALIBRATED,
    data_folder: o.DataFolder = None,
    stop_after: Annotated[
        str | None, typer.Option(metavar="PASS", help="Print the graph after this pass and stop; 'import' for none.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an artifact that exists.")] = False,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Compile a trained network to Loihi's integers and write the artifact.

    Without --calibrate, scales are set on the real samples in the model file; for a .nir file, on assumed activity.
    """
    chosen = load_target(target)
    source = load_source(model, assume or [])
    if stop_after == "import":
        out.print(to_text(source.graph), markup=False, soft_wrap=True, end="")
        return
    if stop_after is not None and stop_after not in (PASSES if pipeline is None else words_of(pipeline)):
        known = ", ".join(("import", *(PASSES if pipeline is None else words_of(pipeline))))
        raise InputError(Problem(f"--stop-after {stop_after}", "there is no such pass", f"one of {known}"))
    balance = not no_balance_delays
    wanted = Options(weight_bits, _layer_bits(bits or []), steps, max_delay, balance, slow_down, prove)
    samples = calibration(source, calibrate, calibration_samples, data_folder, steps)
    with progress("compile", quiet) as tick:
        stages = _Stages(stop_after, tick)
        try:
            compiled = compile_graph(
                source.graph,
                chosen,
                wanted,
                samples=samples,
                encoding=source.encoding,
                about=source.about,
                watch=stages,
                pipeline=pipeline,
            )
        except _Stopped as stopped:
            out.print(stopped.text, markup=False, soft_wrap=True, end="")
            return
    folder = output or Path(f"{model.stem}.seamount")
    artifact = with_vectors(
        compiled.artifact, witness(compiled.artifact.program), vector_messages(source, compiled.artifact)
    )
    save_artifact(artifact, folder, overwrite=force)
    summary = _summary(source, artifact, compiled, folder)
    if json is not None:
        write_json(json, summary)
    show.caution(artifact)
    if not quiet:
        _print(source, artifact, compiled, summary)


class _Stopped(Exception):
    def __init__(self, text: str) -> None:
        self.text = text


class _Stages:
    """Counts passes for the progress bar and stops after the one asked for."""

    def __init__(self, stop_after: str | None, tick: Any) -> None:
        self.stop_after, self.tick, self.done = stop_after, tick, 0

    def __call__(self, p: Pass, graph: Graph) -> None:
        self.done += 1
        self.tick(self.done, len(PASSES))
        if p.name == self.stop_after:
            raise _Stopped(to_text(graph))


def _layer_bits(words: list[str]) -> dict[str, int]:
    chosen, problems = {}, []
    for word in words:
        layer, _, number = word.rpartition("=")
        if layer and number.isdigit() and 1 <= int(number) <= 8:
            chosen[layer] = int(number)
        else:
            problems.append(Problem(f"--bits {word}", "is not LAYER=N with N from 1 to 8", "e.g. --bits conv1=6"))
    if problems:
        raise InputError(problems)
    return chosen


def _summary(source: Source, artifact: Artifact, compiled: Compiled, folder: Path) -> dict[str, Any]:
    program = artifact.program
    summary: dict[str, Any] = {
        "artifact": str(folder),
        "target": artifact.manifest["target"],
        "steps": artifact.steps,
        "answered_by": witness(program).name,
        "neurons": sum(p.size for p in program.populations),
        "populations": len(program.populations),
        "projections": len(program.projections),
        "layers": artifact.manifest["layers"],
        "notes": artifact.manifest["notes"],
        "chip_needs": artifact.manifest["chip_needs"],
        "calibration_samples": artifact.manifest["calibration_samples"],
    }
    if source.file is not None:
        port, rule, golden = artifact.outputs[0].readout, artifact.outputs[0].rule, source.file.golden
        answers = predictions(artifact.vectors.readout[port], rule)
        outputs = golden.outputs[port] if isinstance(golden.outputs, Mapping) else golden.outputs
        trained = predictions(outputs, rule)
        summary["golden_agreement"] = [int(np.sum(answers == trained[: len(answers)])), answers.size]
    return summary


def _print(source: Source, artifact: Artifact, compiled: Compiled, summary: dict[str, Any]) -> None:
    show.populations(artifact.program)
    show.layers(compiled.precision)
    show.conventions(artifact)
    show.imported(source)
    show.notes(artifact)
    if unasked := too_large(artifact.program):
        out.print(f"note: {unasked}: the {summary['answered_by']} one gave the stored answers", soft_wrap=True)
    if "golden_agreement" in summary:
        same, total = summary["golden_agreement"]
        out.print(f"golden samples: integer prediction equals the framework's on {same} of {total}")
    out.print(f"artifact: {summary['artifact']}", markup=False, soft_wrap=True)
    folder = shlex.quote(str(summary["artifact"]))
    out.print(f"next: seamount run {folder} --data DATA -o RUN; seamount fit {folder}", markup=False, soft_wrap=True)
