"""Progress of long calls: a bar in a terminal and in a notebook, a function of the caller's, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

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
    shown = in_notebook() or sys.stderr.isatty() if progress is None else progress
    if not shown:
        yield lambda done, total: None
        return
    with _bar(label) as tick:
        yield tick


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
    console = Console() if in_notebook() else Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
