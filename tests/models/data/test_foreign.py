"""User code that exits, interrupts, or closes standard output ends in InputError, never in success."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.compiler.errors import InputError
from seamount.models.data.batches import batches, gathered
from seamount.models.data.datasets import load
from seamount.models.data.foreign import user_code

MODULE = """
import os, sys
import numpy as np
PAIR = np.ones((4, 3)), np.arange(4) % 2
def leaves(): sys.exit(0)
def interrupts(): raise KeyboardInterrupt
def closes():
    sys.stdout.close()
    return PAIR
def closes_handle():
    os.close(1)
    return PAIR
def loader():
    yield from ((PAIR[0][k:k+2], PAIR[1][k:k+2]) for k in (0, 2))
def loader_that_leaves():
    yield PAIR
    raise SystemExit(0)
def unlabelled(): return [PAIR[0], PAIR[0], PAIR[0]]
class Items:
    def __len__(self): return 4
    def __getitem__(self, i): return PAIR[0][i], int(PAIR[1][i])
def dataset(): return Items()
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign_samples.py").write_text(MODULE)
    (tmp_path / "foreign_exit.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("foreign_exit:load", "importing foreign_exit raised SystemExit: 0"),
        ("foreign_samples:leaves", "raised SystemExit: 0"),
        ("foreign_samples:interrupts", "raised KeyboardInterrupt"),
        ("foreign_samples:loader_that_leaves", "raised SystemExit: 0"),
        ("foreign_samples:unlabelled", "has no 'y', only x"),
    ],
)
def test_functions_that_end_the_program(name: str, found: str) -> None:
    with pytest.raises(InputError) as refused:
        load(name)
    (problem,) = refused.value.problems
    assert (problem.where, problem.found) == (f"data '{name}'", found)


@pytest.mark.parametrize("name", ["loader", "dataset"])
def test_what_a_function_returns_is_iterated(name: str) -> None:
    data = load(f"foreign_samples:{name}")
    np.testing.assert_array_equal(data.x, np.ones((4, 3)))
    np.testing.assert_array_equal(data.y, [0, 1, 0, 1])


def test_torch_data_sets_and_loaders() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, TensorDataset

    data = TensorDataset(torch.ones(5, 3), torch.arange(5))
    for given in (data, DataLoader(data, batch_size=2)):
        x, y = gathered(given)
        assert np.shape(x) == (5, 3)
        np.testing.assert_array_equal(y, np.arange(5))


@pytest.mark.parametrize("name", ["closes", "closes_handle"])
def test_functions_that_close_stdout(name: str) -> None:
    program = (
        "from seamount.models.data.datasets import load\n"
        "from seamount.compiler.errors import InputError\n"
        f"try: load('foreign_samples:{name}')\n"
        "except InputError as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stdout.startswith(f"data 'foreign_samples:{name}': closed stdout")
    assert (ran.stderr, ran.returncode) == ("", 0)


def test_loaders_that_end_the_program() -> None:
    def loader(error: BaseException) -> Iterator[Any]:
        yield np.ones((2, 3))
        raise error

    for error in (SystemExit(0), KeyboardInterrupt(), ZeroDivisionError("x")):
        found = batches(loader(error), 2)
        next(found)
        with pytest.raises(InputError, match=type(error).__name__) as refused:
            next(found)
        assert refused.value.__cause__ is error


def test_a_real_interrupt_stays_one() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), user_code("data", "correct it"):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
