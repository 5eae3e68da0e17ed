"""Five small networks whose synaptic operations, spikes and updates are counted by hand, in every simulator.

Weights and thresholds are such that the spikes follow from the messages at a glance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.energy.counts import chip_counts, dense_counts, operation_counts
from seamount.compiler.program.program import Conv, Dense, InputPort, Program, Projection, Readout
from tests.program_samples import i32, population

SIMULATORS = (ReferenceSimulator, VectorizedSimulator)


def counted(program, **messages):
    """Counts by both simulators, which must agree; and what the report makes of them, per inference."""
    one, two = (s().run(program, messages).counts for s in SIMULATORS)
    assert one.differences(two) == []
    shown = {(c.event, c.where): c.number.low for c in chip_counts(program, one, None) if c.number is not None}
    return one, shown


def port(name="x", shape=(1,), low=0, high=1):
    return InputPort(name, shape, (low, high) != (0, 1), low, high)


def network(inputs, populations, projections, steps):
    return Program(inputs, populations, projections, (Readout("y", populations[-1].name, "v", "last"),), steps)


def test_dense():
    """3 inputs, 4 hidden, 2 outputs; T = 2, two samples.

    Hidden neurons fire whenever any input arrives (weight 2, u = 128 > 64 * 0), all 4 at once.
    Sample 0 sends inputs 0 and 1 in step 0, nothing in step 1; sample 1 sends input 2 in both steps.
      x->h: 2 messages x 4 synapses + 0 | 1 x 4 + 1 x 4  =  8 + 8 = 16, by step [8 + 4, 0 + 4] = [12, 4]
      h:    sample 0 fires 4 in step 0, 0 in step 1 (v forgets); sample 1 fires 4 and 4: 12 spikes, [8, 4]
      h->o: 12 spikes x 2 synapses = 24, by step [16, 8]
      updates: (4 + 2 neurons) x 2 steps x 2 samples = 24
    """
    h, o = population("h", (4,), dv=4096, vth=0), population("o", (2,), dv=0, vth=None, offset=2)
    program = network(
        (port(shape=(3,)),), (h, o),
        (Projection("x->h", "x", "h", Dense(i32(np.full((4, 3), 2)))),
         Projection("h->o", "h", "o", Dense(i32(np.full((2, 4), 2))))), 2,
    )  # fmt: skip
    x = np.array([[[1, 1, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 1]]], np.int32)
    counts, shown = counted(program, x=x)
    assert counts.synops["x->h"].tolist() == [12, 4]
    assert counts.spikes["h"].tolist() == [8, 4]
    assert counts.synops["h->o"].tolist() == [16, 8]
    assert counts.sent["x"].tolist() == [1, 1, 2]
    assert counts.updates == {"h": 16, "o": 8}
    assert shown["synaptic operation", "x->h"] == 8 and shown["synaptic operation", "h->o"] == 12
    assert shown["neuron update, active or not", "h"] == 8 and shown["spike", "h"] == 6


def test_convolution_with_borders():
    """3 x 3 kernel, padding 1, on 4 x 4 pixels, 1 -> 2 channels; one step.

    A pixel is seen by as many outputs as the kernel reaches inside the image: corner 4, edge 6, inner 9; times 2.
    Messages: the corner (0, 0), the edge (0, 1), the inner (2, 2):  (4 + 6 + 9) x 2 = 38.
    All 16 pixels: (4 x 4 + 8 x 6 + 4 x 9) x 2 = 200, and no 16 x 9 x 2 = 288.
    """
    p = population("c", (2, 4, 4), vth=None)
    conv = Conv(i32(np.full((2, 1, 3, 3), 2)), (1, 1), (1, 1), (1, 1), 1)
    program = network((port(shape=(1, 4, 4)),), (p,), (Projection("x->c", "x", "c", conv),), 1)
    x = np.zeros((1, 1, 1, 4, 4), np.int32)
    x[0, 0, 0, [0, 0, 2], [0, 1, 2]] = 1
    counts, shown = counted(program, x=x)
    assert counts.synop_totals == {"x->c": 38} and shown["synaptic operation", "x->c"] == 38
    assert counted(program, x=np.ones_like(x))[0].synop_totals == {"x->c": 200}
    dense = {(c.event, c.where): c.number.low for c in dense_counts(program, 1, memory=False)}
    assert dense["dense-accumulate", "x->c"] == 200


def test_strided_depthwise_convolution():
    """Kernel 2 x 2, stride 2, no padding, on 5 x 5 pixels, 3 channels each on its own; 2 x 2 outputs; T = 2.

    The outputs cover rows and columns 0 to 3 once; row and column 4 are seen by none. So a message at (r, c) makes one
    synaptic operation when r < 4 and c < 4, else none, and reaches only its own channel.
    Step 0: all 75 pixels: 3 x 16 = 48. Step 1: channel 1 at (4, 4), (0, 4), (3, 3): 0 + 0 + 1 = 1.
    """
    p = population("c", (3, 2, 2), vth=None)
    conv = Conv(i32(np.full((3, 1, 2, 2), 2)), (2, 2), (0, 0), (1, 1), 3)
    program = network((port(shape=(3, 5, 5)),), (p,), (Projection("x->c", "x", "c", conv),), 2)
    x = np.ones((1, 2, 3, 5, 5), np.int32)
    x[0, 1] = 0
    x[0, 1, 1, [4, 0, 3], [4, 4, 3]] = 1
    counts, _ = counted(program, x=x)
    assert counts.synops["x->c"].tolist() == [48, 1]
    assert counts.updates == {"c": 24}


def test_transposed_convolution():
    """2 x 2 sources, stride 2, kernel 3, padding 1: 3 x 3 targets; a corner source reaches 2 x 2 of them."""
    p = population("c", (1, 3, 3), vth=None)
    conv = Conv(i32(np.full((1, 1, 3, 3), 2)), (1, 1), (1, 1), (1, 1), 1, (2, 2))
    program = network((port(shape=(1, 2, 2)),), (p,), (Projection("x->c", "x", "c", conv),), 2)
    x = np.zeros((1, 2, 1, 2, 2), np.int32)
    x[0, 0, 0, 0, 0] = 1
    x[0, 1] = 1
    counts, _ = counted(program, x=x)
    assert counts.synops["x->c"].tolist() == [4, 16]
    trace = ReferenceSimulator().run(program, {"x": x[:, 1:]}, frozenset({"u"}))
    assert (trace.u["c"][0, 0, 0] // 128).tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def test_recurrence():
    """One spike into neuron 0 of a ring of 3 goes round; T = 4. Every neuron also sends to an output.

    x->r: 1 message x 3 synapses (only that to neuron 0 has a weight; the stored zeros count) = 3
    r:    neuron 0, 1, 2, 0 in steps 0, 1, 2, 3: 4 spikes, sent = [2, 1, 1]
    r->r: spikes of steps 0 to 2 arrive one step later, that of step 3 would arrive in the next sample and is
          dropped: 3 spikes x 3 stored synapses = 9, by the step of sending [3, 3, 3, 0]
    r->o: lag 0, all 4 arrive: 4 x 1 = 4
    """
    r, o = population("r", (3,), dv=4096, vth=0), population("o", (1,), vth=None, offset=2)
    ring = 2 * np.roll(np.eye(3), 1, axis=0)
    program = network(
        (port(),), (r, o),
        (Projection("x->r", "x", "r", Dense(i32([[2], [0], [0]]))),
         Projection("r->r", "r", "r", Dense(i32(ring)), lag=1),
         Projection("r->o", "r", "o", Dense(i32([[2, 2, 2]])))), 4,
    )  # fmt: skip
    x = np.zeros((1, 4, 1), np.int32)
    x[0, 0] = 1
    counts, shown = counted(program, x=x)
    assert counts.synop_totals == {"x->r": 3, "r->r": 9, "r->o": 4}
    assert counts.synops["r->r"].tolist() == [3, 3, 3, 0]
    assert counts.sent["r"].tolist() == [2, 1, 1]
    assert counts.spikes["r"].tolist() == [1, 1, 1, 1]
    assert shown["synaptic operation", "r->r"] == 9


def test_residual_path_and_graded_input():
    """Graded input of 2 values to a, a to b, and the input past a to b as well (delay 1); T = 3.

    A message other than 0 counts once, whatever it carries and of whichever sign; 0 is silence.
      x = (5, -3), (0, 7), (0, 0):  messages [2, 1, 0], sent = [1, 2]
      x->a: x 2 synapses = [4, 2, 0], multiplications, since the messages carry numbers
      x->b: x 1 synapse  = [2, 1, 0]
      a fires (2 neurons, weight 2 each, v > 0) when x0 + x1 > 0: 2 > 0 and 7 > 0: [2, 2, 0]
      a->b: 4 spikes x 1 synapse = [2, 2, 0], additions
    """
    a, b = population("a", (2,), dv=4096, vth=0), population("b", (1,), vth=None, offset=2)
    program = network(
        (port(shape=(2,), low=-8, high=8),), (a, b),
        (Projection("x->a", "x", "a", Dense(i32(np.full((2, 2), 2)))),
         Projection("a->b", "a", "b", Dense(i32([[2, 2]]))),
         Projection("x->b", "x", "b", Dense(i32([[2, 2]])), delay=1)), 3,
    )  # fmt: skip
    counts, _ = counted(program, x=np.array([[[5, -3], [0, 7], [0, 0]]], np.int32))
    assert counts.spikes["x"].tolist() == [2, 1, 0] and counts.sent["x"].tolist() == [1, 2]
    assert counts.synops["x->a"].tolist() == [4, 2, 0]
    assert counts.synops["x->b"].tolist() == [2, 1, 0]
    assert counts.spikes["a"].tolist() == [2, 2, 0]
    assert counts.synops["a->b"].tolist() == [2, 2, 0]
    kinds = {c.where: c.costs for c in operation_counts(program, counts, memory=False) if "accumulate" in c.event}
    assert kinds == {"x->a": ("multiply_accumulate",), "a->b": ("accumulate",), "x->b": ("multiply_accumulate",)}


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_the_counts_can_be_wrong(simulator):
    """A kernel without its border rule would give other numbers than those above."""
    p = population("c", (1, 3, 3), vth=None)
    conv = Conv(i32(np.full((1, 1, 3, 3), 2)), (1, 1), (1, 1), (1, 1), 1)
    program = network((port(shape=(1, 3, 3)),), (p,), (Projection("x->c", "x", "c", conv),), 1)
    without = replace(p, shape=(1, 1, 1))
    narrow = Conv(conv.weight, (1, 1), (0, 0), (1, 1), 1)
    inner = network((port(shape=(1, 3, 3)),), (without,), (Projection("x->c", "x", "c", narrow),), 1)
    x = np.ones((1, 1, 1, 3, 3), np.int32)
    assert simulator().run(program, {"x": x}).counts.synop_totals == {"x->c": 4 * 4 + 4 * 6 + 9}
    assert simulator().run(inner, {"x": x}).counts.synop_totals == {"x->c": 9}
