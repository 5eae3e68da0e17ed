"""Variable-length strings of an HDF5 file, read from its bytes.

Why not by libhdf5: its reader of the global heap (HDF5 2.0.0, and 1.x before it) loops for ever on an object of
damaged size. The layout is short: HDF5 File Format Specification 3.0, section III.E (global heap) and IV.A.2.d
(variable-length elements). Numbers are little-endian, addresses and lengths have 8 bytes.
"""

from __future__ import annotations

import struct

_ELEMENT = struct.Struct("<IQI")
"""One stored element: length in bytes, address of its heap collection, index in it."""
_COLLECTION = struct.Struct("<4sB3xQ")
"""Signature, version, size of the collection with this header."""
_OBJECT = struct.Struct("<HH4xQ")
"""Index (0 marks free space), reference count, size; the data follow, padded to 8 bytes."""
ELEMENT_BYTES = _ELEMENT.size


class HeapDamaged(ValueError):
    """The bytes are no heap that the specification allows."""


class StringHeap:
    """Strings of one file image; collections are parsed once.

    `budget`: characters that may be handed out in all, so that many elements pointing at one long string
    cannot fill the memory.
    """

    def __init__(self, image: bytes, budget: int) -> None:
        self._image = image
        self._budget = budget
        self._collections: dict[int, dict[int, bytes]] = {}

    def strings(self, offset: int, count: int) -> list[str]:
        """`count` strings whose elements start at byte `offset`. Raises HeapDamaged (a ValueError)."""
        if offset < 0 or offset + count * ELEMENT_BYTES > len(self._image):
            raise HeapDamaged("strings lie beyond the end of the file")
        return [self._string(offset + i * ELEMENT_BYTES) for i in range(count)]

    def _string(self, at: int) -> str:
        length, address, index = _ELEMENT.unpack_from(self._image, at)
        if length == 0:
            return ""
        if address not in self._collections:
            self._collections[address] = self._parse(address)
        data = self._collections[address].get(index)
        if data is None or len(data) < length:
            raise HeapDamaged("a string is missing from its heap")
        self._budget -= length
        if self._budget < 0:
            raise HeapDamaged("the strings are longer than any network needs")
        return data[:length].split(b"\0", 1)[0].decode("utf-8")

    def _parse(self, address: int) -> dict[int, bytes]:
        """Objects of the collection at `address`, by index."""
        if address + _COLLECTION.size > len(self._image):
            raise HeapDamaged("a string heap lies beyond the end of the file")
        signature, version, size = _COLLECTION.unpack_from(self._image, address)
        end = address + size
        if signature != b"GCOL" or version != 1 or end > len(self._image):
            raise HeapDamaged("a string heap has a damaged header")
        objects: dict[int, bytes] = {}
        at = address + _COLLECTION.size
        while at + _OBJECT.size <= end:
            index, _, length = _OBJECT.unpack_from(self._image, at)
            if index == 0:
                break
            start = at + _OBJECT.size
            if start + length > end:
                raise HeapDamaged("a string runs over the end of its heap")
            objects[index] = self._image[start : start + length]
            at = start + (length + 7) // 8 * 8
        return objects
