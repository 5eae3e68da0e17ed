"""Compiler from trained spiking networks to Loihi's integers.

The public names load lazily, so that the parts a Lava host needs (programs, artifacts, simulators)
import with numpy alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seamount.compiler.version import __version__

if __name__ == "compiler":
    raise ImportError("this folder is imported as seamount.compiler, not as compiler")

if TYPE_CHECKING:
    from seamount.compiler.artifact import Artifact, load_artifact
    from seamount.compiler.driver import compile_graph

__all__ = ["Artifact", "__version__", "compile_graph", "load_artifact"]

_HOME = {
    "Artifact": "seamount.compiler.artifact",
    "load_artifact": "seamount.compiler.artifact",
    "compile_graph": "seamount.compiler.driver",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
