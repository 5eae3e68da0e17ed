"""Progress of long calls: a bar in a terminal and in a notebook, a function of the caller's, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, TypeAlias

Tick = Callable[[int, int], None]
"""Called with (done, in all)."""

Progress: TypeAlias = Callable[[str, int, int], None] | bool | None
"""What calls take as `progress`: None for a bar where somebody watches, False for none, True for one in any case, or a
function that is called with (what is being done, done, in all)."""


@contextmanager
def watched(progress: Progress, label: str) -> Iterator[Tick]:
    """Yield the function to call with (done, in all) while the block runs."""
    if callable(progress):
        report = progress
        yield lambda done, total: report(label, done, total)
        return
    if progress is None and in_notebook():
        yield _NotebookBar(label)
    elif progress or (progress is None and watched_by_a_person(sys.stderr)):
        with _bar(label) as tick:
            yield tick
    else:
        yield lambda done, total: None


def watched_by_a_person(stream: Any) -> bool:
    """Whether a stream is a terminal; a closed one is None."""
    return stream is not None and not stream.closed and bool(stream.isatty())


def in_notebook() -> bool:
    """Whether IPython runs in a kernel, so that output goes to a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def _bar(label: str) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True, highlight=False, emoji=False), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _NotebookBar:
    """A bar in the output of a cell, once a call has taken a second: quick calls leave no trace."""

    PATIENCE_S, PAUSE_S = 1.0, 0.2

    def __init__(self, label: str) -> None:
        self.label = label
        self.handle: Any = None
        self.due = time.monotonic() + self.PATIENCE_S

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self.due and not (self.handle is not None and done >= total):
            return
        self.due = now + self.PAUSE_S
        from IPython import display

        shown: Any = display.HTML(  # type: ignore[no-untyped-call]
            f'{escape(self.label)} <progress value="{done}" max="{total}"></progress> {done} of {total}'
        )
        if self.handle is None:
            self.handle = display.display(shown, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(shown)
