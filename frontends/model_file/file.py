"""The model file: a trained network with everything its meaning needs. See docs/model-file.md.

Nothing here imports torch until a file is read or written.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import replace_file
from seamount.frontends.model_file.fields import from_fields, to_fields
from seamount.frontends.model_file.model import ModelFile

MAX_BYTES = 4 * 1024**3
"""Largest file that is read."""


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
    torch = _torch(str(path))
    fields = to_fields(model).items()
    write_torch({k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in fields}, Path(path))


def write_torch(content: Mapping[str, Any], path: Path) -> None:
    """A file of torch.save, at once or not at all. Raises InputError when it cannot be written."""
    buffer = io.BytesIO()
    _torch(str(path)).save(content, buffer)
    replace_file(path, buffer.getvalue())
