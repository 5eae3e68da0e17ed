"""The neurons' step in PyTorch: docs/semantics.md in int64, for any device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seamount.compiler.program.program import DECAY_ONE, U_SPAN, V_MAX, VTH_SHIFT, Population, shift

HALF = U_SPAN // 2


@dataclass(frozen=True, eq=False)
class TorchNeurons:
    """Constants of a population, (n,) int32 on the device. by: what a spike takes where keep
    is -1; keep 0 resets to 0."""

    kept_u: Tensor
    kept_v: Tensor
    vth: Tensor
    bias: Tensor
    v_init: Tensor
    by: Tensor
    keep: int
    v_min: int

    @staticmethod
    def of(p: Population, device: torch.device) -> TorchNeurons:
        def flat(x: Any) -> Tensor:
            whole = np.broadcast_to(np.asarray(x, np.int64), p.shape).reshape(-1)
            return torch.from_numpy(whole.astype(np.int32)).to(device)

        return TorchNeurons(
            kept_u=flat(DECAY_ONE - 1 - np.asarray(p.du, np.int64)),
            kept_v=flat(DECAY_ONE - np.asarray(p.dv, np.int64)),
            vth=flat(V_MAX if p.vth is None else np.asarray(p.vth, np.int64) << VTH_SHIFT),
            bias=flat(shift(np.asarray(p.bias_mant, np.int64), p.bias_exp)),
            v_init=flat(p.v_init),
            by=flat(p.reset_by if p.reset == "subtract" else 0),
            keep=-1 if p.reset == "subtract" else 0,
            v_min=p.v_min,
        )

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """u and v at the beginning of a sample, (B, n) int32."""
        return torch.zeros_like(self.v_init).repeat(batch, 1), self.v_init.repeat(batch, 1)

    def step(self, u: Tensor, v: Tensor, arriving: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(s, u, v) after one step; `arriving` is 64 * a."""
        current = _decayed(u, self.kept_u) + arriving
        current = current - U_SPAN * (current > HALF).long() + U_SPAN * (current <= -HALF).long()
        now = (_decayed(v, self.kept_v) + current + self.bias).clamp(-V_MAX, V_MAX)
        s = now > self.vth
        now = torch.where(s, (now - self.by) & self.keep, now).clamp(min=self.v_min)
        return s, current.int(), now.int()

    def run(self, arriving: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(s, u, v) of all steps, each (T, B, n); `arriving` is (T, B, n) int32."""
        u, v = self.start(arriving.shape[1])
        series = []
        for now in arriving:
            s, u, v = self.step(u, v, now)
            series.append((s, u, v))
        s, u, v = (torch.stack(x) for x in zip(*series, strict=True))
        return s, u, v


def _decayed(x: Tensor, kept: Tensor) -> Tensor:
    """x * kept / 4096 rounded toward zero, int64."""
    return torch.div(x.long() * kept, DECAY_ONE, rounding_mode="trunc")
