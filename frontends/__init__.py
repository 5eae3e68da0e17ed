"""Readers of trained networks: .nir files and training frameworks.

The public names load lazily: importing this package needs neither torch nor a training framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if __name__ == "frontends":
    raise ImportError("this folder is imported as seamount.frontends, not as frontends")

if TYPE_CHECKING:
    from seamount.frontends.checking import SelfCheck, self_check
    from seamount.frontends.model_file import ModelFile, load_model
    from seamount.frontends.saving import save

__all__ = ["ModelFile", "SelfCheck", "load_model", "save", "self_check"]

_HOME = {
    "ModelFile": "seamount.frontends.model_file",
    "load_model": "seamount.frontends.model_file",
    "SelfCheck": "seamount.frontends.checking",
    "self_check": "seamount.frontends.checking",
    "save": "seamount.frontends.saving",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
