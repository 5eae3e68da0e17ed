"""Models and data as commands take them: model.pt or .nir, and labelled samples by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import OutputCode, Samples, by_input, some
from seamount.compiler.errors import ImportRefused, InputError, Problem
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.manifest import About
from seamount.frontends.conventions import Meaning, parse_assumptions

if TYPE_CHECKING:
    from seamount.frontends.model_file.model import ModelFile

Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Source:
    """An imported model: its float graph, how samples are given, and what is known about it.

    file: the model file, when it is one and not a bare .nir; it holds the golden trace.
    """

    graph: Graph
    encoding: Literal["constant", "sequence"]
    about: About
    file: ModelFile | None = field(default=None)

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


def load_source(path: Path, assume: Sequence[str]) -> Source:
    """Read a model.pt or .nir file. Raises InputError or ImportRefused with everything that is wrong."""
    if not path.exists():
        raise InputError(Problem(str(path), "does not exist", "give a model.pt or a .nir file"))
    if path.is_dir():
        raise InputError(Problem(str(path), "is a folder", "give a model.pt or a .nir file"))
    said = parse_assumptions(assume)
    if path.suffix == ".nir":
        return _from_nir_file(path, said)
    from seamount.frontends.model_file.file import load_model

    file = load_model(path)
    if assume:
        found = "a model file states its own conventions"
        raise InputError(Problem(str(path), found, "leave --assume away, or give the .nir file instead"))
    graph = file.graph()
    about = About(
        name=file.name or path.stem,
        conventions=graph.notes,
        provenance={"framework": file.framework, **file.versions},
        float_accuracy=file.accuracy,
        classes=tuple(file.classes),
    )
    return Source(graph, file.encoding, about, file)


def _from_nir_file(path: Path, meaning: Meaning) -> Source:
    from seamount.frontends.nir.file import read_nir
    from seamount.frontends.nir.from_nir import from_nir

    read = read_nir(path)
    graph = from_nir(read.graph, read.meaning(meaning))
    said = meaning.default
    encoding = said.encoding or ("sequence" if said.coding == "spikes" else None)
    if encoding is None:
        found = "the file does not say whether a graded sample is one array or one array per step"
        remedy = "add --assume encoding=constant for (N, *shape) data, or encoding=sequence for (N, T, *shape)"
        raise ImportRefused(Problem(str(path), found, remedy))
    provenance = {"framework": "unknown", "nir": read.version}
    return Source(graph, encoding, About(name=path.stem, conventions=graph.notes, provenance=provenance))


@dataclass(frozen=True, eq=False)
class Labelled:
    """Samples x, by input where there are several, with labels y."""

    x: Samples
    y: NDArray[np.int64]


def load_data(
    name: str, split: str, folder: Path | None, limit: int | None, seed: int | None, steps: int | None = None
) -> Labelled:
    """Labelled samples; with `seed`, a random choice of `limit` of them in their order."""
    from seamount.models.data.datasets import load_inputs, takes_steps

    binned = steps if takes_steps(name) else None
    data = load_inputs(name, split, folder, limit if seed is None else None, binned)
    if seed is None or limit is None or limit >= len(data.y):
        return Labelled(data.x, data.y)
    chosen = np.sort(np.random.default_rng(seed).choice(len(data.y), limit, replace=False))
    return Labelled(some(data.x, chosen), data.y[chosen])


def only_output(outputs: Sequence[OutputCode]) -> OutputCode:
    """The single output of an artifact; labels and answers belong to one."""
    if len(outputs) != 1:
        names = ", ".join(c.readout for c in outputs)
        raise InputError(Problem("data", f"the network has {len(outputs)} outputs ({names})", _FROM_PYTHON))
    return outputs[0]


_FROM_PYTHON = "run it from Python: docs/model-file.md, Several inputs and outputs"
