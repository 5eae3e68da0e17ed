"""The text form of an integer program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings

from seamount.compiler.program.text import array_text, to_text
from tests.program_samples import small_program
from tests.program_strategies import programs


def test_golden_text(golden):
    golden(to_text(small_program()), "program/small.txt")


@given(programs())
@settings(max_examples=30, deadline=None)
def test_every_part_of_a_program_is_named(program):
    text = to_text(program)
    for part in (*program.inputs, *program.populations, *program.projections, *program.readouts):
        assert f" {part.name}" in text


def test_a_single_changed_weight_changes_the_text():
    program = small_program()
    first = program.projections[0]
    weight = np.tile(first.connection.weight, (1, 1))
    weight.flat[-1] += 2
    changed = replace(program, projections=(replace(first, connection=replace(first.connection, weight=weight)),))
    assert to_text(changed) != to_text(replace(program, projections=(first,)))


def test_arrays():
    assert array_text(np.array(-3, np.int32)) == "-3"
    assert array_text(np.arange(4, dtype=np.int32).reshape(2, 2)) == "[[0,1],[2,3]]"
    long = array_text(np.arange(100, dtype=np.int32))
    assert long.startswith("(100) 0..99 sha256:")
    assert long == array_text(np.arange(100, dtype=np.int64)), "the digest does not depend on the width"
    assert long != array_text(np.arange(100, dtype=np.int32)[::-1])
