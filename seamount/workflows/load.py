"""Models as the API and commands take them: a model file, a .nir or .net file, or a live module."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.arrays import check_regular
from seamount.compiler.codes import Samples, Task, by_input
from seamount.compiler.errors import ImportRefused, InputError, Problem
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.properties import QUANTIZED
from seamount.compiler.manifest import About
from seamount.frontends.conventions import Conventions, Meaning, parse_assumptions
from seamount.results.blocks import Block, Shown, table

if TYPE_CHECKING:
    from seamount.frontends.model_file.model import ModelFile

Values = NDArray[Any]
WANTED = "give a model.pt, a .nir or a .net file"


@dataclass(frozen=True, eq=False, repr=False)
class Model(Shown):
    """A trained network, imported: its float graph, how samples are given, and what is known about it.

    graph: the network, discrete in time; of a .net file, in a chip's integers. encoding: "constant" for samples
    (N, *shape) that are shown at each step, "sequence" for (N, T, *shape). about: name, conventions, provenance, float
    accuracy, class names. file: what the model file holds, with the golden trace; None for a bare .nir or .net file.
    checked: against the golden trace just now. task: what the output answers, where the file says so.
    """

    graph: Graph
    encoding: Literal["constant", "sequence"]
    about: About
    file: ModelFile | None = field(default=None)
    checked: bool = False
    task: Task | None = None

    @classmethod
    def from_module(cls, module: Any, *, sample: Any, readout: Any, **options: Any) -> Model:
        """The network of a live PyTorch module, traced and checked against the module itself, without a file.

        Arguments, and what is raised, are those of `seamount.save`, without the path.

        Example:
            model = seamount.Model.from_module(net, sample=x[:8], steps=20, readout="mean")
        """
        from seamount.frontends.model_file.save import imported

        file, _ = imported(module, sample=sample, readout=readout, **options)
        return replace(cls.of_file(file), checked=True)

    @classmethod
    def of_file(cls, file: ModelFile, name: str = "model") -> Model:
        """The network of what a model file holds. name: stands in where the file names none."""
        graph = file.graph()
        about = About(
            name=file.name or name,
            conventions=graph.notes,
            provenance={"framework": file.framework, **file.versions},
            float_accuracy=file.accuracy,
            classes=tuple(file.classes),
            tuning=file.tuning,
        )
        return cls(graph, file.encoding, about, file, task=file.task)

    @property
    def steps(self) -> int:
        """T: steps per sample that the model was saved with."""
        return self.graph.steps

    @property
    def integer(self) -> bool:
        """Whether the network is made of a chip's integers already, as in a .net file: then it has no float form."""
        return not QUANTIZED.violations(self.graph)

    def check_trained(self, why: str, remedy: str) -> None:
        """Raise InputError for a network of a chip's integers, with what cannot be done with it for that."""
        if self.integer:
            found = f"is made of integers already, and {why}"
            raise InputError(Problem(f"model '{self.about.name}'", found, remedy))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file. Raises InputError for a bare .nir or .net file, which has no golden trace to store."""
        if self.file is None:
            kind = ".net" if self.integer else ".nir"
            found = f"came from a {kind} file, without the golden trace that a model file holds"
            raise InputError(Problem(f"model '{self.about.name}'", found, f"keep the {kind} file"))
        from seamount.frontends.model_file.file import write_model

        write_model(self.file, path)

    def stepped(self, x: Samples, steps: int) -> dict[str, Values]:
        """Samples as the interpreter takes them: input name -> (N, steps, *shape)."""
        given = by_input([node.name for node in self.graph.inputs], x)
        return {node.name: self._stepped(node, given[node.name], steps) for node in self.graph.inputs}

    def _stepped(self, node: Node, x: Values, steps: int) -> Values:
        lead = 1 if self.encoding == "constant" else 2
        shape = getattr(node.op, "shape", ())
        if x.shape[lead:] != shape:
            wanted = f"(N, {'T, ' if lead == 2 else ''}*{shape}) for {self.encoding} encoding"
            raise InputError(Problem("data", f"has shape {x.shape}", "use the data the model was trained on", wanted))
        if lead == 1:
            return np.repeat(x[:, None], steps, axis=1)
        if x.shape[1] < steps:
            raise InputError(Problem("data", f"lasts {x.shape[1]} steps", "give fewer --steps", f"{steps} steps"))
        return x[:, :steps]

    def blocks(self) -> Iterator[Block]:
        framework = self.about.provenance.get("framework", "unknown framework")
        yield f"{self.about.name}: from {framework}, T = {self.steps}, {self.encoding} encoding"
        rows = [(n.name, type(n.op).__name__, "x".join(map(str, n.shape or ()))) for n in self.graph.nodes]
        yield table("nodes", ("node", "op", "shape"), rows, left=3)

    def to_dict(self) -> dict[str, Any]:
        nodes = [{"name": n.name, "op": type(n.op).__name__, "shape": list(n.shape or ())} for n in self.graph.nodes]
        return {
            "name": self.about.name,
            "steps": self.steps,
            "encoding": self.encoding,
            "float_accuracy": self.about.float_accuracy,
            "provenance": dict(self.about.provenance),
            "nodes": nodes,
        }


def load(
    path: str | os.PathLike[str], *, assume: Sequence[str] | Mapping[str, object] | str = (), steps: int | None = None
) -> Model:
    """Read a trained network.

    path    a model file (.pt, written by `seamount.save`), a .nir file, or a .net file of lava-dl
    assume  what a .nir or .net file does not say: "key=value" texts or a mapping; for a .nir file also the name of the
            framework that wrote it (norse, snntorch, spikingjelly, sinabs); later entries win
    steps   T: steps per sample of a .nir or .net file, unless `assume` says it; a model file has its own

    Raises InputError (a file that cannot be read), ImportRefused (a network whose meaning the file does not determine,
    or that cannot be carried over without loss), each with everything that is wrong.

    Example:
        model = seamount.load("net.nir", assume=["snntorch", "steps=20", "readout=sum"])
    """
    path = Path(path)
    if not path.exists():
        raise InputError(Problem(str(path), "does not exist", WANTED))
    if path.is_dir():
        raise InputError(Problem(str(path), "is a folder", WANTED))
    check_regular(path, WANTED)
    words = assumptions(assume)
    said = parse_assumptions(words)
    if steps is not None and said.default.steps is None:
        said = said.assuming(Conventions(steps=steps), f"--steps {steps}")
    if path.suffix == ".nir":
        return _from_nir_file(path, said)
    if path.suffix == ".net":
        return _from_net_file(path, said)
    from seamount.frontends.model_file.file import load_model

    file = load_model(path)
    if words:
        found = "a model file states its own conventions"
        raise InputError(Problem(str(path), found, "omit --assume, or give the .nir file instead"))
    return Model.of_file(file, path.stem)


def assumptions(assume: Sequence[str] | Mapping[str, object] | str) -> list[str]:
    """Assumptions as texts: "key=value", or the name of a preset."""
    if isinstance(assume, str):
        return [assume]
    if isinstance(assume, Mapping):
        return [f"{key}={value}" for key, value in assume.items()]
    return list(assume)


def _from_nir_file(path: Path, meaning: Meaning) -> Model:
    from seamount.frontends.nir.file import read_nir
    from seamount.frontends.nir.from_nir import from_nir

    read = read_nir(path)
    graph = from_nir(read.graph, read.meaning(meaning))
    said = meaning.default
    encoding = said.encoding or ("sequence" if said.coding == "spikes" else None)
    if encoding is None:
        raise ImportRefused(unsaid_encoding(str(path)))
    provenance = {"framework": "unknown", "nir": read.version}
    return Model(graph, encoding, About(name=path.stem, conventions=graph.notes, provenance=provenance))


def _from_net_file(path: Path, meaning: Meaning) -> Model:
    from seamount.frontends.netx.file import from_net, read_net

    graph = from_net(read_net(path), meaning)
    about = About(name=path.stem, conventions=graph.notes, provenance={"framework": "lava-dl"})
    return Model(graph, meaning.default.encoding or "sequence", about)


def unsaid_encoding(where: str) -> Problem:
    """A .nir file with graded inputs does not say whether a sample is one frame or a sequence of them."""
    found = "the file does not say whether a graded sample is one array or one array per step"
    remedy = "add --assume encoding=constant for (N, *shape) data, or encoding=sequence for (N, T, *shape)"
    return Problem(where, found, remedy)


def model_of(
    source: Any,
    *,
    assume: Sequence[str] | Mapping[str, object] | str = (),
    steps: int | None = None,
    **tracing: Any,
) -> Model:
    """A model of what a caller may give: a Model, a path, or a live module with the arguments of `seamount.save`.

    steps: T of a live module, and of a .nir or .net file that does not say it; a Model and a model file have their own.
    Raises InputError for anything else, and as `load` and `save` do.
    """
    if isinstance(source, str | os.PathLike):
        _untraced(tracing, "a path")
        return load(source, assume=assume, steps=steps)
    if isinstance(source, Model):
        _untraced(tracing, "a Model")
        return source
    if callable(getattr(source, "named_modules", None)):
        if "sample" not in tracing or "readout" not in tracing:
            found = f"a live module ({type(source).__name__}) needs sample= and readout="
            raise InputError(
                Problem("model", found, "give a few real inputs and the readout rule, as to seamount.save")
            )
        return Model.from_module(source, **tracing, **({} if steps is None else {"steps": steps}))
    found = f"is a {type(source).__name__}"
    raise InputError(
        Problem("model", found, "give a PyTorch module, a seamount.Model, or the path of a .pt, .nir or .net")
    )


def _untraced(tracing: Mapping[str, Any], what: str) -> None:
    if tracing:
        names = ", ".join(f"{name}=" for name in tracing)
        raise InputError(Problem(names, f"is for a live module, and {what} was given", "omit it"))
