"""Neurons of one population, many samples at once: the step of docs/semantics.md in exact floating point.

Registers are float64 that hold integers. A decay x -> tz(x * d / 4096) is one multiplication, exact because
|x| * d < 2**53 and d / 4096 is a binary fraction, and one truncation. Passes that cannot change anything (wrap,
clip, bias, decay) are omitted where a static bound or the parameter says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.bounds import Wide, arrival_bound, current_bound
from seamount.compiler.program.program import DECAY_ONE, U_SPAN, V_MAX, VTH_SHIFT, Population, Program, shift

Float = NDArray[np.floating[Any]]

HALF = U_SPAN // 2


@dataclass
class Registers:
    """u and v of all samples of a batch, (B, n). u may be a view of what arrived; it is never written in place."""

    u: Float
    v: Float


class Neurons:
    """The constants of a population, and which passes it needs."""

    def __init__(self, program: Program, p: Population, steps: int) -> None:
        before, inside = current_bound(p, arrival_bound(program, p.name))
        bias = shift(np.asarray(p.bias_mant, np.int64), p.bias_exp)
        self.n = p.size
        self.memory = _factor(DECAY_ONE - 1 - np.asarray(p.du, np.int64))
        self.keep = _factor(DECAY_ONE - np.asarray(p.dv, np.int64))
        self.leaks = bool(np.any(np.asarray(p.dv) != 0))
        self.bias = _flat(bias) if bias.any() else None
        self.threshold = None if p.vth is None else _flat(np.asarray(p.vth, np.int64) << VTH_SHIFT)
        self.v_init = _flat(np.asarray(p.v_init, np.int64))
        self.reset_by = _flat(np.asarray(p.reset_by, np.int64)) if p.reset == "subtract" else None
        self.most, self.guarded = p.most, p.guarded
        self.v_min = p.v_min if p.v_min > -V_MAX else None
        self.wraps = int(before.max()) >= HALF
        self.clips = _v_bound(p, inside, bias, steps) > V_MAX

    def start(self, batch: int) -> Registers:
        """Registers at the beginning of a window."""
        v = np.empty((batch, self.n), np.float64)
        v[...] = self.v_init
        return Registers(np.zeros((batch, self.n), np.float64), v)

    @property
    def sends(self) -> type[np.generic]:
        """Type of what is sent: bool, or integers where there may be several spikes."""
        return np.bool_ if self.most == 1 else np.int8

    def step(self, registers: Registers, arriving: Float | None, s: NDArray[Any]) -> None:
        """One step. `arriving` is 64 * a, (B, n), or None for silence; spikes are written into `s`."""
        registers.u = self.next_u(registers.u, arriving)
        v = self.next_v(registers, s)
        if self.v_min is not None:
            np.maximum(v, self.v_min, out=v)

    def next_u(self, u: Float, arriving: Float | None) -> Float:
        if self.memory is None:
            u = np.zeros_like(u) if arriving is None else arriving
        else:
            u = np.trunc(u * self.memory)
            if arriving is not None:
                u += arriving
        if self.wraps:
            u = u - U_SPAN * (u > HALF).astype(u.dtype) + U_SPAN * (u <= -HALF).astype(u.dtype)
        return u

    def next_v(self, registers: Registers, s: NDArray[Any]) -> Float:
        """Update v in place up to and including the reset."""
        v = registers.v
        high = v > self.threshold if self.guarded and self.threshold is not None else None
        if self.keep is None:
            v[...] = registers.u
        else:
            if self.leaks:
                np.multiply(v, self.keep, out=v)
                np.trunc(v, out=v)
            v += registers.u
        if self.bias is not None:
            v += self.bias
        if self.clips:
            np.clip(v, -V_MAX, V_MAX, out=v)
        if self.threshold is not None:
            self.fire(v, self.threshold, high, s)
        return v

    def fire(self, v: Float, threshold: Float, high: NDArray[np.bool_] | None, s: NDArray[Any]) -> None:
        """Write what is sent into `s`, and reset v in place. high: where v exceeded the threshold before the step."""
        by = np.zeros(()) if self.reset_by is None else self.reset_by
        if self.most > 1:
            s[...] = np.clip(np.ceil((v - threshold) / by), 0, self.most)
            v -= s * by
            return
        np.greater(v, threshold if high is None else threshold + high * by, out=s)
        if self.reset_by is None:
            np.copyto(v, 0.0, where=s)
        else:
            np.subtract(v, self.reset_by, out=v, where=s)


def _flat(x: Wide) -> Float:
    """0-d as a scalar array, otherwise one value per neuron."""
    return np.asarray(x.reshape(-1) if x.ndim else x, np.float64)


def _factor(x: Wide) -> Float | None:
    """x / 4096 to multiply a register with; None when the register forgets at once."""
    return _flat(x) / DECAY_ONE if x.any() else None


def _v_bound(p: Population, u: Wide, bias: Wide, steps: int) -> int:
    """Bound of |v| before its clip, over the steps of one window.

    Each step adds at most g = |u| + |bias|. So |v| <= start + steps * g; and, with decay, |v| <= g * 4096 / dv once
    it holds. A reset or lower clamp leaves |v| within `start`, which includes what they set.
    """
    start = max(int(np.abs(np.asarray(p.v_init, np.int64)).max()), int(np.max(p.reset_by)), p.v_min)
    g = int(u.max()) + int(np.abs(bias).max())
    least = int(np.min(p.dv))
    linear = start + steps * g
    return min(linear, max(start, -(-g * DECAY_ONE // least))) if least else linear
