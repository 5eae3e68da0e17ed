"""seamount targets, seamount passes."""

from __future__ import annotations

from typing import Annotated

import typer

from seamount.backends.registry import (
    list_systems,
    load_system,
    load_target,
    plugin_faults,
    sound_systems,
    sound_targets,
)
from seamount.cli import show
from seamount.cli.console import out, table
from seamount.compiler.passes import pass_class, pass_faults, sound_passes
from seamount.compiler.pipelines import canonical, default_text
from seamount.compiler.target.system import System
from seamount.compiler.target.target import Target


def targets(
    name: Annotated[
        str | None, typer.Argument(help="Show the numbers of this target or system with their sources.")
    ] = None,
) -> None:
    """List targets and systems, or show one with every number, unit and source."""
    if name is None:
        known = [(t.name, t.title, t.chip, t.date) for t in sound_targets()]
        table("targets", ("name", "what", "chip", "date"), known, left=4)
        systems = [(s.name, s.title, s.chip, s.date) for s in sound_systems()]
        table("systems of several chips, for fit", ("name", "what", "chip", "date"), systems, left=4)
        show.plugin_faults(plugin_faults())
        return
    if name in list_systems():
        _show(load_system(name))
        return
    _show(load_target(name))


def _show(target: Target | System) -> None:
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
    order = [p.name for p in canonical().passes] + ["quantize", "balance-delays"]
    rows = []
    for name in (*order, *sorted(set(sound_passes()) - set(order))):
        p = pass_class(name)
        needs = ", ".join(sorted(map(str, p.requires))) or "-"
        gives = ", ".join(sorted(map(str, p.ensures))) or "-"
        rows.append((name, p.summary(), needs, gives))
    table("passes", ("name", "what", "requires", "ensures"), rows, left=4)
    out.print(f"the pipeline of compile: {default_text()}", markup=False, soft_wrap=True)
    show.plugin_faults(pass_faults())
