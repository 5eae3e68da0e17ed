"""The neurons' step as one Triton kernel over all steps: registers stay in the processor's, sums are read once."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from seamount.backends.cuda.torch_neurons import TorchNeurons
from seamount.compiler.program.program import DECAY_ONE, U_SPAN, V_MAX

BLOCK = 256


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _neurons(  # type: ignore[no-untyped-def]
    arriving, s_out, u_out, v_out, kept_u, kept_v, vth, bias, v_init, reset_by, total, n, steps, keep, v_min,
    one: tl.constexpr, span: tl.constexpr, top: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0) * block + tl.arange(0, block)
    there = place < total
    neuron = place % n
    ku = tl.load(kept_u + neuron, mask=there, other=0).to(tl.int64)
    kv = tl.load(kept_v + neuron, mask=there, other=0).to(tl.int64)
    threshold = tl.load(vth + neuron, mask=there, other=0).to(tl.int64)
    added = tl.load(bias + neuron, mask=there, other=0).to(tl.int64)
    by = tl.load(reset_by + neuron, mask=there, other=0).to(tl.int64)
    v = tl.load(v_init + neuron, mask=there, other=0).to(tl.int64)
    u = v * 0
    at = place.to(tl.int64)
    for _ in range(steps):
        x = u * ku
        u = tl.where(x < 0, -(-x // one), x // one) + tl.load(arriving + at, mask=there, other=0).to(tl.int64)
        u = tl.where(u > span // 2, u - span, tl.where(u <= -(span // 2), u + span, u))
        x = v * kv
        v = tl.where(x < 0, -(-x // one), x // one) + u + added
        v = tl.minimum(tl.maximum(v, -top), top)
        fires = v > threshold
        v = tl.maximum(tl.where(fires, (v - by) & keep, v), v_min)
        tl.store(s_out + at, fires, mask=there)
        tl.store(u_out + at, u.to(tl.int32), mask=there)
        tl.store(v_out + at, v.to(tl.int32), mask=there)
        at += total


def run_fused(neurons: TorchNeurons, arriving: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `TorchNeurons.run`."""
    steps, batch, n = arriving.shape
    total = batch * n
    s = torch.empty(arriving.shape, dtype=torch.bool, device=arriving.device)
    u, v = torch.empty_like(arriving), torch.empty_like(arriving)
    grid: Any = (triton.cdiv(total, BLOCK),)
    _neurons[grid](
        arriving.contiguous(), s, u, v, neurons.kept_u, neurons.kept_v, neurons.vth, neurons.bias, neurons.v_init,
        neurons.by, total, n, steps, neurons.keep, neurons.v_min, DECAY_ONE, U_SPAN, V_MAX, BLOCK,
    )  # fmt: skip
    return s, u, v
