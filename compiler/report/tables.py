"""The tables of a report, made once for all formats: HTML, markdown and CSV show the same cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seamount.compiler.report.contents import PopulationRow, ProjectionRow, Report, Rung, Sample
from seamount.compiler.report.numbers import bounds, percent, set_key, times


@dataclass(frozen=True)
class Cell:
    """What is shown, and the number behind it for sorting and CSV. note: smaller, below. href: where the number comes
    from; anchor: a name to link to."""

    text: str
    value: float | int | None = None
    note: str = ""
    href: str = ""
    anchor: str = ""

    @property
    def raw(self) -> str:
        return self.text if self.value is None else repr(self.value)


@dataclass(frozen=True)
class Column:
    """Heading, and what it means in a sentence. numeric columns are aligned right."""

    name: str
    meaning: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """key: its name in CSV and in links. caption: what the rows are."""

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


Words = Cell | str | None
_Field = tuple[str, str, Callable[[Any], Words]]


def made(key: str, caption: str, fields: Sequence[_Field], items: Sequence[Any]) -> Table:
    """A table with one row per item. fields: heading (numeric when it begins with '#'), meaning, cell of an item."""
    columns = tuple(Column(name.removeprefix("#"), meaning, name.startswith("#")) for name, meaning, _ in fields)
    return Table(key, caption, columns, tuple(tuple(_cell(cell(item)) for _, _, cell in fields) for item in items))


def _cell(words: Words) -> Cell:
    return words if isinstance(words, Cell) else Cell(words or "")


def count(value: float | None, digits: int = 0) -> Cell:
    """A number with thousands separated."""
    return Cell("") if value is None else Cell(f"{value:,.{digits}f}", value)


def share(value: float | None, digits: int = 2) -> Cell:
    return Cell("") if value is None else Cell(percent(value, digits), value)


def _value(found: Mapping[str, float] | None, name: str) -> Cell:
    value = (found or {}).get(name)
    return Cell("") if value is None else Cell(f"{value:.4g}", value)


_RUNGS: tuple[_Field, ...] = (
    ("form of the network", "", lambda r: Cell(r.name, note=r.meaning)),
    ("#samples", "", lambda r: count(r.samples or None)),
    ("#accuracy", "share of right answers", lambda r: share(r.accuracy)),
    ("#95 % interval", "of the true share", lambda r: _between(r)),
    ("#same answer", "as the imported graph", lambda r: share(r.agreement)),
    ("#spikes", "per sample, by all neurons", lambda r: count(r.spikes_per_sample, 1)),
    ("exactness", "entries of spikes, u and v", lambda r: r.exact),
)
_BY_VALUE: tuple[_Field, ...] = (
    ("#RMS error", "against the labels", lambda r: _value(r.measures, "rms")),
    ("#R2", "of the labels' variance", lambda r: _value(r.measures, "r2")),
    ("#RMS difference", "from the imported graph", lambda r: _value(r.likeness, "rms")),
    ("#correlation", "with the imported graph", lambda r: _value(r.likeness, "correlation")),
)
"""In the place of accuracy and same answer, for real values."""
_POPULATIONS: tuple[_Field, ...] = (
    ("population", "", lambda p: Cell(p.name, note=p.kind)),
    ("shape", "", lambda p: times(p.shape)),
    ("#neurons", "", lambda p: count(p.neurons)),
    ("#messages", "per sample", lambda p: count(p.messages_per_sample, 1)),
    ("#rate", "messages per neuron and step", lambda p: Cell(f"{p.rate:.4f}", p.rate)),
    ("#silent", "neurons without any message", lambda p: count(p.silent) if p.kind[0] != "r" else ""),
    ("#du", "decay of u, of 4096", lambda p: p.decay_u),
    ("#dv", "decay of v, of 4096", lambda p: p.decay_v),
    ("#threshold", "vth: fires when v > 64 vth", lambda p: p.threshold),
    ("reset", "of v at a spike", lambda p: p.reset),
    ("overflow", "of u or v, for all inputs", lambda p: p.proof),
)
_PROJECTIONS: tuple[_Field, ...] = (
    ("projection", "", lambda q: Cell(q.name, note=f"{q.source} → {q.target}")),
    ("kind", "", lambda q: q.kind),
    ("#weights", "stored once", lambda q: count(q.weights)),
    ("#synapses", "pairs of neurons joined", lambda q: count(q.synapses)),
    ("#bits", "per weight, sign included", lambda q: count(q.bits)),
    ("signs", "", lambda q: q.signs),
    ("#exponent", "weights times 2 to this", lambda q: Cell(f"{q.exponent}", q.exponent)),
    ("#rounding", "rms error, relative", lambda q: share(q.error)),
    ("#clipped", "beyond the grid", lambda q: count(q.clipped)),
    ("#delay", "steps, beside the one of each message", lambda q: count(q.delay)),
    ("#SynOps", "synaptic operations per sample",
     lambda q: count(q.synops_per_sample)),
)  # fmt: skip
_AGREEMENT: tuple[_Field, ...] = (
    ("layer", "", lambda a: a.layer),
    ("#spikes, float", "per sample", lambda a: count(a.float_spikes, 1)),
    ("#spikes, integers", "per sample", lambda a: count(a.integer_spikes, 1)),
    ("#correlation", "of spikes per neuron and sample", lambda a: count(a.correlation, 4)),
    ("#same entries", "share of (neuron, step, sample) with the same spike", lambda a: share(a.same)),
)


def _between(r: Rung) -> Cell:
    if r.low is None or r.high is None:
        return Cell("")
    return Cell(f"{100 * r.low:.1f} to {percent(r.high, 1)}", r.low)


def accuracy_table(report: Report) -> Table:
    names = [k for r in report.rungs for kind in (r.measures, r.likeness) for k in (kind or ())]
    fields = [*_RUNGS[:2], *_BY_VALUE, *_RUNGS[5:]] if "rms" in names else list(_RUNGS)
    if "iou" in names:
        fields.insert(3, ("#mean IoU", "intersection over union", lambda r: share((r.measures or {}).get("iou"))))
    return made("accuracy", "Every form of the network on the same data", fields, report.rungs)


def agreement_table(report: Report) -> Table:
    return made("agreement", "Spikes of each layer, float against integers", _AGREEMENT, report.agreement)


def population_table(report: Report) -> Table:
    fields = (*_POPULATIONS, *_energy(report))
    return made("populations", "Inputs and populations", fields, report.populations)


def projection_table(report: Report) -> Table:
    fields = (*_PROJECTIONS, *_energy(report))
    return made("projections", "Projections: the synapses between populations", fields, report.projections)


def _energy(report: Report) -> tuple[_Field, ...]:
    """A column of dynamic energy by the first set that prices something; none where no set does."""
    sets = () if report.energy is None else report.energy["sets"]
    chosen = next((s for s in sets if not s["dynamic_pj"]["unknown"]), None)
    if chosen is None:
        return ()
    lines = f"table-layers-{set_key(chosen['set'])}"

    def cell(row: PopulationRow | ProjectionRow) -> Words:
        value = chosen["places_pj"].get(row.name)
        return None if value is None else Cell(bounds(value), value["low"], href=lines)

    return ((f"#energy, {chosen['set']}", "dynamic, per inference; leads to its lines", cell),)


def activity_table(report: Report) -> Table:
    """Messages and synaptic operations per sample in each own step."""
    steps: tuple[_Field, ...] = tuple((f"#{name}", "", _step(k)) for k, name in enumerate(_columns(report)))
    named: _Field = (
        "per sample",
        "",
        lambda p: f"{'messages of' if isinstance(p, PopulationRow) else 'SynOps of'} {p.name}",
    )
    return made("steps", _activity_caption(report), (named, *steps), (*report.populations, *report.projections))


def _activity_caption(report: Report) -> str:
    return "Activity in each own step" + ("" if report.window == 1 else ", mean over the steps of a column")


def _columns(report: Report) -> list[str]:
    """Names of the windows."""
    return [window_name(start, report.window, report.steps) for start in range(0, report.steps, report.window)]


def window_name(start: int, window: int, steps: int) -> str:
    """ "step 7", or "steps 500 to 999"."""
    return f"step {start}" if window == 1 else f"steps {start} to {min(start + window, steps) - 1}"


def _step(t: int) -> Callable[[PopulationRow | ProjectionRow], Cell]:
    return lambda row: count(row.per_step[t], 1)


def confusion_table(report: Report) -> Table | None:
    """Rows are labels, columns answers."""
    if report.confusion is None:
        return None
    names = report.confusion.names
    fields: list[_Field] = [("label", "", lambda row: row[0])]
    fields += [(f"#{name}", "", _at(k)) for k, name in enumerate(names)]
    fields.append(
        ("#right", "share of this label", lambda row: share(row[1][row[2]] / sum(row[1]) if sum(row[1]) else None, 1))
    )
    rows = [(name, counts, k) for k, (name, counts) in enumerate(zip(names, report.confusion.counts, strict=True))]
    return made("confusion", "How often each label (row) was given each answer (column)", fields, rows)


def _at(k: int) -> Callable[[Any], Cell]:
    return lambda row: Cell(f"{row[1][k]:,}" if row[1][k] else "·", row[1][k])


def membrane_table(sample: Sample, report: Report) -> Table:
    """v after each step, or the last step of each window; * marks a spike."""
    caption = "v after each step; * marks a spike"
    if report.window > 1:
        caption = f"v after every {report.window:,} steps; * marks a spike in them"
    ends = [min(k + report.window, report.steps) - 1 for k in range(0, report.steps, report.window)]
    fields: list[_Field] = [("#step", "", lambda t: count(ends[t]))]
    for k, m in enumerate(sample.membranes):
        fields.append((f"#{m.population} ({', '.join(map(str, m.index))})", "", _v(k, sample)))
    steps = range(len(sample.membranes[0].v) if sample.membranes else 0)
    return made(f"membranes-{sample.number}", caption, fields, steps)


def _v(k: int, sample: Sample) -> Callable[[int], Cell]:
    m = sample.membranes[k]
    fired = set(m.spikes)
    return lambda t: Cell(f"{m.v[t]:,}{' *' if t in fired else ''}", m.v[t])


def raster_table(sample: Sample, report: Report) -> Table:
    """Messages of the neurons shown, counted per step."""
    fields: list[_Field] = [
        ("population", "", lambda r: r.population),
        ("#neurons shown", "", lambda r: count(len(r.neurons))),
    ]
    fields += [(f"#{name}", "", _marks(k)) for k, name in enumerate(_columns(report))]
    return made(f"raster-{sample.number}", "Messages of the neurons shown", fields, sample.rasters)


def _marks(t: int) -> Callable[[Any], Cell]:
    return lambda r: count(r.per_step[t])


def weights_table(row: dict[str, Any]) -> Table:
    """The bins of one projection."""
    before, after = row["before"], row["after"]
    fields: list[_Field] = [
        ("#from", "", lambda k: Cell(f"{after['low'] + k * after['width']:.4g}", after["low"] + k * after["width"])),
        (
            "#to",
            "",
            lambda k: Cell(f"{after['low'] + (k + 1) * after['width']:.4g}", after["low"] + (k + 1) * after["width"]),
        ),
        ("#before", "", lambda k: count(before["counts"][k])),
        ("#after", "", lambda k: count(after["counts"][k])),
    ]
    return made(f"weights-{row['projection']}", f"Weights of {row['projection']}", fields, range(len(after["counts"])))


_THRESHOLDS: tuple[_Field, ...] = (
    ("population", "", lambda t: t["population"]),
    ("#neurons", "", lambda t: count(sum(t["before"]["counts"]))),
    ("#before, smallest", "in units of the trained network", lambda t: _real(t["before"]["smallest"])),
    ("#before, largest", "", lambda t: _real(t["before"]["largest"])),
    ("#after, smallest", "vth, an integer", lambda t: count(t["after"]["smallest"])),
    ("#after, largest", "", lambda t: count(t["after"]["largest"])),
)


def _real(value: float) -> Cell:
    return Cell(f"{value:.6g}", value)


def threshold_table(report: Report) -> Table:
    rows = report.distributions.get("thresholds", ())
    return made("thresholds", "Thresholds before and after quantization", _THRESHOLDS, rows)


def main_tables(report: Report) -> tuple[Table, ...]:
    """The tables of markdown and CSV, in order; those behind single charts are in HTML and JSON."""
    found = [
        accuracy_table(report), agreement_table(report), population_table(report), projection_table(report),
        activity_table(report), confusion_table(report), threshold_table(report),
    ]  # fmt: skip
    return tuple(t for t in found if t is not None and t.rows)
