"""seamount networks: the networks that train knows, and the trained ones that ship."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seamount.cli import options as o
from seamount.cli.console import out, percent, table
from seamount.compiler.files import write_json
from seamount.models.networks.cards import NetworkCard
from seamount.models.networks.table import FOR_RECIPES, NETWORKS, SHIPPED, AnyCard, network


def networks(
    name: Annotated[str | None, typer.Argument(help="One network, with everything its card says.")] = None,
    json: o.Json = None,
) -> None:
    """List the networks for `seamount train` and the trained ones that ship, or show the card of one."""
    chosen = [_tree(card) for card in (NETWORKS.values() if name is None else (network(name),))]
    if json is not None:
        write_json(json, chosen)
    if name is not None:
        table(name, ("card", "value"), [(k, _text(v)) for k, v in chosen[0].items()], left=2)
        return
    columns = ("name", "layers", "origin", "made for", "input", "classes", "parameters")
    rows = [(c.name, c.layers, c.origin, c.made_for, c.shape, c.classes, f"{c.parameters:,}") for c in FOR_RECIPES]
    table("networks for seamount train --network", columns, rows, left=4)
    out.print("--network also takes short forms, e.g. 16C5/2-32C3-AP2-R64-FC32: 16 channels, kernel 5, stride 2;")
    out.print("average pool 2 x 2; 64 recurrent neurons; 32 fully connected ones. The classifier is added.\n")
    trained = [
        (c.name, c.layers, c.framework, c.data, f"{c.parameters:,}", c.steps, percent(c.accuracy)) for c in SHIPPED
    ]
    columns = ("name", "layers", "framework", "data", "parameters", "T", "accuracy")
    table("trained, in models/weights, for seamount compile", columns, trained, left=4)


def _tree(card: AnyCard) -> dict[str, Any]:
    """What a card says, as plain values."""
    tree: dict[str, Any] = {k: v for k, v in vars(card).items() if k not in ("chain", "module", "cycle", "golden")}
    if isinstance(card, NetworkCard):
        return {**tree, "kind": "for seamount train"}
    return {**tree, "kind": "trained", "weights": f"models/weights/{card.weights.name}", "schedule": repr(card.cycle)}


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
