"""One step of one neuron, integer by integer.

The formulas are those of docs/semantics.md (one step of a population), written out for a single neuron with Python's
own integers, so that every product and every rounding can be shown. Nothing is taken from a backend but the state
before the step and the messages that arrived; so an account also tells when a backend did not follow the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seamount.compiler.diff.arrivals import Inflow, inflows
from seamount.compiler.diff.side import Place, Side
from seamount.compiler.program.program import DECAY_ONE, U_SPAN, V_MAX, VTH_SHIFT, Population, Program


@dataclass(frozen=True)
class Account:
    """The integers of one neuron in one step, in the order in which they arise.

    a: sum of the shares. u_product = u_before * (4095 - du), u_decayed = that / 4096 toward zero, u_sum = u_decayed +
    64 a, u = after the wrap. v_product = v_before * (4096 - dv), v_decayed likewise, v_sum = v_decayed + u + bias,
    v_full = v_sum within +-(2**23 - 1). threshold = 64 * vth, None where the population never fires. v_reset: v after
    the reset, v: after the lower clamp as well. At step 0 u_before is 0 and v_before is v_init.
    """

    inflows: tuple[Inflow, ...]
    a: int
    u_before: int
    du: int
    u_product: int
    u_decayed: int
    u_sum: int
    u: int
    v_before: int
    dv: int
    v_product: int
    v_decayed: int
    bias_mant: int
    bias_exp: int
    bias: int
    v_sum: int
    v_full: int
    vth: int | None
    threshold: int | None
    spike: int
    reset: str
    reset_by: int
    v_reset: int
    v_min: int
    v: int


def account(program: Program, side: Side, place: Place) -> Account:
    """The step of a neuron as its program has it, from the state and the messages that the side recorded."""
    p = program.population(place.layer)
    before = (place.sample, place.step - 1, *place.index)
    first = place.step == 0
    u_before = 0 if first else int(side.u[p.name][before])
    v_before = _parameter(p, p.v_init, place) if first else int(side.v[p.name][before])
    arrived = inflows(program, side, place)
    a = sum(x.share for x in arrived)
    du, dv = _parameter(p, p.du, place), _parameter(p, p.dv, place)
    u_product = u_before * (DECAY_ONE - 1 - du)
    u_sum = truncated(u_product) + (a << VTH_SHIFT)
    u = wrapped(u_sum)
    v_product = v_before * (DECAY_ONE - dv)
    mantissa = _parameter(p, p.bias_mant, place)
    bias = mantissa << p.bias_exp if p.bias_exp >= 0 else mantissa >> -p.bias_exp
    v_sum = truncated(v_product) + u + bias
    v_full = max(-V_MAX, min(V_MAX, v_sum))
    vth = None if p.vth is None else _parameter(p, p.vth, place)
    threshold = None if vth is None else vth << VTH_SHIFT
    reset_by = _parameter(p, p.reset_by, place)
    if threshold is not None and p.guarded and v_before > threshold:
        threshold += reset_by
    spike = int(threshold is not None and v_full > threshold)
    if spike and threshold is not None and p.most > 1:
        spike = min(-((threshold - v_full) // reset_by), p.most)
    v_reset = v_full if not spike else 0 if p.reset == "zero" else v_full - spike * reset_by
    return Account(
        arrived, a, u_before, du, u_product, truncated(u_product), u_sum, u,
        v_before, dv, v_product, truncated(v_product), mantissa, p.bias_exp, bias, v_sum, v_full,
        vth, threshold, spike, p.reset, reset_by, v_reset, p.v_min, max(v_reset, p.v_min),
    )  # fmt: skip


def truncated(x: int) -> int:
    """x / 4096, rounded toward zero."""
    return abs(x) // DECAY_ONE if x >= 0 else -(abs(x) // DECAY_ONE)


def wrapped(u: int) -> int:
    """u back into (-2**23, 2**23] by one turn of 2**24; not more than one."""
    half = U_SPAN // 2
    return u - U_SPAN if u > half else u + U_SPAN if u <= -half else u


def _parameter(p: Population, value: Any, place: Place) -> int:
    """A parameter of the population at one neuron; it is a single number or one number per neuron."""
    return int(np.broadcast_to(np.asarray(value, np.int64), p.shape)[place.index])
