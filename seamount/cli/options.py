"""Options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seamount.models.data.datasets import NAMES

ASSUME_HELP = (
    "What a .nir or .net file does not say: key=value (dt, integrate, reset, timing, compare, spikes, start, v_min, "
    "coding, low, high, encoding, steps, readout) or a preset (norse, snntorch, spikingjelly, sinabs). Repeatable; "
    "later wins."
)
DATA_HELP = (
    f"Labelled samples: {', '.join(NAMES)} (those but digits from a data folder); "
    "a .npz file with x and y; or module:function."
)

PIPELINE_HELP = (
    "Passes to run, in order, with options: infer-shapes,...,quantize{weight-bits=4},balance-delays. What it omits "
    "comes from the target and the other options; 'seamount passes' prints the default."
)

FOLDER_HELP = "Where data sets lie; default $SEAMOUNT_DATA, else ~/.local/share/seamount/data."

Assume = Annotated[list[str] | None, typer.Option("--assume", "-a", metavar="KEY=VALUE", help=ASSUME_HELP)]
DataName = Annotated[str | None, typer.Option("--data", "-d", metavar="NAME", help=DATA_HELP)]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data-folder",
        help="Where data sets lie; default $SEAMOUNT_DATA, else ~/.local/share/seamount/data.",
        show_default=False,
    ),
]
Split = Annotated[str, typer.Option(help="Which part of the data: test or train.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Steps per sample; default: what the model was saved with.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Use at most so many samples.")]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Samples handed to the backend at once; default 500, in Lava 100 per process.")
]
Seed = Annotated[int | None, typer.Option(help="With --limit: choose the samples at random with this seed.")]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars, no tables.")]
MaxDelay = Annotated[
    int | None, typer.Option(min=0, metavar="STEPS", help="Longest delay to use, relays beyond; default: the chip's.")
]
NoBalance = Annotated[
    bool,
    typer.Option("--no-balance-delays", help="Experiment: let short paths arrive early. Not the trained network."),
]
SlowDown = Annotated[
    int, typer.Option(min=1, metavar="K", help="Take K steps of the chip for each of the network; for long loops.")
]
TargetName = Annotated[str, typer.Option("--target", "-t", help="A name from 'seamount targets', or a .toml file.")]
RunFolder = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="RUN", help="Keep the run as a folder, for 'seamount report'."),
]
Record = Annotated[int, typer.Option(min=0, help="With -o: samples recorded in full, with spikes and v.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace a folder of the same kind that exists.")]
LayerBits = Annotated[
    list[str] | None,
    typer.Option("--bits", metavar="LAYER=N", help="Bits of one layer, of weights or neurons. Repeatable."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME", help="A cost set from 'seamount costs', or a .toml file. Repeatable."),
]
SystemName = Annotated[
    str | None, typer.Option("--system", metavar="NAME", help="Place it on a board or rack; default: on one chip.")
]
