"""The table of where the time goes, and which rows get one."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

from benchmarks import profiling, table
from benchmarks.cases import Point
from benchmarks.synthetic import network
from benchmarks.work import count
from seamount.backends.cpu.profile import profile

PROBES = {"int8_ops_per_s": 1e9, "bytes_per_s": 1e9}


def test_the_layers_add_up_to_the_whole() -> None:
    program, point = network(side=6), Point("conv", 10, 2)
    events = (np.random.default_rng(2).random((2, 10, 2, 6, 6)) < 0.3).astype(np.int8)
    found = profile(program, {"events": events})
    layers = [profiling._layer(program, name, found, point, False, PROBES) for name in found.populations]
    whole = count(program, 10, 2, still=False)
    assert [layer["layer"] for layer in layers] == ["layer1", "layer2"]
    assert sum(layer["updates"] for layer in layers) == whole.updates
    assert sum(layer["bound_s"] for layer in layers) == pytest.approx(whole.bound_s(PROBES))
    assert sum(layer["synops"] for layer in layers) == sum(int(v.sum()) for v in found.counts.synops.values())


def test_rows() -> None:
    def layer(name: str, synapses: float) -> dict[str, object]:
        phases = {"synapses": synapses, "neurons": 0.1, "readout": 0.0}
        return {"layer": name, "phases_s": phases, "updates": 8, "spikes_in": 4, "synops": 40, "bound_s": 0.25}

    head, rows = profiling.rows({"whole_s": 1.0, "outside_s": 0.2, "layers": [layer("a", 0.4), layer("b", 0.2)]})
    assert all(len(row) == len(head) for row in rows)
    assert rows[0] == ["a", "500 ms", "50.0%", "400 ms", "100 ms", "0 ns", "8", "4", "40", "80", "250 ms", "2.00"]
    assert rows[2][:4] == ["inputs, answers, Python", "200 ms", "20.0%", ""]
    assert rows[3] == ["all", "1 s", "100.0%", "600 ms", "200 ms", "0 ns", "16", "8", "80", "80", "500 ms", "2.00"]


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
