"""Faults at every point where a write can fail: a full disk, Ctrl-C, and a kill that nothing can catch.

A point is a call that touches the disk: open, mkdir, rename, remove, rmdir (as Python's audit events tell), fsync and
the exchange of two folders. `points` counts them; `fault_at` makes one of them fail.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seamount.compiler import files

EVENTS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"})
Fault = Callable[[], None]
Watch = Callable[[], None]


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupt() -> None:
    raise KeyboardInterrupt


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Hook:
    """The one audit hook of the process (they cannot be removed), idle unless a watch is set."""

    watch: Watch | None = None
    root = ""
    installed = False

    @classmethod
    def install(cls) -> None:
        if not cls.installed:
            sys.addaudithook(cls.told)
            cls.installed = True

    @classmethod
    def told(cls, event: str, arguments: tuple[object, ...]) -> None:
        if cls.watch is None or event not in EVENTS or isinstance(arguments[0], int):
            return
        if str(Path.cwd() / str(arguments[0])).startswith(cls.root):
            cls.watch()


@contextmanager
def watching(root: Path, watch: Watch, can_exchange: bool) -> Iterator[None]:
    """Call `watch` at every point below `root`, before it takes place. can_exchange: off, two renames are made."""
    _Hook.install()
    fsync, exchange = os.fsync, files.exchange

    def watched_fsync(handle: int) -> None:
        watch()
        fsync(handle)

    def watched_exchange(a: Path, b: Path) -> bool:
        watch()
        return can_exchange and exchange(a, b)

    os.fsync, files.exchange = watched_fsync, watched_exchange  # type: ignore[assignment]
    _Hook.root, _Hook.watch = str(root), watch
    try:
        yield
    finally:
        _Hook.watch = None
        os.fsync, files.exchange = fsync, exchange


def points(root: Path, action: Callable[[], None], can_exchange: bool) -> int:
    """How many points an action passes."""
    passed = [0]

    def count() -> None:
        passed[0] += 1

    with watching(root, count, can_exchange):
        action()
    return passed[0]


@contextmanager
def fault_at(point: int, fault: Fault, root: Path, can_exchange: bool) -> Iterator[None]:
    """The given fault at the given point, counted from 0, and only there."""
    left = [point]

    def count_down() -> None:
        left[0] -= 1
        if left[0] == -1:
            fault()

    with watching(root, count_down, can_exchange):
        yield


def killed_at(point: int, root: Path, action: Callable[[], None], can_exchange: bool) -> int:
    """Run the action in a child that is killed at the point; the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            with fault_at(point, kill, root, can_exchange):
                action()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status)
