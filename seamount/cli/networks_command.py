"""seamount networks: the networks that train knows, and the trained ones that ship."""

from __future__ import annotations

from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer
from seamount.workflows.listings import networks as cards


def networks(
    name: Annotated[str | None, typer.Argument(help="One network, with everything its card says.")] = None,
    json: o.Json = None,
) -> None:
    """List the networks for `seamount train` and the trained ones that ship, or show the card of one."""
    answer(cards(name), json, quiet=False)
