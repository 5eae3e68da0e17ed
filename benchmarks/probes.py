"""What this machine can do at best: int8 and float32 matrix products, and moving memory. `python -m benchmarks.probes`.

Run in a process of its own, so that threads can be chosen.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

SIDES = (512, 1024, 2048)
"""Square matrices tried; the best counts."""
COPY_BYTES = 2**28
SECONDS = 0.5


def probe(threads: int) -> dict[str, Any]:
    """Operations (multiplications and additions counted apart) and bytes (read and written) per second."""
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", message=".*quantize.*")  # deprecated, and still the way to oneDNN's int8
    int8: dict[str, float] = {"torch._int_mm": _best(_int_mm)}
    for engine in torch.backends.quantized.supported_engines:
        if engine in ("fbgemm", "onednn", "x86"):
            torch.backends.quantized.engine = engine
            int8[f"torch quantized linear ({engine})"] = _best(_quantized)
    kernel = max(int8, key=lambda name: int8[name])
    source, target = torch.ones(COPY_BYTES // 4), torch.zeros(COPY_BYTES // 4)
    return {
        "threads": threads,
        "int8_ops_per_s": int8[kernel],
        "int8_kernel": kernel,
        "int8_all": int8,
        "float32_ops_per_s": _best(_float),
        "bytes_per_s": 2 * COPY_BYTES / _seconds(lambda: target.copy_(source)),
    }


def _best(make: Callable[[int], Callable[[], Any]]) -> float:
    """Largest rate over the sizes; 0 where this build of torch lacks the product."""
    rates = [0.0]
    for side in SIDES:
        try:
            rates.append(2 * side**3 / _seconds(make(side)))
        except (RuntimeError, NotImplementedError):
            break
    return max(rates)


def _seconds(run: Callable[[], Any]) -> float:
    """Shortest time of a call, over SECONDS."""
    run()
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begin)
    return best


def _int_mm(side: int) -> Callable[[], Any]:
    a, b = (torch.randint(-128, 127, (side, side), dtype=torch.int8) for _ in range(2))
    return lambda: torch._int_mm(a, b)


def _quantized(side: int) -> Callable[[], Any]:
    weight = torch.quantize_per_tensor(torch.randn(side, side), 0.02, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(weight, None)
    x = torch.quantize_per_tensor(torch.rand(side, side), 0.01, 0, torch.quint8)
    return lambda: torch.ops.quantized.linear(x, packed, 1.0, 0)


def _float(side: int) -> Callable[[], Any]:
    a, b = torch.randn(side, side), torch.randn(side, side)
    out = torch.empty(side, side)
    return lambda: torch.mm(a, b, out=out)


if __name__ == "__main__":
    print(json.dumps(probe(int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads())))
