"""Long runs and deep networks in a report: bounded, with the number said, and totals of everything."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from seamount.compiler.program.program import Dense, InputPort, Population, Program, Projection, Readout
from seamount.compiler.report.contents import Remark
from seamount.compiler.report.excerpt import LAYERS, REMARKS, Windows, folded, ordinal, shortened, windows
from seamount.compiler.report.gather import gather
from seamount.workflows.report import costs_of_run, rendered
from tests.program_samples import i32, small_program
from tests.report.test_report import run_of

MEGABYTES = 3_000_000


def chain(layers: int) -> Program:
    """Layers of two neurons, one behind the other."""
    neurons = [Population(f"p{k}", (2,), i32(4095), i32(0), i32(40), i32(0), offset=k + 1) for k in range(layers)]
    names = ["x", *(p.name for p in neurons)]
    weights = [
        Projection(f"w{k}", a, b, Dense(i32([[64, 32], [32, 64]])), lag=0) for k, (a, b) in enumerate(pairwise(names))
    ]
    read = (Readout("y", names[-1], "s", "sum"),)
    return Program((InputPort("x", (2,), False),), tuple(neurons), tuple(weights), read, 6)


@pytest.mark.parametrize("steps", [1, 7, 200, 201, 999, 1000])
def test_windows_keep_sums_and_ends(steps: int) -> None:
    series = np.random.default_rng(steps).integers(0, 9, steps)
    for layers in (1, 40, 5000):
        over = windows(steps, layers)
        parts = [series[k : k + over.length] for k in range(0, steps, over.length)]
        assert over.count == len(parts) <= 200
        assert over.sums(series).tolist() == [int(p.sum()) for p in parts]
        assert over.means(series) == pytest.approx([p.mean() for p in parts])
        assert series[over.ends].tolist() == [p[-1] for p in parts]


def test_a_long_run_is_drawn_in_windows_and_says_so() -> None:
    run = run_of(replace(small_program(), steps=4_000), samples=2)
    report = gather(run)
    assert report.steps == 4_000 and report.window == 20
    for p in report.populations:
        assert len(p.per_step) == 200
        assert np.mean(p.per_step) * 4_000 == pytest.approx(p.messages_per_sample)
    (raster,) = [r for r in report.recorded[0].rasters if r.population == "conv"]
    neurons = run.recording.spikes["conv"][0].reshape(4_000, -1)[:, list(raster.neurons)]
    assert raster.per_step == tuple(int(neurons[k : k + 20].sum()) for k in range(0, 4_000, 20))
    assert set(raster.events) == {
        (row, k) for k in range(200) for row in np.flatnonzero(neurons[20 * k : 20 * k + 20].any(axis=0))
    }
    m = report.recorded[0].membranes[0]
    v = run.recording.v[m.population][0].reshape(4_000, -1)[:, m.neuron]
    assert m.v == tuple(v[19::20].tolist())
    page = rendered(report, "html")
    assert "every 20th of 4,000 steps is drawn" in page and "steps 20 to 39" in page
    assert all(len(rendered(report, kind)) < MEGABYTES for kind in ("html", "md", "json", "csv"))  # type: ignore[arg-type]


def test_a_deep_network_is_folded_and_says_so() -> None:
    run = run_of(chain(120), samples=2)
    energy, mapping, remark = costs_of_run(run, (), None)
    report = gather(run, energy=energy, mapping=mapping, placing=remark if mapping is None else "")
    assert [p.name for p in report.populations] == [
        "x",
        *(f"p{k}" for k in range(23)),
        *(f"p{k}" for k in range(96, 120)),
    ]
    assert len(report.projections) == LAYERS
    page = rendered(report, "html")
    assert "73 of 121 inputs and populations are folded" in page and "72 of 120 projections are folded" in page
    assert f"{sum(run.counts.synop_totals.values()) / 2:,.0f}" in page
    assert all(len(rendered(report, kind)) < MEGABYTES for kind in ("html", "md", "json", "csv"))  # type: ignore[arg-type]


def test_folding_keeps_both_ends_and_counts_what_it_drops() -> None:
    assert folded(range(5), 5) == (0, 1, 2, 3, 4) and folded(range(9), 5) == (0, 1, 2, 7, 8)
    many = [Remark("note", "x", str(k)) for k in range(REMARKS + 7)]
    assert shortened(many)[:REMARKS] == tuple(many[:REMARKS]) and "7 further" in shortened(many)[-1].text
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 22, 113, 1000)] == [
        "1st", "2nd", "3rd", "4th", "11th", "22nd", "113th", "1,000th",
    ]  # fmt: skip
    assert Windows(5, 2).ends.tolist() == [1, 3, 4]
