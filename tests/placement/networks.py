"""Programs for tests of mapping."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from seamount.compiler.artifact import Artifact, Vectors
from seamount.compiler.codes import InputCode, OutputCode
from seamount.compiler.manifest import Manifest, TargetName
from seamount.compiler.program.program import Conv, Dense, InputPort, Program, Projection, Readout
from tests.program_samples import i32, population


def layered(channels: int, side: int, layers: int, kernel: int = 3) -> Program:
    """Convolutions of equal shape, one after the other, whose kernels are shared."""
    weight = np.full((channels, channels, kernel, kernel), 2, np.int32)
    shape, pad = (channels, side, side), kernel // 2
    names = ["x", *(f"layer{k}" for k in range(layers))]
    return Program(
        (InputPort("x", shape, False),),
        tuple(population(name, shape, vth=100, offset=k + 1) for k, name in enumerate(names[1:])),
        tuple(Projection(f"{a}->{b}", a, b, Conv(weight, (1, 1), (pad, pad), (1, 1), 1)) for a, b in pairwise(names)),
        (Readout("y", names[-1], "s", "sum"),),
        4,
    )


def dense_chain(*sizes: int) -> Program:
    """Dense layers without a zero weight."""
    names = ["x", *(f"layer{k}" for k in range(len(sizes) - 1))]
    layers = list(zip(names[1:], sizes[1:], strict=True))
    projections = [
        Projection(f"{a}->{b}", a, b, Dense(np.full((m, n), 2, np.int32)))
        for (a, b), (n, m) in zip(pairwise(names), pairwise(sizes), strict=True)
    ]
    return Program(
        (InputPort("x", (sizes[0],), False),),
        tuple(population(name, (size,), vth=100, offset=k + 1) for k, (name, size) in enumerate(layers)),
        tuple(projections),
        (Readout("y", names[-1], "s", "sum"),),
        4,
    )


def six_violations() -> Program:
    """What Loihi 1 cannot take, six times: payloads, an exponent, a reset, a bias exponent, axons, and cores."""
    sources, hidden = 5000, 1600
    rng = np.random.default_rng(3)
    weight = np.where(rng.random((10, sources)) < 0.5, 2, 4).astype(np.int32)
    fine = population(
        "fine", (hidden,), vth=np.arange(1, hidden + 1), reset="subtract", reset_by=64, bias=i32(np.ones(hidden)),
        bias_exp=-2,
    )  # fmt: skip
    wide = population("wide", (10,), vth=100)
    return Program(
        (InputPort("x", (16,), True, 0, 255), InputPort("pixels", (sources,), False)),
        (fine, wide),
        (
            Projection("x->fine", "x", "fine", Dense(np.full((hidden, 16), 2, np.int32)), weight_exp=-8),
            Projection("pixels->wide", "pixels", "wide", Dense(weight)),
        ),
        (Readout("y", "wide", "s", "sum"), Readout("z", "fine", "s", "sum")),
        2,
    )


def artifact(program: Program, target: str = "loihi2") -> Artifact:
    """A program as `seamount compile` would leave it, as far as mapping looks."""
    inputs = tuple(
        InputCode(p.name, p.shape, "graded" if p.graded else "spikes", 1.0, float(p.low), float(p.high), "sequence")
        for p in program.inputs
    )
    outputs = tuple(OutputCode(r.name, 1.0, r.rule) for r in program.readouts)
    return Artifact(program, inputs, outputs, Manifest(target=TargetName(target)), Vectors({}, {}, {}))
