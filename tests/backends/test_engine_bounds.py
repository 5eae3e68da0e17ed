"""The engine's debug build, in which every index is checked, over random programs.

The few operations that vectors.py writes in LLVM's own terms have no indices of numba's, and are not checked.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

CASES = """
import numpy as np
import numba
from hypothesis import HealthCheck, Phase, given, seed, settings

assert numba.config.BOUNDSCHECK == 1

@numba.njit
def outside(a):
    return a[len(a)]

try:
    outside(np.zeros(3))
except IndexError:
    pass
else:
    raise SystemExit("bounds are not checked")

from seamount.backends.cpu.run import CpuEngine
from seamount.backends.simulator.vectorized import VectorizedSimulator
from tests.backends.test_vectorized import ALL, assert_equal
from tests.program_strategies import FEATURES, cases

tried = 0

@seed(0)
@settings(max_examples=400, deadline=None, database=None, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))
@given(cases(FEATURES))
def every_index(case):
    global tried
    program, messages = case
    expected = VectorizedSimulator().run(program, messages, ALL)
    assert_equal(expected, CpuEngine().run(program, messages, ALL))
    tried += 1

every_index()
print(tried)
"""


@pytest.mark.slow
def test_no_index_is_outside(tmp_path: Path) -> None:
    """In a process of its own, since the machine code is made once, and with a cache of its own."""
    env = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    ran = subprocess.run([sys.executable, "-c", CASES], env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert int(ran.stdout) >= 300
