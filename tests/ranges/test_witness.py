"""Witnesses really overflow in the reference simulator; where nothing can overflow none is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from seamount.backends.simulator import reference
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.program.program import V_MAX, Conv, Dense, InputPort, Program, Projection, Readout
from seamount.compiler.ranges.proof import LIMITS, analyse
from seamount.compiler.ranges.witness import Witness, find_witness
from tests.program_samples import i32, one_population, population
from tests.program_strategies import programs


def overflows(program: Program, witness: Witness) -> bool:
    """Whether the step of the simulator itself leaves the register at the place the witness names."""
    seen = []
    plain = reference.step

    def spy(p: Any, u: Any, v: Any, a: Any) -> Any:
        result = plain(p, u, v, a)
        if p.name == witness.population:
            du, dv, mantissa = (np.asarray(x, np.int64) for x in (p.du, p.dv, p.bias_mant))
            u_before = reference.truncate(u * (4095 - du)) + 64 * a
            v_before = reference.truncate(v * (4096 - dv)) + result[1] + reference.shift(mantissa, p.bias_exp)
            seen.append((u_before if witness.register == "u" else v_before).reshape(-1)[witness.neuron])
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "step", spy)
        ReferenceSimulator().run(program, dict(witness.messages))
    value = int(seen[program.population(witness.population).offset + witness.step])
    low, high = LIMITS[witness.register]
    return value == witness.value and not low <= value <= high


def hunt(program: Program, population: str, register: str, **more: Any) -> Witness | None:
    fast, slow = VectorizedSimulator(), ReferenceSimulator()
    return find_witness(program, analyse(program), population, register, fast.run, slow.run, **more)


def deep(layers: int = 3) -> Program:
    """Layers of 12 neurons; the last one sums without leak and saturates only when those before it fire for long."""
    rng = np.random.default_rng(5)
    names = ["x", *(f"p{k}" for k in range(layers))]
    populations, projections = [], []
    for k in range(layers):
        last = k == layers - 1
        populations.append(
            population(names[k + 1], (12,), dv=0 if last else 1000, vth=None if last else 300, offset=k + 1)
        )
        weight = i32(rng.integers(-100, 100, (12, 12)) * 2)
        projections.append(Projection(f"q{k}", names[k], names[k + 1], Dense(weight), weight_exp=4 if last else 0))
    return Program(
        (InputPort("x", (12,), False),), tuple(populations), tuple(projections),
        (Readout("y", names[-1], "v", "last"),), 8,
    )  # fmt: skip


def test_current_that_wraps():
    program = one_population(weight=-128, graded=(0, 1100), dv=4096, vth=None)
    witness = hunt(program, "p", "u")
    assert witness is not None and overflows(program, witness)
    assert (witness.neuron, witness.index, witness.step) == (0, (0,), 0) and witness.value <= -(2**23)
    assert witness.messages["x"].shape == (1, 1, 1)


def test_current_that_wraps_after_many_steps():
    program = one_population(weight=128, graded=(0, 4), du=0, dv=4096, vth=None)
    witness = hunt(program, "p", "u")
    assert witness is not None and overflows(program, witness) and witness.step > 200


def test_membrane_that_saturates_in_a_chosen_neuron():
    """Only one border pixel can do it: the others have an inhibitory tap."""
    kernel = i32([[[[200, 200, -256]]]])
    port = InputPort("x", (1, 1, 5), True, 0, 180)
    p = population("p", (1, 1, 5), dv=2048, vth=None)
    projection = Projection("q", "x", "p", Conv(kernel, (1, 1), (0, 1), (1, 1), 1))
    program = Program((port,), (p,), (projection,), (Readout("y", "p", "v", "last"),), 3)
    witness = hunt(program, "p", "v")
    assert witness is not None and overflows(program, witness) and witness.index[-1] in (1, 2, 3, 4)


@pytest.mark.parametrize("seed", [0, 1])
def test_three_layers_deep(seed):
    program = deep()
    witness = hunt(program, "p2", "v", seed=seed)
    assert witness is not None and overflows(program, witness)
    assert witness.messages["x"].min() >= 0 and witness.messages["x"].max() <= 1


def test_the_bound_alone_is_no_witness():
    """Two neurons that exclude each other: the sum of both is in the bound, and no message reaches it."""
    populations = (
        population("p", (2,), dv=4096, vth=1),
        population("q", (1,), dv=4096, vth=None, offset=2),
    )
    projections = (
        Projection("in", "x", "p", Dense(i32([[2], [-2]]))),
        Projection("on", "p", "q", Dense(i32([[254, 254]])), weight_exp=7),
    )
    port = InputPort("x", (1,), True, -1, 1)
    program = Program((port,), populations, projections, (Readout("y", "q", "v", "last"),), 4)
    leaky = replace(program, populations=(populations[0], replace(populations[1], dv=i32(1600))))
    found = analyse(leaky).populations["q"]
    either = 64 * (254 << 7) * 4096 // 1600
    assert either + 4 < V_MAX < found.demand("v").ends[1] <= 2 * (either + 4)
    assert found.verdict("v") == "possible" and hunt(leaky, "q", "v", rounds=2) is None


def test_a_run_that_does_not_confirm_counts_for_nothing():
    program = one_population(weight=128, graded=(0, 1100), dv=4096, vth=None)
    quiet = {"x": np.zeros((1, 1, 1), np.int32)}
    slow = ReferenceSimulator()

    def other(program, messages, record):
        return slow.run(program, {"x": np.broadcast_to(quiet["x"], messages["x"].shape)}, record)

    # Demand of u is computed from messages and u; a simulator that ignores them leaves v at rest.
    assert find_witness(program, analyse(program), "p", "v", slow.run, other) is None


def test_same_seed_same_witness():
    first, second = (hunt(deep(), "p2", "v", seed=7) for _ in range(2))
    assert first is not None and second is not None
    assert np.array_equal(first.messages["x"], second.messages["x"]) and first.value == second.value


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(force=frozenset({"loud"}), max_populations=3))
def test_witnesses_of_random_programs_overflow(program):
    for p in analyse(program).populations.values():
        for register in "uv":
            witness = hunt(program, p.name, register, rounds=1)
            assert witness is None or (p.overflows(register)[witness.neuron] and overflows(program, witness))
