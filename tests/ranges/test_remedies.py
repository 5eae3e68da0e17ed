"""Every remedy is applied, analysed and run; one step less does not help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.program.program import V_MAX, Program
from seamount.compiler.program.verify import verify
from seamount.compiler.ranges.proof import analyse
from seamount.compiler.ranges.remedies import largest_share, longest_safe, remedies, scaled_down, with_decays
from tests.program_samples import i32, one_population
from tests.program_strategies import programs


def kinds(program: Program, name: str = "p") -> dict[str, object]:
    return {r.kind: r for r in remedies(program, analyse(program), name)}


def proven(program: Program, steps: int | None = None) -> bool:
    return analyse(program, steps).populations["p"].proven


def test_nothing_to_mend():
    assert remedies(one_population(dv=4096), analyse(one_population(dv=4096)), "p") == ()


@pytest.mark.parametrize(("high", "halvings"), [(1024, 1), (2000, 1), (2048, 2), (5000, 3), (262_143, 8)])
def test_smallest_scale(high, halvings):
    """64 * 128 * 1024 = 2**23 is one more than v holds."""
    program = one_population(weight=128, graded=(0, high), dv=4096, vth=None)
    remedy = kinds(program)["scale"]
    assert f"2^{halvings}" in remedy.text and f"weight_exp 'x->p' {-halvings}" in remedy.text
    assert verify(remedy.program) == () and proven(remedy.program)
    assert not proven(scaled_down(program, "p", halvings - 1))


def test_scale_ends_at_the_lowest_exponent():
    program = one_population(weight=128, graded=(0, 200_000), dv=4096, vth=None)
    low = replace(program, projections=(replace(program.projections[0], weight_exp=-8),))
    assert proven(low)
    leaky = replace(program, projections=(replace(program.projections[0], weight_exp=-8),), populations=(
        replace(program.population("p"), dv=i32(1)),))  # fmt: skip
    assert "scale" not in kinds(leaky) and "decay" in kinds(leaky)


def test_scaling_keeps_spikes_where_everything_divides():
    program = one_population(
        weight=128, graded=(0, 60), dv=0, vth=4096, bias=64, v_init=640, v_min=-128, reset="subtract", reset_by=2**18
    )
    smaller = scaled_down(program, "p", 2)
    p = smaller.population("p")
    assert (int(p.vth), int(p.bias_mant), p.bias_exp, int(p.v_init), p.v_min, p.reset_by) == (
        1024,
        64,
        -2,
        160,
        -32,
        2**16,
    )
    sent = {"x": np.random.default_rng(3).integers(0, 60, (4, 20, 1)).astype(np.int32)}
    runs = [ReferenceSimulator().run(x, sent, frozenset({"spikes", "v"})) for x in (program, smaller)]
    assert runs[0].spikes["p"].any() and np.array_equal(runs[0].spikes["p"], runs[1].spikes["p"])
    assert np.array_equal(runs[0].v["p"], runs[1].v["p"] * 4)


def test_thresholds_that_do_not_divide_are_named():
    program = one_population(weight=128, graded=(-2000, 0), dv=4096, vth=5)
    assert kinds(program)["scale"].text.endswith("(rounded)")


def test_a_sum_without_leak_is_scaled_for_the_length_of_the_program():
    """Over any length no scale helps; over its own 50 steps 64 * 100 * 700 * 50 / 2^5 fits, divided by 2^4 not."""
    program = one_population(weight=100, graded=(0, 700), dv=0, vth=None, steps=50)
    remedy = kinds(program)["scale"]
    assert "by 2^5" in remedy.text and remedy.text.endswith("and samples of at most 50 steps")
    assert remedy.steps == 50 and proven(remedy.program, 50) and not proven(remedy.program)
    assert not proven(scaled_down(program, "p", 4), 50)


def test_smallest_decay_of_v():
    program = one_population(weight=100, graded=(-700, 700), dv=10, vth=None)
    remedy = kinds(program)["decay"]
    least = int(remedy.program.population("p").dv)
    assert f"dv at least {least} (now from 10)" in remedy.text and "du" not in remedy.text
    assert proven(remedy.program) and not proven(with_decays(program, "p", 0, least - 1))


def test_smallest_decays_of_u_and_v():
    program = one_population(weight=100, graded=(-700, 700), du=0, dv=0, vth=None)
    remedy = kinds(program)["decay"]
    p = remedy.program.population("p")
    du, dv = int(p.du), int(p.dv)
    assert proven(remedy.program)
    assert analyse(with_decays(program, "p", du - 1, dv)).populations["p"].verdict("u") == "possible"
    assert not proven(with_decays(program, "p", du, dv - 1))


def test_larger_decays_of_other_neurons_stay():
    p = one_population().population("p")
    program = replace(one_population(), populations=(replace(p, dv=i32([100])),))
    assert with_decays(program, "p", 0, 50).population("p").dv.tolist() == [100]


def test_longest_sample():
    """A sum without leak, 64 * 100 * 700 per step, fits for one step and no more; slower ones for longer."""
    for high, longest in ((700, 1), (100, 13), (10, 131)):
        program = one_population(weight=100, graded=(0, high), dv=0, vth=None)
        remedy = kinds(program)["steps"]
        assert remedy.steps == longest == V_MAX // (64 * 100 * high)
        assert proven(program, longest) and not proven(program, longest + 1)
        sent = {"x": np.full((1, longest + 1, 1), high, np.int32)}
        v = ReferenceSimulator().run(program, sent, frozenset({"v"})).v["p"].reshape(-1)
        assert v[longest - 1] == 6400 * high * longest and v[longest] == V_MAX
    assert longest_safe(program.population("p"), analyse(program).populations["p"]) == 131


@pytest.mark.parametrize("more", [{"dv": 4096}, {"dv": 1000}, {"dv": 0, "steps": 20}, {"du": 4000, "dv": 3000}])
def test_largest_share(more):
    """What enters scaled by the share fits, by 3 % more it does not."""

    def program(high):
        return one_population(weight=128, graded=(-high, 0), vth=20_000, bias=-4000, **more)

    loud, steps = program(5000), more.get("steps")
    p, found = loud.population("p"), analyse(loud, steps).populations["p"]
    share = largest_share(p, found, steps)

    def scaled(factor):
        smaller = program(int(5000 * factor))
        q = replace(smaller.population("p"), vth=i32(20_000 * factor), bias_mant=i32(-4000 * factor))
        return replace(smaller, populations=(q,))

    assert 0 < share < 1 and proven(scaled(share), steps) and not proven(scaled(share * 1.03), steps)


def test_no_share_is_small_enough():
    """A sum without leak, over any length; and nothing to shrink gives 1."""
    loud = one_population(weight=100, graded=(0, 700), dv=0, vth=None)
    assert largest_share(loud.population("p"), analyse(loud).populations["p"], None) == 0
    calm = one_population(dv=4096)
    assert largest_share(calm.population("p"), analyse(calm).populations["p"], None) == 1


def test_no_length_helps_when_the_first_step_overflows():
    assert "steps" not in kinds(one_population(weight=128, graded=(0, 2000), dv=4096, vth=None))


@settings(max_examples=35, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(force=frozenset({"loud"})), st.data())
def test_remedies_of_random_programs_are_valid_and_proven(program, data):
    ranges = analyse(program)
    left = [name for name, p in ranges.populations.items() if not p.proven]
    assume(left)
    name = data.draw(st.sampled_from(left))
    for remedy in remedies(program, ranges, name):
        assert verify(remedy.program) == ()
        assert analyse(remedy.program, remedy.steps).populations[name].proven
        assert [p.shape for p in remedy.program.populations] == [p.shape for p in program.populations]
