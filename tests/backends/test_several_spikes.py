"""Messages of several spikes, and guarded thresholds: every backend against the reference, it against plain loops."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from seamount.backends.cpu.run import CpuEngine
from seamount.backends.lava.run import LavaBackend
from seamount.backends.simulator.reference import ReferenceSimulator, step
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.errors import ContractError
from seamount.compiler.program.codec import read_program, write_program
from seamount.compiler.program.needs import chip_needs
from seamount.compiler.program.program import Dense, InputPort, Population, Program, Projection, Readout, Sparse
from seamount.compiler.program.verify import check
from seamount.compiler.ranges.proof import analyse
from tests.program_samples import i32, population

EVERYTHING = frozenset({"spikes", "u", "v"})
KINDS = {
    "two": {"most": 2},
    "many": {"most": 127},
    "guarded": {"guarded": True},
    "clamped": {"most": 5, "v_min": -500},
    "guarded, clamped": {"guarded": True, "v_min": -64},
}


def network(seed: int, **kind: object) -> Program:
    """An input into a recurrent layer of the kind, on to a list of synapses with a delay and a negative exponent."""
    rng = np.random.default_rng(seed)
    by = i32(rng.integers(64 * 20, 64 * 60, 5))
    first = population(
        "first", (5,), du=i32(rng.choice([4095, 3000], 5)), dv=i32(rng.integers(0, 900, 5)), vth=i32(by // 64),
        bias=i32(rng.integers(-30, 60, 5)), bias_exp=2, reset="subtract", reset_by=by, v_init=i32(7), **kind,
    )  # fmt: skip
    second = population("second", (4,), du=4095, dv=100, vth=i32(900), offset=4, reset="subtract", reset_by=640, **kind)
    last = population("last", (2,), du=4095, dv=0, vth=None, offset=5)
    weights = [i32(2 * rng.integers(-20, 40, shape)) for shape in ((5, 3), (5, 5), (2, 4))]
    rows, cols = (i32(x) for x in zip(*product(range(4), range(5)), strict=True))
    return Program(
        (InputPort("x", (3,), True, -3, 9),),
        (first, second, last),
        (
            Projection("in", "x", "first", Dense(weights[0]), 1),
            Projection("back", "first", "first", Dense(weights[1]), lag=1),
            Projection("on", "first", "second", Sparse(rows, cols, i32(2 * rng.integers(-9, 30, 20))), -1, delay=2),
            Projection("out", "second", "last", Dense(weights[2]), 2),
        ),
        (Readout("y", "last", "v", "last"), Readout("n", "second", "s", "sum")),
        12,
    )


def messages(seed: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(seed + 50).integers(-3, 10, (3, 12, 3)).astype(np.int32)}


def same(program: Program, x: dict[str, np.ndarray], backend: object) -> None:
    truth = ReferenceSimulator().run(program, x, EVERYTHING)
    found = backend.run(program, x, EVERYTHING)
    assert truth.counts.differences(found.counts) == []
    for kind in ("spikes", "u", "v", "readout"):
        for name, values in getattr(truth, kind).items():
            assert np.array_equal(values, getattr(found, kind)[name]), f"{kind} of {name}"


@pytest.mark.parametrize("kind", KINDS)
def test_backends_agree(kind: str) -> None:
    for seed in range(4):
        program, x = network(seed, **KINDS[kind]), messages(seed)
        check(program)
        for backend in (VectorizedSimulator(), VectorizedSimulator(batch_size=1), CpuEngine()):
            same(program, x, backend)
        most = KINDS[kind].get("most", 1)
        spikes = ReferenceSimulator().run(program, x, EVERYTHING).spikes
        assert spikes["first"].max() == min(most, spikes["first"].max()) and (most == 1 or spikes["first"].max() > 1)


@pytest.mark.lava
@pytest.mark.parametrize("kind", ["many", "guarded, clamped"])
def test_lava_agrees(kind: str) -> None:
    same(network(0, **KINDS[kind]), messages(0), LavaBackend())


def test_the_torch_engine_agrees() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from seamount.backends.cuda.run import CudaEngine

    same(network(1, most=9), messages(1), CudaEngine(device="cpu"))


def naive(p: Population, v: int) -> tuple[int, int]:
    """What one neuron sends, and v behind it, without input and leak: level by level."""
    theta, by = 64 * int(p.vth), int(p.reset_by)
    before, sent = v, 0
    while sent < p.most and before > theta + sent * by + (by if p.guarded and v > theta else 0):
        sent += 1
    return sent, before - sent * by


@pytest.mark.parametrize("kind", [{"most": 3}, {"most": 127}, {"guarded": True}])
@pytest.mark.parametrize("by", [1, 64, 100, 640])
def test_one_step_counts_the_levels(kind: dict[str, object], by: int) -> None:
    p = population("p", (1,), du=4095, dv=0, vth=i32(10), reset="subtract", reset_by=by, **kind)
    for v in range(0, 4000, 7):
        s, _, after = step(p, np.array([0]), np.array([v]), np.array([0]))
        assert (int(s[0]), int(after[0])) == naive(p, v), v


@pytest.mark.parametrize("kind", KINDS)
def test_the_proof_holds_what_is_reached(kind: str) -> None:
    for seed in range(4):
        program = network(seed, **KINDS[kind])
        ranges = analyse(program)
        for trial in range(5):
            trace = ReferenceSimulator().run(program, messages(10 * seed + trial), EVERYTHING)
            for p in program.populations:
                for register, series in (("u", trace.u[p.name]), ("v", trace.v[p.name])):
                    held = ranges.populations[p.name].held(register)
                    flat = series.reshape(-1, p.size)
                    assert (flat >= held.low).all() and (flat <= held.high).all(), (p.name, register)
                sent = ranges.sent[p.name]
                assert (trace.spikes[p.name].reshape(-1, p.size) <= sent.high).all()


def test_files_of_before_are_read(tmp_path) -> None:
    plain = network(0)
    write_program(plain, tmp_path)
    text = (tmp_path / "program.json").read_text()
    assert "most" not in text and "guarded" not in text
    assert read_program(tmp_path).populations[0].most == 1
    several = network(0, most=4)
    write_program(several, tmp_path)
    assert [p.most for p in read_program(tmp_path).populations] == [4, 4, 1]


@pytest.mark.parametrize(
    "changes",
    [{"most": 0}, {"most": 128}, {"most": 2, "reset": "zero"}, {"guarded": True, "most": 2},
     {"most": 2, "reset_by": 0}, {"guarded": True, "vth": None}],
)  # fmt: skip
def test_programs_that_cannot_be(changes: dict[str, object]) -> None:
    program = network(0)
    first = replace(program.populations[0], **changes)
    with pytest.raises(ContractError):
        check(replace(program, populations=(first, *program.populations[1:])))


def test_needs() -> None:
    words = [need.what for need in chip_needs(network(0, most=9)) if need.where == "population 'second'"]
    assert words == ["microcode: reset by subtraction", "microcode: messages of up to 9 spikes, as graded spikes"]
    assert "microcode: a threshold that is higher while v stays above it" in [
        need.what for need in chip_needs(network(0, guarded=True))
    ]
