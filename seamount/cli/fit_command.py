"""seamount fit: whether a compiled network fits a chip or system, what it takes, and where its neurons would lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.backends.registry import load_system, load_target, sound_systems, sound_targets
from seamount.cli import fit_text
from seamount.cli import options as o
from seamount.cli.console import progress
from seamount.compiler.artifact import load_artifact
from seamount.compiler.errors import ContractError
from seamount.compiler.execution import EventCounts
from seamount.compiler.files import write_json
from seamount.compiler.kept_run import load_run
from seamount.compiler.placement.as_json import tree
from seamount.compiler.placement.check import check
from seamount.compiler.placement.place import place_plan
from seamount.compiler.placement.placement import Placement
from seamount.compiler.placement.plan import DoesNotFit, Plan, plan
from seamount.compiler.placement.remedies import Remedy, remedies
from seamount.compiler.placement.resources import resources
from seamount.compiler.program.verify import check as check_program

CHECKED = 200_000
"""Placements of networks with at most so many synapses are checked in any case; it takes seconds."""

Chip = Annotated[
    str | None, typer.Option(help="A name from 'seamount targets' or a .toml file; default: what it was compiled for.")
]
SystemName = Annotated[
    str | None, typer.Option("--system", help="Several chips: a name from 'seamount targets', or a .toml file.")
]
RunFolder = Annotated[
    Path | None, typer.Option("--run", metavar="RUN", help="Weigh traffic by the spikes of this run of the artifact.")
]
Spread = Annotated[int | None, typer.Option("--neurons-per-core", min=1, help="Spread over more cores than needed.")]
Verify = Annotated[
    bool | None,
    typer.Option("--verify/--no-verify", help="Check by an independent recount; default: up to 200,000 synapses."),
]
Out = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the placement as JSON.")]


def fit(
    artifact: Annotated[Path, typer.Argument(help="Folder that 'seamount compile' wrote.")],
    chip: Chip = None,
    system: SystemName = None,
    run: RunFolder = None,
    neurons_per_core: Spread = None,
    verify: Verify = None,
    output: Out = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Say whether an artifact fits a chip or system: resources, every limit exceeded with remedies, and the placement.

    Ends with 1 when it does not fit.
    """
    loaded = load_artifact(artifact)
    check_program(loaded.program)
    target = load_target(chip or loaded.manifest["target"]["name"])
    traffic = load_run(run).counts if run is not None else None
    made = plan(loaded.program, target, load_system(system) if system else None, neurons_per_core)
    needed = resources(made)
    if not quiet:
        fit_text.show_resources(made, needed)
    if made.excesses:
        tried = _tried(made, neurons_per_core, quiet)
        if json is not None:
            write_json(json, fit_text.summary(made, needed, tried, None))
        raise DoesNotFit(fit_text.problems(made, tried))
    placement = place_plan(made, traffic)
    checked = _verified(made, placement, traffic, verify)
    if not quiet:
        fit_text.show_placement(made, placement, checked)
    if json is not None:
        write_json(json, {**fit_text.summary(made, needed, (), placement), "checked": checked})
    if output is not None:
        write_json(output, tree(placement))


def _tried(made: Plan, neurons_per_core: int | None, quiet: bool) -> tuple[Remedy, ...]:
    """Every remedy tried on what is exceeded."""
    systems = sound_systems()
    targets = [t for t in sound_targets() if t.name == t.chip]
    with progress("remedies", quiet) as tick:
        return remedies(made, systems, targets, neurons_per_core, tick)


def _verified(made: Plan, placement: Placement, traffic: EventCounts | None, verify: bool | None) -> bool:
    """Whether the independent checker looked at it. Raises ContractError for what it finds: a bug in the mapper."""
    if verify is None:
        verify = sum(load.synapses for load in placement.loads) <= CHECKED
    if verify:
        faults = check(made.program, placement, made.target, made.system, traffic)
        if faults:
            raise ContractError(faults)
    return verify
