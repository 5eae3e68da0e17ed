"""Programs compared part by part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seamount.compiler.diff.programs import program_differences
from tests.program_samples import i32, small_program
from tests.report.networks import with_population, with_projection


def test_a_program_equals_itself() -> None:
    assert program_differences(small_program(), small_program()) == ()


def test_parameters_given_once_or_per_neuron_are_the_same() -> None:
    program = small_program()
    spread = with_population(program, "loop", du=i32([100, 100, 100]))
    assert program_differences(program, spread) == ()


def test_every_kind_of_difference_has_its_line() -> None:
    a = small_program()
    kernel = a.projections[0].connection.weight.copy()
    kernel[1, 0, 2, 1] += 2
    b = with_projection(a, "x->conv", connection=replace(a.projections[0].connection, weight=kernel, padding=(1, 2)))
    b = with_projection(b, "loop->loop", delay=1, lag=2)
    b = with_population(b, "loop", vth=i32([1, 2, 4]), reset_by=641, v_init=6, bias_exp=-2)
    b = with_population(b, "conv", dv=i32(513), bias_mant=i32(np.zeros((2, 4, 4))))
    b = with_population(b, "out", vth=i32(3))
    b = replace(b, steps=5, slow_down=2, readouts=(replace(a.readouts[0], rule="max"),))
    assert program_differences(a, b) == (
        "population 'conv': dv 512 against 513",
        "population 'conv': 31 of 32 bias_mant differ: [0,0,1] 1 against 0, [0,0,2] 2 against 0, "
        "[0,0,3] 3 against 0, ...",
        "population 'loop': 1 of 3 vth differ: [2] 3 against 4",
        "population 'loop': bias_exp -1 against -2",
        "population 'loop': reset_by 640 against 641",
        "population 'loop': v_init 5 against 6",
        "population 'out': vth none against 3",
        "projection 'x->conv': 1 of 18 weights differ: [1,0,2,1] 14 against 16",
        "projection 'x->conv': padding (1, 1) against (1, 2)",
        "projection 'loop->loop': delay 0 against 1",
        "projection 'loop->loop': lag 1 against 2",
        "readout 'rate': only in the first",
        "readout 'y': rule sum against max",
        "steps: 4 against 5",
        "steps of the chip for each: 1 against 2",
    )


def test_parts_that_one_side_lacks_and_other_shapes() -> None:
    a = small_program()
    b = replace(a, projections=a.projections[:-1], populations=a.populations[::-1])
    assert program_differences(a, b) == ("populations: in another order", "projection 'conv->out': only in the first")
    wider = with_projection(a, "loop->out", connection=replace(a.projections[3].connection, weight=i32([[2, 2]])))
    assert program_differences(a, wider) == ("projection 'loop->out': weight of shape (2, 3) against (1, 2)",)
    other = with_projection(a, "loop->out", connection=a.projections[1].connection)
    assert program_differences(a, other) == ("projection 'loop->out': dense synapses against sparse",)
