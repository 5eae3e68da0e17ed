"""What compile and run print: layers, populations, notes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from seamount.cli.console import err, out, table
from seamount.compiler.analysis.precision import LayerPrecision
from seamount.compiler.artifact import Artifact
from seamount.compiler.errors import Problem
from seamount.compiler.execution import EventCounts
from seamount.compiler.passes.balance_delays import OFF
from seamount.compiler.program.program import Population, Program
from seamount.workflows.load import Source


def layers(rows: tuple[LayerPrecision, ...]) -> None:
    """Projections after quantization."""
    shown = [
        (r.layer, r.target, r.weights, r.bits, r.sign_mode, f"2^{r.exponent}", f"{100 * r.error:.2f} %", r.clipped)
        for r in rows
    ]
    columns = ("projection", "into", "weights", "bits", "signs", "exponent", "rms error", "clipped")
    table("weights", columns, shown, left=2)


def populations(program: Program) -> None:
    """Neuron layers with their registers."""
    rows = [
        (p.name, "x".join(map(str, p.shape)), p.size, _span(p.du), _span(p.dv), _threshold(p), p.reset, p.offset)
        for p in program.populations
    ]
    table("populations", ("population", "shape", "neurons", "du", "dv", "vth", "reset", "offset"), rows, left=2)


def _span(value: NDArray[np.int32]) -> str:
    low, high = int(np.min(value)), int(np.max(value))
    return str(low) if low == high else f"{low}..{high}"


def _threshold(p: Population) -> str:
    return "never fires" if p.vth is None else _span(p.vth)


def conventions(artifact: Artifact) -> None:
    """What the neurons mean, grouped by where that is known from."""
    grouped: dict[str, list[str]] = {}
    for note in artifact.manifest["model"]["conventions"]:
        what, _, source = note.rpartition(" (")
        grouped.setdefault(source.rstrip(")") if what else "", []).append(what or note)
    for source, known in grouped.items():
        title = f"conventions ({source})" if source else "conventions"
        out.print(f"{title}: {', '.join(known)}", markup=False, soft_wrap=True)


def imported(source: Source) -> None:
    """What saving found and left out."""
    if source.file is None:
        return
    if source.file.ties:
        text = f"note: {source.file.ties} spikes of the golden trace fall on the threshold to rounding"
        out.print(text, markup=False, soft_wrap=True)
    for name in source.file.left_out:
        out.print(f"note: layer {name} reaches no output and was left out when saving", markup=False, soft_wrap=True)


def notes(artifact: Artifact) -> None:
    """Everything that was assumed, approximated, or needs more than stock hardware."""
    for note in artifact.manifest["notes"]:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    for need in artifact.manifest["chip_needs"]:
        out.print(f"on a chip: {need['where']} needs {need['what']}", markup=False, soft_wrap=True)


def caution(artifact: Artifact) -> None:
    """On stderr, what makes the artifact another network than the trained one."""
    for note in artifact.manifest["notes"]:
        if note.startswith(OFF):
            warn(note)


def activity(program: Program, counts: EventCounts) -> None:
    """Spikes per population and synaptic operations per projection, per sample."""
    n = counts.samples
    spikes = []
    for name, total in counts.spike_totals.items():
        size = int(np.prod(program.shapes[name], dtype=np.int64))
        rate = total / (n * counts.steps * size)
        spikes.append((name, size, f"{total / n:,.1f}", f"{rate:.4f}"))
    table("messages per sample", ("source", "size", "messages", "per neuron and step"), spikes)
    synops = [(name, f"{total / n:,.0f}") for name, total in counts.synop_totals.items()]
    synops.append(("all", f"{sum(counts.synop_totals.values()) / n:,.0f}"))
    table("synaptic operations per sample", ("projection", "SynOps"), synops)


def warn(text: str) -> None:
    """A remark on stderr that is no error."""
    err.print(f"[bold yellow]note[/] {text}")


def plugin_faults(problems: Iterable[Problem]) -> None:
    """Plug-ins that cannot be used, and why."""
    for problem in problems:
        out.print(f"broken plug-in: {problem}", markup=False, soft_wrap=True)
