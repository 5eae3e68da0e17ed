"""What every command shares: how results are shown, and how errors end the program."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from seamount.cli.signals import sigterm_interrupts
from seamount.cli.streams import to_nothing
from seamount.compiler.errors import SeamountError
from seamount.compiler.files import write_json
from seamount.compiler.places import DRAFT
from seamount.compiler.visible import visible
from seamount.progress import Progress, watched_by_a_person
from seamount.results.blocks import WIDTH, Block, Shown, print_to

out = Console(highlight=False, emoji=False, width=None if watched_by_a_person(sys.stdout) else WIDTH)
err = Console(stderr=True, highlight=False, emoji=False)

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
        complain("interrupted", "; nothing was left half-written", "bold")
        return 130
    except BrokenPipeError:
        to_nothing(1)
        return 0
    except MemoryError:
        complain("error", " out of memory\n  remedy: use --limit, a smaller --batch-size or a larger machine")
        return 2
    except OSError as error:
        place = f"{_place(error.filename)}: " if error.filename else ""
        complain("error", f" {place}{error.strerror or error}")
        return 2
    except Exception as error:
        if os.environ.get("SEAMOUNT_DEBUG"):
            raise
        complain("fault in Seamount", f" {type(error).__name__}: {error}")
        complain("", f"  remedy: {ISSUES}; SEAMOUNT_DEBUG=1 shows where it happened")
        return 3
    return 0


def _place(name: object) -> str:
    """A path as the user knows it: a draft is called by what it becomes."""
    parts = [found["name"] if (found := DRAFT.fullmatch(part)) else part for part in Path(os.fsdecode(name)).parts]  # type: ignore[arg-type]
    return str(Path(*parts))


def show_problems(error: SeamountError) -> None:
    """All problems of an error, to stderr."""
    for problem in error.problems:
        complain("error", f" {problem}")
    if len(error.problems) > 1:
        complain("", f"{len(error.problems)} problems")


def complain(head: str, text: str, style: str = "bold red") -> None:
    """A marked word and text to stderr, never broken over lines."""
    err.print(Text.assemble((head, style), visible(text)), soft_wrap=True)


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
    complain("note", f" {text}", "bold yellow")


def progress(quiet: bool) -> Progress:
    """The progress of a command: a bar where stderr is a terminal, unless it is to be quiet."""
    return False if quiet else None


def raw(text: Any) -> None:
    """Text as it is, without a line break added."""
    out.print(visible(str(text)), markup=False, soft_wrap=True, end="")
