"""Arrays from .npz and .npy files: headers are checked before data, and nothing is unpickled.

Runs on Python 3.10 with numpy alone. numpy's own reader trusts what a header declares.
"""

from __future__ import annotations

import os
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from seamount.compiler.errors import InputError, Problem

Array = np.ndarray[Any, Any]
MAX_BYTES = 2**36
"""Arrays of one file may declare at most this many bytes, and no more than half of the machine's memory."""
_MAGIC = b"\x93NUMPY"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_PIECE = 2**24
_MAX_AXES = 32
_FOREIGN = (
    ValueError, TypeError, SyntaxError, IndexError, KeyError, AttributeError, OverflowError, RecursionError,
    tokenize.TokenError,
)  # fmt: skip
"""What numpy's header parser is known to raise for headers that are none."""


class DamagedArrays(Exception):
    """What is wrong with a file of arrays; callers know its path and the remedy."""


class PythonObjects(DamagedArrays):
    """The array holds Python objects: reading it would run code from the file."""


def check_regular(path: Path, remedy: str = "give a file") -> None:
    """Raise InputError for a pipe or device, which may never end; a path that is not there passes."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(Problem(str(path), "is a pipe or a device, not a file", remedy))


def memory_bytes() -> int:
    """Memory of the machine; MAX_BYTES twice where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 2 * MAX_BYTES


def most_bytes() -> int:
    """What the arrays of one file may declare together."""
    return min(MAX_BYTES, memory_bytes() // 2)


class Npz:
    """An open .npz file. names: its arrays, without .npy."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(self._entries) < len(archive.infolist()):
            raise DamagedArrays("two of its entries have the same name")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def declared(self) -> int:
        """Bytes of all entries, as the archive states them."""
        return sum(info.file_size for info in self._entries.values())

    def read(self, name: str) -> Array:
        """One array. Raises DamagedArrays."""
        info = self._entries[name]
        if info.flag_bits & 1:
            raise DamagedArrays(f"'{name}' is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DamagedArrays(f"'{name}' is compressed in a way that is not read (method {info.compress_type})")
        try:
            with self._archive.open(info) as file:
                return _read(file, info.file_size, f"'{name}'")
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError) as error:
            raise DamagedArrays(f"'{name}': {error}") from None


@contextmanager
def open_npz(path: Path, most: int | None = None) -> Iterator[Npz]:
    """An .npz file. Raises DamagedArrays, InputError for a pipe and for more than `most` bytes, and OSError."""
    check_regular(path)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            raise DamagedArrays("is one array, not an .npz file")
        file.seek(0)
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
            raise DamagedArrays(str(error)) from None
        with archive:
            opened = Npz(archive)
            limit = min(most or MAX_BYTES, most_bytes())
            if opened.declared() > limit:
                found = f"declares {opened.declared()} bytes of arrays"
                raise InputError(Problem(str(path), found, "do not use this file, or split it", f"{limit} bytes"))
            yield opened


def read_npy(path: Path) -> Array:
    """The array of an .npy file. Raises as `open_npz`."""
    check_regular(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        return _read(file, size, "it")


def _read(file: IO[bytes], size: int, what: str) -> Array:
    """The array that a stream of `size` bytes holds: its header first, and it has to account for every byte."""
    magic = file.read(len(_MAGIC) + 2)
    if magic[: len(_MAGIC)] != _MAGIC or len(magic) < len(_MAGIC) + 2:
        raise DamagedArrays(f"{what} is no .npy array")
    shape, fortran, dtype, start = _header(file, magic, what)
    if dtype.hasobject:
        raise PythonObjects(f"{what} holds Python objects")
    count = 1
    for extent in shape:
        count *= extent
    if start + count * dtype.itemsize != size:
        found = f"{what} declares {dtype} of shape {shape}, and holds {size - start} bytes"
        raise DamagedArrays(found if len(found) < 200 else f"{what} declares a shape that it does not hold")
    try:
        array = np.empty(count, dtype)
    except (ValueError, TypeError) as error:  # a shape with zeros and more than any machine holds
        raise DamagedArrays(f"{what}: {error}") from None
    _fill(file, memoryview(array.view(np.uint8).data) if array.nbytes else memoryview(b""), what)
    try:
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
    except ValueError as error:
        raise DamagedArrays(f"{what}: {error}") from None


def _header(file: IO[bytes], magic: bytes, what: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, column order, type, bytes before the data)."""
    version = (magic[-2], magic[-1])
    if version not in _HEADERS:
        raise DamagedArrays(f"{what} is .npy of version {version[0]}.{version[1]}, which is not read")
    counted = _Counted(file)
    try:
        shape, fortran, dtype = _HEADERS[version](counted)  # type: ignore[arg-type]
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape)
    except _FOREIGN as error:
        raise DamagedArrays(f"{what} has a header that is none: {type(error).__name__}") from None
    if not whole or len(shape) > _MAX_AXES:
        raise DamagedArrays(f"{what} has a header that is none: its shape")
    return shape, fortran, dtype, len(magic) + counted.taken


class _Counted:
    """A stream that counts what was read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.taken = file, 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.taken += len(data)
        return data


def _fill(file: IO[bytes], into: memoryview, what: str) -> None:
    """Piece by piece, so that what is unpacked never lies in memory twice; the end is read for the archive's CRC."""
    at = 0
    while at < len(into):
        piece = file.read(min(_PIECE, len(into) - at))
        if not piece:
            raise DamagedArrays(f"{what} ends too early")
        into[at : at + len(piece)] = piece
        at += len(piece)
    if file.read(1):
        raise DamagedArrays(f"{what} holds more than it declares")
