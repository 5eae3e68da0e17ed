"""Frameworks are timed with denormal numbers flushed to zero; other tests of the same process must not be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def denormal_numbers_are_kept_afterwards() -> Iterator[None]:
    yield
    torch.set_flush_denormal(False)
