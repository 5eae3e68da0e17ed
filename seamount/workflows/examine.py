"""Everything that an import would refuse, and everything that it assumes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seamount.backends.registry import load_target
from seamount.compiler.driver import compile_graph
from seamount.compiler.errors import CheckFailed, ImportRefused, InputError, Problem, SeamountError
from seamount.compiler.ir.graph import Graph
from seamount.frontends.conventions import Meaning, parse_assumptions
from seamount.results.blocks import Block, Shown, table
from seamount.workflows.load import WANTED, assumptions, unsaid_encoding

if TYPE_CHECKING:
    from seamount.frontends.examined import Examined
    from seamount.frontends.model_file.model import ModelFile
    from seamount.frontends.model_file.self_check import SelfCheck


@dataclass(frozen=True, eq=False, repr=False)
class Examination(Shown):
    """What is known of a file before it is imported.

    about: what wrote it. examined: nodes, conventions with who said them, notes. problems: everything that would be
    refused. hint: which framework seems to have written it. self_check: against the golden trace. target: compiled for.
    given: convention -> the assumption that states it.
    """

    path: Path
    about: Mapping[str, str]
    examined: Examined
    meaning: Meaning
    problems: tuple[Problem, ...]
    hint: str = ""
    self_check: SelfCheck | None = None
    target: str = ""
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def importable(self) -> bool:
        """Whether nothing stands against importing it (and compiling it, where a target was named)."""
        return not self.problems

    @property
    def idle(self) -> list[str]:
        """Assumptions that were given and that nothing in the file needed."""
        used = {a.key for a in self.examined.assumed} | {"encoding"}
        return [source for key, source in self.given.items() if key not in used]

    def raise_if_refused(self) -> None:
        """Raise CheckFailed with every problem."""
        if self.problems:
            raise CheckFailed(self.problems)

    def to_dict(self) -> dict[str, Any]:
        checked = self.self_check
        return {
            "file": str(self.path),
            "importable": not self.problems,
            "written_by": dict(self.about),
            "nodes": _nodes(self.examined.graph),
            "conventions": [
                {"key": a.key, "value": a.value, "nodes": a.nodes, "source": a.source} for a in self.examined.assumed
            ],
            "without_effect": self.idle,
            "notes": list(map(str, self.examined.notes)),
            "hint": self.hint,
            "self_check": {} if checked is None else _counts(checked),
            "target": self.target,
            "problems": [asdict(p) for p in self.problems],
        }

    def blocks(self) -> Iterator[Block]:
        by = ", ".join(f"{k} {v}" for k, v in self.about.items() if k != "framework")
        framework = self.about.get("framework", "an unknown framework")
        yield f"{self.path}: from {framework} ({by})"
        graph = self.examined.graph
        if graph is not None:
            kinds = [type(n.op).__name__ for n in graph.nodes]
            counts = ", ".join(f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds))
            yield f"{len(kinds)} nodes: {counts}"
        yield ""
        rows = [(a.key, a.value, _where(a.nodes), a.source) for a in self.examined.assumed]
        if rows:
            yield table("conventions", ("convention", "value", "nodes", "said by"), rows, left=4)
        yield from (f"note: {note}" for note in self.examined.notes)
        yield from (f"note: {source} has no effect on this file" for source in self.idle)
        if self.hint:
            yield f"hint: {self.hint}"
        if self.self_check is not None:
            found = self.self_check
            yield f"golden trace: {found.differing} of {found.compared:,} spikes differ from the framework's"
        if not self.problems:
            more = f", and compiles for {self.target}" if self.target else ""
            yield f"it can be imported{more}"


def check_import(
    path: str | os.PathLike[str],
    *,
    assume: Sequence[str] | Mapping[str, object] | str = (),
    target: str | None = None,
) -> Examination:
    """Check a file before compiling it: every problem at once, and every convention with where it came from.

    path: a model file, .nir or .net. assume: as for `seamount.load`. target: compile for it too, and add what stands
    against it. A model file is also compared with the golden trace in it.
    Raises InputError when the file or an argument cannot be read at all.

    Example:
        print(seamount.check_import("net.nir", assume="snntorch"))
    """
    file, words = Path(path), assumptions(assume)
    said = parse_assumptions(words)
    if file.suffix == ".nir":
        found = _nir_file(file, said, words)
    elif file.suffix == ".net":
        found = _net_file(file, said, words)
    else:
        found = _model_file(file, bool(words))
    return found if target is None or found.problems else _compiled(found, target)


def _nir_file(path: Path, said: Meaning, words: Sequence[str]) -> Examination:
    from seamount.frontends.nir.author import likely_author
    from seamount.frontends.nir.file import read_nir
    from seamount.frontends.nir.from_nir import examine

    read = read_nir(path)
    meaning = read.meaning(said)
    examined = examine(read.graph, meaning)
    problems = list(examined.problems)
    default = meaning.default
    if default.encoding is None and default.coding == "graded":
        problems.append(unsaid_encoding("network"))
    hint = ""
    if default.dt is None or default.reset is None:
        try:
            author = likely_author(read.graph)
        except ImportRefused:
            author = None
        if author is not None:
            hint = f"{author[1]}, as {author[0]} writes it; if so: --assume {author[0]}"
    return Examination(
        path, {"nir": read.version}, examined, meaning, tuple(problems), hint, given=_stated(words)
    )  # fmt: skip


def _net_file(path: Path, said: Meaning, words: Sequence[str]) -> Examination:
    from seamount.frontends.netx.file import examine, read_net

    examined = examine(read_net(path), said)
    about = {"framework": "lava-dl", "format": "netx"}
    return Examination(path, about, examined, said, examined.problems, given=_stated(words))


def _model_file(path: Path, assumed: bool) -> Examination:
    from seamount.frontends.model_file.file import load_model
    from seamount.frontends.nir.from_nir import examine

    if path.is_dir():
        raise InputError(Problem(str(path), "is a folder", WANTED))
    file = load_model(path)
    if assumed:
        found = "a model file states its own conventions"
        raise InputError(Problem(str(path), found, "omit --assume, or give the .nir file instead"))
    nir_file = file.nir_file()
    examined = examine(nir_file.graph, file.meaning)
    about = {"framework": file.framework, **file.versions, "nir": nir_file.version}
    found_ = Examination(path, about, examined, file.meaning, tuple(examined.problems))
    return found_ if found_.problems else _compared(found_, file)


def _stated(words: Sequence[str]) -> dict[str, str]:
    """Conventions that were given by name, not by a preset -> the option that states them, the last one of each."""
    pairs = (word.partition("=") for word in words)
    return {key: f"--assume {key}{equals}{value}" for key, equals, value in pairs if equals}


def _compared(found: Examination, file: ModelFile) -> Examination:
    """With the imported graph held against the golden trace."""
    from seamount.frontends.model_file.self_check import self_check

    try:
        result = self_check(file)
    except SeamountError as error:
        return replace(found, problems=(*found.problems, *error.problems))
    return replace(found, self_check=result, problems=(*found.problems, *result.problems))


def _compiled(found: Examination, target: str) -> Examination:
    """With what the compiler and the target say of an importable graph."""
    assert found.examined.graph is not None
    chosen = load_target(target)
    try:
        compile_graph(found.examined.graph, chosen)
    except SeamountError as error:
        return replace(found, target=target, problems=(*found.problems, *error.problems))
    return replace(found, target=target)


def _nodes(graph: Graph | None) -> list[dict[str, str]]:
    return [] if graph is None else [{"name": n.name, "op": type(n.op).__name__} for n in graph.nodes]


def _counts(checked: SelfCheck) -> dict[str, int]:
    return {"compared": checked.compared, "differing": checked.differing, "ties": checked.ties}


def _where(nodes: tuple[str, ...]) -> str:
    more = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
    return ", ".join(nodes[:3]) + more if nodes else "all"
