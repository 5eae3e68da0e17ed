"""The engine in PyTorch equals the reference: with device cpu here, its Triton kernel interpreted, on a GPU if any."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

pytest.importorskip("torch")

import torch

from seamount.backends.cuda import run as cuda
from seamount.backends.cuda import selftest
from seamount.backends.cuda.products import Product
from seamount.backends.cuda.run import CudaEngine, full_precision
from seamount.backends.registry import load_backend
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.artifact import save_artifact
from seamount.compiler.errors import InputError
from tests.backends.test_vectorized import ALL, assert_equal, big
from tests.cli.running import call, plain
from tests.program_samples import one_population, small_program
from tests.program_strategies import FEATURES, cases
from tests.test_artifact import small_artifact

QUIET = list(HealthCheck)
CPU = torch.device("cpu")


def compare(case, **options):
    program, messages = case
    expected = ReferenceSimulator().run(program, messages, ALL)
    assert_equal(expected, CudaEngine(**options).run(program, messages, ALL))


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=QUIET)
@given(cases())
def test_equal_on_random_programs(case):
    compare(case, device="cpu", batch_size=2)


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_equal_with_each_construct(feature):
    @settings(max_examples=2, deadline=None, suppress_health_check=QUIET)
    @given(cases(force=frozenset({feature})))
    def check(case):
        compare(case, device="cpu")

    check()


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, database=None, suppress_health_check=QUIET)
@given(cases(max_populations=6, max_samples=5))
def test_equal_on_many_random_programs(case):
    compare(case, device="cpu")


@pytest.mark.gpu
@settings(max_examples=500, deadline=None, database=None, suppress_health_check=QUIET)
@given(cases(max_populations=6, max_samples=5))
def test_equal_on_random_programs_on_a_gpu(case):
    compare(case)
    compare(case, fused=False)


@pytest.mark.parametrize("kind", ["dense", "sparse", "conv"])
def test_large_sums_are_exact(kind):
    program = big(kind, 250)
    assert Product(program, program.projections[0], CPU, frozenset({"float32"})).dtype == torch.float64
    compare((program, {"x": np.full((2, 1, *program.inputs[0].shape), 249, np.int32)}), device="cpu")


def test_what_is_not_exact_here_is_not_used(monkeypatch):
    monkeypatch.setattr(selftest, "_float32", lambda device: False)
    selftest.exact_products.cache_clear()
    with pytest.warns(UserWarning, match="float32 products are not exact here; not used"):
        kernels = selftest.exact_products(CPU)
    assert Product(small_program(), small_program().projections[0], CPU, kernels).dtype == torch.float64
    selftest.exact_products.cache_clear()


def test_rounded_products_are_noticed():
    assert selftest._compares(CPU, torch.float64)
    assert not selftest._compares(CPU, torch.bfloat16)


def test_precision_is_restored():
    torch.set_float32_matmul_precision("high")
    with full_precision():
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision("highest")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_without_a_device_the_message_says_so():
    with pytest.raises(InputError, match=r"backend 'cuda': PyTorch finds no CUDA device\n.*use --backend cpu"):
        load_backend("cuda").run(one_population(), {"x": np.zeros((1, 1, 1), np.int32)})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_the_command_says_so_in_one_message(tmp_path):
    save_artifact(small_artifact(), tmp_path / "net")
    np.savez(tmp_path / "data.npz", x=np.zeros((1, 4), np.float32), y=np.zeros(1, np.int64))
    ran = call(["run", str(tmp_path / "net"), "--data", str(tmp_path / "data.npz"), "--backend", "cuda"])
    assert (ran.code, ran.out) == (2, "")
    assert plain(ran.err).count("error") == 1 and "PyTorch finds no CUDA device" in plain(ran.err)


def test_without_triton_neurons_run_in_pytorch(monkeypatch):
    monkeypatch.setattr(cuda, "find_spec", lambda name: None)
    cuda.can_fuse.cache_clear()
    with pytest.warns(UserWarning, match=r"triton is not installed: .* pip install triton"):
        assert not cuda.can_fuse(torch.device("cuda"))
    cuda.can_fuse.cache_clear()


INTERPRETED = """
import sys
import numpy as np, torch
from seamount.backends.cuda.torch_neurons import TorchNeurons
from seamount.backends.cuda.triton_neurons import run_fused
from tests.backends.test_vectorized import extreme
from tests.program_samples import small_program
rng = np.random.default_rng(0)
pops = [extreme(du=du, dv=dv, vth=v, reset=r, reset_by=77).populations[0]
        for du in (0, 1, 4095, 4096) for dv in (0, 7, 4096) for v in (0, 900) for r in ("zero", "subtract")]
for p in (*pops, *small_program().populations):
    n = TorchNeurons.of(p, torch.device("cpu"))
    x = torch.from_numpy((rng.integers(-250000, 250001, (30, 4, p.size)) * 64).astype(np.int32))
    for a, b in zip(n.run(x), run_fused(n, x)):
        assert torch.equal(a, b), p
print("equal")
"""


def test_the_triton_kernel_interpreted():
    pytest.importorskip("triton")
    env = os.environ | {"TRITON_INTERPRET": "1"}
    run = subprocess.run([sys.executable, "-c", INTERPRETED], capture_output=True, text=True, env=env)
    assert run.stdout.strip() == "equal", run.stderr
