"""nengo-loihi's emulator computes the same integers, where its environment is (`make nengo`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import nengo_run, table
from benchmarks.cases import Point
from benchmarks.synthetic import network
from seamount.backends.registry import load_backend
from seamount.compiler.program.program import Dense, InputPort, Population, Program, Projection, Readout


def program(register: str, rule: str) -> Program:
    """A recurrent layer with biases of both signs and a layer that is read."""
    rng = np.random.default_rng(4)

    def whole(low: int, high: int, *shape: int) -> np.ndarray:
        return rng.integers(low, high, shape).astype(np.int32)

    hidden = Population(
        "hidden", (12,), du=np.array(3000, np.int32), dv=np.array(300, np.int32), vth=whole(50, 150, 12),
        bias_mant=whole(-300, 300, 12), bias_exp=2, offset=1,
    )  # fmt: skip
    out = Population(
        "out", (3,), du=np.array(4095, np.int32), dv=np.array(500, np.int32), vth=None,
        bias_mant=whole(-9, 9, 3), bias_exp=-1, offset=2,
    )  # fmt: skip
    projections = (
        Projection("feed", "x", "hidden", Dense(2 * whole(-60, 60, 12, 5))),
        Projection("back", "hidden", "hidden", Dense(2 * whole(-30, 30, 12, 12)), lag=1),
        Projection("read", "hidden", "out", Dense(2 * whole(-60, 60, 3, 12)), weight_exp=-1),
    )
    return Program(
        (InputPort("x", (5,), False),), (hidden, out), projections, (Readout("y", "out", register, rule),), 9
    )


@pytest.mark.parametrize(("register", "rule"), [("v", "mean"), ("v", "each"), ("u", "last")])
def test_the_emulator_equals_the_reference(register: str, rule: str) -> None:
    python = nengo_run.interpreter()
    if python is None:
        pytest.skip("no environment with nengo-loihi: make nengo")
    made = program(register, rule)
    messages = (np.random.default_rng(1).random((3, 9, 5)) < 0.4).astype(np.int32)
    trace = load_backend("reference").run(made, {"x": messages})
    assert trace.counts.spikes["hidden"].sum() > 10
    readout, seconds, _ = nengo_run.emulate(python, made, messages)
    np.testing.assert_array_equal(readout, trace.readout["y"])
    assert len(seconds) == 3


def test_what_the_emulator_does_not_have_is_said() -> None:
    made = network(side=4)
    graded = replace(made, inputs=(replace(made.inputs[0], graded=True),))
    with pytest.raises(RuntimeError, match="takes spikes, no values"):
        nengo_run.request(graded, np.zeros((1, 2, 2, 4, 4), np.int32))
    soft = replace(made, populations=(replace(made.populations[0], reset="subtract"), made.populations[1]))
    with pytest.raises(RuntimeError, match="has no reset by subtraction"):
        nengo_run.request(soft, np.zeros((1, 2, 2, 4, 4), np.int32))


def test_a_missing_environment_is_a_row_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(nengo_run.VARIABLE, "/nowhere/python")
    found = nengo_run.measure_nengo(Point("dense", 32, 1))
    _, rows = table.simulators([{"case": "dense", "steps": 32, "batch": 1, "nengo": found, "results": {}}])
    assert rows[0][:2] == ["dense, T = 32", "nengo-loihi, emulator"]
    assert rows[0][2].startswith("absent: no Python with nengo-loihi; make one with 'make nengo'")
