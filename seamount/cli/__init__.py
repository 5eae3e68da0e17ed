"""The command line: `seamount` and `compile`. Alone in knowing frontends, backends and models."""

from __future__ import annotations

from seamount.cli.app import main, main_compile

__all__ = ["main", "main_compile"]
