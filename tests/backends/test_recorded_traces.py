"""Networks recorded elsewhere, reproduced exactly: a dense layer, a small CNN with staggered reset, convolutions.

The data (README.md there: lava-nc and lava-dl test data, BSD-3) is not part of the repository. It is looked for in
$SEAMOUNT_DATA/traces, else in the traces folder of the user's data folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from seamount.backends.simulator.kernels import kernel
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.program.program import (
    Conv,
    Dense,
    InputPort,
    Population,
    Program,
    Projection,
    Readout,
    synapses,
)
from seamount.models.data.datasets import user_folder
from tests.program_samples import i32

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SEAMOUNT_DATA") or user_folder()) / "traces"
SIMULATORS = [ReferenceSimulator(), VectorizedSimulator()]

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"RECORDED TRACES NOT FOUND at {DATA}; set SEAMOUNT_DATA to the data folder"
)


@pytest.mark.parametrize("simulator", SIMULATORS, ids=lambda s: s.name)
def test_dense(simulator):
    """256 CUBA neurons, 2,000 steps. Column c + 1 of the recording is local step c."""
    with np.load(DATA / "dense" / "dense.npz") as file:
        x, weight, current, out = (file[name] for name in ("in", "weight", "current", "out"))
    neurons = Population("p", (256,), i32(4095), i32(415), i32(6), i32(0))
    program = Program(
        (InputPort("x", (200,), False),),
        (neurons,),
        (Projection("x->p", "x", "p", Dense(weight)),),
        (Readout("y", "p", "s", "sum"),),
        2000,
    )
    trace = simulator.run(program, {"x": x.T[None]}, frozenset({"spikes", "u"}))
    assert not out[:, 0].any()
    assert np.array_equal(trace.spikes["p"][0, :-1].T, out[:, 1:])
    assert np.array_equal(trace.u["p"][0, :-1].T, 64 * current[:, 1:])
    assert out.sum() == 1826 == trace.spikes["p"][0, :-1].sum()


def tiny_net():
    """Input neurons driven by a bias image, and two convolutions of stride 2. Odd weights: doubled, then halved."""

    def neurons(name, shape, bias, offset):
        return Population(name, shape, i32(4095), i32(1024), i32(25), i32(bias), 6, offset=offset)

    image = np.load(DATA / "tinynet" / "input_bias.npy").transpose(2, 1, 0)
    populations, projections = [neurons("input", (3, 16, 16), image, 1)], []
    with h5py.File(DATA / "tinynet" / "tiny.net") as file:
        for i, (name, shape) in enumerate((("layer1", (24, 6, 6)), ("output", (36, 1, 1)))):
            layer = file["layer"][str(i + 1)]
            bias = np.broadcast_to(layer["bias"][()][:, None, None], shape)
            source = populations[-1].name
            populations.append(neurons(name, shape, bias, i + 2))
            conv = Conv(i32(2 * layer["weight"][..., 0]), (2, 2), (0, 0), (1, 1), 1)
            projections.append(Projection(f"{source}->{name}", source, name, conv, weight_exp=-1))
    readouts = (Readout("y", "output", "s", "sum"),)
    return Program((InputPort("unused", (1,), False),), tuple(populations), tuple(projections), readouts, 17)


@pytest.mark.parametrize("simulator", SIMULATORS, ids=lambda s: s.name)
def test_tiny_net_with_staggered_reset(simulator):
    """Each layer is cleared every 17 steps, one step after the one before it. Recordings start one column late."""
    silence = {"unused": np.zeros((3, 17, 1), np.int32)}
    trace = simulator.run(tiny_net(), silence, frozenset({"spikes", "u"}))
    for name in ("input", "layer1", "output"):
        recorded = np.load(DATA / "tinynet" / f"{name}.npy")[0]
        spikes = np.moveaxis(trace.spikes[name], 1, -1)
        assert recorded.any()
        assert not recorded[..., 0].any()
        for sample in spikes:  # without a gap, and each like the first
            assert np.array_equal(sample[..., :15], recorded[..., 1:])
    current = np.load(DATA / "tinynet" / "current.npy")[0]
    assert np.array_equal(np.moveaxis(trace.u["layer1"][0], 0, -1)[..., :15], 64 * current[..., 1:])


def recorded_convolution(path):
    """(conv, x, expected) with channels first. The recording has (W, H, C) order and a flipped kernel; x is real."""
    with np.load(path) as file:
        x, weight, expected = (file[n] for n in ("input", "weights", "out_gt"))
        stride, padding, dilation = (tuple(file[n][::-1].tolist()) for n in ("stride", "padding", "dilation"))
        groups = int(file["groups"])
    kernel_ = weight[:, ::-1, ::-1, :].transpose(0, 3, 2, 1)
    conv = Conv(i32(kernel_), stride, padding, dilation, groups)
    return conv, x.transpose(2, 1, 0), expected.transpose(2, 1, 0)


@pytest.mark.parametrize("i", range(10))
def test_convolutions(i):
    """The synapse list reproduces PyTorch's float32 result; the fast kernel equals the list on integers."""
    conv, x, expected = recorded_convolution(DATA / "conv_gt" / f"gt_conv_paris_{i}.npz")
    post, pre, weight = synapses(conv, x.shape, expected.shape)

    def through_list(values):
        return np.bincount(post, weight * values.reshape(-1)[pre], expected.size).reshape(expected.shape)

    assert np.abs(expected).max() > 300
    np.testing.assert_allclose(through_list(x), expected, rtol=0, atol=5e-3)

    payloads = np.rint(255 * x).astype(np.int32)
    p = Population("p", expected.shape, i32(4095), i32(0), None, i32(0))
    q = Projection("x->p", "x", "p", conv)
    program = Program((InputPort("x", x.shape, True, 0, 255),), (p,), (q,), (), 1)
    fast = kernel(program, q)(payloads.reshape(1, -1)).reshape(expected.shape)
    assert np.array_equal(fast, 64 * through_list(payloads))
