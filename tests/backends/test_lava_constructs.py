"""Every construct of a program by name in Lava: what each must do is in its values, not only in the reference's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seamount.backends.lava.run import Job
from seamount.compiler.execution import Trace
from seamount.compiler.program.program import (
    V_MAX,
    Connection,
    Conv,
    Dense,
    InputPort,
    Population,
    Program,
    Projection,
    Readout,
    Shape,
    Sparse,
    as_chw,
)
from seamount.compiler.program.verify import check
from tests.backends.lava_support import ALL, Case, assert_same, backend
from tests.program_samples import i32, population, small_program

pytestmark = pytest.mark.lava

RNG = np.random.default_rng(3)
SPIKES = (False, 0, 1)
MODES = ("mixed", "excitatory", "inhibitory")


def weights(shape: Shape, low: int = -60, high: int = 60) -> Any:
    """Even weights."""
    return i32(RNG.integers(low // 2, high // 2 + 1, shape) * 2)


def dense(n_out: int, n_in: int) -> Dense:
    return Dense(weights((n_out, n_in)))


def network(
    port: Shape,
    populations: tuple[Population, ...],
    projections: tuple[Projection, ...],
    graded: tuple[bool, int, int] = SPIKES,
    steps: int = 5,
) -> Program:
    """One port x; reads v of the last population. Offsets and lags as given are checked."""
    program = Program(
        (InputPort("x", port, *graded),),
        populations,
        projections,
        (Readout("y", populations[-1].name, "v", "last"),),
        steps,
    )
    check(program)
    return program


def single(connection: Connection, port: Shape, shape: Shape, graded: Any = SPIKES, **more: Any) -> Program:
    """x -> p by one connection."""
    p = population("p", shape, du=1500, dv=300, vth=i32(RNG.integers(0, 60, shape)), bias=5)
    return network(port, (p,), (Projection("x->p", "x", "p", connection, **more),), graded)


def convolution(
    port: Shape, kernel: Shape, stride: Any, padding: Any, dilation: Any, groups: int = 1, **more: Any
) -> Program:
    """x -> p by a convolution; kernel (C_out, C_in/groups, K_h, K_w)."""
    conv = Conv(weights(kernel), stride, padding, dilation, groups)
    out = (kernel[0], *(w.outputs(n) for w, n in zip(conv.windows, as_chw(port)[1:], strict=True)))
    return single(conv, port, out if len(port) == 3 else (out[0], out[2]), **more)


def with_messages(program: Program, samples: int = 3, density: float = 0.5, steps: int | None = None) -> Case:
    messages = {}
    for port in program.inputs:
        shape = (samples, steps or program.steps, *port.shape)
        values = RNG.integers(port.low, port.high + 1, shape)
        messages[port.name] = np.where(RNG.random(shape) < density, values, max(port.low, 0)).astype(np.int32)
    return program, messages


def fan_in(bits_and_modes: list[tuple[int, str]]) -> Program:
    """One projection per number of bits and sign mode, with the extreme weights of each."""
    projections = []
    for bits, mode in bits_and_modes:
        grid = 2 ** (8 - bits + (mode == "mixed"))
        low, high = {"mixed": (-256, 256 - grid), "excitatory": (0, 256 - grid), "inhibitory": (grid - 256, 0)}[mode]
        every = np.arange(low, high + 1, grid)
        w = i32(np.resize(np.concatenate([[low, high], every]), (4, 65)))
        projections.append(Projection(f"{mode}{bits}", "x", "p", Dense(w), 0, bits, mode))
    return network((65,), (population("p", (4,), du=4095, dv=100, vth=900),), tuple(projections))


CONNECTIONS: dict[str, Callable[[], Program]] = {
    "dense": lambda: single(dense(7, 12), (12,), (7,)),
    "dense between images": lambda: single(dense(12, 24), (2, 3, 4), (3, 2, 2)),
    "sparse, any order": lambda: single(
        Sparse(i32([4, 0, 2, 0, 4]), i32([1, 5, 0, 3, 0]), i32([2, -8, 20, 60, 0])), (6,), (5,)
    ),
    "conv, stride, padding, asymmetric": lambda: convolution((2, 7, 9), (3, 2, 3, 2), (2, 3), (1, 2), (1, 1)),
    "conv, dilation": lambda: convolution((1, 9, 8), (2, 1, 3, 2), (1, 2), (0, 1), (2, 3)),
    "conv, groups": lambda: convolution((4, 5, 6), (6, 2, 2, 3), (1, 1), (0, 0), (1, 1), 2),
    "conv, depthwise": lambda: convolution((3, 5, 5), (3, 1, 3, 3), (1, 1), (1, 1), (1, 1), 3),
    "conv of one axis": lambda: convolution((2, 11), (4, 2, 1, 3), (1, 2), (0, 1), (1, 2)),
    "conv, transposed": lambda: single(
        Conv(weights((2, 3, 3, 4)), (1, 1), (1, 2), (2, 1), 1, (2, 3)), (3, 3, 4), (2, 4, 11)
    ),
    "conv, 130 groups": lambda: convolution((130, 2, 2), (130, 1, 2, 2), (1, 1), (0, 0), (1, 1), 130),
    "conv, exponent": lambda: convolution((2, 4, 5), (2, 2, 2, 2), (1, 1), (0, 0), (1, 1), weight_exp=3),
    "conv, negative exponent": lambda: convolution((2, 4, 5), (2, 2, 2, 2), (1, 1), (0, 0), (1, 1), weight_exp=-3),
    "conv, sums beyond 24 bits": lambda: single(
        Conv(i32(np.full((1, 1, 2, 2), 60)), (1, 1), (0, 0), (1, 1), 1), (1, 3, 3), (1, 2, 2), (True, 9500, 10000),
        weight_exp=2,
    ),
    "conv, graded": lambda: convolution((2, 4, 5), (2, 2, 2, 2), (1, 1), (0, 0), (1, 1), graded=(True, -9, 200)),
    "dense, graded and signed": lambda: single(dense(5, 6), (6,), (5,), (True, -128, 127)),
    "dense, 24-bit payloads": lambda: single(dense(2, 3), (3,), (2,), (True, 0, 2**18), weight_exp=-4),
    "sparse, graded": lambda: single(Sparse(i32([0, 1]), i32([2, 0]), i32([3, 255])), (3,), (2,), (True, -3, 90),
                                     sign_mode="excitatory"),
    "every width and sign": lambda: fan_in([(b, mode) for b in (1, 4, 7, 8) for mode in MODES]),
    "the other widths": lambda: fan_in([(b, "mixed") for b in (2, 3, 5, 6)]),
    "negative exponents": lambda: single(dense(7, 12), (12,), (7,), weight_exp=-5),
    "a part without input": lambda: network(
        (3,), (population("p", (2,)), population("alone", (3,), bias=i32([1, 70, 4000]))),
        (Projection("x->p", "x", "p", dense(2, 3)),),
    ),
}  # fmt: skip


def loops() -> dict[str, Program]:
    """Everything that has to do with time."""
    a = population("a", (6,), du=2000, dv=200, vth=6)
    b = population("b", (5,), du=2000, dv=200, vth=5, offset=2)
    image = population("i", (2, 3, 4), du=3000, dv=99, vth=4)
    x_a, a_b = Projection("x->a", "x", "a", dense(6, 4)), Projection("a->b", "a", "b", dense(5, 6))
    x_i = Projection("x->i", "x", "i", dense(24, 4))
    kernel = Conv(weights((2, 2, 3, 3)), (1, 1), (1, 1), (1, 1), 1)
    ring = Sparse(i32([1, 2, 3, 4, 5, 0]), i32([0, 1, 2, 3, 4, 5]), i32([90, -80, 70, 60, 50, 40]))
    return {
        "self loop": network((4,), (a,), (x_a, Projection("a->a", "a", "a", dense(6, 6), lag=1))),
        "loop over two": network((4,), (a, b), (x_a, a_b, Projection("b->a", "b", "a", dense(6, 5), lag=2))),
        "loop by convolution": network((4,), (image,), (x_i, Projection("i->i", "i", "i", kernel, lag=1))),
        "loop by convolution, delayed": network(
            (4,), (image,), (x_i, Projection("i->i", "i", "i", kernel, delay=2, lag=3))
        ),
        "sparse loop": network((4,), (a,), (x_a, Projection("a->a", "a", "a", ring, lag=1))),
        "sparse loop, delayed": network((4,), (a,), (x_a, Projection("a->a", "a", "a", ring, delay=1, lag=2))),
        "dense loop, delayed": network((4,), (a,), (x_a, Projection("a->a", "a", "a", dense(6, 6), delay=2, lag=3))),
        "lag beyond the sample": network((4,), (a,), (x_a, Projection("a->a", "a", "a", dense(6, 6), delay=6, lag=7))),
        "skip": network((4,), (a, b), (x_a, a_b, Projection("x->b", "x", "b", dense(5, 4), delay=1))),
        "sparse skip": network(
            (4,),
            (a, b),
            (x_a, a_b, Projection("x->b", "x", "b", Sparse(i32([3, 0]), i32([1, 2]), i32([80, -90])), delay=1)),
        ),
        "skip by convolution": network(
            (2, 3, 4),
            (image, replace(image, name="j", offset=2)),
            (
                Projection("x->i", "x", "i", kernel),
                Projection("i->j", "i", "j", kernel),
                Projection("x->j", "x", "j", kernel, delay=1),
            ),
        ),
        "late by 62": network((4,), (replace(a, offset=63),), (replace(x_a, delay=62),)),
        "late and seen late": network(
            (4,), (replace(a, offset=2),), (replace(x_a, delay=1), replace(x_a, name="x->a late", delay=3, lag=2))
        ),
    }


def driven(values: list[int], steps: int, **more: Any) -> Case:
    """Neurons driven by their bias alone."""
    n = len(values)
    p = population("p", (n,), bias=i32(values), **more)
    program = network((1,), (p,), (Projection("x->p", "x", "p", Dense(i32(np.zeros((n, 1))))),), steps=steps)
    return program, {"x": np.zeros((2, steps, 1), np.int32)}


def decays() -> Program:
    """Every pair of extreme decays, on currents of both signs."""
    extremes = np.array([0, 1, 2048, 4095, 4096])
    du, dv = (i32(x).reshape(-1) for x in np.meshgrid(extremes, extremes))
    w = i32(np.where(np.arange(25) % 2, -254, 250)[:, None])
    p = Population("p", (25,), du, dv, i32(100), i32(-1))
    return network((1,), (p,), (Projection("x->p", "x", "p", Dense(w), 5),), steps=8)


NEURONS: dict[str, Callable[[], Case]] = {
    "decay extremes": lambda: with_messages(decays()),
    "threshold 640 at the boundary": lambda: driven([640, 641, 639, -641], 2, vth=10),
    "positive bias exponent": lambda: driven([100, -100, 4095, -4096], 3, vth=200, bias_exp=7),
    "negative bias exponent": lambda: driven([100, -101, 4095, -4096], 3, vth=2, bias_exp=-3),
    "membranes saturate": lambda: driven([4095, -4096], 20, vth=None, bias_exp=7),
    "highest threshold": lambda: driven([4095], 20, vth=131071, bias_exp=7),
    "currents wrap": lambda: with_messages(wrapping(), density=1.0),
    "T = 1": lambda: with_messages(replace(small_program(), steps=1), samples=6),
    "one of everything": lambda: with_messages(small_program(), samples=4),
    "longer than its default": lambda: with_messages(small_program(), samples=2, steps=9),
    "silent input": lambda: with_messages(small_program(), density=0.0),
    "soft reset": lambda: driven([1000, 500, -3], 6, vth=10, reset="subtract", reset_by=640),
    "soft reset below zero": lambda: driven([700], 6, vth=10, reset="subtract", reset_by=5000),
    "soft reset per neuron": lambda: driven(
        [1000, 500, 900], 6, vth=10, dv=i32([0, 700, 4000]), reset="subtract", reset_by=i32([640, 5000, 641])
    ),
    "lower clamp": lambda: driven([-300, 300], 6, vth=20, v_min=-1000),
    "clamp above zero": lambda: driven([700, -700], 6, vth=10, v_min=64),
    "initial v": lambda: driven([10, 20], 4, vth=1, dv=50, v_init=i32([60, -5000])),
    "per neuron": lambda: with_messages(single(dense(9, 4), (4,), (9,))),
}


def wrapping() -> Program:
    """64 a = 2**23 exactly, one step more, and the same below zero."""
    w = i32([[128, 0], [128, 2], [-128, 0], [-128, -2]])
    p = population("p", (4,), du=4095, dv=4096, vth=None)
    return network((2,), (p,), (Projection("x->p", "x", "p", Dense(w), 0),), (True, 0, 1024), steps=4)


@pytest.mark.parametrize("names", [list(CONNECTIONS)[::2], list(CONNECTIONS)[1::2]], ids=["even", "odd"])
def test_connections(names: list[str]) -> None:
    assert assert_same([with_messages(CONNECTIONS[name]()) for name in names]) > 0


def test_time() -> None:
    assert assert_same([with_messages(program) for program in loops().values()]) > 0


def test_neurons() -> None:
    assert assert_same([make() for make in NEURONS.values()]) > 0


def registers(program: Program, x: Any) -> Trace:
    return backend().run_jobs([Job(program, {"x": i32(x)}, ALL)])[0]


def test_values_by_hand() -> None:
    """Lava itself, against numbers worked out by hand: threshold, saturation, both wraps."""
    jobs = [
        driven([640, 641], 2, vth=10),
        driven([4095, -4096], 20, vth=None, bias_exp=7),
        (wrapping(), {"x": np.broadcast_to(i32([1024, 1]), (1, 4, 2)).copy()}),
    ]
    boundary, saturated, wrapped = backend().run_jobs([Job(p, m, ALL) for p, m in jobs])
    assert boundary.spikes["p"][0].tolist() == [[0, 1], [1, 1]]
    assert saturated.v["p"][0, -1].tolist() == [V_MAX, -V_MAX]
    half = 2**23
    assert wrapped.u["p"][0, 0].tolist() == [half, half + 128 - 2**24, half, -half - 128 + 2**24]


def test_samples_do_not_see_each_other() -> None:
    """All samples in one gapless graph, and each alone in a fresh one: the same."""
    program, messages = with_messages(small_program(), samples=4)
    together = backend().run(program, messages, ALL)
    alone = backend(batch_size=1).run(program, messages, ALL)
    for part in ("spikes", "u", "v", "readout"):
        for name, values in getattr(together, part).items():
            assert np.array_equal(values, getattr(alone, part)[name]), (part, name)
    assert together.counts.differences(alone.counts) == []
