"""A report as one HTML file and as markdown."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from seamount.compiler.report import tables as t
from seamount.compiler.report.contents import Membrane, Report, Sample
from seamount.compiler.report.cost_tables import core_table, cost_tables, set_tables, traffic_table
from seamount.compiler.report.numbers import plural
from seamount.compiler.report.page import charts, cost_charts
from seamount.compiler.version import __version__
from seamount.compiler.visible import visible


def as_html(report: Report) -> str:
    """One file without links to anything outside. Its policy lets only its own style and script run."""
    style, script = _resource("style.css"), _resource("script.js")
    found = _environment(autoescape=True).get_template("report.html").render(
        report=report,
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        sections=_sections(report),
        counted=_counted(report),
        charts={
            "accuracy": charts.accuracy(report.rungs),
            "activity": charts.activity(report),
        },
        tables=_tables(report),
        samples=[_sample(s, report) for s in report.recorded],
        weights=[_weights(row) for row in report.distributions.get("weights", ())],
        thresholds=_thresholds(report),
        energy=[_costs(tree) for tree in report.energy["sets"]] if report.energy else (),
        mapping=_mapping(report.mapping) if report.mapping else None,
    )  # fmt: skip
    return visible(found) + "\n"


def as_markdown(report: Report) -> str:
    """The tables and remarks, for a README, an issue or a paper's supplement."""
    template = _environment(autoescape=False).get_template("report.md.jinja")
    tables = (*t.main_tables(report), *cost_tables(report.energy, report.mapping))
    return visible(template.render(report=report, tables=tables))


def _resource(name: str) -> str:
    return (files("seamount.compiler.report.page") / name).read_text(encoding="utf-8")


def _environment(autoescape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource), autoescape=autoescape, undefined=jinja2.StrictUndefined
    )
    environment.filters["md"] = _markdown
    return environment


def _markdown(text: object) -> str:
    """Text that means itself: markup characters escaped, on one line."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(str(text).split()))


def _hash(content: str) -> str:
    """As a content security policy names an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _sections(report: Report) -> list[tuple[str, str]]:
    found = [
        ("summary", "Summary", True),
        ("warnings", "Warnings", True),
        ("accuracy", "Accuracy", True),
        ("layers", "Layers", True),
        ("energy", "Energy and time", report.energy is not None),
        ("cores", "Cores", report.mapping is not None),
        ("samples", "Single samples", bool(report.recorded)),
        ("weights", "Weights", bool(report.distributions.get("weights") or report.distributions.get("thresholds"))),
        ("tuned", "Tuning", bool(report.tuned)),
        ("provenance", "Provenance", True),
    ]
    return [(key, name) for key, name, there in found if there]


def _counted(report: Report) -> str:
    warnings = sum(r.kind == "warning" for r in report.remarks)
    return f"{plural(warnings, 'warning')}, {plural(len(report.remarks) - warnings, 'note')}"


def _tables(report: Report) -> dict[str, Any]:
    return {
        "accuracy": t.accuracy_table(report),
        "agreement": t.agreement_table(report),
        "confusion": t.confusion_table(report),
        "populations": t.population_table(report),
        "projections": t.projection_table(report),
        "activity": t.activity_table(report),
        "thresholds": t.threshold_table(report),
    }


@dataclass(frozen=True, eq=False)
class _Trace:
    membrane: Membrane
    chart: Markup


def _sample(s: Sample, report: Report) -> dict[str, Any]:
    return {
        "sample": s,
        "raster": charts.raster(s, report),
        "outputs": charts.outputs(s),
        "membranes": [_Trace(m, charts.membrane(m, report.window)) for m in s.membranes],
        "raster_table": t.raster_table(s, report),
        "membrane_table": t.membrane_table(s, report),
    }


def _costs(tree: dict[str, Any]) -> dict[str, Any]:
    tables = set_tables(tree)
    crossings = [chart for form in tree["ann"] for chart in [cost_charts.crossover(tree, form)] if chart is not None]
    forms = list(tree["ann"])
    return {
        **tables,
        "tree": tree,
        "forms": forms,
        "bars": cost_charts.energy_bars(tree, tables["key"]),
        "crossings": crossings[:1],
    }


def _mapping(tree: dict[str, Any]) -> dict[str, Any]:
    return {"tree": tree, "map": cost_charts.core_map(tree), "cores": core_table(tree), "traffic": traffic_table(tree)}


def _weights(row: dict[str, Any]) -> dict[str, Any]:
    chart = charts.histogram(row["before"], row["after"], row["projection"], "weight, in thresholds")
    return {"row": row, "chart": chart, "table": t.weights_table(row)}


def _thresholds(report: Report) -> list[dict[str, Any]]:
    """Charts where thresholds differ among neurons; a single value is in the table."""
    found = []
    for row in report.distributions.get("thresholds", ()):
        if len(row["before"]["counts"]) > 1 or len(row["after"]["counts"]) > 1:
            name = f"Thresholds of {row['population']}"
            before = charts.single_histogram(row["before"], f"{name}, before", "as trained", "outlined")
            after = charts.single_histogram(row["after"], f"{name}, after", "vth", "c1")
            found.append({"name": row["population"], "before": before, "after": after})
    return found
