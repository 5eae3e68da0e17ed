"""Users' own code, run so that nothing it does ends a command as if all were well."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from seamount.compiler.errors import InputError, Problem

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_END = object()


@contextmanager
def user_code(where: str, remedy: str, doing: str = "") -> Iterator[None]:
    """What user code raises as InputError: exceptions, SystemExit, and a KeyboardInterrupt that no signal caused.

    doing: what it was doing, for the message. Standard output and error are as open afterwards as they were before.
    """
    before = f"{doing} " if doing else ""
    with _noted_signals() as noted, _kept_open(where, remedy, before):
        try:
            yield
        except MemoryError:
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            if isinstance(error, InputError) or (isinstance(error, KeyboardInterrupt) and noted):
                raise
            said = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise InputError(Problem(where, f"{before}raised {said}", remedy)) from error


def items(data: Iterable[T], where: str, remedy: str) -> Iterator[T]:
    """The items of an iterable that is user code, each fetched as `user_code` does."""
    with user_code(where, remedy):
        source = iter(data)
    while True:
        with user_code(where, remedy):
            item: Any = next(source, _END)
        if item is _END:
            return
        yield item


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Signals that arrive within this, and do what they did before; other threads than the main one get none."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    taken = [number for number in _SIGNALS if callable(handlers[number])]
    for number in taken:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number in taken:
            if signal.getsignal(number) is note:
                signal.signal(number, handlers[number])


@contextmanager
def _kept_open(where: str, remedy: str, before: str) -> Iterator[None]:
    """Raise InputError when standard output or error is closed within this, and open it again."""
    copies = {number: os.dup(number) for number in (1, 2) if _is_open(number)}
    streams = {name: stream for name in ("stdout", "stderr") if not _closed(stream := getattr(sys, name))}
    try:
        yield
    finally:
        lost = [name for name, stream in streams.items() if _closed(stream) or _closed(getattr(sys, name))]
        for number, copy in copies.items():
            if not _is_open(number):
                os.dup2(copy, number)
                lost += [("stdout", "stderr")[number - 1]]
            os.close(copy)
        for name in lost:
            if _closed(getattr(sys, name)):
                number = 1 if name == "stdout" else 2
                setattr(sys, name, open(number, "w", encoding="utf-8", errors="replace", closefd=False))  # noqa: SIM115
        if lost and sys.exc_info()[0] is None:
            raise InputError(Problem(where, f"{before}closed {' and '.join(dict.fromkeys(lost))}", remedy))


def _is_open(number: int) -> bool:
    with suppress(OSError):
        os.fstat(number)
        return True
    return False


def _closed(stream: Any) -> bool:
    return stream is None or bool(getattr(stream, "closed", False))
