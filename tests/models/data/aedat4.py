"""A writer of small AEDAT 4 files, uncompressed: one stream of events in one packet.

The container is a line, a header and packets; header and packets are flatbuffers, written here byte by byte.
"""

from __future__ import annotations

import struct

import numpy as np

INFO = (
    '<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">'
    '<node name="0" path="/mainloop/Recorder/outInfo/0/"><attr key="compression" type="string">NONE</attr>'
    '<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" path="/mainloop/Recorder/outInfo/0/info/">'
    '<attr key="sizeX" type="int">128</attr><attr key="sizeY" type="int">128</attr></node></node></node></dv>'
)


def aedat4(t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> bytes:
    """The file's bytes."""
    elements = b"".join(struct.pack("<qhhbxxx", *map(int, event)) for event in zip(t, x, y, p, strict=True))
    packet = _prefixed(_table(b"EVTS", elements, len(t)))
    return b"#!AER-DAT4.0\r\n" + _prefixed(_header()) + struct.pack("<ii", 0, len(packet)) + packet


def _prefixed(buffer: bytes) -> bytes:
    return struct.pack("<I", len(buffer)) + buffer


def _table(identifier: bytes, elements: bytes, count: int) -> bytes:
    """A table with a vector as its only field. Structs are aligned to 8 bytes, counted without the prefix's four."""
    vtable = struct.pack("<HHH", 6, 8, 4) + b"\0\0"
    start = 8 + len(vtable)
    vector = start + 8  # the table is its vtable's distance and the vector's
    gap = -(vector + 4 + 4) % 8
    table = struct.pack("<iI", len(vtable), 4 + gap)
    return struct.pack("<I", start) + identifier + vtable + table + b"\0" * gap + struct.pack("<I", count) + elements


def _header() -> bytes:
    """compression: absent, which is none; position of a table that is absent, -1; the streams as XML."""
    vtable = struct.pack("<HHHHH", 10, 16, 0, 8, 4) + b"\0\0"
    start = 8 + len(vtable)
    text = INFO.encode()
    table = struct.pack("<iIq", len(vtable), 12, -1)
    return struct.pack("<I", start) + b"IOHE" + vtable + table + struct.pack("<I", len(text)) + text + b"\0"
