"""The model file: a trained network with everything its meaning needs. See docs/model-file.md.

Nothing here imports torch until a file is read or written.
"""

from __future__ import annotations

import io
import os
import pickle
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import Input, Rule, Shape
from seamount.compiler.ir.shapes import output_shape
from seamount.frontends.conventions import Meaning
from seamount.frontends.from_nir import from_nir
from seamount.frontends.nir_file import NirFile, read_nir

MAX_BYTES = 4 * 1024**3
"""Largest file that is read."""


Floats = NDArray[np.float32]
Ports = Floats | Mapping[str, Floats]
"""The array of the only input or output; where there are several, their arrays by NIR node."""


def by_port(values: Ports, ports: Sequence[str]) -> dict[str, Floats]:
    """The arrays by port, whether there is one or several. ports: the names of all."""
    return dict(values) if isinstance(values, Mapping) else {ports[0]: values}


def alone(values: Mapping[str, Floats]) -> Ports:
    """One array where there is one port, else the arrays by port."""
    return next(iter(values.values())) if len(values) == 1 else dict(values)


@dataclass(frozen=True, eq=False)
class Golden:
    """A few real inputs and what the framework computed on them. N samples, T steps.

    inputs: (N, *shape) float32 for constant encoding, else (N, T, *shape). spikes: firing NIR node -> (N, T, *shape)
    of 0 and 1. series: the output at each step, (N, T, *out). outputs: the readout rule applied to it, (N, *out).
    labels: (N,) or None.
    """

    inputs: Ports
    spikes: Mapping[str, NDArray[np.uint8]]
    series: Ports
    outputs: Ports
    labels: NDArray[np.int64] | None = None

    @property
    def samples(self) -> int:
        """N."""
        return len(next(iter(by_port(self.inputs, ("",)).values())))


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A trained network: NIR graph, meaning of its neurons, golden trace, provenance.

    nir: the bytes of a NIR file. accuracy: of the float network on its test set, 0..1. classes: names of the
    output classes. versions: package -> version at saving. ties: spikes that differ in the self-check because the
    membrane stood on the threshold to rounding. left_out: layers that ran but reach no output.
    """

    nir: bytes
    meaning: Meaning
    golden: Golden
    framework: str
    versions: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    description: str = ""
    accuracy: float | None = None
    classes: tuple[str, ...] = ()
    ties: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def encoding(self) -> Literal["constant", "sequence"]:
        """ "constant" or "sequence"."""
        return self.meaning.default.encoding or "constant"

    @property
    def steps(self) -> int:
        """Steps per sample."""
        return int(self.meaning.default.steps or 1)

    @property
    def readout(self) -> Rule:
        """How the output is combined over the steps."""
        return self.meaning.default.readout or "sum"

    def inputs(self) -> Ports:
        """The golden inputs step by step, (N, T, *shape)."""
        if self.encoding == "sequence":
            return self.golden.inputs
        return alone({name: self._stepped(x) for name, x in by_port(self.golden.inputs, ("",)).items()})

    def _stepped(self, x: Floats) -> Floats:
        return np.broadcast_to(x[:, None], (len(x), self.steps, *x.shape[1:]))

    def nir_file(self) -> NirFile:
        """The NIR graph. Raises InputError when its bytes are damaged."""
        return read_nir(io.BytesIO(self.nir))

    def graph(self) -> Graph:
        """The network as a Graph, shapes known. Raises InputError or ImportRefused."""
        return with_shapes(from_nir(self.nir_file().graph, self.meaning))


def with_shapes(graph: Graph) -> Graph:
    """Every node with its output shape, from the inputs on."""
    shapes: dict[str, Shape] = {n.name: n.op.shape for n in graph.nodes if isinstance(n.op, Input)}
    waiting = list(shapes)
    while waiting:
        source = waiting.pop(0)
        for edge in graph.out_of(source):
            if edge.target not in shapes:
                target = graph[edge.target]
                shapes[target.name] = output_shape(target.op, shapes[source], target.where)
                waiting.append(target.name)
    return graph.map_nodes(lambda n: replace(n, shape=n.shape or shapes.get(n.name)))


_SAVE = (
    "save it with two lines in the training script: `from seamount.frontends import save` and "
    '`save(model, "model.pt", sample=x[:8], steps=..., readout=...)`'
)


def _torch(path: str) -> ModuleType:
    try:
        import torch
    except ModuleNotFoundError:
        raise InputError(
            Problem(path, "a model file needs PyTorch to be read or written", "pip install 'seamount[torch]'")
        ) from None
    return torch


def load_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file. Raises InputError for anything else, naming what it is and how to save it properly."""
    from seamount.frontends.model_fields import from_fields

    file = Path(path)
    data = _read(file)
    torch = _torch(str(file))
    return from_fields(_unpickle(torch, file, data), str(file))


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise InputError(Problem(str(file), f"{size} bytes", "this is no model file", f"at most {MAX_BYTES} bytes"))
        return file.read_bytes()
    except FileNotFoundError:
        raise InputError(Problem(str(file), "no such file", "check the path")) from None
    except IsADirectoryError:
        raise InputError(Problem(str(file), "is a folder", "give a model file (.pt) or a .nir file")) from None
    except OSError as error:
        raise InputError(Problem(str(file), f"cannot be read: {error.strerror}", "check the file")) from None


def _unpickle(torch: ModuleType, file: Path, data: bytes) -> dict[str, Any]:
    """The stored dict, loaded without running anything it might contain."""
    kind = _foreign_kind(data)
    if kind:
        raise InputError(Problem(str(file), *kind))
    try:
        content = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except pickle.UnpicklingError:
        found = "holds Python objects (a whole pickled module?), which could run code when loaded"
        raise InputError(Problem(str(file), found, _SAVE)) from None
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError, UnicodeError) as error:
        found = f"is damaged: {str(error).splitlines()[0][:120]}"
        raise InputError(Problem(str(file), found, "copy it again, or save it again")) from None
    if not isinstance(content, dict):
        found = f"holds a {type(content).__name__}, not a network"
        raise InputError(Problem(str(file), found, _SAVE))
    if content.get("format") != "seamount-model":
        tensors = [v for v in content.values() if isinstance(v, torch.Tensor)]
        what = "a plain state_dict" if tensors and len(tensors) == len(content) else "a checkpoint"
        found = f"is {what}: weights without the structure and the neurons' parameters"
        raise InputError(Problem(str(file), found, _SAVE))
    return content


def _foreign_kind(data: bytes) -> tuple[str, str] | None:
    """(what it is, remedy) for files that torch must not be asked to load."""
    if not data:
        return "is empty", "save it again"
    if data.startswith(b"\x89HDF"):
        return "is an HDF5 file", "if it is a NIR graph, give it the ending .nir"
    if not data.startswith(b"PK"):
        if data[:1] == b"\x80":
            return "is a pickle of the old torch format or of other origin, which could run code when loaded", _SAVE
        return "is not a PyTorch file", _SAVE
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError):
        return "is damaged or cut short", "copy it again, or save it again"
    tails = {e.filename.partition("/")[2] for e in entries}
    if "archive_format" in tails or any(t.startswith("models/") for t in tails):
        return "is a torch.export archive (.pt2); loading one can run code", _SAVE
    if "constants.pkl" in tails or any(t.startswith("code/") for t in tails):
        return "is a TorchScript archive", _SAVE
    if "data.pkl" not in tails:
        return "is a zip archive, but not a PyTorch file", _SAVE
    if any(e.compress_type != zipfile.ZIP_STORED for e in entries):
        return "is a compressed archive, which PyTorch does not write", _SAVE
    return None


def write_model(model: ModelFile, path: str | os.PathLike[str]) -> None:
    """Write a model file; the same model gives the same bytes. Nothing is left behind when it fails.

    Raises InputError when the file cannot be written.
    """
    from seamount.frontends.model_fields import to_fields

    torch = _torch(str(path))
    fields = to_fields(model).items()
    write_torch({k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in fields}, Path(path))


def write_torch(content: Mapping[str, Any], path: Path) -> None:
    """A file of torch.save, at once or not at all. Raises InputError when it cannot be written."""
    buffer = io.BytesIO()
    _torch(str(path)).save(content, buffer)
    replace_file(path, buffer.getvalue())


def replace_file(path: Path, data: bytes) -> None:
    """Write to a temporary sibling and rename it, so that `path` is either as before or complete."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        found = f"cannot be written: {error.strerror or error}"
        raise InputError(Problem(str(path), found, "check the folder, its permissions and the space left")) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
