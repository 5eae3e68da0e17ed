"""Everything about a kept run, in one file: html, md, json or csv."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seamount.backends.registry import costs_of, load_costs, load_target
from seamount.compiler.energy.assessment import assess
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import write_text
from seamount.compiler.kept_run import Run, load_run
from seamount.compiler.program.verify import check as check_program
from seamount.compiler.ranges.certain import prove
from seamount.compiler.report.contents import Report as Contents
from seamount.compiler.report.costs_section import Tree, energy_tree, mapping_tree
from seamount.compiler.report.gather import gather
from seamount.compiler.report.json_csv import as_csv, as_json
from seamount.progress import Progress, watched
from seamount.workflows.brief import COMPARED, chip_of
from seamount.workflows.price import placed
from seamount.workflows.run import Run as Ran

Format = Literal["html", "md", "json", "csv"]
SETS = ("loihi1", COMPARED)
"""Cost sets beside the chip's own: the one chip whose energies are published, and the one that prices an ANN too."""
EFFORT = 2_000
"""Updates of populations that the search for certain overflows follows."""
SUFFIXES: dict[str, Format] = {".html": "html", ".htm": "html", ".md": "md", ".json": "json", ".csv": "csv"}


@dataclass(frozen=True, eq=False)
class Report:
    """A report of a run: `contents` has everything it says; `text(format)` renders it, `save(path)` writes it."""

    contents: Contents

    def text(self, format: Format = "html") -> str:
        """The report in a format. Raises InputError when jinja2 is missing and needed."""
        return rendered(self.contents, format)

    def save(self, path: str | os.PathLike[str], format: Format | None = None) -> Path:
        """Write the report as one file; the format is what the suffix says, else html. Returns the path."""
        place = Path(path)
        write_text(place, self.text(format or SUFFIXES.get(place.suffix.lower(), "html")))
        return place

    def to_dict(self) -> dict[str, Any]:
        """Everything the report says, as plain values."""
        import json

        found: dict[str, Any] = json.loads(self.text("json"))
        return found

    def __str__(self) -> str:
        return self.text("md")

    def _repr_html_(self) -> str:
        import html

        page = html.escape(self.text("html"), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:40em;border:0" title="report"></iframe>'


def report(
    run: Any,
    *,
    neurons: Sequence[str] = (),
    sets: Sequence[str] = (),
    system: str | None = None,
    progress: Progress = None,
) -> Report:
    """A report of a run: accuracy, layers, spikes, weights, energy, cores, warnings, provenance.

    run      of `Artifact.run`, or the path of a kept one
    neurons  "POPULATION:INDEX" of membranes to show; default: the most active ones
    sets     cost sets of `seamount.costs()`; default: the chip's own, loihi1 and 45 nm with memory
    system   place it on a board or rack; default: on one chip

    Raises InputError for a run that cannot be read or has no labels.

    Example:
        seamount.report(artifact.run(x, y)).save("net.html")
    """
    loaded = _loaded(run)
    check_program(loaded.artifact.program)
    with watched(progress, "range proof"):
        ranges = prove(loaded.artifact.program, effort=EFFORT)
    energy, mapping, remark = costs_of_run(loaded, sets, system)
    return Report(gather(loaded, neurons, ranges, energy, mapping, remark))


def _loaded(run: Any) -> Run:
    if isinstance(run, Run):
        return run
    if isinstance(run, Ran):
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "run"
            run.save(place)
            return load_run(place)
    return load_run(Path(run))


def costs_of_run(run: Run, sets: Sequence[str], system: str | None) -> tuple[Tree, Tree | None, str]:
    """Energy by every set asked for; where the network lies, None if it is not placed; a remark on that."""
    chip = chip_of(run.artifact)
    own = costs_of(chip)
    named = sets or [*([] if own is None else [own.name]), *SETS]
    placement, remark = placed(run.artifact, run.counts, system)
    chosen = [load_costs(name) for name in dict.fromkeys(named)]
    found = [assess(run.artifact, run.counts, costs, chip, placement, remark) for costs in chosen]
    mapping = None if placement is None else mapping_tree(placement, load_target(chip), remark)
    return energy_tree(chip, found), mapping, remark


def rendered(report: Contents, format_: Format) -> str:
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
