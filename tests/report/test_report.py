"""The report's numbers against the run, in every format; the same bytes each time; names cannot become markup."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.backends.registry import list_costs
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.analysis.precision import LayerPrecision
from seamount.compiler.artifact import Artifact, Vectors
from seamount.compiler.codes import InputCode, OutputCode, predictions
from seamount.compiler.errors import InputError
from seamount.compiler.ir.notes import Text
from seamount.compiler.kept_run import Data, KeptRung, Recording, Run, Summary, load_run, save_run
from seamount.compiler.manifest import About, Manifest, TargetName
from seamount.compiler.program.fan_out import synapse_count
from seamount.compiler.program.program import Conv, InputPort, synapses
from seamount.compiler.report.accuracy import wilson
from seamount.compiler.report.contents import Report
from seamount.compiler.report.gather import gather
from seamount.compiler.report.numbers import interval, joules, percent, signed
from seamount.workflows.report import costs_of_run, rendered
from tests.program_samples import i32, small_program
from tests.test_artifact import small_program as two_layers
from tests.test_kept_run import small_run

HOSTILE = """"><script>alert(1)</script><img src="http://evil.example/x">'`|{{7*7}}"""


def run_of(program: Any, samples: int = 6, **facts: Any) -> Run:
    """A run of random messages on a program with one port, recorded in part."""
    port, readout = program.inputs[0], program.readouts[0]
    code = InputCode(port.name, port.shape, "graded", 1.0, float(port.low), float(port.high), "sequence")
    about = Manifest(**{"model": About(name="small", float_accuracy=0.5), "notes": (Text("assumed"),), **facts})
    output = OutputCode(readout.name, 0.5, readout.rule)
    artifact = Artifact(program, (code,), (output,), about, Vectors({}, {}, {}))
    drawn = np.random.default_rng(3).integers(port.low, port.high + 1, (samples, program.steps, *port.shape))
    sent = drawn.astype(np.int32)
    trace = VectorizedSimulator().run(program, {port.name: sent}, record=frozenset({"spikes", "v"}))
    few = [{k: x[:2] for k, x in part.items()} for part in ({port.name: sent}, trace.spikes, trace.v)]
    answers = predictions(trace.readout[readout.name], readout.rule)
    summary = Summary(backend="vectorized", data=Data(name="random", split="test", digest="sha256:0"))
    return Run(artifact, trace.counts, answers % 2, answers, trace.readout, Recording(*few), summary)


@pytest.fixture(scope="module")
def run() -> Run:
    return run_of(small_program())


@pytest.fixture(scope="module")
def report(run: Run) -> Report:
    return gather(run)


def test_rows_are_the_counts_of_the_run(run: Run, report: Report) -> None:
    n, t = run.counts.samples, run.counts.steps
    assert [p.name for p in report.populations] == ["x", "conv", "loop", "out"]
    for p in report.populations:
        sent = run.counts.sent[p.name]
        assert p.messages_per_sample == sent.sum() / n and p.rate == sent.sum() / (n * t * len(sent))
        assert p.silent == np.sum(sent == 0) and p.always == np.sum(sent == n * t)
        assert sum(p.per_step) == pytest.approx(p.messages_per_sample)
    for q in report.projections:
        assert q.synops_per_sample == run.counts.synops[q.name].sum() / n
        own = next(r for r in run.artifact.program.projections if r.name == q.name)
        shapes = run.artifact.program.shapes
        assert q.synapses == len(synapses(own.connection, shapes[own.source], shapes[own.target])[0])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_synapses_of_convolutions(data: Any) -> None:
    ends = ((3, 7), (1, 3), (1, 2), (0, 2), (1, 2))
    drawn = (tuple(data.draw(st.integers(*end)) for _ in range(2)) for end in ends)
    size, kernel, stride, padding, dilation = drawn
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    if min(out) < 1:
        return
    groups = data.draw(st.integers(1, 2))
    conv = Conv(i32(np.zeros((4, 2 // groups, *kernel))), stride, padding, dilation, groups)
    source, target = (2, *size), (4, *out)
    assert synapse_count(conv, source, target) == len(synapses(conv, source, target)[0])


def test_membranes_and_rasters_are_the_recording(run: Run) -> None:
    made = gather(run, ["loop:2", "conv:17"])
    first = made.recorded[0]
    loop, conv = first.membranes[:2]
    assert loop.v == tuple(run.recording.v["loop"][0, :, 2]) and loop.threshold == 64 * 3
    assert conv.index == (1, 0, 1) and conv.v == tuple(run.recording.v["conv"][0, :, 1, 0, 1])
    assert conv.spikes == tuple(np.flatnonzero(run.recording.spikes["conv"][0, :, 1, 0, 1]))
    by_name = {r.population: r for r in first.rasters}
    assert set(by_name) == {"x", "conv", "loop"}
    assert len(by_name["conv"].events) == int(run.recording.spikes["conv"][0].sum())


def test_neurons_that_there_are_not(run: Run) -> None:
    with pytest.raises(InputError) as refused:
        gather(run, ["loop:3", "nothing:0", "loop"])
    assert [str(p).splitlines()[0] for p in refused.value.problems] == [
        "--neuron loop:3: '3' is no neuron of it",
        "--neuron nothing:0: names no population",
        "--neuron loop: names no population",
    ]


def test_accuracy_and_confusion(run: Run, report: Report) -> None:
    assert report.rungs[-1].accuracy == run.accuracy and report.rungs[0].accuracy == 0.5
    assert report.confusion is not None
    counts = np.array(report.confusion.counts)
    assert counts.sum() == 6 and np.trace(counts) / 6 == run.accuracy
    assert counts[1, 1] == np.sum((run.labels == 1) & (run.predictions == 1))


def test_wilson_against_published_values() -> None:
    """Newcombe, Stat. Med. 17, 857 (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    table = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (right, n), expected in table.items():
        assert wilson(right / n, n) == pytest.approx(expected, abs=5e-5)


def test_remarks_name_what_is_wrong() -> None:
    row = LayerPrecision("x->conv", "conv", 18, 8, "mixed", 0, 1.0, 0.1, 3, None)
    run = run_of(small_program(), layers=(row,))
    run = replace(run, summary=msgspec.structs.replace(run.summary, unfinished=7, clipped_inputs=9))
    run = replace(run, rungs=(KeptRung(name="Lava", differing=2, compared=10, exact_with="integer program"),))
    texts = [f"{r.kind} {r.where}: {r.text}" for r in gather(run).remarks]
    expected = (
        "warning run: the run stopped early: 7 samples are missing",
        "warning data: 9 input values lay outside",
        "warning data: 6 samples: the accuracy is known only",
        "warning Lava: must be exact, but 2 of 10 entries differ from the integer program",
        "warning x->conv: 3 of 18 weights lie beyond",
        "warning population 'loop': on a chip it needs microcode: lower clamp of v",
        "note compiler: assumed",
    )
    for words in expected:
        assert any(text.startswith(words) for text in texts), (words, texts)
    kinds = [text.split()[0] for text in texts]
    assert kinds == sorted(kinds, reverse=True)


def test_json_holds_everything(report: Report, run: Run) -> None:
    tree = json.loads(rendered(report, "json"))
    assert (tree["format"], tree["version"], tree["title"]) == ("seamount-report", 1, "small")
    assert tree["projections"][0]["synops_per_sample"] == report.projections[0].synops_per_sample
    assert [s["membranes"][0]["v"] for s in tree["recorded"]] == [list(s.membranes[0].v) for s in report.recorded]


def test_csv_is_tidy_and_unrounded(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(rendered(report, "csv"))))
    assert all(set(row) == {"table", "row", "column", "value"} for row in rows)
    found = {(r["table"], r["row"], r["column"]): r["value"] for r in rows}
    assert float(found["populations", "conv", "rate"]) == report.populations[1].rate
    assert float(found["projections", "loop->out", "SynOps"]) == report.projections[3].synops_per_sample


def test_markdown_is_made_of_whole_tables(report: Report) -> None:
    text = rendered(report, "md")
    assert text.startswith("# small\n") and "| conv |" in text
    for block in re.findall(r"(?m)(?:^\|.*\n)+", text):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


class Walk(HTMLParser):
    """Elements with their attributes, and whether every element is closed in order."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_whole_and_loads_nothing(report: Report) -> None:
    text = rendered(report, "html")
    walk = Walk(text)
    ids = [about["id"] for _, about in walk.seen if "id" in about]
    assert len(ids) == len(set(ids))
    for tag, about in walk.seen:
        assert "src" not in about and "style" not in about and not any(k.startswith("on") for k in about), tag
        href = about.get("href") or ""
        assert not href or href == "data:," or href[1:] in ids, href
    assert {"summary", "warnings", "accuracy", "layers", "samples", "provenance"} <= set(ids)
    assert "://" not in text and len(text) < 3_000_000
    charts = [about for tag, about in walk.seen if tag == "svg" and about.get("role") == "img"]
    titles = sum(tag == "desc" for tag, _ in walk.seen)
    assert len(charts) == titles > 3


def hostile_program() -> Any:
    program = small_program()
    rename = {"conv": HOSTILE, "loop": "=cmd|' /C calc'!A0"}
    return replace(
        program,
        populations=tuple(replace(p, name=rename.get(p.name, p.name)) for p in program.populations),
        projections=tuple(
            replace(q, source=rename.get(q.source, q.source), target=rename.get(q.target, q.target))
            for q in program.projections
        ),
        readouts=(program.readouts[0],),
    )  # fmt: skip


def hostile_report() -> Report:
    model = {"name": HOSTILE, "float_accuracy": 0.5, "classes": [HOSTILE, "b"], "provenance": {HOSTILE: HOSTILE}}
    run = run_of(hostile_program(), model=About(**model), notes=(Text(HOSTILE),))
    return gather(run)


def test_hostile_names_stay_text() -> None:
    plain, hostile = Walk(rendered(gather(run_of(small_program())), "html")), Walk(rendered(hostile_report(), "html"))
    for tag in ("script", "img", "iframe", "style", "link"):
        assert sum(t == tag for t, _ in hostile.seen) == sum(t == tag for t, _ in plain.seen), tag
    assert "{{7*7}}" in rendered(hostile_report(), "html")
    rows = list(csv.reader(io.StringIO(rendered(hostile_report(), "csv"))))
    assert not [cell for row in rows for cell in row if cell.startswith("=")]
    assert "<script" not in re.sub(r"\\<", "", rendered(hostile_report(), "md"))


TWICE = """
import sys
from seamount.workflows.report import costs_of_run, rendered
from seamount.compiler.report.gather import gather
from seamount.compiler.kept_run import load_run
made = gather(load_run(sys.argv[1]))
sys.stdout.write("".join(rendered(made, f) for f in ("html", "md", "json", "csv")))
"""


def test_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    run = small_run()
    data = {"name": "random", "split": "test", "limit": 5, "seed": 1, "digest": "sha256:0"}
    save_run(replace(run, summary=msgspec.structs.replace(run.summary, data=Data(**data)), rungs=()), tmp_path / "run")
    (tmp_path / "moved").mkdir()
    outputs = []
    for seed, folder in (("0", "run"), ("1", "moved/run")):
        if folder != "run":
            (tmp_path / "run").rename(tmp_path / folder)
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", TWICE, str(tmp_path / folder)]
        outputs.append(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
    assert outputs[0] == outputs[1] and len(outputs[0]) > 10_000
    again = gather(load_run(tmp_path / "moved" / "run"))
    assert "".join(rendered(again, f) for f in ("html", "md", "json", "csv")).encode() == outputs[0]  # type: ignore[arg-type]


def test_without_jinja_only_the_formats_that_need_it_are_refused(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [m for m in sys.modules if m.startswith(("jinja2", "seamount.compiler.report.page"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert rendered(report, "json") and rendered(report, "csv")
    for name in ("html", "md"):
        with pytest.raises(InputError) as refused:
            rendered(report, name)  # type: ignore[arg-type]
        assert "needs jinja2, which is not installed" in str(refused.value)
        assert "pip install 'seamount[report]'" in str(refused.value)


def test_a_network_without_recording_or_neurons_that_fire() -> None:
    program = two_layers()
    silent = replace(program, populations=tuple(replace(p, vth=None) for p in program.populations))
    run = replace(run_of(silent), recording=Recording({}, {}, {}))
    text = rendered(gather(run), "html")
    assert 'id="samples"' not in text and 'id="layers"' in text


def test_one_step_and_many(tmp_path: Path) -> None:
    for steps in (1, 200):
        run = run_of(replace(two_layers(), steps=steps))
        Walk(rendered(gather(run), "html"))


def test_words() -> None:
    assert [joules(x) for x in (0, 0.02, 23.6, 1234.5, 2.5e6, 3e12, 5e15)] == [
        "0 J", "20 fJ", "23.6 pJ", "1.23 nJ", "2.5 µJ", "3 J", "5,000 J",
    ]  # fmt: skip
    assert interval("2.1 µJ", "4 µJ") == "2.1 to 4 µJ" and interval("2 nJ", "4 µJ") == "2 nJ to 4 µJ"
    assert signed(-0.001) == "0.00" and signed(-1.5) == "−1.50" and percent(None) == ""


def test_an_answer_per_step() -> None:
    """Steps without label count nowhere; a sample shows its last step that has one."""
    program = replace(small_program(), readouts=(replace(small_program().readouts[0], rule="each"),))
    run = run_of(program)
    labels = run.predictions.copy()
    labels[:, 3] = -1
    labels[0, 0] = 1 - labels[0, 0]
    made = gather(replace(run, labels=labels))
    assert made.confusion is not None and np.array(made.confusion.counts).sum() == 6 * 3
    assert made.rungs[-1].accuracy == 17 / 18
    assert made.recorded[0].label == str(labels[0, 2]) == made.recorded[0].answer
    values = run.readout["y"][0, 2] * 0.5
    assert [v for _, v in made.recorded[0].scores] == values.tolist()
    Walk(rendered(made, "html"))


class Energy(HTMLParser):
    """Cells of the energy section: (text, href, own id, id of its table), and the words of each table row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inside, self.table = False, ""
        self.cells: list[dict[str, str]] = []
        self.rows: dict[str, str] = {}
        self.row = ""
        self.cell: dict[str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {k: v or "" for k, v in attrs}
        if tag == "section":
            self.inside = about.get("id") == "energy"
        if tag == "table":
            self.table = about.get("id", "")
        if tag in ("td", "th") and self.inside:
            self.cell = {"text": "", "href": "", "id": about.get("id", ""), "table": self.table}
            self.cells.append(self.cell)
        if tag == "a" and self.cell is not None:
            self.cell["href"] = about["href"][1:]

    def handle_data(self, data: str) -> None:
        if self.inside and self.cell is not None:
            self.cell["text"] += data
        self.row += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.cell = None
        if tag == "tr":
            for cell in self.cells:
                if cell["id"]:
                    self.rows.setdefault(cell["id"], self.row)
            self.row = ""


def priced_report() -> Report:
    """A small run with every shipped cost set, placed where the chip's limits allow it."""
    target = {"name": "loihi1", "chip": "loihi1", "date": "2026"}
    program = replace(two_layers(), inputs=(InputPort("in", (4,), False),))
    run = run_of(program, target=TargetName(**target))
    energy, mapping, placing = costs_of_run(run, list_costs(), None)
    assert mapping is not None, placing
    return gather(run, energy=energy, mapping=mapping)


def test_every_energy_leads_to_a_source_within_two_clicks() -> None:
    """From totals to the lines that they sum up, and from each line to its cost with source."""
    report = priced_report()
    found = Energy(rendered(report, "html"))
    energies = [c for c in found.cells if re.search(r"\d (f|p|n|µ|m|)J\b|\d µs|\d pJ", c["text"])]
    assert len(energies) > 100 and report.energy is not None
    lines: dict[str, list[dict[str, str]]] = {}
    for cell in energies:
        lines.setdefault(cell["table"], []).append(cell)
    sources = {name for tree in report.energy["sets"] for name in tree["sources"].values()} | {"not published"}
    for cell in energies:
        if cell["table"].startswith("table-costs-"):  # the sources themselves
            continue
        target = cell["href"]
        assert target, cell
        ends = [target] if target.startswith("cost-") else [c["href"] for c in lines[target]]
        assert ends and all(end.startswith("cost-") for end in ends), cell
        assert all(any(source in found.rows[end] for source in sources) for end in ends), cell


def test_energy_and_cores_are_those_that_were_computed() -> None:
    report = priced_report()
    assert report.energy is not None and report.mapping is not None
    tree = next(t for t in report.energy["sets"] if t["set"] == "45nm")
    text = rendered(report, "html")
    Walk(text)
    assert {"energy", "cores"} <= set(re.findall(r'<section id="(\w+)"', text))
    rows = {
        (r["table"], r["row"], r["column"]): r["value"] for r in csv.DictReader(io.StringIO(rendered(report, "csv")))
    }
    assert float(rows["totals-45nm", "spiking network, dynamic", "energy"]) == tree["dynamic_pj"]["low"]
    layers = [float(v) for (table, _, column), v in rows.items() if (table, column) == ("layers-45nm", "energy")]
    assert sum(layers) == pytest.approx(tree["dynamic_pj"]["low"])
    neurons = sum(load["neurons"] for load in report.mapping["loads"])
    assert neurons == sum(p.neurons for p in report.populations if not p.kind.startswith("input"))
    assert json.loads(rendered(report, "json"))["mapping"]["spike_hops"] == report.mapping["spike_hops"]


def test_a_network_that_was_not_placed_says_why() -> None:
    target = {"name": "loihi1", "chip": "loihi1", "date": "2026"}
    run = run_of(small_program(), target=TargetName(**target))
    energy, mapping, placing = costs_of_run(run, ["loihi1"], None)
    made = gather(run, energy=energy, mapping=mapping, placing=placing)
    assert mapping is None and made.remarks[0].where == "cores"
    assert made.remarks[0].text.startswith("not placed, it does not fit one chip of loihi1")
    assert 'id="cores"' not in rendered(made, "html")
