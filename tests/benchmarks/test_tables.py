"""Tables, the generated parts of the document, the work of a network, comparison of outputs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import document, table
from benchmarks.cases import CASES, points
from benchmarks.measure import compare
from benchmarks.synthetic import network, side_for
from benchmarks.work import Work, count
from seamount.backends.registry import load_backend
from seamount.compiler.program.program import synapses
from seamount.compiler.program.verify import check

RECORD = {
    "case": "dense", "steps": 32, "batch": 64,
    "results": {
        "seamount-cpu": {"median_s": 0.02, "min_s": 0.01, "all_s": [0.02, 0.01], "synops": 1000, "peak_bytes": 2**21},
        "norse": {"median_s": 0.1, "min_s": 0.09, "all_s": [0.1, 0.09], "peak_bytes": 2**22, "order": "all"},
        "snntorch": {"failed": "No module named 'snntorch'"},
    },
    "work": {"macs": 100, "updates": 10}, "bound_s": 0.01, "same": {},
}  # fmt: skip


def test_markdown_and_plain() -> None:
    head, rows = ["a", "b"], [["x", "1"], ["long", "22"]]
    assert table.markdown(head, rows) == "| a | b |\n| --- | ---: |\n| x | 1 |\n| long | 22 |\n"
    assert table.plain(head, rows) == "a      b\n----  --\nx      1\nlong  22\n"


@pytest.mark.parametrize(
    ("value", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.5e-6, "4.5 µs"), (3e-9, "3 ns"), (120.0, "120 s")]
)
def test_seconds(value: float, text: str) -> None:
    assert table.seconds(value) == text


def test_ratio_is_to_the_fastest_framework_that_ran() -> None:
    assert table.fastest_peer(RECORD) == ("norse", 0.1)
    assert table.ratio(RECORD) == pytest.approx(5)
    assert table.ratio({**RECORD, "results": {"seamount-cpu": {"median_s": 1.0}}}) is None
    _, rows = table.speed([RECORD])
    assert rows == [["dense, T = 32, batch 64", "3,200 (best 6,400)", "", "", "640 (best 711)", "failed", "", "5.00"]]
    assert table.failures([RECORD]) == ["dense, T = 32, batch 64: snntorch: No module named 'snntorch'"]


def test_efficiency() -> None:
    _, rows = table.efficiency([RECORD], {"int8_ops_per_s": 1e6, "bytes_per_s": 1e6})
    assert rows[0][1:] == ["20 ms", "5e+04", "1.0%", "0.2%", "10 ms", "2.00", "2 MiB", "4 MiB"]


def test_fill_replaces_what_is_marked_and_nothing_else() -> None:
    text = "a\n<!-- generated: x -->\nold\n<!-- end: x -->\nb\n"
    once = document.fill(text, {"x": "new"})
    assert once == "a\n<!-- generated: x -->\n\nnew\n\n<!-- end: x -->\nb\n"
    assert document.fill(once, {"x": "new"}) == once
    with pytest.raises(ValueError, match="the document has no place for 'y'"):
        document.fill(text, {"y": "new"})


def test_the_document_has_a_place_for_everything() -> None:
    text = document.DOCUMENT.read_text(encoding="utf-8")
    names = ("machine", "speed", "efficiency", "agreement", "simulators", "orders", "profiles", "scaling")
    assert document.fill(text, dict.fromkeys(names, "x"))


def test_bound() -> None:
    assert Work(macs=500, updates=20).bound_s({"int8_ops_per_s": 1000, "bytes_per_s": 100}) == pytest.approx(2.0)


def test_work_of_a_convolution_counts_every_tap() -> None:
    program = network(side=4)
    taps = 16 * 4 * 4 * (2 + 16) * 9
    assert count(program, steps=3, batch=2, still=False) == Work(6 * taps, 6 * 2 * 16 * 16)
    first = 16 * 4 * 4 * 2 * 9
    assert count(program, steps=3, batch=2, still=True).macs == 2 * (first + 3 * (taps - first))
    stored = sum(
        len(synapses(q.connection, program.shapes[q.source], program.shapes[q.target])[0]) for q in program.projections
    )
    assert stored < taps  # taps beyond the border have no synapse


def test_the_synthetic_network_is_valid_and_lively() -> None:
    program = network(side_for(5000))
    check(program)
    rng = np.random.default_rng(1)
    events = (rng.random((1, 10, *program.inputs[0].shape)) < 0.05).astype(np.int8)
    counts = load_backend("vectorized").run(program, {"events": events}).counts
    for p in program.populations:
        assert 0.02 < int(np.sum(counts.spikes[p.name])) / (p.size * 10) < 0.2


def test_compare_sees_another_network() -> None:
    ready = {
        "spikingjelly": {"outputs": [[1.0, 0.0], [0.0, 1.0]], "spikes": {"lif1": 100}},
        "norse": {"outputs": [[1.0, 0.0], [0.6, 0.5]], "spikes": {"lif1": 90}},
    }
    found = compare(ready, [0, 1])
    assert found["spikingjelly"] == {"predictions": 1.0, "accuracy": 1.0, "spikes": 1.0, "output_difference": 0.0}
    assert found["norse"] == pytest.approx(
        {"predictions": 0.5, "accuracy": 0.5, "spikes": 0.9, "output_difference": 0.6}
    )


def test_points_are_all_rows() -> None:
    keys = [p.key for p in points(tuple(CASES))]
    assert len(keys) == len(set(keys)) == 10
