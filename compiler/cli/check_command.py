"""seamount check: does every form of the network agree, from the framework to Lava?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from seamount.backends.registry import load_backend, load_target
from seamount.compiler.artifact import Artifact, load_artifact
from seamount.compiler.cli import options as o
from seamount.compiler.cli.console import out, percent, progress, table, write_json
from seamount.compiler.cli.ladder import Answers, Rung, differences, executed, full_trace, interpreted
from seamount.compiler.cli.sources import Source, load_data, load_source
from seamount.compiler.driver import Compiled, compile_graph
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.ir.graph import Graph
from seamount.compiler.pipelines import Options, canonical


def check(
    model: Annotated[Path, typer.Argument(help="model.pt or .nir.")],
    data: o.DataName = None,
    artifact: Annotated[Path | None, typer.Option(help="Check this artifact; default: compile the model now.")] = None,
    target: o.TargetName = "loihi-sim",
    assume: o.Assume = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    weight_bits: Annotated[int, typer.Option(min=1, max=8, help="Bits per weight when compiling now.")] = 8,
    calibrate: Annotated[str | None, typer.Option(metavar="NAME", help="As for compile.")] = None,
    exact_samples: Annotated[int, typer.Option(min=1, help="Samples for the bit-exact comparisons.")] = 4,
    lava: Annotated[
        Literal["auto", "yes", "no"], typer.Option(help="Run in Lava: if it is installed, always, never.")
    ] = "auto",
    max_drop: Annotated[
        float | None, typer.Option(help="Fail when integers lose more than so many points of accuracy.")
    ] = None,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Run the same samples through every form of the network and compare.

    Without --data the golden samples of the model file are used. Exit code 1 when forms that must be exact differ.
    """
    source = load_source(model, assume or [])
    steps = steps or source.graph.steps
    x, y = _samples(source, data, split, data_folder, limit, seed, steps)
    compiled = _compiled(source, target, weight_bits, calibrate, data_folder, steps)
    made = load_artifact(artifact) if artifact is not None else compiled.artifact
    ladder = _Ladder(source, compiled, made, x, y, steps, quiet)
    rungs = ladder.climb(exact_samples, lava)
    if not quiet:
        _print(source, rungs)
    drop = ladder.drop(rungs)
    if json is not None:
        tree = {"model": source.about.name, "steps": steps, "accuracy_drop": drop}
        write_json(json, {**tree, "rungs": [r.as_json() for r in rungs]})
    _judge(rungs, drop, max_drop)


def _samples(
    source: Source, data: str | None, split: str, folder: Path | None, limit: int | None, seed: int | None, steps: int
) -> tuple[Any, Any]:
    if data is not None:
        found = load_data(data, split, folder, limit, seed, steps)
        return found.x, found.y
    if source.file is None:
        raise InputError(Problem("check", "a .nir file holds no samples", "give --data"))
    return source.file.golden.inputs, source.file.golden.labels


def _compiled(
    source: Source, target: str, weight_bits: int, calibrate: str | None, folder: Path | None, steps: int
) -> Compiled:
    from seamount.compiler.cli.compile_command import calibration

    samples = calibration(source, calibrate, 256, folder, steps)
    options = Options(weight_bits=weight_bits, steps=steps)
    return compile_graph(
        source.graph, load_target(target), options, samples=samples, encoding=source.encoding, about=source.about
    )


class _Ladder:
    """The samples, and the rungs they climb."""

    def __init__(
        self, source: Source, compiled: Compiled, artifact: Artifact, x: Any, y: Any, steps: int, quiet: bool
    ) -> None:
        self.source, self.compiled, self.artifact = source, compiled, artifact
        self.x, self.y, self.steps, self.quiet = x, y, steps, quiet
        self.imported: Answers | None = None

    def climb(self, exact_samples: int, lava: str) -> list[Rung]:
        """All rungs, from the framework down."""
        rungs = [
            *self._framework(),
            self._float("imported graph", canonical().until("infer-shapes")(self.source.graph)),
        ]
        rungs.append(self._float("after folding", self.compiled.canonical))
        rungs.append(self._float("rounded, in float", self.compiled.quantized))
        rungs.append(self._integers())
        rungs += self._exact(exact_samples, lava)
        return rungs

    @staticmethod
    def drop(rungs: list[Rung]) -> float | None:
        """Points of accuracy lost between the imported graph and the integer program."""
        named = {r.name: r.accuracy for r in rungs}
        before, after = named.get("imported graph"), named.get("integer program")
        return None if before is None or after is None else 100 * (before - after)

    def _accuracy(self, answers: Any) -> float | None:
        return None if self.y is None else float(np.mean(answers == self.y[: len(answers)]))

    def _framework(self) -> list[Rung]:
        file = self.source.file
        if file is None:
            return []
        from seamount.frontends.checking import self_check

        result = self_check(file)
        rungs = [
            Rung(
                f"{self.source.about.provenance.get('framework', 'framework')}, golden trace",
                len(file.golden.inputs),
                None,
                None,
                exact_with="imported graph",
                differing=result.differing,
                compared=result.compared,
                remark=f"{result.ties} rounding ties" if result.ties else "",
            )
        ]
        if file.accuracy is not None:
            rungs.insert(0, Rung("framework, as recorded", 0, file.accuracy, None, remark="stored in the model file"))
        return rungs

    def _float(self, name: str, graph: Graph) -> Rung:
        with progress(name, self.quiet) as tick:
            answers = interpreted(graph, self.source.stepped(self.x, self.steps), tick)
        self.imported = self.imported or answers
        return self._rung(name, answers)

    def _rung(self, name: str, answers: Answers, synops: float | None = None) -> Rung:
        assert self.imported is not None
        agreement = float(np.mean(answers.predictions == self.imported.predictions))
        accuracy = self._accuracy(answers.predictions)
        n = len(answers.predictions)
        return Rung(name, n, accuracy, agreement, answers.spikes_per_sample, synops, answers.seconds)

    def _integers(self) -> Rung:
        with progress("integer program", self.quiet) as tick:
            answers, synops = executed(self.artifact, load_backend("vectorized"), self.x, self.steps, tick)
        return self._rung("integer program", answers, synops)

    def _exact(self, count: int, lava: str) -> list[Rung]:
        x = self.x[:count]
        traces = {}
        names = ["vectorized", "reference", *(["lava"] if self._wants_lava(lava) else [])]
        for name in names:
            with progress(name, self.quiet) as tick:
                traces[name] = full_trace(self.artifact, load_backend(name), x, self.steps, tick)
        rungs = []
        for name in names[1:]:
            differing, compared = differences(traces[name], traces["vectorized"])
            title = {"reference": "reference simulator", "lava": "Lava"}[name]
            rungs.append(
                Rung(title, len(x), None, None, exact_with="integer program", differing=differing, compared=compared)
            )
        return rungs

    @staticmethod
    def _wants_lava(lava: str) -> bool:
        from seamount.backends.lava.environment import find_interpreter

        if lava == "no":
            return False
        try:
            find_interpreter()
        except InputError:
            if lava == "yes":
                raise
            out.print("note: Lava is not installed, so it is not compared ('make lava' installs it)")
            return False
        return True


def _print(source: Source, rungs: list[Rung]) -> None:
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
    table(f"check of {source.about.name}", columns, rows)


def _judge(rungs: list[Rung], drop: float | None, max_drop: float | None) -> None:
    problems = [
        Problem(
            r.name,
            f"{r.differing} of {r.compared} entries differ from the {r.exact_with}",
            "this must not happen: please report it with the model file",
            "exact",
        )
        for r in rungs
        if r.differing
    ]
    if max_drop is not None and drop is not None and drop > max_drop:
        found = f"integers lose {drop:.2f} points of accuracy"
        problems.append(Problem("accuracy", found, "use more weight bits, or --calibrate", f"{max_drop:g} points"))
    if problems:
        raise CheckFailed(problems)
