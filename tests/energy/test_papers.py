"""The 4.6 / 0.9 pJ convention of training papers, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seamount.backends.registry import load_costs
from seamount.compiler.analysis.operations import Products
from seamount.compiler.energy.papers import SET, Convention, convention
from seamount.compiler.execution import EventCounts

LAYERS = (
    Products("conv", False, 100, 9, 16, 16, ("x",), True),
    Products("pool", True, 16, 0, 16, 4, ("a",), False),
    Products("fc", False, 40, 40, 4, 10, ("a",), False),
    Products("sum", False, 10, 10, 4, 10, ("a", "b"), False),
)


def counts(steps: int = 4) -> EventCounts:
    """2 samples: neuron layer a, of 16, sends 24 spikes, b, of 4, sends 2."""
    sent = {
        "x": np.ones(16, np.int64),
        "a": np.arange(16) % 2 + 1,
        "b": np.eye(4)[0] * 2,
    }
    return EventCounts(2, steps, {}, {}, sent, {})


def test_by_hand() -> None:
    """a: 24 spikes / 16 neurons / 2 samples = 0.75 per neuron and inference; b: 2 / 4 / 2 = 0.25.

    ANN: 150 products x 4.6 = 690. SNN: 100 x 4.6 + 0.9 x (40 x 0.75 + 10 x (0.75 + 0.25)) = 460 + 36."""
    found = convention(counts(), LAYERS, load_costs(SET), 1, constant=True)
    assert found is not None
    assert (found.ann_pj, found.once_pj) == (pytest.approx(690), pytest.approx(496))
    assert found.every_step_pj == pytest.approx(4 * 460 + 36)
    assert found.ratios == (pytest.approx(690 / 496), pytest.approx(690 / 1876))
    assert found.tree()["ann_over_once"] == found.ratios[0]


def test_a_sample_that_changes_is_charged_in_every_step_on_both_sides() -> None:
    found = convention(counts(), LAYERS, load_costs(SET), 4, constant=False)
    assert found == Convention(pytest.approx(4 * 690), pytest.approx(1876), pytest.approx(1876))


def test_unknown_stays_unknown() -> None:
    costs = load_costs(SET)
    assert convention(counts(), (), costs, 1, True) is None, "layers as trained are not known"
    renamed = (*LAYERS[:2], replace(LAYERS[2], sources=("gone",)))
    assert convention(counts(), renamed, costs, 1, True) is None, "a layer whose spikes were not counted"
    silent = replace(counts(), sent={"a": np.zeros(16, np.int64), "b": np.zeros(4, np.int64)})
    assert convention(silent, LAYERS[1:], costs, 1, True) is None, "nothing is charged, so there is no ratio"
