"""seamount diff: the first place where two runs part, explained in integers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.cli import options as o
from seamount.cli.console import answer, progress
from seamount.compiler.places import check_outputs
from seamount.workflows.data import DataSource
from seamount.workflows.recordings import diff as compare

BackendOf = Annotated[str, typer.Option(help="vectorized, reference or lava.")]
Silicon = Annotated[
    bool, typer.Option("--silicon", help="In a recorded trace, v reads 128 where a neuron spiked, as on a chip.")
]


def diff(
    a: Annotated[Path, typer.Argument(help="An artifact.")],
    b: Annotated[Path, typer.Argument(help="An artifact, or a recorded trace (.npz, .csv, or NIR data).")],
    data: o.DataName = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    backend_a: BackendOf = "vectorized",
    backend_b: BackendOf = "vectorized",
    silicon: Silicon = False,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Run A and B on the same samples and explain the first difference in spikes, u or v.

    Without --data: on the messages in the recorded trace if it has any, else on the test vectors of A.
    Exit code 0 when they behave the same, 1 when they do not.
    """
    check_outputs([a, b, data], {"--json": json})
    samples = None if data is None else DataSource(data, split, limit, seed, data_folder)
    found = compare(
        a, b, samples, steps=steps, limit=limit, backend_a=backend_a, backend_b=backend_b, silicon=silicon,
        progress=progress(quiet),
    )  # fmt: skip
    answer(found, json, quiet)
    found.raise_if_different()
