"""Published energies, from the counts their authors state (tests/energy/published.py), against what they print."""

from __future__ import annotations

import pytest

from tests.energy.published import TABLE, frontiers, keras_spiking, renner


def test_published_energies_lie_in_the_intervals_from_stated_counts() -> None:
    rows = [*keras_spiking(), *renner()]
    assert len({row.network for row in rows}) == 2
    assert [row.stated for row in rows if not row.holds] == []


def test_where_all_counts_are_stated_the_interval_is_narrow() -> None:
    for row in keras_spiking():
        assert row.estimate.missing == ()
        assert row.estimate.bounds.high < 1.7 * row.estimate.bounds.low


def test_an_energy_that_is_off_by_two_would_be_noticed() -> None:
    for row in keras_spiking():
        for factor in (0.5, 2):
            assert not row.estimate.bounds.holds(factor * row.published * 1e12)


def test_table_of_a_training_paper() -> None:
    """16 of 18 rows to the printed digits. The two others print the energy of the MACs alone: 506.9 k x 4.6 pJ is
    0.0023 mJ, and 0.0093 mJ is 2,030 k x 4.6 pJ, so that 203.0 k is a misprint as well."""
    assert [row.network for row in TABLE if not row.agrees] == ["CIFAR-100 MixNet", "Tiny ImageNet MixNet"]
    assert pytest.approx(0.0023, abs=5e-5) == 4.6 * 506.9 * 1e-6
    assert pytest.approx(0.0093, abs=5e-5) == 4.6 * 2030 * 1e-6


def test_a_table_from_spike_rates_that_counts_the_rate_twice() -> None:
    found = frontiers()
    assert found["ann"] == pytest.approx(845.94e-7, rel=1e-4)
    assert found["snn as printed"] == pytest.approx(3.09e-7, rel=1e-3)
    assert found["ratio as printed"] == pytest.approx(273.77, rel=1e-3)
    assert found["snn"] == pytest.approx(22.6e-7, rel=1e-2)
    assert found["ratio"] == pytest.approx(37.4, rel=1e-2)
