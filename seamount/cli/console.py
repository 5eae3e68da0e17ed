"""What every command shares: how results are shown, and how errors end the program."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seamount.cli.signals import sigterm_interrupts
from seamount.compiler.errors import SeamountError
from seamount.compiler.files import write_json
from seamount.progress import Progress
from seamount.results.blocks import WIDTH, Block, Shown, print_to

out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
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


def show(blocks: Iterable[Block]) -> None:
    """Tables and lines, to stdout."""
    print_to(out, blocks)


def answer(result: Shown, json: Path | None, quiet: bool) -> None:
    """Show a result unless that is not wanted, and write it as JSON where that is asked for."""
    if not quiet:
        show(result.blocks())
    if json is not None:
        write_json(json, result.to_dict())


def warn(text: str) -> None:
    """A remark on stderr that is no error."""
    err.print(f"[bold yellow]note[/] {escape(text)}", soft_wrap=True)


def progress(quiet: bool) -> Progress:
    """The progress of a command: a bar where stderr is a terminal, unless it is to be quiet."""
    return False if quiet else None


def raw(text: Any) -> None:
    """Text as it is, without a line break added."""
    out.print(text, markup=False, soft_wrap=True, end="")
