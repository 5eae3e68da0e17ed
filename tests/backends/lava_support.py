"""What the Lava tests share: finding Lava, and comparing it with the reference simulator entry by entry."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from seamount.backends.lava.environment import find_interpreter
from seamount.backends.lava.run import Job, LavaBackend
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import InputError
from seamount.compiler.execution import Trace
from seamount.compiler.program.program import Program
from seamount.compiler.program.text import to_text
from tests.program_strategies import FEATURES, cases

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


def draw_cases(number: int, force: frozenset[str] = frozenset(), allow: frozenset[str] = FEATURES) -> list[Case]:
    """The same random programs in every run."""
    drawn: list[Case] = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(allow=allow, force=force))
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


def assert_same(programs: Sequence[Case]) -> int:
    """Every program in Lava and in the reference: the same spikes, u, v, readouts and counts. Entries compared."""
    traces = backend().run_jobs([Job(program, messages, ALL) for program, messages in programs])
    total = 0
    for (program, messages), found in zip(programs, traces, strict=True):
        expected = ReferenceSimulator().run(program, messages, ALL)
        wrong, compared = differing(expected, found)
        assert wrong == 0, f"{wrong} of {compared} entries differ from the reference simulator in\n{to_text(program)}"
        assert asdict(expected.counts) == asdict(found.counts), to_text(program)
        total += compared
    return total
