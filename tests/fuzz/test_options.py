"""Command lines of chance: each ends with 0, 1 or 2 and without a traceback."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.cli.bad_inputs import GOOD, artifact, write
from tests.cli.running import call

VALUES = (
    "0", "-1", "1", "²", "9" * 30, "1e300", "nan", "", "x", "a=b", "=", "fc=9", "[/x]", "\x1b[2J", "../..", "/dev/null",
    "lif:0", "lif:" + "9" * 5000, "1,2,3", "{", "quantize{weight-bits=99}", "loihi1", "inf", "module:function", ":",
)  # fmt: skip
OPTIONS = {
    "compile": ("--steps", "--bits", "--max-delay", "--slow-down", "--target", "-a", "--pipeline", "--stop-after",
                "--weight-bits", "--calibrate"),
    "inspect": ("--after", "--target", "--max-delay", "--slow-down", "-a"),
    "run": ("--steps", "--batch-size", "--limit", "--seed", "--data", "--backend", "--split", "--record"),
    "fit": ("--target", "--system"),
    "ranges": ("--steps",),
    "costs": ("--set",),
}  # fmt: skip
QUICK, LONG = 120, 3000


def command(number: int, folder: Path) -> list[str]:
    rng = random.Random(f"options {number}")
    name = rng.choice(sorted(OPTIONS))
    args = [name]
    if name in ("compile", "inspect"):
        args += [str(folder / "net.nir"), *GOOD]
    elif name != "costs":
        args += [str(folder / "out")]
    if name == "compile":
        args += ["-o", str(folder / "made"), "-q", "--force"]
    for option in rng.sample(OPTIONS[name], min(len(OPTIONS[name]), rng.choice((1, 1, 2)))):
        args += [option, rng.choice(VALUES)]
    return args


def try_all(numbers: range, folder: Path) -> None:
    write(folder)
    artifact(folder)
    escaped = []
    for number in numbers:
        args = command(number, folder)
        ran = call(args)
        if ran.code not in (0, 1, 2) or "Traceback" in ran.err or "\x1b" in ran.out:
            escaped.append(f"{number}: {ran.code} {args[:1] + args[2:]!r:.300} {ran.err[:300]}")
    assert not escaped, "\n".join(escaped[:10])


def test_options(tmp_path: Path) -> None:
    try_all(range(QUICK), tmp_path)


@pytest.mark.slow
def test_options_many(tmp_path: Path) -> None:
    try_all(range(QUICK, QUICK + LONG), tmp_path)
