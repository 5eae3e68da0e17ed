"""Files of arrays read with care: idx and npz, nothing unpickled, every fault an InputError."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem, raise_all


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """A gzipped idx file of bytes with so many axes.

    Layout: magic 0, 0, 8 (unsigned byte), number of axes; one big-endian uint32 per axis; the values, last
    axis fastest (LeCun and Cortes, "The MNIST database of handwritten digits").
    """
    try:
        with gzip.open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        raise InputError(Problem(str(path), "does not exist", "check the data folder")) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(Problem(str(path), f"is not a whole gzip file: {error}", "fetch it again")) from None
    except OSError as error:
        raise InputError(Problem(str(path), f"cannot be read: {error.strerror}", "check the file")) from None
    expected = bytes((0, 0, 8, axes))
    if raw[:4] != expected:
        found = f"begins with {raw[:4].hex(' ') or 'nothing'}, not {expected.hex(' ')}"
        raise InputError(Problem(str(path), found, f"use an idx file of bytes with {axes} axes"))
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", count=min(axes, (len(raw) - 4) // 4), offset=4))
    start = 4 + 4 * axes
    size = 1
    for n in shape:
        size *= n
    if len(shape) < axes or len(raw) - start != size:
        found = f"its header announces {shape}, it holds {max(0, len(raw) - start)} values"
        raise InputError(Problem(str(path), found, "fetch it again"))
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def read_bytes(path: Path, most: int) -> bytes:
    """All of a file of at most so many bytes. Raises InputError when it is missing, larger or cannot be read."""
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
        missing = [k for k in keys if k not in archive.files]
        if missing:
            found = f"has no {', '.join(repr(k) for k in missing)}, only {', '.join(archive.files) or 'nothing'}"
            raise InputError(Problem(str(path), found, f"save the arrays {', '.join(keys)}"))
        arrays = {k: _member(path, archive, k, k in texts) for k in keys}
    raise_all(
        InputError,
        (
            Problem(str(path), f"'{k}' has shape {arrays[k].shape}", f"it must have {axes} axes")
            for k, axes in keys.items()
            if axes is not None and arrays[k].ndim != axes
        ),
    )
    return arrays


def names_in_npz(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an .npz file. Raises InputError as `read_npz`."""
    with _npz(path) as archive:
        return tuple(archive.files)


def read_npy(path: Path, axes: int) -> NDArray[Any]:
    """The array of numbers in an .npy file, with so many axes; Python objects are refused as in `read_npz`."""
    with _readable(path, ".npy"):
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise InputError(Problem(str(path), "is an .npz file, not one array", "use numpy.save"))
    if array.dtype.kind not in "biuf" or array.ndim != axes:
        found = f"holds {array.dtype} of shape {array.shape}"
        raise InputError(Problem(str(path), found, f"it must be real numbers with {axes} axes"))
    return array


@contextmanager
def _npz(path: Path) -> Iterator[Any]:
    """The opened archive of an .npz file."""
    with _readable(path, ".npz"):
        opened = np.load(path, allow_pickle=False)
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise InputError(Problem(str(path), "is one array, not an .npz file", "use numpy.savez"))
        with opened as archive:
            yield archive


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """What numpy raises for a file it cannot read, as InputError."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(Problem(str(path), "does not exist", "check the path")) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise InputError(Problem(str(path), f"is not a whole {kind} file: {error}", "write it again")) from None
    except MemoryError:
        raise InputError(Problem(str(path), "declares more than fits in memory", "split the file")) from None
    except OSError as error:
        found = f"cannot be read: {error.strerror or error}"
        raise InputError(Problem(str(path), found, "check the file")) from None


def _member(path: Path, archive: Any, key: str, text: bool) -> NDArray[Any]:
    try:
        array: NDArray[Any] = archive[key]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        found = f"'{key}' holds Python objects"
        raise InputError(Problem(str(path), found, "save it as numbers, for instance float32")) from None
    if array.dtype.kind not in ("biufUS" if text else "biuf"):
        raise InputError(Problem(str(path), f"'{key}' has type {array.dtype}", "save it as real numbers"))
    return array
