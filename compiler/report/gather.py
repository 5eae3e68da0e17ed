"""One value with everything a report says, from a run and what was computed about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seamount.compiler.codes import Task
from seamount.compiler.kept_run import Run
from seamount.compiler.manifest import Chosen, plain
from seamount.compiler.measures import Measures
from seamount.compiler.ranges.certain import prove
from seamount.compiler.ranges.proof import Ranges
from seamount.compiler.report.accuracy import FRAMEWORK, agreement, confusion, rungs, wilson
from seamount.compiler.report.contents import Headline, PopulationRow, Remark, Report, Rung
from seamount.compiler.report.excerpt import (
    LAYERS,
    folded,
    folded_energy,
    folded_mapping,
    left_out,
    shortened,
    windows,
)
from seamount.compiler.report.layer_rows import population_rows, projection_rows
from seamount.compiler.report.numbers import bounds, percent, plural, signed
from seamount.compiler.report.remarks import remarks
from seamount.compiler.report.samples import neurons_named, neurons_to_show, recorded_samples
from seamount.compiler.report.tuning import tuning_rows

NAMED = 12
"""Populations named in a sentence."""


def gather(
    run: Run,
    neurons: Sequence[str] = (),
    ranges: Ranges | None = None,
    energy: dict[str, Any] | None = None,
    mapping: dict[str, Any] | None = None,
    placing: str = "",
) -> Report:
    """The report of a run. neurons: POPULATION:INDEX of membranes to show; without any, some are chosen.

    energy, mapping: trees of compiler/report/costs_section.py, where they are known. placing: why there
    is no mapping, if it was tried.

    Raises InputError for neurons that there are not.
    """
    program = run.artifact.program
    chosen = neurons_named(program, neurons) if neurons else neurons_to_show(run)
    over = windows(run.counts.steps, len(program.inputs) + len(program.populations) + len(program.projections))
    populations = population_rows(run, ranges or prove(program), over)
    projections, forms = projection_rows(run, over), rungs(run)
    rows, synapses = folded(populations, LAYERS), folded(projections, LAYERS)
    layers = {p.name for p in rows} | {q.name for q in synapses}
    unshown = left_out(over, len(populations), len(projections), energy, run.recording.samples)
    remedy = "'seamount fit ARTIFACT' names every limit with remedies; --system places it on several chips"
    unplaced = [Remark("warning", "cores", placing, remedy)] if mapping is None and placing else []
    return Report(
        title=run.artifact.manifest.model.name,
        subtitle=_subtitle(run),
        sentences=_sentences(run, forms, populations),
        headlines=(*_headlines(run, forms, populations), *_cost_headlines(energy, mapping)),
        steps=run.counts.steps,
        window=over.length,
        samples=run.counts.samples,
        rungs=forms,
        agreement=folded(agreement(run), LAYERS),
        confusion=confusion(run),
        populations=rows,
        projections=synapses,
        recorded=recorded_samples(run, chosen, over),
        distributions=_distributions(run, layers),
        energy=None if energy is None else folded_energy(energy, layers),
        mapping=None if mapping is None else folded_mapping(mapping, layers),
        remarks=shortened([*unplaced, *unshown, *remarks(run, populations, projections)]),
        facts=_facts(run),
        digests=_digests(run),
        tuned=tuning_rows(run.artifact.manifest.model.tuning),
    )


def _distributions(run: Run, layers: set[str]) -> dict[str, Any]:
    """Weights of the projections and thresholds of the populations that are shown."""
    kinds = (("weights", "projection"), ("thresholds", "population"))
    found = plain(run.artifact.analysis)
    shown = {kind: [row for row in found[kind] if row[member] in layers] for kind, member in kinds if kind in found}
    return {**found, **shown}


def stated_accuracy(run: Run, forms: tuple[Rung, ...]) -> float | None:
    """Float accuracy to compare with: on the same samples where it was computed, else as recorded."""
    named = {r.name: r.accuracy for r in forms}
    if named.get("imported graph") is not None:
        return named["imported graph"]
    return named.get(FRAMEWORK) if run.counts.steps == run.artifact.steps else None


def _subtitle(run: Run) -> str:
    chip = run.artifact.manifest.target.name or "unknown target"
    samples = plural(run.counts.samples, "sample")
    return f"compiled for {chip}, run on {samples} of {run.summary.data.name}, {run.counts.steps} steps each"


def _sentences(run: Run, forms: tuple[Rung, ...], populations: tuple[PopulationRow, ...]) -> tuple[str, ...]:
    n = run.counts.samples
    found = _answers(run, forms)
    sent = sum(p.messages_per_sample for p in populations)
    synops = sum(run.counts.synop_totals.values()) / n
    found.append(
        f"A sample of {plural(run.counts.steps, 'step')} makes it send {sent:,.0f} messages, which cause {synops:,.0f} "
        "synaptic operations. Both are counted during the exact run, not estimated."
    )
    open_ = [p.name for p in populations if p.proven is False]
    if open_:
        more = f" and {len(open_) - NAMED:,} more" if len(open_) > NAMED else ""
        named = f"{', '.join(open_[:NAMED])}{more}"
        found.append(f"Not proven free of overflow for every possible input: {named}.")
    else:
        found.append("It is proven that no input, however long, makes a register overflow.")
    return tuple(found)


def _answers(run: Run, forms: tuple[Rung, ...]) -> list[str]:
    """How good the answers are, by the task."""
    n, task, found = run.counts.samples, run.artifact.outputs[0].task, run.measures
    if run.labels is None:
        return [f"It ran {plural(n, 'sample')} without labels in Loihi's integers."]
    if found.accuracy is None:
        return [f"In Loihi's integers its real values have {_value_words(found)}, on {plural(n, 'sample')}."]
    if task is Task.PIXELS:
        return [
            f"In Loihi's integers the network answers {percent(found.accuracy)} of all pixels of {plural(n, 'sample')} "
            f"correctly; the mean intersection over union of the classes is {percent(found.iou or 0.0)}."
        ]
    low, high = wilson(found.accuracy, n)
    said = [
        f"In Loihi's integers the network answers {percent(found.accuracy)} of {plural(n, 'sample')} correctly. With "
        f"so many samples, the true share lies between {100 * low:.1f} and {percent(high, 1)} (95 % interval)."
    ]
    before = stated_accuracy(run, forms)
    return said if before is None else [*said, _loss(before, found.accuracy, high)]


def _value_words(found: Measures) -> str:
    known = [f"an RMS error of {found.rms:.4g}"] if found.rms is not None else []
    known += [f"a correlation of {found.correlation:.4f}"] if found.correlation is not None else []
    known += [f"an R2 of {found.r2:.4f}"] if found.r2 is not None else []
    return " and ".join(known)


def _loss(before: float, after: float, high: float) -> str:
    """In one sentence what conversion cost, and whether the samples suffice to say so."""
    points = 100 * (after - before)
    if abs(points) < 0.005:
        return f"In floating point it reaches {percent(before)} as well: the conversion costs nothing on these samples."
    verb = "gains" if points > 0 else "loses"
    chance = ", which may be chance with so few samples" if points > 0 or before <= high else ""
    return f"In floating point it reaches {percent(before)}: the conversion {verb} {abs(points):.2f} points{chance}."


def _headlines(run: Run, forms: tuple[Rung, ...], populations: tuple[PopulationRow, ...]) -> tuple[Headline, ...]:
    n, before = run.counts.samples, stated_accuracy(run, forms)
    found = []
    if run.accuracy is not None:
        of = "pixels of " if run.artifact.outputs[0].task is Task.PIXELS else ""
        meaning = f"of {of}{plural(n, 'sample')}"
        found.append(Headline("Accuracy in integers", percent(run.accuracy), meaning, "accuracy"))
    if run.measures.rms is not None:
        found.append(
            Headline("RMS error in integers", f"{run.measures.rms:.4g}", f"of {plural(n, 'sample')}", "accuracy")
        )
    if before is not None and run.accuracy is not None:
        change = f"{signed(100 * (run.accuracy - before))} points"
        found.append(Headline("Change by conversion", change, f"from {percent(before)} in floating point", "accuracy"))
    spikes = sum(p.messages_per_sample for p in populations if p.kind == "neurons")
    synops = sum(run.counts.synop_totals.values()) / n
    found.append(Headline("Spikes", f"{spikes:,.0f}", "per sample, all neurons together", "layers"))
    found.append(
        Headline("Synaptic operations", f"{synops:,.0f}", "per sample: messages times synapses reached", "layers")
    )
    sizes = [p.size for p in run.artifact.program.populations]
    found.append(Headline("Neurons", f"{sum(sizes):,}", f"in {plural(len(sizes), 'population')}", "layers"))
    return tuple(found)


def _cost_headlines(energy: dict[str, Any] | None, mapping: dict[str, Any] | None) -> list[Headline]:
    found = []
    if mapping is not None:
        where = f"on {plural(mapping['chips'], 'chip')} of {mapping['system']}"
        found.append(Headline("Cores", f"{mapping['cores']:,}", where, "cores"))
    for tree in () if energy is None else energy["sets"]:
        if not tree["dynamic_pj"]["missing"]:
            meaning = f"per inference, dynamic, by {tree['set']}"
            found.append(Headline("Energy", bounds(tree["dynamic_pj"]), meaning, "energy"))
    return found


def _facts(run: Run) -> tuple[tuple[str, str], ...]:
    manifest, data = run.artifact.manifest, run.summary.data
    model, target, samples = manifest.model, manifest.target, manifest.calibration_samples
    chosen = "one file" if data.is_file else f"{data.split} split"
    if data.limit:
        chosen += f", {data.limit:,} samples at most"
        chosen += f", drawn with seed {data.seed}" if data.seed is not None else ", the first ones"
    rows: list[tuple[str, Any]] = [
        ("model", model.name),
        *((f"trained with: {k}" if k != "framework" else "framework", v) for k, v in model.provenance.items()),
        ("target", f"{target.name or 'not stated'}, description of {target.date or 'unknown date'}"),
        ("weight bits", _bits(manifest.options)),
        ("calibration samples", "not stated" if samples is None else samples),
        ("passes", " → ".join(manifest.passes)),
        ("conventions", "; ".join(map(str, model.conventions))),
        ("data", f"{data.name}, {chosen}"),
        ("backend of the run", run.summary.backend),
        ("seamount", manifest.seamount or "not stated"),
    ]
    return tuple((name, str(value)) for name, value in rows if value not in ("", None))


def _bits(options: Chosen | None) -> str:
    if options is None:
        return "not stated"
    return f"{options.weight_bits}{''.join(f', {name} {bits}' for name, bits in options.layer_bits.items())}"


def _digests(run: Run) -> tuple[tuple[str, str], ...]:
    artifact = {f"artifact/{name}": digest for name, digest in run.artifact.manifest.digests.items()}
    data = {"data as used": run.summary.data.digest}
    return tuple(sorted({**run.digests, **artifact, **data}.items()))
