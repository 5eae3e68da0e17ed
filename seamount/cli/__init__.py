"""The command line: `seamount` and `compile`. A command is its options, one call, and the text of the result."""

from __future__ import annotations

from seamount.cli.streams import safe_streams


def main() -> None:
    """Entry of the `seamount` command."""
    with safe_streams():
        from seamount.cli.app import app

        app()


def main_compile() -> None:
    """Entry of the `compile` command: `seamount compile` under a name of its own."""
    with safe_streams():
        from seamount.cli.app import compile_only

        compile_only(prog_name="compile")
