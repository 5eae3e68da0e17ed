"""Placements of small networks, kept as text: another one is seen, and read, before it is accepted.

That a placement is sound is proven in test_check.py, and that its arrangement is near the best in test_arrange.py.
Neither would notice a heuristic that has lost one of its steps. METIS is left out, so that the texts rest on nothing
but Seamount.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seamount.backends.registry import load_target
from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.as_json import tree
from seamount.compiler.placement.place import place
from seamount.compiler.placement.placement import Placement
from seamount.compiler.program.program import Conv, Dense, InputPort, Program, Projection, Readout, Sparse
from tests.placement.networks import dense_chain, layered
from tests.placement.targets import PERMISSIVE, chip, system
from tests.program_samples import i32, population, small_program


def mixed() -> Program:
    """Random sparse weights, a strided convolution in groups, a loop, a delay, several thresholds and decays."""
    rng = np.random.default_rng(5)
    kernel = i32(rng.integers(-8, 8, (6, 2, 3, 3)) * 2)
    rows, cols = np.nonzero(rng.random((40, 54)) < 0.3)
    dense = np.where(rng.random((12, 40)) < 0.4, 0, rng.integers(-60, 60, (12, 40)) * 2)
    populations = (
        population("maps", (6, 3, 3), vth=i32(np.arange(54).reshape(6, 3, 3) // 9 + 40)),
        population("far", (40,), du=i32(np.repeat([100, 200, 300, 400], 10)), dv=50, vth=i32(90), offset=1),
        population("out", (12,), vth=None, offset=2),
    )
    links = (
        Projection("x->maps", "x", "maps", Conv(kernel, (2, 2), (1, 1), (1, 1), 2)),
        Projection("maps->far", "maps", "far", Sparse(i32(rows), i32(cols), i32(rng.integers(1, 100, rows.size) * 2))),
        Projection("far->far", "far", "far", Dense(i32(np.eye(40) * 16 - 8)), 0, 6, lag=1),
        Projection("far->out", "far", "out", Dense(i32(dense)), 0, 8),
        Projection("maps->out", "maps", "out", Dense(i32(np.full((12, 54), 2))), delay=1),
    )
    return Program((InputPort("x", (4, 6, 6), False),), populations, links, (Readout("y", "out", "v", "last"),), 4)


def measured() -> Placement:
    """Two dense layers; one core of the first sends far more than the others."""
    sent = np.arange(32) + 1
    sent[8:16] = 1000
    traffic = EventCounts(2, 3, {}, {}, {"layer0": sent, "layer1": np.arange(32)}, {})
    target = chip("loihi1", core_neurons=8, chip_tile_cores=2, chip_tile_rows=8)
    return place(dense_chain(4, 32, 32), target, traffic=traffic)


CASES: dict[str, Callable[[], Placement]] = {
    "one_core": lambda: place(dense_chain(10, 20, 20, 5), load_target("loihi1")),
    "measured": measured,
    "small": lambda: place(small_program(), chip("loihi1", core_neurons=6, **PERMISSIVE)),
    "mixed": lambda: place(mixed(), chip("loihi1", core_neurons=16, **PERMISSIVE), system(2, 2, 5)),
    "mixed_loihi2": lambda: place(mixed(), chip("loihi2", core_neurons=24)),
    "little_memory": lambda: place(mixed(), chip("loihi1", core_synaptic_memory=900, **PERMISSIVE)),
    "few_axons": lambda: place(dense_chain(64, 120, 200), chip("loihi1", core_axons_out=60, core_axons_in=150)),
    "chips": lambda: place(layered(8, 12, 3), chip("loihi1", core_neurons=128), system(3, 2, 6)),
    "chips_by_neurons": lambda: place(
        layered(4, 8, 3), chip("loihi1", core_neurons=32, chip_neurons=150), system(4, 3, 16)
    ),
    "spread": lambda: place(layered(4, 8, 2), load_target("loihi1"), neurons_per_core=40),
}


@pytest.mark.parametrize("name", CASES)
def test_placements_are_those_kept(name: str, golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymetis", None)
    golden(text(tree(CASES[name]())), f"placement/{name}.txt")


def text(found: Any) -> str:
    """A line for each slice, core and projection."""
    lines = [f"{key}: {json.dumps(found[key])}" for key in ("mesh", "traffic", "spike_hops", "lower_bound", "links")]
    lines += [f"{name}: {' '.join(map(str, row.values()))}" for name, row in found["projections"].items()]
    for s in found["slices"]:
        ranges = " ".join(f"{a}-{b}" for a, b in s["neurons"])
        lines.append(f"{s['population']} on {s['core']}: {ranges}; {', '.join(s['encodings'].values())}")
    lines.append(" ".join(found["loads"][0]))
    lines += [" ".join(map(str, load.values())) for load in found["loads"]]
    return "\n".join(lines) + "\n"
