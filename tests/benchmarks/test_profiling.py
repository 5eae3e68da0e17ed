"""Networks cut off behind each layer, and the table of where the time goes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import profiling, table
from benchmarks.cases import Point
from benchmarks.synthetic import network
from benchmarks.work import count
from seamount.backends.registry import load_backend
from seamount.compiler.program.program import Dense, Projection
from seamount.compiler.program.verify import check

PROBES = {"int8_ops_per_s": 1e9, "bytes_per_s": 1e9}


def events(side: int) -> np.ndarray:
    return (np.random.default_rng(2).random((2, 10, 2, side, side)) < 0.3).astype(np.int8)


def test_each_cut_network_is_valid_and_computes_what_the_whole_does() -> None:
    program = network(side=6)
    cuts = profiling.prefixes(program)
    assert [names for names, _ in cuts] == [(), ("layer1",), ("layer2",)]
    runs = [load_backend("vectorized").run(cut, {"events": events(6)}).counts for _, cut in cuts]
    for _, cut in cuts:
        check(cut)
    assert not runs[0].spikes["layer2"].any() and not runs[1].spikes["layer2"].any()
    assert runs[1].spikes["layer1"].sum() == runs[2].spikes["layer1"].sum() > 0
    assert runs[2].spikes["layer2"].any()
    assert cuts[-1][1] is program


def test_layers_on_a_common_cycle_are_not_torn_apart() -> None:
    program = network(side=2)
    back = Projection("back", "layer2", "layer1", Dense(np.full((64, 64), -2, np.int32)), lag=2)
    looped = replace(program, projections=(*program.projections, back))
    check(looped)
    assert [names for names, _ in profiling.prefixes(looped)] == [(), ("layer1", "layer2")]


def test_the_layers_add_up_to_the_whole() -> None:
    program, point = network(side=6), Point("conv", 10, 2)
    counts = load_backend("vectorized").run(program, {"events": events(6)}).counts
    layers = [profiling._layer(program, n, 0.25, counts, point, False, PROBES) for n, _ in profiling.prefixes(program)]
    whole = count(program, 10, 2, still=False)
    assert [layer["layer"] for layer in layers] == ["input", "layer1", "layer2"]
    assert sum(layer["updates"] for layer in layers) == whole.updates
    assert sum(layer["bound_s"] for layer in layers) == pytest.approx(whole.bound_s(PROBES))
    assert sum(layer["synops"] for layer in layers) == sum(int(v.sum()) for v in counts.synops.values())
    _, rows = profiling.rows({"layers": layers, "whole_s": 0.75})
    assert rows[0] == ["input", "250 ms", "33.3%", "0", "0", "0", "", "", ""]
    assert rows[-1][:3] == ["all", "750 ms", "100%"]


@pytest.mark.parametrize(
    ("batch", "peer_s", "bound_s", "words"),
    [
        (64, 0.2, 0.02, []),
        (64, 0.06, 0.02, ["3.00 times the fastest framework"]),
        (64, 0.06, 0.005, ["3.00 times the fastest framework", "4.0 times the bound"]),
        (1, 0.03, 0.001, []),
        (1, 0.01, 0.02, ["0.50 times the fastest framework"]),
    ],
)
def test_misses(batch: int, peer_s: float, bound_s: float, words: list[str]) -> None:
    results = {"seamount-cpu": {"median_s": 0.02}, "norse": {"median_s": peer_s}}
    assert table.misses({"batch": batch, "bound_s": bound_s, "results": results}) == words
    assert table.misses({"batch": batch, "bound_s": bound_s, "results": {}}) == []
