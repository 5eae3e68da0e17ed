"""seamount check: does every form of the network agree, from the framework to Lava?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seamount.cli import options as o
from seamount.cli.console import out, percent, table
from seamount.compiler.artifact import Artifact, load_artifact
from seamount.compiler.codes import clipped
from seamount.compiler.diff import divergence_text
from seamount.compiler.diff.divergence import Divergence
from seamount.compiler.driver import with_vectors
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.files import write_json
from seamount.compiler.kept_run import check_run_place
from seamount.compiler.places import check_outputs
from seamount.compiler.program.verify import check as check_program
from seamount.workflows.compile import compile_source, vector_messages, witness
from seamount.workflows.keep import RECORD, described, keep_run
from seamount.workflows.ladder import INTEGERS, Ladder
from seamount.workflows.load import Source, load_data, load_source
from seamount.workflows.recordings import COLUMNS, check_trace
from seamount.workflows.requirements import judge, parse_requirements
from seamount.workflows.rungs import LayerAgreement, Rung

REQUIRE_HELP = (
    "What must hold, e.g. accuracy-drop<=1%, accuracy>=95%, agreement>=98%, lava=exact. Repeatable; else exit code 1."
)


def check(
    path: Annotated[Path, typer.Argument(help="model.pt, .nir, or an artifact.", metavar="MODEL|ARTIFACT")],
    data: o.DataName = None,
    trace: Annotated[
        Path | None, typer.Option(help="Compare an artifact with a recording made elsewhere (.npz or .csv).")
    ] = None,
    silicon: Annotated[bool, typer.Option("--silicon", help="In the recording, v reads 128 at a spike.")] = False,
    require: Annotated[list[str] | None, typer.Option("--require", metavar="BOUND", help=REQUIRE_HELP)] = None,
    target: o.TargetName = "loihi-sim",
    assume: o.Assume = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    weight_bits: Annotated[int, typer.Option(min=1, max=8, help="Bits per weight of a model compiled now.")] = 8,
    calibrate: Annotated[str | None, typer.Option(metavar="NAME", help="As for compile.")] = None,
    output: o.RunFolder = None,
    record: o.Record = RECORD,
    force: o.Force = False,
    exact_samples: Annotated[int, typer.Option(min=1, help="Samples for the bit-exact comparisons.")] = 4,
    lava: Annotated[
        Literal["auto", "yes", "no"], typer.Option(help="Run in Lava: if it is installed, always, never.")
    ] = "auto",
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Run the same samples through every form of a network and compare.

    A model is compiled now; an artifact is taken as it is. Without --data: the golden samples of the model file, or the
    test vectors of the artifact. Exit code 1 when forms that must be exact differ, or a requirement fails.
    """
    check_outputs([path, data, trace, calibrate, target], {"--json": json}, {"-o": output})
    required = parse_requirements(require or [])
    if output is not None:
        _check_output(output, force, data, trace)
    if trace is not None:
        rungs, divergence = _recording(path, trace, silicon, quiet)
        tree: dict[str, Any] = {"rungs": [r.as_json() for r in rungs]}
        layers: list[LayerAgreement] = []
    else:
        divergence = None
        if path.is_dir():
            ladder = _of_artifact(path, data, split, data_folder, limit, seed, steps, quiet)
        else:
            source = load_source(path, assume or [])
            x, y = _samples(source, data, split, data_folder, limit, seed, steps)
            compiled = compile_source(source, target, weight_bits, calibrate, data_folder, steps)
            wanted = steps or source.graph.steps
            ladder = Ladder(compiled.artifact, x, y, wanted, source, compiled, quiet)
        rungs = ladder.climb(exact_samples, lava)
        layers = ladder.layers
        tree = {"steps": ladder.steps, "rungs": [r.as_json() for r in rungs], "layers": [vars(r) for r in layers]}
        if not quiet:
            _print(path, rungs, layers)
        if output is not None and data is not None:
            _keep(output, ladder, rungs, partial(described, data, split, limit, seed), record, force)
    tree |= {"checked": str(path), "accuracy_drop": _drop(rungs), "required": [str(r) for r in required]}
    problems = [*_inexact(rungs, divergence), *judge(required, rungs)]
    tree["failed"] = [str(p) for p in problems]
    if json is not None:
        write_json(json, tree)
    if problems:
        raise CheckFailed(problems)


def _check_output(output: Path, force: bool, data: str | None, trace: Path | None) -> None:
    """Refuse before the work what could not be kept after it."""
    if trace is not None:
        raise InputError(Problem("-o", "a recording made elsewhere is not kept as a run", "leave --trace or -o away"))
    if data is None:
        raise InputError(Problem("-o", "golden samples and test vectors are not kept as a run", "give --data"))
    check_run_place(output, force)


def _keep(output: Path, ladder: Ladder, rungs: list[Rung], data: Callable[..., Any], record: int, force: bool) -> None:
    """The integer program's run with what every form of the network reached; how long it took is left out."""
    ran, labels = ladder.executed, ladder.y
    assert ran is not None and labels is not None
    about = {"backend": INTEGERS, "data": data(ladder.x, labels), "unfinished": 0}
    about["clipped_inputs"] = clipped(ladder.artifact.inputs, ladder.x)
    timeless = [{k: v for k, v in r.as_json().items() if k != "seconds"} for r in rungs]
    layers = [vars(r) for r in ladder.layers]
    artifact = ladder.artifact
    if ladder.source is not None:
        artifact = with_vectors(artifact, witness(artifact.program), vector_messages(ladder.source, artifact))
    keep_run(
        output, artifact, ran.counts, ran.readout, ladder.x, labels, about,
        record=record, rungs=timeless, layers=layers, overwrite=force,
    )  # fmt: skip


def _samples(
    source: Source,
    data: str | None,
    split: str,
    folder: Path | None,
    limit: int | None,
    seed: int | None,
    steps: int | None,
) -> tuple[Any, Any]:
    if data is not None:
        found = load_data(data, split, folder, limit, seed, steps or source.graph.steps)
        return found.x, found.y
    if source.file is None:
        raise InputError(Problem("check", "a .nir file holds no samples", "give --data"))
    return source.file.golden.inputs, source.file.golden.labels


def _of_artifact(
    path: Path,
    data: str | None,
    split: str,
    folder: Path | None,
    limit: int | None,
    seed: int | None,
    steps: int | None,
    quiet: bool,
) -> Ladder:
    artifact = load_artifact(path)
    check_program(artifact.program)
    wanted = steps or artifact.steps
    if data is not None:
        found = load_data(data, split, folder, limit, seed, wanted)
        return Ladder(artifact, found.x, found.y, wanted, quiet=quiet)
    return Ladder(artifact, _vector_values(artifact), None, min(wanted, _vector_steps(artifact)), quiet=quiet)


def _vector_steps(artifact: Artifact) -> int:
    return int(next(iter(artifact.vectors.messages.values())).shape[1])


def _vector_values(artifact: Artifact) -> Any:
    """Test vectors back as real samples, so that they take the same way as data."""
    values = {code.port: artifact.vectors.messages[code.port] * code.unit for code in artifact.inputs}
    return {c.port: values[c.port][:, 0] if c.encoding == "constant" else values[c.port] for c in artifact.inputs}


def _recording(path: Path, trace: Path, silicon: bool, quiet: bool) -> tuple[list[Rung], Divergence | None]:
    if not path.is_dir():
        found = "is a model; a recording is compared with an artifact"
        raise InputError(Problem(str(path), found, "compile it first, and give the folder"))
    rows, divergence = check_trace(path, trace, silicon)
    if not quiet:
        table(f"{path} against {trace}", COLUMNS, rows)
    compared, differing = (sum(int(row[k].replace(",", "") or 0) for row in rows) for k in (4, 5))
    rung = Rung("recorded trace", 0, None, None, exact_with="integer program", differing=differing, compared=compared)
    return [rung], divergence


def _drop(rungs: list[Rung]) -> float | None:
    """Points of accuracy lost between the imported graph and the integer program."""
    named = {r.name: r.accuracy for r in rungs}
    before, after = named.get("imported graph"), named.get("integer program")
    return None if before is None or after is None else 100 * (before - after)


def _print(path: Path, rungs: list[Rung], layers: list[LayerAgreement]) -> None:
    def number(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    rows = [
        (
            r.name,
            r.samples or "",
            percent(r.accuracy),
            percent(r.agreement),
            number(r.spikes_per_sample, ",.1f"),
            number(r.synops_per_sample, ",.0f"),
            number(r.seconds, ".2f"),
            "" if r.differing is None else f"{r.differing} of {r.compared:,}",
            r.remark,
        )
        for r in rungs
    ]
    columns = ("form", "samples", "accuracy", "same answer", "spikes", "SynOps", "seconds", "differing", "")
    table(f"check of {path}", columns, rows)
    if layers:
        shown = [
            (
                a.layer,
                f"{a.float_spikes:,.1f}",
                f"{a.integer_spikes:,.1f}",
                number(a.correlation, ".4f"),
                percent(a.same),
            )
            for a in layers
        ]
        table("layers", ("layer", "spikes, float", "spikes, integers", "correlation", "same entries"), shown)
    if any(r.differing == 0 for r in rungs):
        out.print("0 differing: spikes, u, v and readouts are equal at every step")


def _inexact(rungs: list[Rung], divergence: Divergence | None) -> list[Problem]:
    unknown = "this must not happen: please report it with the model file"
    remedy = unknown if divergence is None else divergence_text.text(divergence)
    return [
        Problem(r.name, f"{r.differing} of {r.compared} entries differ from the {r.exact_with}", remedy, "exact")
        for r in rungs
        if r.differing
    ]
