"""Names of backends and of target files.

Backends load when asked for, so that naming them needs none of what they import.
"""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

from seamount.compiler.errors import InputError, Problem

if TYPE_CHECKING:
    from seamount.compiler.execution import Backend
    from seamount.compiler.target import Target

BACKENDS = {
    "lava": "seamount.backends.lava.run:LavaBackend",
    "loihi2": "seamount.backends.lava.run:Loihi2Backend",
    "reference": "seamount.backends.simulator.reference:ReferenceSimulator",
    "vectorized": "seamount.backends.simulator.vectorized:VectorizedSimulator",
}
"""Name -> module:class; the class takes no argument."""

DEFAULT_BACKEND = "vectorized"
"""What runs an artifact whose target names no backend of its own."""


def list_backends() -> tuple[str, ...]:
    """The names `load_backend` knows."""
    return tuple(BACKENDS)


def load_backend(name: str) -> Backend:
    """The backend of that name. Raises InputError for a name that is none."""
    if name not in BACKENDS:
        raise InputError(Problem(f"backend '{name}'", "does not exist", f"one of {', '.join(BACKENDS)}"))
    module, _, attribute = BACKENDS[name].partition(":")
    return cast("Backend", getattr(import_module(module), attribute)())


def list_targets() -> tuple[str, ...]:
    """The names `load_target` knows: the target files shipped with Seamount."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def load_target(name: str) -> Target:
    """The target of that name, or of the file when `name` ends in .toml.

    Raises InputError for a name that is none, and for every fault of the file.
    """
    from seamount.compiler.target_file import read_target

    if name.endswith(".toml"):
        return read_target(Path(name))
    if name not in list_targets():
        remedy = f"one of {', '.join(list_targets())}, or the path of a .toml file"
        raise InputError(Problem(f"target '{name}'", "does not exist", remedy))
    return read_target(_folder() / f"{name}.toml")


def _folder() -> Path:
    return Path(str(files("seamount.backends.targets")))
