"""Values of options that are absurd: refused with the limit, at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.bad_inputs import GOOD, compile_args, write
from tests.cli.running import call


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (["--slow-down", "1000000000"], "slow-down: is 1000000000\n  limit:  1024 steps of the chip"),
        (["--steps", "1000000000"], "steps: is 1000000000\n  limit:  1 to 1000000 steps"),
        (["--bits", "fc=²"], "--bits fc=²: is not LAYER=N"),
    ],
)
def test_compile(more: list[str], found: str, tmp_path: Path) -> None:
    begin = time.monotonic()
    ran = call(compile_args(write(tmp_path), *GOOD, *more))
    assert ran.code == 2 and found in ran.err
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = " + "[" * 3000, "is nested too deep"),
        ("x = " + "9" * 5000, "is not TOML: Exceeds the limit"),
        ("name = 1", "Expected `str`, got `int`"),
    ],
)
def test_target_files(text: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text(text)
    ran = call(compile_args(write(tmp_path), *GOOD, "--target", str(tmp_path / "odd.toml")))
    assert ran.code == 2 and found in ran.err
