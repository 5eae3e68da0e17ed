"""seamount evaluate: trained models as they are deployed, at every weight width and every T, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seamount.backends.registry import load_backend, load_costs
from seamount.cli import options as o
from seamount.cli.console import out, percent, table
from seamount.compiler.energy import text as text
from seamount.compiler.energy.estimate import Interval
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.files import write_json
from seamount.compiler.places import check_outputs
from seamount.workflows.evaluate import Plan, evaluate
from seamount.workflows.ladder import wants_lava
from seamount.workflows.load import load_data, load_source
from seamount.workflows.price import COMPARED

Tree = dict[str, Any]
COLUMNS = ("weights", "T", "float", "integers", "points lost", "same answer", "spikes", "SynOps", "updates")
ENERGY = ("weights", "T", "SNN", "int8 ANN", "SNN / int8 ANN", "float32 ANN", "SNN / float32 ANN", "ANN / SNN, papers")


def evaluate_models(
    models: Annotated[list[Path], typer.Argument(help="model.pt or .nir files.", metavar="MODEL...")],
    data: Annotated[str, typer.Option("--data", "-d", metavar="NAME", help=o.DATA_HELP)],
    weight_bits: Annotated[
        list[int] | None, typer.Option(min=1, max=8, help="Bits per weight. Repeatable; default 8 and 4.")
    ] = None,
    steps: Annotated[
        list[int] | None, typer.Option(min=1, help="T, from one artifact. Repeatable; default 1, 2 and 4.")
    ] = None,
    calibrate: Annotated[str | None, typer.Option(metavar="NAME", help="As for compile.")] = None,
    exact_samples: Annotated[int, typer.Option(min=1, help="Samples for the bit-exact comparisons.")] = 3,
    lava: Annotated[
        Literal["auto", "yes", "no"], typer.Option(help="Run in Lava: if it is installed, always, never.")
    ] = "auto",
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME", help="A cost set more, from 'seamount costs'.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="As for run.")] = None,
    target: o.TargetName = "loihi-sim",
    assume: o.Assume = None,
    split: o.Split = "test",
    limit: o.Limit = None,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Evaluate trained models as deployed: accuracy in float and integers, exactness, events, energy beside the ANN.

    One artifact per weight width runs at every T. The JSON is written after each model.
    Exit code 1 when a form differs that must be exact.
    """
    check_outputs([*models, data, calibrate, target, *(sets or ())], {"--json": json})
    _check_words(sets or [], backend, json)
    plan = Plan(
        tuple(dict.fromkeys(weight_bits or (8, 4))), tuple(sorted(set(steps or (1, 2, 4)))), tuple(sets or ()),
        exact_samples, "yes" if wants_lava(lava) else "no", backend, target, calibrate, data_folder,
    )  # fmt: skip
    sources = [load_source(path, assume or []) for path in models]
    found: list[Tree] = []
    for path, source in zip(models, sources, strict=True):
        samples = load_data(data, split, data_folder, limit, seed, max(plan.longest, source.graph.steps))
        named = {"file": path.name, "data": Path(data).name if data.endswith(".npz") else data, "split": split}
        found.append({**named, **evaluate(source, samples, plan, quiet)})
        if json is not None:
            write_json(json, {"models": found})
        if not quiet:
            _show(found[-1])
    inexact = [problem for tree in found for problem in _inexact(tree)]
    if inexact:
        raise CheckFailed(inexact)


def _check_words(sets: list[str], backend: str | None, json: Path | None) -> None:
    """Refuse before the work what would stop it in the middle."""
    for name in sets:
        load_costs(name)
    if backend is not None:
        load_backend(backend)
    if json is not None and json.is_dir():
        raise InputError(Problem(str(json), "is a folder", "name a file"))


def _inexact(tree: Tree) -> Iterator[Problem]:
    for row in tree["exact"]:
        if row["differing"]:
            where = f"{tree['file']}, {row['bits']} bits: {row['with']}"
            counted = f"{row['differing']} of {row['compared']} entries differ from the integer program"
            yield Problem(where, counted, "this must not happen: please report it with the model file", "exact")


# as text


def _show(tree: Tree) -> None:
    rows = [
        (
            f"{r['bits']} bits", r["steps"], percent(tree["float_accuracy"][str(r["steps"])]), percent(r["accuracy"]),
            f"{r['drop_points']:+.2f}", percent(r["same_answer"]),
            f"{r['spikes']:,.0f}", f"{r['synops']:,.0f}", f"{r['updates']:,.0f}",
        )
        for r in tree["integers"]
    ]  # fmt: skip
    trained = f"trained at T = {tree['trained_steps']}"
    table(f"{tree['file']} on {tree['data']}, {tree['samples']:,} samples, {trained}", COLUMNS, rows)
    table(
        f"energy per inference by {COMPARED}, and by the papers' convention", ENERGY, map(_energy_row, tree["integers"])
    )
    for row in tree["exact"]:
        verdict = "exact" if not row["differing"] else f"{row['differing']} entries differ"
        counted = f"{row['compared']:,} entries of {row['samples']} samples"
        out.print(f"{row['bits']} bits, {row['with']}: {verdict} ({counted})", markup=False, soft_wrap=True)
    if tree["clipped_inputs"]:
        out.print(f"note: {tree['clipped_inputs']} input values were clipped")
    out.print()


def _energy_row(row: Tree) -> tuple[object, ...]:
    one, papers = row["energy"]["sets"][COMPARED], row["energy"]["convention"]
    cells = [between_pj(one["snn_pj"])]
    for form in ("int8", "float32"):
        ann = one["ann"][form]
        cells += [between_pj(ann["energy_pj"]), ratio(ann["snn_over_ann"])]
    said = "" if papers is None else f"{papers['ann_over_once']:.2g}, {papers['ann_over_every_step']:.2g}"
    return (f"{row['bits']} bits", row["steps"], *cells, said)


def between_pj(tree: Tree) -> str:
    """An estimate of an energy as written to JSON: "25 .. 65 nJ"."""
    if tree["unknown"]:
        return "unknown"
    high = float("inf") if tree["high"] is None else tree["high"]
    return text.span(Interval(tree["low"], high), "J", 1e-12)


def ratio(ends: list[float | None] | None) -> str:
    """A quotient of two energies as written to JSON: "0.4 .. 2"."""
    if ends is None:
        return "unknown"
    low, high = ends
    return f"{low:.2g} or more" if high is None else f"{low:.2g} .. {high:.2g}"
