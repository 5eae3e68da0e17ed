"""seamount fit: whether a compiled network fits a chip or system, what it takes, and where its neurons would lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer, progress
from seamount.compiler.files import write_json
from seamount.compiler.places import check_outputs
from seamount.workflows.fit import fit as fit_artifact

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
    check_outputs([artifact, chip, system, run], {"--json": json, "-o": output})
    found = fit_artifact(
        artifact, chip=chip, system=system, run=run, neurons_per_core=neurons_per_core, verify=verify,
        progress=progress(quiet),
    )  # fmt: skip
    answer(found, json, quiet)
    found.raise_if_too_large()
    if output is not None:
        write_json(output, found.placement_tree())
