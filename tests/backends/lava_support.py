"""What the Lava tests share: finding Lava, and comparing it with the reference simulator entry by entry."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from seamount.backends.cpu.run import CpuEngine
from seamount.backends.lava.environment import find_interpreter
from seamount.backends.lava.run import Job, LavaBackend
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import InputError
from seamount.compiler.execution import Trace
from seamount.compiler.program.program import Program
from seamount.compiler.program.text import to_text

ALL = frozenset({"spikes", "u", "v"})
PARTS = ("spikes", "u", "v", "readout")
Case = tuple[Program, dict[str, Any]]


def lava_python() -> Path:
    """Lava's interpreter; skips where there is none, and fails where there must be one."""
    try:
        return find_interpreter()
    except InputError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must run the Lava tests: {error}")
        pytest.skip("NOT TESTED AGAINST LAVA: no Lava environment; 'make lava' makes one")


def backend(**options: Any) -> LavaBackend:
    return LavaBackend(interpreter=lava_python(), **options)


def draw(strategy: st.SearchStrategy[Case], number: int, name: str = "") -> list[Case]:
    """The same cases in every run; others for another name."""
    drawn: list[Case] = []

    @seed(zlib.crc32(name.encode()))
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Case) -> None:
        drawn.append(case)

    collect()
    return drawn


def differing(expected: Trace, found: Trace) -> tuple[int, int]:
    """(entries that differ, entries compared) of spikes, u, v and readouts."""
    wrong = compared = 0
    for part in PARTS:
        ours, theirs = getattr(expected, part), getattr(found, part)
        assert ours.keys() == theirs.keys(), part
        for name, values in ours.items():
            assert values.shape == theirs[name].shape, (part, name)
            wrong += int(np.count_nonzero(values != theirs[name]))
            compared += values.size
    return wrong, compared


def compare(programs: Sequence[Case]) -> list[tuple[int, int, str]]:
    """Every program in Lava and in the reference: entries that differ, entries compared, and the program if any does.

    Spikes, u, v and readouts; and the counts of events, which must be equal. The CPU engine, too, must give what Lava
    gives.
    """
    traces = backend().run_jobs([Job(program, messages, ALL) for program, messages in programs])
    results = []
    for (program, messages), found in zip(programs, traces, strict=True):
        expected = ReferenceSimulator().run(program, messages, ALL)
        wrong, compared = differing(expected, found)
        wrong += bool(expected.counts.differences(found.counts))
        engine = CpuEngine().run(program, messages, ALL)
        wrong += differing(engine, found)[0] + bool(engine.counts.differences(found.counts))
        results.append((wrong, compared, to_text(program) if wrong else ""))
    return results


def assert_same(programs: Sequence[Case]) -> int:
    """No entry differs; entries compared."""
    results = compare(programs)
    assert sum(wrong for wrong, _, _ in results) == 0, next(text for _, _, text in results if text)
    return sum(compared for _, compared, _ in results)
