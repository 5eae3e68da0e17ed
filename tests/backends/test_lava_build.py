"""Which Lava process each construct becomes, that Lava uses our weights unchanged, and what a chip needs beyond it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.backends.lava.lowering import for_lava
from seamount.compiler.errors import CompileError
from seamount.compiler.program.codec import write_program
from seamount.compiler.program.needs import chip_needs
from seamount.compiler.program.program import Conv, Dense, Program
from tests.backends.lava_support import lava_python
from tests.backends.test_lava_constructs import CONNECTIONS, loops
from tests.program_samples import i32, one_population, small_program

PROBE = Path(__file__).with_name("lava_probe.py")

LAVA_PROCESS = {
    "dense": "Dense",
    "dense between images": "Dense",
    "sparse, any order": "Sparse",
    "conv, stride, padding, asymmetric": "Conv",
    "conv, dilation": "Conv",
    "conv, groups": "Conv",
    "conv, depthwise": "Conv",
    "conv of one axis": "Conv",
    "conv, transposed": "Sparse",
    "conv, 130 groups": "Sparse",
    "conv, exponent": "Conv",
    "conv, negative exponent": "Sparse",
    "conv, sums beyond 24 bits": "Sparse",
    "conv, graded": "Conv",
    "self loop": "GatedDense",
    "loop by convolution": "GatedConv",
    "loop by convolution, delayed": "GatedDelaySparse",
    "sparse loop": "GatedSparse",
    "sparse loop, delayed": "GatedDelaySparse",
    "dense loop, delayed": "GatedDelayDense",
    "skip": "DelayDense",
    "sparse skip": "DelaySparse",
    "every width and sign": "Dense",
    "the other widths": "Dense",
}
"""Construct -> process of its last projection."""


def probe(programs: list[Program], folder: Path) -> list[dict[str, Any]]:
    """What Lava's Python says about the graphs of the programs."""
    folders = []
    for i, program in enumerate(programs):
        folders.append(folder / str(i))
        folders[-1].mkdir()
        write_program(program, folders[-1])
    command = [str(lava_python()), str(PROBE), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("probe: ")]
    assert done.returncode == 0 and lines, done.stderr
    answer: list[dict[str, Any]] = json.loads(lines[0].removeprefix("probe: "))
    return answer


@pytest.mark.lava
def test_processes_and_weights(tmp_path: Path) -> None:
    timed = loops()
    programs = [CONNECTIONS[name]() if name in CONNECTIONS else timed[name] for name in LAVA_PROCESS]
    for name, program, found in zip(LAVA_PROCESS, programs, probe(programs, tmp_path), strict=True):
        last = found["projections"][program.projections[-1].name]
        assert last["process"] == LAVA_PROCESS[name], name
        assert all(q["same"] for q in found["projections"].values()), f"Lava changed the weights of {name}"
        assert all(kind == "LIFReset" for kind in found["populations"].values()), name
        assert found["foreign"] == []


@pytest.mark.lava
def test_populations_and_payloads(tmp_path: Path) -> None:
    (found,) = probe([small_program()], tmp_path)
    assert found["populations"] == {"conv": "LIFReset", "loop": "ExtendedLIF", "out": "LIFReset"}
    bits = {name: q["message_bits"] for name, q in found["projections"].items()}
    assert bits == {"x->conv": 8, "conv->loop": 0, "loop->loop": 0, "loop->out": 0, "conv->out": 0}


def needs(program: Program) -> list[str]:
    return [f"{need.where}: {need.what}" for need in chip_needs(program)]


def test_needs_of_microcode() -> None:
    assert needs(small_program()) == [
        "population 'loop': microcode: reset by subtraction",
        "population 'loop': microcode: lower clamp of v",
        "population 'loop': microcode: initial v other than 0",
        "projection 'loop->loop': gate: messages of the last 1 steps of a sample must not reach the next one",
        "projection 'loop->out': a shift of the sum: the chip shifts each weight, Lava's CPU model the sum",
    ]


def test_needs_of_a_reset_per_neuron() -> None:
    small = small_program()
    own = replace(small.population("loop"), reset_by=np.array([640, 641, 642], np.int32))
    program = replace(small, populations=tuple(own if p.name == "loop" else p for p in small.populations))
    assert needs(program)[0] == "population 'loop': microcode: reset by subtraction, of an amount per neuron"


def test_stock_needs_nothing() -> None:
    assert needs(one_population()) == []


def test_decay_beyond_the_register() -> None:
    assert needs(one_population(dv=4096)) == [
        "population 'p': microcode: dv = 4096, registers hold 0 to 4095",
    ]


def test_exponent_of_a_convolution() -> None:
    program = small_program()
    first = program.projections[0]
    assert isinstance(first.connection, Conv)
    program = replace(program, projections=(replace(first, weight_exp=2), *program.projections[1:]))
    assert (
        "projection 'x->conv': plain weights with weight_exp = 2: Lava's CPU model of Conv ignores the exponent"
        in needs(program)
    )


def test_needs_survive_arrays() -> None:
    """Per-neuron decays are looked at one by one."""
    program = one_population()
    p = replace(program.populations[0], shape=(3,), du=i32([1, 4096, 7]))
    q = replace(program.projections[0], connection=Dense(i32(np.full((3, 1), 2))))
    program = replace(program, populations=(p,), projections=(q,))
    assert needs(program) == ["population 'p': microcode: du = 4096, registers hold 0 to 4095"]


def test_delays_beyond_lavas_own_are_refused() -> None:
    program = small_program()
    late = [replace(q, delay=64) for q in program.projections]
    assert for_lava(replace(program, projections=tuple(replace(q, delay=63) for q in late)))
    with pytest.raises(CompileError) as caught:
        for_lava(replace(program, projections=tuple(late)))
    assert len(caught.value.problems) == len(late)
    assert "delay is 64" in str(caught.value) and "0 to 63 steps (lava-nc 0.10.0)" in str(caught.value)
