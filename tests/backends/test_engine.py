"""The engine for processors equals the reference bit for bit: spikes, registers, readouts and event counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from seamount.backends import registry
from seamount.backends.cpu import run as cpu
from seamount.backends.cpu.extremes import extremes, is_exact
from seamount.backends.cpu.plan import plan
from seamount.backends.cpu.profile import profile
from seamount.backends.cpu.run import CpuEngine
from seamount.backends.cpu.vectors import LANES, PIECES
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import InputError
from seamount.compiler.program.program import V_MAX, Conv, Dense, InputPort, Program, Projection, Readout, Sparse
from tests.backends.lava_support import draw
from tests.backends.parity_rows import ROWS
from tests.backends.test_vectorized import ALL, assert_equal, big, extreme
from tests.program_samples import one_population, population, small_program
from tests.program_strategies import FEATURES, TRANSPOSED, cases

QUIET = list(HealthCheck)


def compare(case, **options):
    program, messages = case
    expected = ReferenceSimulator().run(program, messages, ALL)
    assert_equal(expected, CpuEngine(**options).run(program, messages, ALL))
    return expected


def paths(program):
    """Which of the engine's kernels a program goes through."""
    tables = plan(program).tables
    for q in tables.projections:
        kind = "list" if q["list"] else "beside" if q["beside"] else "rows16" if q["wide"] else "rows8"
        yield kind + " of values" if q["graded"] else f"{kind} to {'int16' if q['narrow'] else 'int32'}"
        if q["own"]:
            yield "summed apart"
        if q["groups"]:
            yield "groups"
    for p in tables.populations:
        yield "general" if p["general"] else "wraps" if p["wraps"] else "memory" if p["memory"] else "plain"


KERNELS = {
    "list to int16", "list to int32", "list of values", "rows8 to int16", "rows8 to int32", "rows16 to int16",
    "rows16 to int32", "rows8 of values", "rows16 of values", "summed apart", "groups", "general", "wraps",
    "memory", "plain",
}  # fmt: skip


RARE = {"plain", "groups"}
"""Kernels that a random program seldom takes; the programs compared with Lava take them, and so do the slow 500."""


def test_equal_on_100_random_programs_through_every_kernel():
    seen = Counter()

    @settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=QUIET)
    @given(cases(), st.sampled_from([1, 2]))
    def check(case, threads):
        compare(case, threads=threads)
        seen.update(set(paths(case[0])))

    check()
    assert seen.keys() >= KERNELS - RARE, KERNELS - seen.keys()


def test_the_programs_compared_with_lava_take_the_rare_kernels():
    taken = {path for row in ROWS for case in draw(ROWS[row], 2, row) for path in paths(case[0])}
    assert taken >= RARE


@pytest.mark.parametrize("feature", sorted(FEATURES | TRANSPOSED))
def test_equal_with_each_construct(feature):
    @settings(max_examples=5, deadline=None, suppress_health_check=QUIET)
    @given(cases(force=frozenset({feature})))
    def check(case):
        compare(case)

    check()


@pytest.mark.parametrize("row", ROWS)
def test_equal_on_the_programs_that_are_compared_with_lava(row):
    for case in draw(ROWS[row], 2, row):
        compare(case)


@pytest.mark.slow
def test_equal_on_500_random_programs_per_kernel():
    """Until each kernel has been through 500 programs."""
    seen = Counter()

    @settings(max_examples=1000, deadline=None, database=None, suppress_health_check=QUIET)
    @given(cases(max_populations=6, max_samples=5))
    def check(case):
        compare(case)
        seen.update(set(paths(case[0])))

    for _ in range(20):
        check()
        if min(seen[k] for k in KERNELS) >= 500:
            break
    assert min(seen[k] for k in KERNELS) >= 500, seen
    print(dict(seen))


@pytest.mark.parametrize("du", [0, 1, 2047, 4095, 4096])
@pytest.mark.parametrize("dv", [0, 1, 2047, 4095, 4096])
def test_equal_where_u_wraps_and_v_saturates(du, dv):
    x = np.random.default_rng(du + dv).integers(-1000, 1001, (20, 40, 1)).astype(np.int32)
    x[10:] = np.abs(x[10:])
    trace = compare((extreme(du=du, dv=dv, vth=None), {"x": x}))
    assert dv > 1 or (np.abs(trace.v["p"]) == V_MAX).any()


@pytest.mark.parametrize("kind", ["dense", "sparse", "conv"])
def test_large_sums_are_exact(kind):
    program = big(kind, 250)
    compare((program, {"x": np.full((2, 1, *program.inputs[0].shape), 249, np.int32)}))


def at_the_end_of_int16(over):
    """Spikes whose sums are the largest and the smallest int16, or one beyond."""
    up, down = np.zeros((2, 129), np.int32), np.zeros((2, 129), np.int32)
    up[0], down[1] = [255] * 128 + [127 + over], [-255] * 128 + [-128 - over]
    projections = (
        Projection("up", "x", "p", Dense(up), sign_mode="excitatory"),
        Projection("down", "x", "p", Dense(down), sign_mode="inhibitory"),
    )
    p = population("p", (2,), vth=None, dv=4096)
    return Program((InputPort("x", (129,), False),), (p,), projections, (Readout("y", "p", "v", "sum"),), 1)


@pytest.mark.parametrize(("over", "narrow"), [(0, True), (1, False)])
def test_sums_are_int16_only_where_none_can_leave_it(over, narrow):
    program = at_the_end_of_int16(over)
    assert [bool(p["narrow"]) for p in plan(program).tables.populations] == [narrow]
    trace = compare((program, {"x": np.ones((1, 1, 129), np.int32)}))
    assert trace.v["p"].reshape(-1).tolist() == [64 * (2**15 - 1 + over), -64 * (2**15 + over)]


@pytest.mark.parametrize("spikes", [255, 256, 511])
def test_more_rows_of_int8_than_int16_holds(spikes):
    """Sums in int32 are formed from rows added in int16, 255 at a time."""
    weight = np.stack([np.full(511, -256, np.int32), np.full(511, 254, np.int32)])
    p = population("p", (2,), vth=None, dv=4096)
    program = Program(
        (InputPort("x", (511,), False),), (p,), (Projection("q", "x", "p", Dense(weight)),),
        (Readout("y", "p", "v", "sum"),), 1,
    )  # fmt: skip
    assert not plan(program).tables.populations[0]["narrow"]
    x = np.zeros((1, 1, 511), np.int32)
    x[..., :spikes] = 1
    assert compare((program, {"x": x})).v["p"].reshape(-1).tolist() == [-256 * 64 * spikes, 254 * 64 * spikes]


@pytest.mark.parametrize("bits", [4, 8])
def test_runs_of_every_length(bits):
    """A run is cut into the lengths that the kernels know; few bits give int16 sums, many give int32."""
    rng = np.random.default_rng(2)
    widths = [n * LANES - k for n in (*PIECES, 5, 11, 23, 37) for k in (0, 5)]
    port = InputPort("x", (1500,), False)
    populations = tuple(population(f"p{n}", (n,), vth=None, dv=300) for n in widths)
    largest = 2 ** (bits - 1)
    projections = tuple(
        Projection(f"q{n}", "x", f"p{n}", Dense(2 * rng.integers(-largest, largest, (n, 1500)).astype(np.int32)))
        for n in widths
    )
    program = Program((port,), populations, projections, (Readout("y", f"p{widths[0]}", "v", "sum"),), 2)
    tables = plan(program).tables
    assert {p["narrow"] for p in tables.populations} == {int(bits == 4)}
    assert set(tables.runs[2::3]) >= set(PIECES)
    compare((program, {"x": rng.integers(0, 2, (2, 2, 1500)).astype(np.int8)}))


@pytest.mark.parametrize(("exponent", "channels"), [(0, 5), (3, 5), (0, 200), (3, 300)])
def test_sums_of_residual_blocks(exponent, channels):
    """Each neuron to the one at its own place, beside a convolution; weights of int8 and int16, sums of both widths."""
    rng = np.random.default_rng(3)
    shape = (channels, 3, 5)
    skip, main = (2 * rng.integers(-120, 121, (channels, n, k, k)).astype(np.int32) for n, k in ((1, 1), (channels, 3)))
    for weight in (skip, main):
        weight.flat[:2] = 2, 240
    projections = (
        Projection("skip", "x", "p", Conv(skip, (1, 1), (0, 0), (1, 1), channels), exponent),
        Projection("main", "x", "p", Conv(main, (1, 1), (1, 1), (1, 1), 1)),
    )
    p = population("p", shape, vth=900, dv=300)
    program = Program((InputPort("x", shape, False),), (p,), projections, (Readout("y", "p", "v", "sum"),), 3)
    tables = plan(program).tables
    assert tables.projections["beside"].tolist() == [1, 0]
    assert tables.projections["wide"][0] == (exponent > 0) and tables.populations["narrow"][0] == (channels < 200)
    compare((program, {"x": rng.integers(0, 2, (2, 3, *shape)).astype(np.int8)}))


def test_the_profile_names_every_population_and_changes_nothing():
    program, x = small_program(), np.ones((3, 4, 1, 4, 4), np.int8)
    found = profile(program, {"x": x})
    assert not found.counts.differences(ReferenceSimulator().run(program, {"x": x}).counts)
    assert set(found.populations) == {p.name for p in program.populations}
    spent = [seconds for phases in found.populations.values() for seconds in phases.values()]
    assert min(spent) >= 0 and 0 < sum(spent) <= found.total


def test_wide_layers_in_several_rows_and_words():
    """Larger than a vector and a word in every dimension; strides, dilation and borders among them."""
    rng = np.random.default_rng(1)

    def weights(*shape):
        return rng.integers(-128, 128, shape).astype(np.int32) * 2

    shapes = {"a": (40, 11, 13), "b": (24, 5, 6), "c": (40, 5, 6), "d": (300,)}
    vth = {"a": 900, "b": 1500, "c": 150, "d": 2000}
    populations = tuple(population(n, s, vth=vth[n], dv=300, offset=k + 1) for k, (n, s) in enumerate(shapes.items()))
    connections = (
        ("x", "a", Conv(weights(40, 20, 3, 3), (1, 1), (1, 1), (1, 1), 1)),
        ("a", "b", Conv(weights(24, 40, 3, 3), (2, 2), (1, 1), (2, 2), 1)),
        ("a", "c", Conv(weights(40, 1, 2, 2), (2, 2), (0, 0), (1, 1), 40)),
        ("b", "d", Dense(weights(300, 720))),
        ("c", "d", Dense(weights(300, 1200))),
    )
    offsets = {"x": 0} | {p.name: p.offset for p in populations}
    projections = tuple(Projection(f"{a}{b}", a, b, c, delay=offsets[b] - offsets[a] - 1) for a, b, c in connections)
    readouts = (Readout("y", "d", "v", "sum"), Readout("s", "a", "s", "max"))
    program = Program((InputPort("x", (20, 11, 13), False),), populations, projections, readouts, 3)
    trace = compare((program, {"x": rng.integers(0, 2, (4, 3, 20, 11, 13)).astype(np.int8)}))
    assert all(0 < trace.spikes[name].mean() < 1 for name in shapes)


def test_more_steps_than_a_byte_counts():
    program = one_population(weight=128, vth=0)
    trace = compare((program, {"x": np.ones((2, 700, 1), np.int32)}))
    assert trace.counts.sent["p"].tolist() == [1400]


@pytest.mark.parametrize("constant", [True, False])
def test_a_sample_shown_unchanged_gives_the_same(constant):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 256, (6, 1, 1, 4, 4)).astype(np.uint8)
    x = np.broadcast_to(x, (6, 9, 1, 4, 4)) if constant else np.repeat(x, 9, axis=1)
    compare((small_program(), {"x": x}))


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8, np.int16, np.int64])
def test_messages_of_any_integer_type(dtype):
    program = one_population(weight=128, vth=1, dv=100)
    compare((program, {"x": np.random.default_rng(0).integers(0, 2, (3, 9, 1)).astype(dtype)}))


def test_sparse_lists():
    rng = np.random.default_rng(0)
    pairs = rng.permutation(100 * 90)[:900].astype(np.int32)
    connection = Sparse(*np.divmod(pairs, np.int32(90)), rng.integers(-128, 128, 900).astype(np.int32) * 2)
    p = population("p", (100,), vth=5, dv=100)
    q = Projection("x->p", "x", "p", connection, weight_exp=-1)
    program = Program((InputPort("x", (90,), False),), (p,), (q,), (Readout("y", "p", "s", "sum"),), 5)
    compare((program, {"x": rng.integers(0, 2, (7, 5, 90)).astype(np.int32)}))


def test_only_what_is_asked_for_is_kept():
    x = np.zeros((2, 4, 1, 4, 4), np.int32)
    trace = CpuEngine().run(small_program(), {"x": x}, frozenset({"u"}))
    assert (trace.spikes, trace.v) == ({}, {})
    assert trace.u.keys() == {"conv", "loop", "out"}


def test_progress_ends_at_all_samples():
    seen = []
    x = np.zeros((50, 4, 1, 4, 4), np.int32)
    CpuEngine(threads=1).run(small_program(), {"x": x}, progress=lambda *done: seen.append(done))
    assert seen == [(32, 50), (50, 50)]


def test_bad_options_are_refused():
    with pytest.raises(InputError, match="threads"):
        CpuEngine(threads=0).run(one_population(), {"x": np.zeros((1, 1, 1), np.int32)})


def test_a_changed_program_is_not_taken_for_the_old_one():
    program = one_population(weight=2, vth=0)
    x = {"x": np.ones((1, 1, 1), np.int32)}
    compare((program, x))
    compare((replace(program, projections=(replace(program.projections[0], weight_exp=3),)), x))


def test_the_machine_is_tested_through_every_kernel_that_has_an_end():
    seen = {path for program in extremes() for path in paths(program)}
    assert KERNELS - seen == {"summed apart", "groups"}
    assert cpu.exact_here()
    assert any((np.abs(v.astype(np.int64)) == V_MAX).any() for v in _extreme_v())


def _extreme_v():
    for program in extremes():
        port = program.inputs[0]
        x = np.full((1, program.steps, *port.shape), port.high, np.int32)
        yield from ReferenceSimulator().run(program, {port.name: x}, ALL).v.values()


def test_a_machine_that_errs_is_noticed_and_not_used(monkeypatch, caplog):
    class Errs:
        def run(self, program, messages, record):
            trace = ReferenceSimulator().run(program, messages, record)
            return replace(trace, v={name: v ^ 1 for name, v in trace.v.items()})

    assert not is_exact(Errs())
    monkeypatch.setattr(cpu, "is_exact", lambda engine: False)
    monkeypatch.setattr(CpuEngine, "run_compiled", None)
    cpu.exact_here.cache_clear()
    try:
        compare((small_program(), {"x": np.zeros((2, 4, 1, 4, 4), np.int32)}))
    finally:
        cpu.exact_here.cache_clear()
    assert "the compiled kernels are not exact on this machine; the vectorized simulator runs instead" in caplog.text


def test_large_runs_take_the_engine_where_it_is_installed(monkeypatch):
    assert [registry.suited_backend(n) for n in (2**29 - 1, 2**29)] == ["vectorized", "cpu"]
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert registry.suited_backend(2**40) == "vectorized"


def test_without_numba_the_message_says_what_to_install(monkeypatch):
    def missing(module):
        raise ModuleNotFoundError(name="numba")

    monkeypatch.setattr(registry, "import_module", missing)
    expected = (
        r"backend 'cpu': needs numba, which is not installed\n.*pip install 'seamount\[fast\]', or another backend"
    )
    with pytest.raises(InputError, match=expected):
        registry.load_backend("cpu")
