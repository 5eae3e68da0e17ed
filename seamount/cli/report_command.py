"""seamount report: everything about a run, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seamount.backends.registry import costs_of, load_costs, load_target
from seamount.cli import options as o
from seamount.cli.console import out, progress
from seamount.cli.energy_command import Sets, SystemName
from seamount.compiler.energy.assessment import assess
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import write_text
from seamount.compiler.kept_run import Run, load_run
from seamount.compiler.places import check_outputs
from seamount.compiler.program.verify import check as check_program
from seamount.compiler.ranges.certain import prove
from seamount.compiler.report.contents import Report
from seamount.compiler.report.costs_section import Tree, energy_tree, mapping_tree
from seamount.compiler.report.gather import gather
from seamount.compiler.report.json_csv import as_csv, as_json
from seamount.workflows.price import COMPARED, chip_of, placed

Format = Literal["html", "md", "json", "csv"]
SETS = ("loihi1", COMPARED)
"""Cost sets beside the chip's own: the one chip whose energies are published, and the one that prices an ANN too."""
GENERATOR = b'name="generator" content="Seamount"'
SUFFIXES: dict[str, Format] = {".html": "html", ".htm": "html", ".md": "md", ".json": "json", ".csv": "csv"}


def report(
    run: Annotated[Path, typer.Argument(help="Folder that 'seamount run -o' or 'seamount check -o' wrote.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write; default: RUN.html beside RUN.")
    ] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Default: what the file's suffix says, else html.")
    ] = None,
    neuron: Annotated[
        list[str] | None,
        typer.Option("--neuron", metavar="POPULATION:INDEX", help="Show the membrane of this neuron. Repeatable."),
    ] = None,
    sets: Sets = None,
    system: SystemName = None,
    quiet: o.Quiet = False,
) -> None:
    """Write a report of a run as one file: accuracy, layers, spikes, weights, warnings, provenance."""
    chosen: Format = format_ or SUFFIXES.get(output.suffix.lower() if output else "", "html")
    place = output or run.resolve().with_suffix(f".{chosen}")
    check_outputs([run, *(sets or ()), system], {"-o": place})
    if output is None:
        _check_default(place, chosen)
    loaded = load_run(run)
    check_program(loaded.artifact.program)
    with progress("range proof", quiet):
        ranges = prove(loaded.artifact.program)
    energy, mapping, remark = costs_of_run(loaded, sets, system)
    made = gather(loaded, neuron or (), ranges, energy, mapping, remark)
    write_text(place, rendered(made, chosen))
    if not quiet:
        out.print(f"report: {place}", markup=False, soft_wrap=True)


def _check_default(place: Path, chosen: Format) -> None:
    """Raise InputError where the file that the user did not name is another's page. Other forms carry no mark."""
    if chosen == "html" and place.is_file() and GENERATOR not in place.read_bytes():
        raise InputError(Problem(str(place), "exists and is not a report", "name a file with -o"))


def costs_of_run(run: Run, sets: list[str] | None, system: str | None) -> tuple[Tree, Tree | None, str]:
    """Energy by every set asked for; where the network lies, None if it is not placed; a remark on that."""
    chip = chip_of(run.artifact)
    own = costs_of(chip)
    named = sets or [*([] if own is None else [own.name]), *SETS]
    placement, remark = placed(run.artifact, run.counts, system)
    chosen = [load_costs(name) for name in dict.fromkeys(named)]
    found = [assess(run.artifact, run.counts, costs, chip, placement, remark) for costs in chosen]
    mapping = None if placement is None else mapping_tree(placement, load_target(chip), remark)
    return energy_tree(chip, found), mapping, remark


def rendered(report: Report, format_: Format) -> str:
    """The report in a format. Raises InputError when jinja2 is missing and needed."""
    if format_ == "json":
        return as_json(report)
    if format_ == "csv":
        return as_csv(report)
    try:
        from seamount.compiler.report.page.render import as_html, as_markdown
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "markupsafe"):
            raise
        remedy = "pip install 'seamount[report]', or use --format json or csv"
        raise InputError(
            Problem(f"--format {format_}", f"needs {error.name}, which is not installed", remedy)
        ) from None
    return as_html(report) if format_ == "html" else as_markdown(report)
