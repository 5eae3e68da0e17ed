"""Standard streams that take what they are given: closed ones, pipes whose reader has left, and narrow encodings."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Pipe(io.FileIO):
    """A handle of this process; once its reader has left, what is written goes nowhere, and the command goes on."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            to_nothing(self.fileno())
            return len(memoryview(data).cast("B"))


def to_nothing(number: int) -> None:
    """Let a handle lead to where everything is lost."""
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing != number:
        os.dup2(nothing, number)
        os.close(nothing)


@contextmanager
def safe_streams() -> Iterator[None]:
    """Within this, writing text never fails for its reader: the exit code stays that of the command.

    A handle that was closed would be given to the first file that is opened, and be written over.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            to_nothing(number)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _safe(sys.stdout, 1), _safe(sys.stderr, 2)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
        sys.stdout, sys.stderr = before


def _safe(stream: Any, number: int) -> Any:
    """The stream over a _Pipe, if it is the process's own; one that somebody put there is left alone."""
    try:
        own = stream is None or stream.fileno() == number
    except (OSError, ValueError):
        return stream
    if not own:
        return stream
    if stream is not None:
        stream.flush()
    encoding = "utf-8" if stream is None else stream.encoding
    raw = _Pipe(number, "wb", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=raw.isatty())
