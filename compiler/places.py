"""Where output may go: what a folder of ours is, and which outputs would destroy something.

Runs on Python 3.10 with the standard library alone.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from seamount.compiler.errors import InputError, Problem, raise_all

DRAFT = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.(?P<state>draft|old)")
"""Name of an unfinished file or folder (draft), or of one that is being replaced (old), beside its place."""
SHOWN = 5
"""Foreign files that a message names."""


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that Seamount writes.

    what: with its article, "an artifact". form: the JSON file that states `format`. files: everything that may lie in
    it, as relative paths, * allowed in names. marks: files that have to be there beside `form`. remedy: what to do
    where the place is taken.
    """

    what: str
    form: str
    format: str
    files: tuple[str, ...]
    remedy: str
    marks: tuple[str, ...] = ()

    def made(self, folder: Path) -> bool:
        """Whether the folder says that it is of this kind."""
        return _format(folder / self.form) == self.format and all((folder / mark).is_file() for mark in self.marks)

    def owns(self, folder: Path) -> bool:
        """Whether the folder is of this kind and nothing else lies in it."""
        return self.made(folder) and not self.foreign(folder)

    def foreign(self, folder: Path) -> list[str]:
        """What lies in the folder and is not of this kind, drafts of killed runs aside; a folder ends in a slash."""
        return sorted(self._foreign(folder, ""))

    def _foreign(self, folder: Path, inside: str) -> Iterator[str]:
        for entry in os.scandir(folder):
            name = inside + entry.name
            if DRAFT.fullmatch(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                held = any(file.startswith(f"{name}/") for file in self.files)
                yield from self._foreign(Path(entry.path), f"{name}/") if held else [f"{name}/"]
            elif not any(fnmatchcase(name, file) for file in self.files):
                yield name


def _format(path: Path) -> object:
    """What a JSON file states as its format; None when it is none or cannot be read."""
    try:
        tree = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return tree.get("format") if isinstance(tree, dict) else None


def check_place(folder: Path, overwrite: bool, kind: FolderKind) -> None:
    """Raise InputError unless `folder` is free, empty, or wholly of this kind and may be replaced."""
    try:
        if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
            return
        if not (folder.is_dir() and kind.made(folder)):
            raise InputError(Problem(str(folder), f"exists and is not {kind.what}", kind.remedy))
        foreign = kind.foreign(folder)
    except OSError as error:
        raise InputError(Problem(str(folder), f"cannot be read: {error.strerror or error}", kind.remedy)) from None
    if foreign:
        names = ", ".join(foreign[:SHOWN]) + (f" and {len(foreign) - SHOWN} more" if len(foreign) > SHOWN else "")
        found = f"is {kind.what} that holds other files too: {names}"
        raise InputError(Problem(str(folder), found, f"move them elsewhere, or {kind.remedy}"))
    if not overwrite:
        raise InputError(Problem(str(folder), "exists", f"{kind.remedy}, or give --force"))


def check_file(path: Path, name: str = "") -> None:
    """Raise InputError unless `path` is free or a regular file, which may be replaced. name: the option's."""
    raise_all(InputError, _no_file(f"{name} {path}".strip(), path))


def check_outputs(
    inputs: Iterable[Path | str | None],
    files: Mapping[str, Path | None] | None = None,
    folders: Mapping[str, Path | None] | None = None,
) -> None:
    """Raise InputError, with all problems, when an output would destroy an input or another output.

    inputs: what the command reads; a word that names no file (a data set of ours) does not count. files, folders:
    option -> what it writes; None where it is not given. A file may be replaced when it is a regular one; whether a
    folder may be is asked of check_place.
    """
    written = {k: p for k, p in (files or {}).items() if p is not None}
    made = {k: p for k, p in (folders or {}).items() if p is not None}
    read = [Path(given) for given in inputs if given is not None and _names_a_file(given)]
    problems: list[Problem] = []
    for name, path in written.items():
        problems += _no_file(f"{name} {path}", path)
    outputs = [*written.items(), *made.items()]
    for i, (name, path) in enumerate(outputs):
        where = f"{name} {path}"
        for given in read:
            found = _against_input(path, given, name in made)
            if found:
                problems.append(Problem(where, f"{found} {given}, which this command reads", "choose another place"))
        for other, taken in outputs[:i]:
            if _same(path, taken):
                problems.append(Problem(where, f"is written by {other} too", "choose another place"))
            elif _inside(path, taken) or _inside(taken, path):
                problems.append(Problem(where, f"and {other} {taken} lie in each other", "choose another place"))
    raise_all(InputError, problems)


def _no_file(where: str, path: Path) -> Iterator[Problem]:
    try:
        there = path.stat()
    except OSError:  # free, or the writer says what is wrong
        return
    if stat.S_ISDIR(there.st_mode):
        yield Problem(where, "is a folder", "name a file")
    elif not stat.S_ISREG(there.st_mode):
        yield Problem(where, "is not a regular file", "name a file")
    elif any(os.path.samestat(there, stream) for stream in _printed()):
        yield Problem(where, "is where this command's text goes", "name another file")


def _printed() -> Iterator[os.stat_result]:
    """Where stdout and stderr go; replacing that file would lose them."""
    for handle in (1, 2):
        with suppress(OSError):  # closed
            yield os.fstat(handle)


def _names_a_file(given: Path | str) -> bool:
    """Not every word that is also a file's name: 'digits' is a data set, whatever lies in this folder."""
    is_path = isinstance(given, Path) or os.sep in given or "." in given
    return is_path and Path(given).exists()


def _against_input(output: Path, given: Path, folder: bool) -> str:
    """How the output would destroy what is read, "" where it would not."""
    if _same(output, given):
        return "is"
    if _inside(given, output):
        return "holds"
    return "is part of" if not folder and output.exists() and _inside(output, given) else ""


def _same(a: Path, b: Path) -> bool:
    if os.path.realpath(a) == os.path.realpath(b):
        return True
    return a.exists() and b.exists() and a.samefile(b)


def _inside(a: Path, b: Path) -> bool:
    """Whether `a` lies in the folder `b`."""
    return Path(os.path.realpath(b)) in Path(os.path.realpath(a)).parents
