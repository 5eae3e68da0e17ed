"""Random networks on random chips: the independent checker agrees with the mapper, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.check import check
from seamount.compiler.placement.place import place_plan
from seamount.compiler.placement.plan import plan
from seamount.compiler.program.program import Program
from seamount.compiler.target.system import System
from seamount.compiler.target.target import Target
from tests.placement.targets import PERMISSIVE, chip, system
from tests.program_strategies import TRANSPOSED, programs


@st.composite
def chips(draw: Any) -> Target:
    """A chip on which few neurons share a core: small limits, some of them unknown."""

    def limit(*values: int | None) -> Any:
        return draw(st.sampled_from(values))

    limits: dict[str, Any] = {
        "core_neurons": limit(3, 8, 40, 1024),
        "core_memory": limit(600, 2000, 20000),
        "core_synaptic_memory": limit(None, 500, 1500),
        "core_synapse_words_per_axon": limit(None, 4, 16),
        "core_synapses_per_entry": limit(None, 3, 60),
        "core_axons_in": limit(None, 80, 200),
        "core_axons_out": limit(None, 60, 200),
        "core_decay_profiles": limit(None, 3, 32),
        "core_threshold_profiles": limit(None, 2, 8),
        "core_dendritic_accumulators": limit(None, 512, 2048),
        "core_synapse_formats": limit(None, 6, 15),
        "core_destination_groups": limit(None, 6, 16),
        "chip_neurons": limit(None, 60, 1000),
        "chip_synapses": limit(None, 500, 5000),
        "encoding_atom": limit(0, 1, 9),
        "chip_tile_cores": limit(1, 2, 4),
        "chip_tile_columns": 4,
        "chip_tile_rows": 3,
    }
    return chip("loihi1", **PERMISSIVE, **limits)


@st.composite
def cases(draw: Any, force: frozenset[str] = frozenset()) -> tuple[Program, Target, System, EventCounts | None]:
    """A network, a chip, a grid of them, and how often each neuron sent."""
    program = draw(programs(force=force))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sent = {p.name: rng.integers(0, 50, p.size) for p in program.populations}
    counts = EventCounts(1, 1, {}, {}, sent, {}) if draw(st.booleans()) else None
    target = draw(chips())
    columns, rows, cores = draw(st.sampled_from([(1, 1, 12), (2, 3, 3), (9, 7, 2), (9, 7, 12)]))
    return program, target, system(columns, rows, cores), counts


def judge(case: tuple[Program, Target, System, EventCounts | None]) -> bool:
    """Place and check; what cannot be placed says which limits it exceeds. True when placed."""
    program, target, grid, counts = case
    made = plan(program, target, grid)
    if made.excesses:
        assert all(e.over > 0 and e.cite for e in made.excesses)
        return False
    placement = place_plan(made, counts)
    assert check(program, placement, target, grid, counts) == ()
    assert placement.lower_bound <= placement.spike_hops
    return True


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_random_networks(case: tuple[Program, Target, System, EventCounts | None]) -> None:
    judge(case)


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases(TRANSPOSED))
def test_random_networks_with_transposed_convolutions(case: tuple[Program, Target, System, EventCounts | None]) -> None:
    judge(case)


@pytest.mark.slow
def test_five_hundred_random_networks() -> None:
    placed = 0

    @settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(cases())
    def many(case: tuple[Program, Target, System, EventCounts | None]) -> None:
        nonlocal placed
        placed += judge(case)

    many()
    print(f"placed and checked: {placed}")
    assert placed >= 500
