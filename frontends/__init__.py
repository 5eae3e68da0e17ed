"""Readers of trained networks: .nir files and training frameworks.

The public names load lazily: importing this package needs neither torch nor a training framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if __name__ == "frontends":
    raise ImportError("this folder is imported as seamount.frontends, not as frontends")

if TYPE_CHECKING:
    from seamount.frontends.model_file.file import load_model
    from seamount.frontends.model_file.model import ModelFile
    from seamount.frontends.model_file.save import save
    from seamount.frontends.model_file.self_check import SelfCheck, self_check

__all__ = ["ModelFile", "SelfCheck", "load_model", "save", "self_check"]

_HOME = {
    "ModelFile": "seamount.frontends.model_file.model",
    "load_model": "seamount.frontends.model_file.file",
    "SelfCheck": "seamount.frontends.model_file.self_check",
    "self_check": "seamount.frontends.model_file.self_check",
    "save": "seamount.frontends.model_file.save",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
