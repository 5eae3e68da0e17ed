"""Files of arrays whose headers lie, are none, or ask for more than there is."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seamount.compiler.arrays import DamagedArrays, PythonObjects, check_regular, open_npz, read_npy
from seamount.compiler.errors import InputError


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header(text: str, data: bytes = b"") -> bytes:
    line = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + data


GOOD = npy(np.arange(12, dtype=np.float32).reshape(3, 4))


def archive(path: Path, entries: dict[str, bytes], change: Callable[[bytearray, int], None] | None = None) -> Path:
    """change: called with the file's bytes and the place of the first entry in the directory."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    if change is not None:
        data = bytearray(path.read_bytes())
        change(data, data.find(b"PK\x01\x02"))
        path.write_bytes(data)
    return path


def read(path: Path) -> dict[str, np.ndarray]:
    with open_npz(path) as opened:
        return {name: opened.read(name) for name in opened.names}


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(()), np.zeros((0, 3)), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(5, dtype=">i2"),
        np.array([True, False]), np.array(["text"]), np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    ],
)  # fmt: skip
def test_what_numpy_writes_is_read(array: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=array)
    np.save(tmp_path / "a.npy", array)
    for found in (read(tmp_path / "a.npz")["x"], read_npy(tmp_path / "a.npy")):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"garbage", "is no .npy array"),
        (b"", "is no .npy array"),
        (b"\x93NUMPY\x09\x00", "is .npy of version 9.0"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': ((((("), "has a header that is none"),
        (header("{'descr': ('<f4',), 'fortran_order': False, 'shape': (5,), }"), "has a header that is none"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"), "has a header that is none"),
        (header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**30},), }}"), "declares float32 of shape"),
        (header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': (0, {10**30}), }}"), "'x'"),
        (GOOD[:-4], "declares float32 of shape"),
        (GOOD + b"more", "declares float32 of shape"),
    ],
)
def test_headers_that_lie(data: bytes, found: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedArrays, match=found):
        read(archive(tmp_path / "a.npz", {"x.npy": data}))


def _method(data: bytearray, at: int) -> None:
    data[at + 10] = data[8] = 97


def _encrypted(data: bytearray, at: int) -> None:
    data[at + 8] |= 1


def _version(data: bytearray, at: int) -> None:
    data[at + 6] = 99


def _flip(data: bytearray, at: int) -> None:
    data[at - 3] ^= 4


@pytest.mark.parametrize("change", [_method, _encrypted, _version, _flip])
def test_archives_that_cannot_be_unpacked(change: Callable[[bytearray, int], None], tmp_path: Path) -> None:
    with pytest.raises(DamagedArrays):
        read(archive(tmp_path / "a.npz", {"x.npy": GOOD}, change))


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    with pytest.raises(PythonObjects):
        read(tmp_path / "a.npz")


def test_entries_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(DamagedArrays, match="same name"):
        read(archive(tmp_path / "a.npz", {"x.npy": GOOD, "x": GOOD}))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", {"x.npy": npy(np.zeros(10_000_000, np.uint8))})
    assert path.stat().st_size < 20_000
    with pytest.raises(InputError, match="declares 10000128 bytes of arrays"), open_npz(path, 1_000_000):
        pass


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(InputError, match="is a pipe or a device"), open_npz(tmp_path / "a.npz"):
        pass
    with pytest.raises(InputError, match="is a pipe or a device"):
        check_regular(Path(os.devnull))
