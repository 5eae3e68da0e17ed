"""A neuron layer in exact integers forward, with surrogate gradients backward.

Forward is docs/semantics.md, entry for entry, in floating point that holds every integer exactly: |u|, |v| <= 2**24 fit
float32, and v (4096 - dv) <= 2**36 fits float64, which layers with a leak or synaptic memory therefore use.

Backward: with x = (v' / 64 - vth) / scale, the distance from the threshold in thresholds,
    ds/dx = 1 / (1 + (pi x)**2)     (the arctangent surrogate of Fang et al. 2021, arXiv:2007.05785, alpha = 2)
and 1 for every rounding (straight-through, Bengio et al. 2013, arXiv:1308.3432). Resets are constants backward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seamount.compiler.program.program import DECAY_ONE, U_SPAN, V_MAX, VTH_SHIFT


@dataclass(frozen=True)
class Layer:
    """What a layer is, beside its parameters. memory: u outlives a step; leak: v loses something; scale: units of
    a for one threshold, for the width of the surrogate; rounded: False for the float network."""

    fires: bool
    memory: bool
    leak: bool
    reset: Literal["zero", "subtract"]
    v_min: int
    scale: float
    rounded: bool = True

    @property
    def dtype(self) -> torch.dtype:
        """The narrowest type that holds all of the layer's integers exactly."""
        return torch.float64 if self.memory or self.leak else torch.float32


@dataclass(frozen=True, eq=False)
class Parameters:
    """Integers, held as floats, of a layer's registers: keeps 0..4096 of u and of v, vth, bias added per step, and what
    a reset takes. Each broadcasts to the layer's shape."""

    keep_u: Tensor
    keep_v: Tensor
    vth: Tensor
    bias: Tensor
    reset_by: Tensor


def rounded_to(x: Tensor, low: float, high: float) -> Tensor:
    """x rounded and clipped forward, x backward."""
    whole: Tensor = _Rounded.apply(x, low, high)  # type: ignore[no-untyped-call]
    return whole


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        return torch.round(x).clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0], None, None


def run_layer(
    layer: Layer, p: Parameters, a: Tensor, u: Tensor, v: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A layer over K steps: (s, u, v, last u, last v).

    a: (K, N, *shape), the summed input of each step, in units of the synapses. u, v: (N, *shape), before the first
    step. s and v: (K, N, *shape); u likewise, without gradient.
    """
    result: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] = _Steps.apply(  # type: ignore[no-untyped-call]
        layer, a, u, v, p.keep_u, p.keep_v, p.vth, p.bias, p.reset_by
    )
    return result


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, layer: Layer, a: Tensor, u: Tensor, v: Tensor, keep_u: Tensor, keep_v: Tensor, vth: Tensor,
        bias: Tensor, reset_by: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        wide = layer.dtype
        given = (keep_u, keep_v, vth, bias, reset_by)
        ctx.types = (a.dtype, u.dtype, v.dtype)
        keep_u, keep_v, vth, bias, reset_by = (x.to(wide) for x in given)
        a, first_u, first_v = a.to(wide), u.to(wide), v.to(wide)
        u, v, threshold = first_u, first_v, vth * 2**VTH_SHIFT
        ups, before, after, spikes = [], [], [], []
        for k in range(len(a)):
            u = a[k] * 2**VTH_SHIFT + (_part(u, keep_u, layer.rounded) if layer.memory else 0)
            u = _wrap(u) if layer.rounded else u
            v = (_part(v, keep_v, layer.rounded) if layer.leak else v) + u + bias
            v = v.clamp(-V_MAX, V_MAX) if layer.rounded else v
            ups.append(u)
            before.append(v)
            if layer.fires:
                s = (v > threshold).to(wide)
                v = v * (1 - s) if layer.reset == "zero" else v - s * reset_by
                spikes.append(s)
            if layer.v_min > -V_MAX:
                v = v.clamp(min=layer.v_min)
            after.append(v)
        u_all, v_before, v_all = torch.stack(ups), torch.stack(before), torch.stack(after)
        s_all = torch.stack(spikes) if layer.fires else torch.zeros_like(v_all)
        ctx.layer = layer
        # Registers of 24 bits are exact in float32, which is what gradients are computed in.
        ctx.save_for_backward(*(x.float() for x in (s_all, u_all, v_before, v_all, first_u, first_v)), *given)
        ctx.mark_non_differentiable(u_all)
        return s_all, u_all, v_all, u, v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        layer: Layer = ctx.layer
        s, u_all, before, after, first_u, first_v, *given = ctx.saved_tensors
        keep_u, keep_v, vth, _, _ = (x.to(s.dtype) for x in given)
        g_s, _, g_v, g_u_last, g_v_last = (g.to(s.dtype) for g in grads)
        slope = 1 / (1 + ((before / 2**VTH_SHIFT - vth) * (math.pi / layer.scale)) ** 2) / (layer.scale * 2**VTH_SHIFT)
        held_u, held_v = keep_u / DECAY_ONE, keep_v / DECAY_ONE
        gu, gv = g_u_last, g_v_last
        g_a, g_before, g_after, g_current = [], [], [], []
        for k in reversed(range(len(s))):
            gv = gv + g_v[k]
            if layer.v_min > -V_MAX:
                gv = gv * (after[k] > layer.v_min)
            g_after.append(gv)
            gb = gv * (1 - s[k]) if layer.fires and layer.reset == "zero" else gv
            if layer.fires:
                gb = gb + g_s[k] * slope[k]
            if layer.rounded:
                gb = gb * (before[k].abs() < V_MAX)
            gu = gu + gb
            g_before.append(gb)
            g_current.append(gu)
            g_a.append(gu * 2**VTH_SHIFT)
            gu = gu * held_u if layer.memory else torch.zeros_like(gu)
            gv = gb * held_v if layer.leak else gb
        wanted = ctx.needs_input_grad
        of: list[Tensor | None] = [None] * 5
        stacked = torch.stack(g_before[::-1])
        if wanted[4] and layer.memory:
            past = torch.cat([first_u[None], u_all[:-1]]) / DECAY_ONE
            of[0] = _sum_to(torch.stack(g_current[::-1]) * past, given[0])
        if wanted[5] and layer.leak:
            of[1] = _sum_to(stacked * torch.cat([first_v[None], after[:-1]]) / DECAY_ONE, given[1])
        if wanted[6] and layer.fires:
            of[2] = _sum_to(-g_s * slope * 2**VTH_SHIFT, given[2])
        if wanted[7]:
            of[3] = _sum_to(stacked, given[3])
        if wanted[8] and layer.fires and layer.reset == "subtract":
            of[4] = _sum_to(-torch.stack(g_after[::-1]) * s, given[4])
        first = (x.to(t) for x, t in zip((torch.stack(g_a[::-1]), gu, gv), ctx.types, strict=True))
        return None, *first, *of


def _part(x: Tensor, keep: Tensor, rounded: bool) -> Tensor:
    """x keep / 4096, rounded toward zero."""
    product = x * keep / DECAY_ONE
    return product.trunc() if rounded else product


def _wrap(u: Tensor) -> Tensor:
    """Back into (-2**23, 2**23] by one turn of 2**24."""
    half = U_SPAN // 2
    return torch.where(u > half, u - U_SPAN, torch.where(u <= -half, u + U_SPAN, u))


def _sum_to(grad: Tensor, like: Tensor) -> Tensor:
    """Summed over steps, samples, and the axes along which `like` was broadcast."""
    return grad.sum_to_size((1, 1, *(1,) * (grad.ndim - 2 - like.ndim), *like.shape)).reshape(like.shape).to(like.dtype)
