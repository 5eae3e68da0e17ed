"""Any bytes to a tree of plain values, or one InputError: HDF5 read as if a stranger had written it.

HDF5 can point outside itself (external links, external raw data, virtual datasets), in circles (links), and can
claim far more data than it holds (declared sizes, compression). The file is first surveyed without following
anything but hard links, each object once; only then are values read. Facts: nir 1.0.8 on damaged files follows
all of these.
"""

from __future__ import annotations

import math
import unicodedata
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

try:
    import resource
except ImportError:  # no POSIX system
    resource = None  # type: ignore[assignment]

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.frontends.hdf5.strings import StringHeap

Tree: TypeAlias = "dict[str, Tree | NDArray[Any] | str | Unreadable]"

DAMAGE = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    OverflowError,
    MemoryError,
    SystemError,
    NotImplementedError,
    zlib.error,
)
"""What h5py raises on damaged bytes (by fuzzing); UnicodeDecodeError is a ValueError."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SHUFFLE, _DEFLATE, _FLETCHER, _LZF = 2, 1, 3, 32000
_PIPELINE = ((_SHUFFLE,), (_DEFLATE, _LZF), (_FLETCHER,))
"""Filters in the order they may appear; nir writes one of the second group."""
_LZF_EXPANSION = 90
"""LZF turns 3 bytes into 264 at most."""
_TEXT_BUDGET = 1 << 26
_NUMBERS = tuple(
    getattr(h5py.h5t, f"{name}{order}")
    for name in (*(f"IEEE_F{n}" for n in (16, 32, 64)), *(f"STD_{k}{n}" for k in "IU" for n in (8, 16, 32, 64)))
    for order in ("LE", "BE")
)
"""What numpy writes; anything else is a damaged header, which would give other numbers."""
_MISSING = "holds less data than its shape declares; what is missing would read as zeros"
_STRUCTURE = 2**28
"""Bytes of memory for what libhdf5 keeps of a file's structure, beside four times the file."""
_FILLED = h5py.h5d.FILL_VALUE_USER_DEFINED


@dataclass(frozen=True)
class Limits:
    """What a file may ask for: bytes of all arrays together, number of objects, depth of groups."""

    nbytes: int = 2 << 30
    objects: int = 100_000
    depth: int = 64


@dataclass(frozen=True)
class Unreadable:
    """A dataset that is safe but not a number or a string; `why` completes the sentence 'it is ...'. empty: it was
    declared and never got a value."""

    why: str
    empty: bool = False


def image_of(source: str | Path | BinaryIO, file: str, limits: Limits, writer: str = "nir.write") -> bytes:
    """All bytes of a file or stream. Raises InputError for what is missing, no regular file, too large, unreadable."""
    if not isinstance(source, (str, Path)):
        return source.read()
    path, remedy = Path(source), f"give a file written by {writer}"
    try:
        if not path.exists():
            raise InputError(Problem(file, "no such file", "check the path"))
        if not path.is_file():
            raise InputError(Problem(file, "is not a regular file", remedy))
        if path.stat().st_size > limits.nbytes:
            found = f"is {path.stat().st_size:,} bytes long"
            raise InputError(Problem(file, found, "raise the limit if it is yours", f"{limits.nbytes:,} bytes"))
        return path.read_bytes()
    except (OSError, ValueError) as fault:
        raise InputError(Problem(file, f"cannot be read: {fault}", remedy)) from fault


def read_tree(
    image: bytes, file: str, limits: Limits, attributes: Collection[str] = (), writer: str = "nir.write"
) -> Tree:
    """Groups as dicts, numbers as arrays, strings as str (an object array of str when not a scalar).

    attributes: names of numeric attributes of groups that are read, into the group as "@name"; others are left alone.
    writer: what writes such files, for messages.

    Raises InputError: not HDF5, damaged, links other than plain ones, data outside the file, unknown filters,
    more objects, depth or bytes than `limits`, names that are not printable text.
    """
    if not image.startswith(_SIGNATURE):
        found = "is empty" if not image else "is not an HDF5 file"
        raise InputError(Problem(file, found, f"give a file written by {writer}"))
    try:
        opened = h5py.h5f.open_file_image(image)
        if not opened.valid:
            raise OSError("the header does not fit the length of the file")
        with h5py.File(opened) as handle:
            reader = _Reader(image, file, limits, attributes, f"write the file again with {writer}")
            with _little_memory(len(image)):
                reader.survey(handle, 0)
            raise_all(InputError, reader.problems)
            return reader.load(handle)
    except DAMAGE as fault:
        found = f"is damaged or cut off: {_first_line(fault)}"
        raise InputError(Problem(file, found, "copy or write the file again")) from fault


@contextmanager
def _little_memory(image: int) -> Iterator[None]:
    """Bound what libhdf5 takes for a file's structure: a damaged size makes it fill gigabytes beyond the file's end.

    The bound is one of the whole process, and of Linux alone; elsewhere there is none.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    except (OSError, AttributeError):
        yield
        return
    most = pages * resource.getpagesize() + _STRUCTURE + 4 * image
    resource.setrlimit(resource.RLIMIT_AS, (most if soft < 0 else min(most, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _first_line(fault: BaseException) -> str:
    text = str(fault).strip("'\"").splitlines() or [type(fault).__name__]
    return text[0][:200]


class _Reader:
    def __init__(self, image: bytes, file: str, limits: Limits, attributes: Collection[str], rewrite: str) -> None:
        self.image, self.file, self.limits = image, file, limits
        self.attributes, self.rewrite = attributes, rewrite
        self.problems: list[Problem] = []
        self.heap = StringHeap(image, _TEXT_BUDGET)
        self._seen: set[int] = set()
        self._nbytes = 0

    def survey(self, group: h5py.Group, depth: int) -> None:
        """Collect a problem for everything under `group` that must not be read."""
        where = group.name or "/"
        self._see(group, where)
        if depth > self.limits.depth:
            self._stop(where, f"groups are nested more than {self.limits.depth} deep", self.rewrite)
        for name in group:
            path = f"{where.rstrip('/')}/{name}"
            if isinstance(name, bytes):
                self._problem(path, "the name is not UTF-8 text", "rename the node")
                continue
            if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
                self._problem(ascii(path), "the name holds control characters", "rename the node")
                continue
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                self._refuse_link(path, link)
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                self.survey(item, depth + 1)
            elif isinstance(item, h5py.Dataset):
                self._see(item, path)
                self._survey_dataset(item, path)
            else:
                self._problem(path, "is neither a group nor a dataset", self.rewrite)

    def load(self, group: h5py.Group) -> Tree:
        """The values under a surveyed group."""
        found: Tree = {f"@{name}": self._attribute(group, name) for name in self.attributes if name in group.attrs}
        for name, item in group.items():
            found[name] = self.load(item) if isinstance(item, h5py.Group) else self._value(item)
        return found

    def _attribute(self, group: h5py.Group, name: str) -> NDArray[Any] | Unreadable:
        """One number; the type is looked at first, because text lies in a heap that libhdf5 reads unchecked."""
        held = group.attrs.get_id(name)
        if held.shape != () or not any(held.get_type().equal(kind) for kind in _NUMBERS):
            return Unreadable("not one number")
        return np.asarray(group.attrs[name])

    def _problem(self, path: str, found: str, remedy: str, limit: str = "") -> None:
        self.problems.append(Problem(f"{self.file}: {path}", found, remedy, limit))

    def _stop(self, path: str, found: str, remedy: str, limit: str = "") -> None:
        self._problem(path, found, remedy, limit)
        raise InputError(self.problems)

    def _see(self, item: h5py.Group | h5py.Dataset, path: str) -> None:
        """Count an object; each may be reached once, which excludes cycles and trees that fold out for ever."""
        address = h5py.h5o.get_info(item.id).addr
        if address in self._seen:
            self._stop(path, "is linked from two places in the file", "store each node once: " + self.rewrite)
        self._seen.add(address)
        if len(self._seen) > self.limits.objects:
            self._stop(path, f"the file holds more than {self.limits.objects} objects", "split the network")

    def _refuse_link(self, path: str, link: object) -> None:
        kind, target = "a link of unknown kind", ""
        if isinstance(link, h5py.ExternalLink):
            kind, target = "a link into another file", f" ({link.filename!r}, {link.path!r})"
        elif isinstance(link, h5py.SoftLink):
            kind, target = "a soft link", f" (to {link.path!r})"
        self._problem(path, f"is {kind}{target}", "store the data itself: " + self.rewrite, "links are not followed")

    def _survey_dataset(self, item: h5py.Dataset, path: str) -> None:
        plist = item.id.get_create_plist()
        if item.is_virtual:
            self._problem(path, "is a virtual dataset; its data lie in other files", self.rewrite)
            return
        if plist.get_external_count():
            self._problem(path, "keeps its data in another file (external storage)", self.rewrite)
            return
        if item.shape is None:
            return
        width = max(item.id.get_type().get_size(), item.dtype.itemsize)
        chunk = math.prod(item.chunks) * width if item.chunks else 0
        self._nbytes += max(math.prod(item.shape) * width, chunk)
        if self._nbytes > self.limits.nbytes:
            self._stop(
                path,
                f"declares an array of shape {item.shape}, {math.prod(item.shape) * width:,} bytes;"
                f" {self._nbytes:,} so far",
                "raise the limit if the file is yours, or shrink the network",
                f"{self.limits.nbytes:,} bytes for all arrays of a file together",
            )
        codes = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        if not _is_known(codes):
            found = f"uses HDF5 filters {codes}"
            self._problem(path, found, "write it with compression='gzip'", "gzip, lzf, shuffle and fletcher32 are read")
        elif plist.fill_value_defined() == _FILLED:
            self._problem(
                path, "has a fill value of its own, which may stand for data that were never stored", self.rewrite
            )
        elif item.chunks:
            self._survey_chunks(item, path, codes, chunk)
        elif item.size and plist.get_layout() == h5py.h5d.CONTIGUOUS and item.id.get_offset() is None:
            self._problem(path, _MISSING, self.rewrite)

    def _survey_chunks(self, item: h5py.Dataset, path: str, codes: list[int], size: int) -> None:
        """Every chunk must be there, in its place and as filtered as the others, and hold no more than its shape says:
        libhdf5 reads a missing chunk as zeros and would unpack all of a large one."""
        places = [range(0, n, c) for n, c in zip(item.shape, item.chunks, strict=True)]
        expected = math.prod(map(len, places))
        chunks: list[Any] = []

        def take(info: Any) -> bool | None:
            chunks.append(info)
            return True if len(chunks) > expected else None

        item.id.chunk_iter(take)
        found = {tuple(info.chunk_offset) for info in chunks}
        inside = all(n in places[axis] for place in found for axis, n in enumerate(place))
        if len(chunks) <= expected and (len(found) < expected or not inside):
            self._problem(path, _MISSING, self.rewrite)
            return
        tail = 4 if _FLETCHER in codes else 0
        for info in chunks:
            if info.byte_offset + info.size > len(self.image):
                self._problem(path, _MISSING, self.rewrite)
                return
            # By the keys of the index, as reading finds it; damaged ones lead to nothing, which reads as zeros.
            stored = item.id.read_direct_chunk(info.chunk_offset)[1][: info.size - tail]
            if _DEFLATE in codes and not info.filter_mask:
                unpacked = len(zlib.decompressobj().decompress(stored, size + 1))
            elif _LZF in codes and not info.filter_mask:
                unpacked = size if info.size * _LZF_EXPANSION <= max(self.limits.nbytes, size) else size + 1
            elif item.dtype.kind in "fiub":  # not filtered; libhdf5 stores what does not shrink as it is
                unpacked = len(stored)
            else:
                unpacked = size
            if unpacked > size or len(chunks) > expected:
                self._problem(path, "unpacks to more data than its shape declares", self.rewrite)
                return
            if unpacked < size:
                self._problem(path, _MISSING, self.rewrite)
                return

    def _value(self, item: h5py.Dataset) -> NDArray[Any] | str | Unreadable:
        if item.shape is None:
            return Unreadable("empty", empty=True)
        text = h5py.check_string_dtype(item.dtype)
        if text is None:
            if item.dtype.kind in "fiu" and not any(item.id.get_type().equal(kind) for kind in _NUMBERS):
                return Unreadable("numbers in a format of their own")
            if item.dtype.kind in "fiub":
                return np.asarray(item[()])
            return Unreadable(f"of type {item.dtype}")
        if text.length is not None:
            words: list[str] = [w.decode("utf-8").rstrip("\0") for w in np.asarray(item[()], dtype=bytes).ravel()]
        else:
            found = self._variable_strings(item)
            if isinstance(found, Unreadable):
                return found
            words = found
        if item.shape == ():
            return str(words[0])
        texts: NDArray[Any] = np.empty(len(words), dtype=object)
        texts[:] = words
        return texts.reshape(tuple(item.shape))

    def _variable_strings(self, item: h5py.Dataset) -> list[str] | Unreadable:
        count = math.prod(item.shape)
        if count == 0:
            return []
        plist = item.file.id.get_create_plist()
        offset = item.id.get_offset()
        if plist.get_sizes() != (8, 8) or plist.get_userblock() or item.chunks or offset is None:
            return Unreadable("text in a storage layout that exporters do not write")
        return self.heap.strings(offset, count)


def _is_known(codes: list[int]) -> bool:
    """Whether the filters are known ones, each at most once and in the usual order."""
    stages = [i for c in codes for i, stage in enumerate(_PIPELINE) if c in stage]
    return len(stages) == len(codes) and stages == sorted(set(stages))
