"""Plug-ins: what other installed packages add to Seamount through entry points.

A package names its objects under one of GROUPS; they are read from its metadata and imported when they are asked for.
docs/plugins.md says how to write one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeAlias, get_args

from seamount.compiler.errors import InputError, Problem

Group: TypeAlias = Literal["seamount.backends", "seamount.frontends", "seamount.targets", "seamount.passes"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class Plugin:
    """One entry point. kind: "backend", "pass" and so on. value: module, or module:attribute."""

    kind: str
    name: str
    value: str
    distribution: str

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"{self.kind} '{self.name}' of package {self.distribution}"

    def load(self) -> Any:
        """The object. Raises InputError with the package and the cause when importing it fails."""
        try:
            return EntryPoint(self.name, self.value, "").load()
        except (Exception, SystemExit) as error:
            cause = f"{type(error).__name__}: {error}"
            remedy = f"repair or uninstall {self.distribution}"
            raise InputError(Problem(self.where, f"cannot be imported: {cause}", remedy)) from error

    def refused(self, found: str, remedy: str) -> InputError:
        """An error about what it holds."""
        return InputError(Problem(self.where, found, remedy))


@cache
def plugins(group: Group) -> tuple[Plugin, ...]:
    """Every plug-in of a group, by name; nothing is imported."""
    kind = {"seamount.passes": "pass"}.get(group) or group.partition(".")[2].removesuffix("s")
    found = {
        Plugin(kind, entry.name, entry.value, entry.dist.name if entry.dist is not None else "unknown")
        for entry in entry_points(group=group)
    }
    return tuple(sorted(found, key=lambda p: (p.name, p.distribution)))


def names(group: Group, shipped: Collection[str]) -> tuple[str, ...]:
    """Names that plug-ins add to those that ship."""
    return tuple(dict.fromkeys(p.name for p in plugins(group) if p.name not in shipped))


def find(group: Group, name: str, shipped: Collection[str]) -> Plugin | None:
    """The plug-in of that name, if there is one.

    Raises InputError where several things bear the name: which of them is meant would be a guess.
    """
    mine = [p for p in plugins(group) if p.name == name]
    if not mine:
        return None
    owners = ["Seamount", *(p.distribution for p in mine)] if name in shipped else [p.distribution for p in mine]
    if len(owners) > 1:
        raise InputError(collision(mine[0].kind, name, owners))
    return mine[0]


def collision(kind: str, name: str, owners: Collection[str]) -> Problem:
    """A name that several things bear."""
    *others, last = owners
    remedy = f"uninstall or rename: {', '.join(dict.fromkeys(o for o in owners if o != 'Seamount'))}"
    return Problem(f"{kind} '{name}'", f"is the name of one each from {', '.join(others)} and {last}", remedy)


def faults(group: Group, shipped: Collection[str]) -> tuple[Problem, ...]:
    """What is wrong with the plug-ins of a group, for listings; imports each of them."""
    found: list[Problem] = []
    for name in dict.fromkeys(p.name for p in plugins(group)):
        try:
            plugin = find(group, name, shipped)
            if plugin is not None:
                plugin.load()
        except InputError as error:
            found += error.problems
    return tuple(found)
