"""What every command shares: tables, progress, JSON files, and how errors end the program."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from seamount.cli.signals import sigterm_interrupts
from seamount.compiler.errors import SeamountError

out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False)

ISSUES = "please report it with the command and the model file"


def guarded(action: Callable[[], object]) -> int:
    """Run a command and turn everything that can go wrong into one message and an exit code.

    0 good, 1 a check failed, 2 input that cannot be used, 3 a fault in Seamount, 130 interrupted.
    """
    try:
        with sigterm_interrupts():
            action()
    except SeamountError as error:
        show_problems(error)
        return error.exit_code
    except KeyboardInterrupt:
        err.print("[bold]interrupted[/]; nothing was left half-written")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        err.print("[bold red]error[/] out of memory\n  remedy: use --limit, a smaller --batch-size or a larger machine")
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        err.print(f"[bold red]error[/] {escape(place)}{escape(error.strerror or str(error))}")
        return 2
    except Exception as error:
        if os.environ.get("SEAMOUNT_DEBUG"):
            raise
        err.print(f"[bold red]fault in Seamount[/] {type(error).__name__}: {escape(str(error))}")
        err.print(f"  remedy: {ISSUES}; SEAMOUNT_DEBUG=1 shows where it happened")
        return 3
    return 0


def show_problems(error: SeamountError) -> None:
    """All problems of an error, to stderr."""
    for problem in error.problems:
        err.print(f"[bold red]error[/] {escape(str(problem))}", soft_wrap=True)
    if len(error.problems) > 1:
        err.print(f"{len(error.problems)} problems")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> None:
    """Print a table; the first `left` columns are left-aligned, numbers right."""
    grid = Table(box=None, pad_edge=False, show_edge=False)
    for k, name in enumerate(columns):
        grid.add_column(name, justify="left" if k < left else "right", overflow="fold")
    for row in rows:
        grid.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    out.print(f"[bold]{escape(title)}[/]")
    out.print(grid)
    out.print()


def percent(value: float | None) -> str:
    """A share as text; empty when unknown."""
    return "" if value is None else f"{100 * value:.2f} %"


@contextmanager
def progress(label: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr; yields a callback of (done, in all). Silent when stderr is no terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    )
    with bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
