"""seamount check-import: everything that an import would refuse, and everything that it assumes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seamount.backends.registry import load_target
from seamount.cli import options as o
from seamount.cli.console import out, table
from seamount.compiler.driver import compile_graph
from seamount.compiler.errors import CheckFailed, ImportRefused, InputError, Problem, SeamountError
from seamount.compiler.files import write_json
from seamount.compiler.ir.graph import Graph
from seamount.frontends.conventions import Meaning, parse_assumptions

if TYPE_CHECKING:
    from seamount.frontends.model_file.model import ModelFile
    from seamount.frontends.nir.from_nir import Examined


@dataclass
class _Report:
    """What is known of a file; problems grow as checks run."""

    path: Path
    about: dict[str, str]
    examined: Examined
    meaning: Meaning
    problems: list[Problem]
    hint: str = ""
    self_check: dict[str, Any] = field(default_factory=dict)
    target: str = ""

    @property
    def idle(self) -> list[str]:
        """Assumptions given on the command line that nothing in the file needed."""
        used = {a.key for a in self.examined.assumed} | {"encoding"}
        told = self.meaning.sources.items()
        return [source for key, source in told if source.startswith("--assume") and key not in used]


def check_import(
    file: Annotated[Path, typer.Argument(help="model.pt, or a .nir file.", metavar="FILE")],
    assume: o.Assume = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="Compile for this target too, and add what stands against it.")
    ] = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Check a file before compiling it: every problem at once, and every convention with where it came from.

    A model file is also compared with the golden trace in it. Exit code 0 when it can be imported, 1 when it would be
    refused, 2 when the file or an option cannot be read at all.
    """
    said = parse_assumptions(assume or [])
    report = _model_file(file, bool(assume)) if file.suffix != ".nir" else _nir_file(file, said)
    if target is not None and not report.problems:
        report.target = target
        _compile(report, target)
    if json is not None:
        write_json(json, _tree(report))
    if not quiet:
        _print(report)
    if report.problems:
        raise CheckFailed(report.problems)


def _nir_file(path: Path, said: Meaning) -> _Report:
    from seamount.frontends.nir.author import likely_author
    from seamount.frontends.nir.file import read_nir
    from seamount.frontends.nir.from_nir import examine

    read = read_nir(path)
    meaning = read.meaning(said)
    examined = examine(read.graph, meaning)
    problems = list(examined.problems)
    default = meaning.default
    if default.encoding is None and default.coding == "graded":
        found = "the file does not say whether a graded sample is one array or one array per step"
        remedy = "add --assume encoding=constant for (N, *shape) data, or encoding=sequence for (N, T, *shape)"
        problems.append(Problem("network", found, remedy))
    report = _Report(path, {"nir": read.version}, examined, meaning, problems)
    if default.dt is None or default.reset is None:
        try:
            author = likely_author(read.graph)
        except ImportRefused:
            author = None
        if author is not None:
            report.hint = f"{author[1]}, as {author[0]} writes it; if so: --assume {author[0]}"
    return report


def _model_file(path: Path, assumed: bool) -> _Report:
    from seamount.frontends.model_file.file import load_model
    from seamount.frontends.nir.from_nir import examine

    if path.is_dir():
        raise InputError(Problem(str(path), "is a folder", "give a model.pt or a .nir file"))
    file = load_model(path)
    if assumed:
        found = "a model file states its own conventions"
        raise InputError(Problem(str(path), found, "leave --assume away, or give the .nir file instead"))
    nir_file = file.nir_file()
    examined = examine(nir_file.graph, file.meaning)
    about = {"framework": file.framework, **file.versions, "nir": nir_file.version}
    report = _Report(path, about, examined, file.meaning, list(examined.problems))
    if not report.problems:
        _compare(report, file)
    return report


def _compare(report: _Report, file: ModelFile) -> None:
    """The imported graph against the golden trace."""
    from seamount.frontends.model_file.self_check import self_check

    try:
        result = self_check(file)
    except SeamountError as error:
        report.problems += error.problems
        return
    report.self_check = {"compared": result.compared, "differing": result.differing, "ties": result.ties}
    report.problems += result.problems


def _compile(report: _Report, target: str) -> None:
    """What the compiler and the target say of an importable graph."""
    assert report.examined.graph is not None
    chosen = load_target(target)
    try:
        compile_graph(report.examined.graph, chosen)
    except SeamountError as error:
        report.problems += error.problems


def _tree(report: _Report) -> dict[str, Any]:
    return {
        "file": str(report.path),
        "importable": not report.problems,
        "written_by": report.about,
        "nodes": _nodes(report.examined.graph),
        "conventions": [
            {"key": a.key, "value": a.value, "nodes": a.nodes, "source": a.source} for a in report.examined.assumed
        ],
        "without_effect": report.idle,
        "notes": list(map(str, report.examined.notes)),
        "hint": report.hint,
        "self_check": report.self_check,
        "target": report.target,
        "problems": [asdict(p) for p in report.problems],
    }


def _nodes(graph: Graph | None) -> list[dict[str, str]]:
    return [] if graph is None else [{"name": n.name, "op": type(n.op).__name__} for n in graph.nodes]


def _print(report: _Report) -> None:
    by = ", ".join(f"{k} {v}" for k, v in report.about.items() if k != "framework")
    framework = report.about.get("framework", "an unknown framework")
    out.print(f"{report.path}: from {framework} ({by})", markup=False)
    graph = report.examined.graph
    if graph is not None:
        kinds = [type(n.op).__name__ for n in graph.nodes]
        counts = ", ".join(f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds))
        out.print(f"{len(kinds)} nodes: {counts}", markup=False)
    out.print()
    rows = [(a.key, a.value, _where(a.nodes), a.source) for a in report.examined.assumed]
    if rows:
        table("conventions", ("convention", "value", "nodes", "said by"), rows, left=4)
    for note in report.examined.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    for source in report.idle:
        out.print(f"note: {source} has no effect on this file", markup=False, soft_wrap=True)
    if report.hint:
        out.print(f"hint: {report.hint}", markup=False, soft_wrap=True)
    if report.self_check:
        compared, differing = report.self_check["compared"], report.self_check["differing"]
        out.print(f"golden trace: {differing} of {compared:,} spikes differ from the framework's")
    if not report.problems:
        more = f", and compiles for {report.target}" if report.target else ""
        out.print(f"it can be imported{more}")


def _where(nodes: tuple[str, ...]) -> str:
    more = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
    return ", ".join(nodes[:3]) + more if nodes else "all"


__all__ = ["check_import"]
