"""A program as files: structure in program.json, arrays in arrays.npz. Plain data, no pickle.

Runs on Python 3.10 with numpy alone. The same program gives the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from seamount.compiler.arrays import DamagedArrays, check_regular, open_npz
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

_LATER: dict[type, dict[str, Any]] = {Population: {"most": 1, "guarded": False}, Conv: {"input_dilation": [1, 1]}}
"""Fields that came later, and their JSON where a file does not state them; written only where they differ."""

Arrays = dict[str, "np.ndarray[Any, Any]"]
_MOST = 2**63 - 1
_NAMES = {int: "a whole number", str: "text", bool: "true or false"}
NoneType = type(None)
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
        program: Program = _decode(tree.get("program"), Program, "program", arrays)
    except _Wrong as wrong:
        field, found = wrong.args
        raise InputError(Problem(str(path), f"is damaged: {field} {found}", "compile the model again")) from None
    return program


def save_arrays(path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays as compressed npz; the same arrays give the same bytes (npz entries carry a fixed date)."""
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read an npz of plain arrays, headers and sizes checked before anything is unpacked."""
    try:
        with open_npz(path, MAX_ARRAY_BYTES) as archive:
            return {name: archive.read(name) for name in archive.names}
    except FileNotFoundError:
        raise InputError(Problem(str(path), "does not exist", "give the folder of an artifact")) from None
    except (DamagedArrays, MemoryError, OSError) as error:
        raise InputError(Problem(str(path), f"is damaged: {error}", "compile the model again")) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, or InputError."""
    check_regular(path)
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
        later = _LATER.get(type(value), {})
        members = {f.name: _encode(getattr(value, f.name), arrays) for f in fields(value)}
        members = {name: member for name, member in members.items() if name not in later or member != later[name]}
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


class _Wrong(Exception):
    """(field, what is wrong with it), on the way to the file's Problem."""


def _decode(value: Any, kind: Any, at: str, arrays: Arrays) -> Any:
    """A value as the type `kind`, which annotates a field of the program; `at` is its path in the file."""
    if kind in _KINDS.values():
        return _object(value, kind, at, arrays)
    if get_origin(kind) in (Union, UnionType):
        return _either(value, get_args(kind), at, arrays)
    if get_origin(kind) is Literal:
        if value not in get_args(kind) or isinstance(value, bool):
            raise _Wrong(at, f"is {_short(value)}, expected {' or '.join(map(repr, get_args(kind)))}")
        return value
    if get_origin(kind) is tuple:
        return _tuple(value, get_args(kind), at, arrays)
    if get_origin(kind) is np.ndarray:
        return _array(value, at, arrays)
    if type(value) is not kind:
        raise _Wrong(at, f"is {_short(value)}, expected {_NAMES.get(kind, kind.__name__)}")
    if kind is str and any("\ud800" <= c <= "\udfff" for c in value):
        raise _Wrong(at, f"is {_short(value)}, which is no Unicode text")
    if kind is int and not -_MOST <= value <= _MOST:
        raise _Wrong(at, f"is {_short(value)}, expected at most 64 bits")
    return value


def _object(value: Any, kind: Any, at: str, arrays: Arrays) -> Any:
    if not isinstance(value, dict) or value.get("kind") != kind.__name__:
        raise _Wrong(at, f"is {_short(value)}, expected an object of the kind {kind.__name__}")
    types = _types(kind)
    members = _LATER.get(kind, {}) | {k: v for k, v in value.items() if k != "kind"}
    for name in sorted(set(members) ^ set(types)):
        found = "is not a field of the format" if name in members else "is missing"
        raise _Wrong(f"{at}.{name}", found)
    return kind(**{name: _decode(v, types[name], f"{at}.{name}", arrays) for name, v in members.items()})


def _either(value: Any, kinds: tuple[Any, ...], at: str, arrays: Arrays) -> Any:
    """One of several types, told apart by what the value is."""
    if value is None and NoneType in kinds:
        return None
    stated = value.get("kind") if isinstance(value, dict) else None
    for kind in kinds:
        if kind in _KINDS.values():
            fits = stated == kind.__name__
        elif get_origin(kind) is np.ndarray:
            fits = isinstance(value, dict) and "array" in value
        else:
            fits = type(value) is kind
        if fits:
            return _decode(value, kind, at, arrays)
    raise _Wrong(at, f"is {_short(value)}, which is none of the kinds that may stand there")


def _tuple(value: Any, kinds: tuple[Any, ...], at: str, arrays: Arrays) -> Any:
    if not isinstance(value, list):
        raise _Wrong(at, f"is {_short(value)}, expected a list")
    if kinds[-1] is Ellipsis:
        return tuple(_decode(v, kinds[0], f"{at}[{i}]", arrays) for i, v in enumerate(value))
    if len(value) != len(kinds):
        raise _Wrong(at, f"has {len(value)} entries, expected {len(kinds)}")
    return tuple(_decode(v, k, f"{at}[{i}]", arrays) for i, (v, k) in enumerate(zip(value, kinds, strict=True)))


def _array(value: Any, at: str, arrays: Arrays) -> Any:
    name = value.get("array") if isinstance(value, dict) and set(value) == {"array"} else None
    if not isinstance(name, str) or name not in arrays:
        raise _Wrong(at, f"is {_short(value)}, expected an array of {ARRAYS_FILE}")
    if arrays[name].dtype != np.int32:
        raise _Wrong(at, f"array {name} is {arrays[name].dtype}, not int32")
    return arrays[name]


@cache
def _types(kind: Any) -> dict[str, Any]:
    """Field -> type of a class of the program."""
    return get_type_hints(kind)


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
