"""The program in an artifact's folder, checked against the digests in its manifest; numpy alone, for a Lava host.

compiler/artifact.py reads the rest of the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import digest
from seamount.compiler.program.codec import ARRAYS_FILE, PROGRAM_FILE, read_json, read_program
from seamount.compiler.program.program import Program

FORMAT, VERSION, READABLE = "seamount-artifact", 2, (1, 2)
"""What is written, and the versions that are read."""
MANIFEST_FILE = "manifest.json"


def program_of(folder: Path) -> Program:
    """The program of an artifact, or of a folder with the program's two files. Raises InputError."""
    if (folder / MANIFEST_FILE).exists():
        check_digests(folder, read_manifest(folder), (PROGRAM_FILE, ARRAYS_FILE))
    return read_program(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest as plain data, of a format and version that can be read."""
    path = folder / MANIFEST_FILE
    tree = read_json(path)
    version = tree.get("version")
    if tree.get("format") != FORMAT or type(version) is not int or version not in READABLE:
        found = f"format {tree.get('format')!r}, version {version!r}"
        raise InputError(Problem(str(path), found, "compile the model again", f"{FORMAT} {VERSION}"))
    return tree


def check_digests(folder: Path, manifest: dict[str, Any], names: Iterable[str]) -> None:
    """Raise InputError with every file that is missing or not as it was written."""
    problems = list(_faults(folder, manifest.get("digests"), names))
    if problems:
        raise InputError(problems)


def _faults(folder: Path, digests: object, names: Iterable[str]) -> Iterator[Problem]:
    for name in names:
        if not (folder / name).is_file():
            yield Problem(str(folder / name), "is missing", "compile the model again")
        elif not isinstance(digests, dict) or digest(folder / name) != digests.get(name):
            found = "does not match the digest in the manifest"
            yield Problem(str(folder / name), found, "it was changed or damaged: compile again")
