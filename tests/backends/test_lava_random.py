"""Random programs in Lava: one row per feature, zero differing entries in spikes, u and v at every step."""

from __future__ import annotations

import pytest

from tests.backends.lava_support import assert_same, draw_cases
from tests.program_strategies import FEATURES, STOCK

pytestmark = pytest.mark.lava


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_feature(feature: str) -> None:
    assert assert_same(draw_cases(5, force=frozenset({feature}))) > 0


@pytest.mark.slow
@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_feature_at_length(feature: str) -> None:
    assert assert_same(draw_cases(50, force=frozenset({feature}))) > 0


@pytest.mark.slow
def test_stock_loihi_only() -> None:
    assert assert_same(draw_cases(50, allow=STOCK)) > 0
