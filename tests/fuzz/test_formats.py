"""Whatever a file holds: it is refused with a SeamountError, or accepted, and then means the same on every engine.

Inputs follow from (format, number) alone. `FUZZ_REPORT=1 pytest -m slow -s tests/fuzz` prints the counts. What once
escaped is listed in corpus/found.txt and tried again in every run.
"""

from __future__ import annotations

import os
import random
import shutil
import time
import warnings
from pathlib import Path

import pytest

from seamount.compiler.errors import ContractError, SeamountError
from tests.fuzz.formats import FORMATS, Format, agree
from tests.test_artifact import small_artifact

LONG = 12_500
LIMIT_S = 20.0
FOUND = [line.split() for line in (Path(__file__).parent / "corpus" / "found.txt").read_text().splitlines() if line]
BY_NAME = {form.name: form for form in FORMATS}


@pytest.fixture(scope="module", autouse=True)
def compiled_engine() -> None:
    """The engine compiles itself once, which is no input's fault."""
    agree(small_artifact())


def outcome(form: Format, number: int, folder: Path) -> str:
    """ "accepted", "refused", or what escaped."""
    folder.mkdir()
    begin = time.process_time()
    try:
        path = form.make(folder, random.Random(f"{form.name} {number}"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            form.read(path)
        found = "accepted"
    except ContractError as error:
        found = f"{form.name} {number}: ContractError: {error}"
    except SeamountError as error:
        found = "refused" if error.problems and str(error) else f"{form.name} {number}: says nothing"
    except Exception as error:  # the very thing that is looked for
        found = f"{form.name} {number}: {type(error).__name__}: {error}"
    finally:
        shutil.rmtree(folder)
    spent = time.process_time() - begin
    return found if spent < LIMIT_S else f"{form.name} {number}: took {spent:.0f} s"


def try_all(form: Format, numbers: range, tmp_path: Path) -> None:
    begin = time.monotonic()
    found = [outcome(form, number, tmp_path / str(number)) for number in numbers]
    escaped = [text for text in found if text not in ("accepted", "refused")]
    if os.environ.get("FUZZ_REPORT"):
        counts = f"{found.count('accepted')} accepted, {found.count('refused')} refused, {len(escaped)} escaped"
        print(f"{form.name}: {len(found)} inputs, {counts}, {time.monotonic() - begin:.0f} s")
    assert not escaped, "\n".join(escaped[:20])
    assert "refused" in found


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_mutated(form: Format, tmp_path: Path) -> None:
    try_all(form, range(form.quick), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_mutated_many(form: Format, tmp_path: Path) -> None:
    try_all(form, range(form.quick, form.quick + LONG), tmp_path)


@pytest.mark.parametrize(("name", "number"), FOUND)
def test_what_once_escaped(name: str, number: str, tmp_path: Path) -> None:
    if name not in BY_NAME:
        pytest.skip("needs torch and norse")
    assert outcome(BY_NAME[name], int(number), tmp_path / "x") in ("accepted", "refused")
