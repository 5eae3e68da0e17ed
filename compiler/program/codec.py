"""A program as files: structure in program.json, arrays in arrays.npz. Plain data, no pickle.

Runs on Python 3.10 with numpy alone. The same program gives the same bytes.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.program.program import (
    Conv,
    Dense,
    InputPort,
    Population,
    Program,
    Projection,
    Readout,
    Sparse,
)

PROGRAM_FILE, ARRAYS_FILE = "program.json", "arrays.npz"
FORMAT, VERSION = "seamount-program", 1
MAX_ARRAY_BYTES = 4 * 2**30
"""Arrays of one program may declare at most this many bytes."""

_KINDS = {c.__name__: c for c in (Conv, Dense, InputPort, Population, Program, Projection, Readout, Sparse)}


def write_program(program: Program, folder: Path) -> None:
    """Write program.json and arrays.npz into an existing folder."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = {"format": FORMAT, "version": VERSION, "program": _encode(program, arrays)}
    (folder / PROGRAM_FILE).write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
    save_arrays(folder / ARRAYS_FILE, arrays)


def read_program(folder: Path) -> Program:
    """Read a program back. Raises InputError for anything that is not exactly what write_program writes.

    The content is checked for form here and for meaning by program/verify.py.
    """
    path = folder / PROGRAM_FILE
    tree = read_json(path)
    if tree.get("format") != FORMAT or tree.get("version") != VERSION:
        found = f"format {tree.get('format')!r}, version {tree.get('version')!r}"
        raise InputError(Problem(str(path), found, "compile the model again with this Seamount", f"{FORMAT} {VERSION}"))
    arrays = load_arrays(folder / ARRAYS_FILE)
    try:
        program = _decode(tree["program"], arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(Problem(str(path), f"is damaged: {error}", "compile the model again")) from None
    if not isinstance(program, Program):
        raise InputError(Problem(str(path), "holds no program", "compile the model again"))
    return program


def save_arrays(path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays as compressed npz; the same arrays give the same bytes (npz entries carry a fixed date)."""
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read an npz of plain arrays, sizes checked before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(info.file_size for info in archive.infolist())
        if declared > MAX_ARRAY_BYTES:
            found = f"declares {declared} bytes of arrays"
            raise InputError(Problem(str(path), found, "do not use this file", f"{MAX_ARRAY_BYTES} bytes"))
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except FileNotFoundError:
        raise InputError(Problem(str(path), "does not exist", "give the folder of an artifact")) from None
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, MemoryError, zlib.error) as error:
        raise InputError(Problem(str(path), f"is damaged: {error}", "compile the model again")) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, or InputError."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            Problem(str(path), "does not exist", "give the folder that 'seamount compile' wrote")
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(Problem(str(path), f"is damaged: {error}", "compile the model again")) from None
    if not isinstance(tree, dict):
        raise InputError(Problem(str(path), "is not a JSON object", "compile the model again"))
    return tree


def _encode(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if type(value).__name__ in _KINDS:
        members = {f.name: _encode(getattr(value, f.name), arrays) for f in fields(value)}
        return {"kind": type(value).__name__, **members}
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, tuple):
        return [_encode(v, arrays) for v in value]
    if isinstance(value, np.integer):
        return int(value)
    return value


def _decode(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(v, arrays) for v in value)
    if not isinstance(value, dict):
        return value
    if set(value) == {"array"}:
        array = arrays[value["array"]]
        if array.dtype != np.int32:
            raise ValueError(f"array {value['array']} is {array.dtype}, not int32")
        return array
    members = {k: _decode(v, arrays) for k, v in value.items() if k != "kind"}
    return _KINDS[value["kind"]](**members)
