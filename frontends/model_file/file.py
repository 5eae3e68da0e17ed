"""The model file: a trained network with everything its meaning needs. See docs/model-file.md.

Nothing here imports torch until a file is read or written.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import replace_file
from seamount.frontends.model_file.fields import FORMAT, from_fields, to_fields
from seamount.frontends.model_file.model import ModelFile

MAX_BYTES = 4 * 1024**3
"""Largest file that is read."""


_SAVE = (
    "save it with two lines in the training script: `from seamount.frontends import save` and "
    '`save(model, "model.pt", sample=x[:8], steps=..., readout=...)`'
)

_COPY = "copy it again, or save it again"
_DAMAGE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    ImportError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What torch.load and zipfile raise on damaged bytes; UnicodeError is a ValueError, NotImplementedError a
RuntimeError."""


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


def read_torch(path: Path, remedy: str) -> Any:
    """What a file of torch.save holds, loaded without running anything it might contain.

    Raises InputError with `remedy` where it is missing, damaged (checksums of the archive), no such file, or holds
    Python objects.
    """
    data = _read(path)
    torch = _torch(str(path))
    kind = _foreign_kind(data)
    if kind:
        raise InputError(Problem(str(path), kind[0], remedy))
    return _loaded(torch, path, data, remedy, remedy)


def _unpickle(torch: ModuleType, file: Path, data: bytes) -> dict[str, Any]:
    """The stored dict of a model file."""
    kind = _foreign_kind(data)
    if kind:
        raise InputError(Problem(str(file), *kind))
    content = _loaded(torch, file, data, _SAVE, _COPY)
    if not isinstance(content, dict):
        found = f"holds a {type(content).__name__}, not a network"
        raise InputError(Problem(str(file), found, _SAVE))
    told = content.get("format")
    if not isinstance(told, str) or told != FORMAT:
        tensors = [v for v in content.values() if isinstance(v, torch.Tensor)]
        what = "a plain state_dict" if tensors and len(tensors) == len(content) else "a checkpoint"
        found = f"is {what}: weights without the structure and the neurons' parameters"
        raise InputError(Problem(str(file), found, _SAVE))
    return content


def _loaded(torch: ModuleType, file: Path, data: bytes, save: str, copy: str) -> Any:
    try:
        return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except pickle.UnpicklingError:
        found = "holds Python objects (a whole pickled module?), which could run code when loaded"
        raise InputError(Problem(str(file), found, save)) from None
    except _DAMAGE as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise InputError(Problem(str(file), f"is damaged: {lines[0][:120]}", copy)) from None


def _foreign_kind(data: bytes) -> tuple[str, str] | None:
    """(what it is, remedy) for files that torch must not be asked to load."""
    if not data:
        return "is empty", "save it again"
    if data.startswith(b"\x89HDF"):
        return "is an HDF5 file", "give it the ending .nir if it is a NIR graph, .net if lava-dl wrote it"
    if not data.startswith(b"PK"):
        if data[:1] == b"\x80":
            return "is a pickle of the old torch format or of other origin, which could run code when loaded", _SAVE
        return "is not a PyTorch file", _SAVE
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (OSError, *_DAMAGE):
        return "is damaged or cut short", _COPY
    entries = archive.infolist()
    tails = {e.filename.partition("/")[2] for e in entries}
    if "archive_format" in tails or any(t.startswith("models/") for t in tails):
        return "is a torch.export archive (.pt2); loading one can run code", _SAVE
    if "constants.pkl" in tails or any(t.startswith("code/") for t in tails):
        return "is a TorchScript archive", _SAVE
    if "data.pkl" not in tails:
        return "is a zip archive, but not a PyTorch file", _SAVE
    if any(e.compress_type != zipfile.ZIP_STORED for e in entries):
        return "is a compressed archive, which PyTorch does not write", _SAVE
    return _damaged_entry(archive)


def _damaged_entry(archive: zipfile.ZipFile) -> tuple[str, str] | None:
    """What is damaged, by the checksum of each entry; torch.load reads entries without looking at theirs."""
    try:
        damaged = archive.testzip()
    except (OSError, *_DAMAGE):
        return "is damaged: an entry of the archive cannot be read", _COPY
    return (f"is damaged: the checksum of {damaged[:80]!r} does not fit", _COPY) if damaged is not None else None


def write_model(model: ModelFile, path: str | os.PathLike[str]) -> None:
    """Write a model file; the same model gives the same bytes. Nothing is left behind when it fails.

    Raises InputError when the file cannot be written.
    """
    torch = _torch(str(path))
    fields = to_fields(model).items()
    write_torch({k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in fields}, Path(path))


def write_torch(content: Mapping[str, Any], path: Path) -> None:
    """A file of torch.save, at once or not at all. Raises InputError when it cannot be written."""
    buffer = io.BytesIO()
    _torch(str(path)).save(content, buffer)
    replace_file(path, buffer.getvalue())
