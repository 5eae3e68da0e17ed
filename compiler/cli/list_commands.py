"""seamount targets, seamount passes."""

from __future__ import annotations

from typing import Annotated

import typer

from seamount.backends.registry import list_targets, load_target
from seamount.compiler.cli.console import out, table
from seamount.compiler.passes import PASSES
from seamount.compiler.pipelines import canonical


def targets(
    name: Annotated[str | None, typer.Argument(help="Show this target's numbers with their sources.")] = None,
) -> None:
    """List targets, or show one with every number, unit and source."""
    if name is None:
        known = [(t.name, t.title, t.chip, t.date) for t in map(load_target, list_targets())]
        table("targets", ("name", "what", "chip", "date"), known, left=4)
        return
    target = load_target(name)
    rows = [(path, str(q), q.conditions) for path, q in sorted(target.quantities.items())]
    table(
        f"{target.name}: {target.title}, as of {target.date}", ("number", "value (source)", "conditions"), rows, left=3
    )
    for key, text in sorted(target.sources.items()):
        out.print(f"{key}: {text}", markup=False)
    for note in target.notes:
        out.print(f"note: {note}", markup=False)


def passes() -> None:
    """List the passes with their contracts; those that compile runs come first, in order."""
    order = [p.name for p in canonical().passes] + ["quantize"]
    rows = []
    for name in (*order, *sorted(set(PASSES) - set(order))):
        p = PASSES[name]
        needs = ", ".join(sorted(map(str, p.requires))) or "-"
        gives = ", ".join(sorted(map(str, p.ensures))) or "-"
        rows.append((name, p.summary(), needs, gives))
    table("passes", ("name", "what", "requires", "ensures"), rows, left=4)
