"""Small hand-written programs for tests."""

from __future__ import annotations

import numpy as np

from seamount.compiler.program.program import (
    Conv,
    Dense,
    InputPort,
    Population,
    Program,
    Projection,
    Readout,
    Sparse,
)


def i32(values) -> np.ndarray:
    """An int32 array."""
    return np.asarray(values, np.int32)


def population(name="p", shape=(1,), du=4095, dv=0, vth=0, bias=0, **more) -> Population:
    """A population with plain numbers as parameters; without decay of v or memory of u unless given."""
    fires = None if vth is None else i32(vth)
    return Population(name, shape, i32(du), i32(dv), fires, i32(bias), **more)


def one_population(weight=2, steps=1, graded=(0, 1), rule="last", register="v", **more) -> Program:
    """An input port x of one neuron, one synapse, one population p, readout y."""
    p = population(**more)
    port = InputPort("x", (1,), graded != (0, 1), *graded)
    mode = "excitatory" if weight % 2 else "mixed"
    projection = Projection("x->p", "x", "p", Dense(i32([[weight]])), sign_mode=mode)
    return Program((port,), (p,), (projection,), (Readout("y", "p", register, rule),), steps)


def small_program() -> Program:
    """One of everything: conv, sparse, a loop, a delay, a graded port, microcode, a silent readout."""
    kernel = i32(np.arange(-9, 9).reshape(2, 1, 3, 3) * 2)
    populations = (
        population("conv", (2, 4, 4), du=i32(4095), dv=i32(512), vth=i32(10), bias=i32(np.arange(32).reshape(2, 4, 4))),
        population("loop", (3,), du=100, dv=200, vth=i32([1, 2, 3]), bias=-7, bias_exp=-1, offset=2,
                   reset="subtract", reset_by=640, v_init=5, v_min=-64),
        population("out", (2,), vth=None, offset=3),
    )  # fmt: skip
    rows, cols = i32([0, 1, 2, 2]), i32([0, 5, 17, 31])
    projections = (
        Projection("x->conv", "x", "conv", Conv(kernel, (1, 1), (1, 1), (1, 1), 1)),
        Projection("conv->loop", "conv", "loop", Sparse(rows, cols, i32([3, 5, 7, 255])), 1, 8, "excitatory"),
        Projection("loop->loop", "loop", "loop", Dense(i32(np.full((3, 3), -32))), 0, 4, "mixed", 0, 1),
        Projection("loop->out", "loop", "out", Dense(i32([[2, -4, 6], [0, 8, 0]])), -2),
        Projection("conv->out", "conv", "out", Dense(i32(np.full((2, 32), 2))), delay=1),
    )
    readouts = (Readout("y", "out", "v", "sum"), Readout("rate", "loop", "s", "mean"))
    return Program((InputPort("x", (1, 4, 4), True, 0, 255),), populations, projections, readouts, 4)
