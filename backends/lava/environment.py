"""Where Lava's Python is, and what to do when there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seamount.compiler.errors import InputError, Problem

VARIABLE = "SEAMOUNT_LAVA_PYTHON"
FOLDER = ".venv-lava"
HOW = (
    "make one with 'make lava' in the checkout, or: python3.10 -m venv .venv-lava && "
    ".venv-lava/bin/pip install lava-nc==0.10.0; or name one with " + VARIABLE
)


def find_interpreter(given: str | Path | None = None) -> Path:
    """Python of the Lava environment: as given, by the variable, .venv-lava beside the checkout or here, or our own.

    Raises InputError that says how to make one.
    """
    named = given or os.environ.get(VARIABLE)
    if named:
        path = Path(named).expanduser()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise InputError(Problem("Lava interpreter", f"'{path}' is not a program that can be run", HOW))
        return path.absolute()
    places = [folder / FOLDER / "bin" / "python" for folder in (Path(__file__).resolve().parents[2], Path.cwd())]
    for place in places:
        if place.is_file():
            return place
    if _has_lava():
        return Path(sys.executable)
    looked = ", ".join(str(p) for p in dict.fromkeys(places))
    raise InputError(Problem("Lava interpreter", f"none found (looked at {VARIABLE}, {looked})", HOW))


def _has_lava() -> bool:
    """Whether this very interpreter can run Lava 0.10.0."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lava-nc") == "0.10.0" and sys.version_info[:2] == (3, 10)
    except PackageNotFoundError:
        return False
