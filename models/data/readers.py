"""Files of arrays read with care: idx and npz, nothing unpickled, every fault an InputError."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.arrays import DamagedArrays, Npz, PythonObjects, check_regular, most_bytes, open_npz
from seamount.compiler.arrays import read_npy as any_npy
from seamount.compiler.errors import InputError, Problem, raise_all

_REST = 2**20
"""Bytes behind the announced values that are still counted."""


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """A gzipped idx file of bytes with so many axes.

    Layout: magic 0, 0, 8 (unsigned byte), number of axes; one big-endian uint32 per axis; the values, last
    axis fastest (LeCun and Cortes, "The MNIST database of handwritten digits"). No more is unpacked than it announces.
    """
    check_regular(path)
    try:
        with gzip.open(path, "rb") as file:
            return _idx(path, file, axes)
    except FileNotFoundError:
        raise InputError(Problem(str(path), "does not exist", "check the data folder")) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(Problem(str(path), f"is not a whole gzip file: {error}", "fetch it again")) from None
    except OSError as error:
        raise InputError(Problem(str(path), f"cannot be read: {error.strerror}", "check the file")) from None


def _idx(path: Path, file: gzip.GzipFile, axes: int) -> NDArray[np.uint8]:
    start, expected = file.read(4), bytes((0, 0, 8, axes))
    if start != expected:
        found = f"begins with {start.hex(' ') or 'nothing'}, not {expected.hex(' ')}"
        raise InputError(Problem(str(path), found, f"use an idx file of bytes with {axes} axes"))
    extents = file.read(4 * axes)
    shape = tuple(int(n) for n in np.frombuffer(extents, ">u4", count=len(extents) // 4))
    size = math.prod(shape)
    if size > most_bytes():
        found = f"its header announces {shape}"
        raise InputError(Problem(str(path), found, "fetch it again", f"{most_bytes()} bytes"))
    raw = file.read(size) if len(shape) == axes else b""
    rest = _rest(file)
    if len(shape) < axes or len(raw) + rest != size:
        found = f"its header announces {shape}, it holds {len(raw) + rest}{' or more' if rest > _REST else ''} values"
        raise InputError(Problem(str(path), found, "fetch it again"))
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _rest(file: gzip.GzipFile) -> int:
    """Bytes that follow, counted up to _REST; reading to the end checks the sum of what was unpacked."""
    count = 0
    while count <= _REST and (piece := file.read(2**16)):
        count += len(piece)
    return count


def read_bytes(path: Path, most: int) -> bytes:
    """All of a file of at most so many bytes. Raises InputError when it is missing, larger or cannot be read."""
    check_regular(path)
    try:
        size_within(path, most)
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(Problem(str(path), "does not exist", "check the data folder")) from None
    except OSError as error:
        raise InputError(Problem(str(path), f"cannot be read: {error.strerror}", "check the file")) from None


def size_within(path: Path, most: int) -> int:
    """Bytes of a file. Raises InputError when they are more than `most`, OSError when nobody can tell."""
    size = path.stat().st_size
    if size > most:
        raise InputError(Problem(str(path), f"has {size:,} bytes", "use the original file", f"{most:,}"))
    return size


def read_npz(path: Path, keys: Mapping[str, int | None], texts: Collection[str] = ()) -> dict[str, NDArray[Any]]:
    """The named numeric arrays of an .npz file; `keys` gives the number of axes of each, None for any.
    texts: those that may be text.

    Arrays of Python objects are refused: reading them would run code from the file.
    """
    with _npz(path) as archive:
        missing = [k for k in keys if k not in archive.names]
        if missing:
            found = f"has no {', '.join(repr(k) for k in missing)}, only {', '.join(archive.names) or 'nothing'}"
            raise InputError(Problem(str(path), found, f"save the arrays {', '.join(keys)}"))
        members = {k: _member(path, archive, k, k in texts) for k in keys}
    raise_all(
        InputError,
        (
            Problem(str(path), f"'{k}' has shape {members[k].shape}", f"it must have {axes} axes")
            for k, axes in keys.items()
            if axes is not None and members[k].ndim != axes
        ),
    )
    return members


def names_in_npz(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an .npz file. Raises InputError as `read_npz`."""
    with _npz(path) as archive:
        return tuple(archive.names)


def read_npy(path: Path, axes: int) -> NDArray[Any]:
    """The array of numbers in an .npy file, with so many axes; Python objects are refused as in `read_npz`."""
    with _readable(path, ".npy"):
        array = any_npy(path)
    if array.dtype.kind not in "biuf" or array.ndim != axes:
        found = f"holds {array.dtype} of shape {array.shape}"
        raise InputError(Problem(str(path), found, f"it must be real numbers with {axes} axes"))
    return array


@contextmanager
def _npz(path: Path) -> Iterator[Npz]:
    """The opened archive of an .npz file."""
    with _readable(path, ".npz"), open_npz(path) as archive:
        yield archive


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """What is raised for a file that cannot be read, as InputError."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(Problem(str(path), "does not exist", "check the path")) from None
    except DamagedArrays as error:
        raise InputError(Problem(str(path), f"is not a whole {kind} file: {error}", "write it again")) from None
    except MemoryError:
        raise InputError(Problem(str(path), "declares more than fits in memory", "split the file")) from None
    except OSError as error:
        found = f"cannot be read: {error.strerror or error}"
        raise InputError(Problem(str(path), found, "check the file")) from None


def _member(path: Path, archive: Npz, key: str, text: bool) -> NDArray[Any]:
    try:
        array = archive.read(key)
    except PythonObjects:
        found = f"'{key}' holds Python objects"
        raise InputError(Problem(str(path), found, "save it as numbers, for instance float32")) from None
    if array.dtype.kind not in ("biufUS" if text else "biuf"):
        raise InputError(Problem(str(path), f"'{key}' has type {array.dtype}", "save it as real numbers"))
    return array
