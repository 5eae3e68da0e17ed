"""The typer application: commands, and the two ways into it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Annotated

import typer

from seamount.cli import console
from seamount.cli.blame_command import blame
from seamount.cli.check_command import check
from seamount.cli.compile_command import compile_model
from seamount.cli.diff_command import diff
from seamount.cli.energy_command import costs, energy
from seamount.cli.evaluate_command import evaluate_models
from seamount.cli.export_command import export
from seamount.cli.fit_command import fit
from seamount.cli.import_command import check_import
from seamount.cli.inspect_command import inspect
from seamount.cli.list_commands import passes, targets
from seamount.cli.networks_command import networks
from seamount.cli.ranges_command import ranges
from seamount.cli.report_command import report
from seamount.cli.run_command import run
from seamount.cli.train_command import train
from seamount.cli.tune_command import tune_model
from seamount.compiler.version import __version__


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with errors turned into messages and exit codes; usage errors are typer's and end with 2."""

    @wraps(command)
    def run_guarded(*args: object, **options: object) -> None:
        code = console.guarded(lambda: command(*args, **options))
        if code:
            raise typer.Exit(code)

    return run_guarded


app = typer.Typer(
    name="seamount",
    help="Compile trained spiking neural networks to Intel Loihi's integers, and run them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("compile")(_guarded(compile_model))
app.command("run")(_guarded(run))
app.command("report")(_guarded(report))
app.command("blame")(_guarded(blame))
app.command("check")(_guarded(check))
app.command("check-import")(_guarded(check_import))
app.command("diff")(_guarded(diff))
app.command("export-lava")(_guarded(export))
app.command("inspect")(_guarded(inspect))
app.command("ranges")(_guarded(ranges))
app.command("energy")(_guarded(energy))
app.command("costs")(_guarded(costs))
app.command("evaluate")(_guarded(evaluate_models))
app.command("train")(_guarded(train))
app.command("tune")(_guarded(tune_model))
app.command("networks")(_guarded(networks))
app.command("fit")(_guarded(fit))
app.command("targets")(_guarded(targets))
app.command("passes")(_guarded(passes))

compile_only = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
compile_only.command("compile")(_guarded(compile_model))


def _version(value: bool) -> None:
    if value:
        console.out.print(f"seamount {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass
