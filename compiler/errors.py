"""Errors that say where, what was found, what the limit is, and what to do.

Everything a user can cause ends in a `SeamountError`. It carries all problems found, not only the first, and
the exit code of the command line: 2 for input that cannot be used, 1 for a check that failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault: `where` it is, what was `found`, the `limit` it violates (with source), the `remedy`."""

    where: str
    found: str
    remedy: str
    limit: str = ""

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.found}"]
        if self.limit:
            lines.append(f"  limit:  {self.limit}")
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class SeamountError(Exception):
    """Base of all errors a user can cause; `problems` is never empty."""

    exit_code = 2

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class InputError(SeamountError):
    """A file, option or data set that cannot be used."""


class ImportRefused(SeamountError):
    """A model whose meaning the file does not determine, or that a frontend cannot carry over without loss."""


class CompileError(SeamountError):
    """A well-understood network that the target cannot represent."""


class ContractError(SeamountError):
    """A pass, or code that calls it, broke its contract; a bug in Seamount."""

    exit_code = 3


class CheckFailed(SeamountError):
    """A comparison that should have held did not."""

    exit_code = 1


def raise_all(kind: type[SeamountError], problems: Iterable[Problem]) -> None:
    """Raise `kind` with every problem; return when there is none."""
    found = tuple(problems)
    if found:
        raise kind(found)
