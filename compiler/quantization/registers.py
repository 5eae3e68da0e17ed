"""Neuron parameters as Loihi's registers: decays, threshold, bias, start value, lower clamp."""

from __future__ import annotations

from typing import Any

import numpy as np

from seamount.compiler.ir.ops import LI, LIF, Array, IntArray, IntLIF

V_MAX = 2**23 - 1
"""Largest |v| (lava-nc 0.10.0, PyLifModelBitAcc)."""
ONE = 4096
"""Decays are in units of 1/4096."""


def registers(op: LIF | LI, bias: Array, scale: float, mant_max: int, exp_max: int) -> IntLIF:
    """The integer neuron of a LIF with gain and threshold 1, or of a readout; one unit of v is 1 / (64 scale).

    v >= threshold becomes v > threshold - 64 where v only takes multiples of 64, which is the same; elsewhere it
    becomes v > threshold.
    """
    unit = 64 * scale
    lattice = isinstance(op, LIF) and op.compare == "ge"
    mant, exp = bias_registers(bias * unit, mant_max, exp_max, lattice)
    neuron = IntLIF(
        du=_int(current_decay(op.alpha)),
        dv=_int(membrane_decay(op.beta)),
        vth=None,
        bias_mant=mant,
        bias_exp=exp,
        scale=float(scale),
        v_init=_int(np.rint(op.v_init * unit)),
    )
    if isinstance(op, LI):
        return neuron
    clamp = -V_MAX if not np.isfinite(op.v_min) else max(-V_MAX, round(op.v_min * unit))
    reset_by = _int(np.rint(op.reset_by * unit)) if op.reset == "subtract" else _int(0)
    whole = lattice and moves_in_64(neuron) and not np.any(reset_by % 64) and (clamp == -V_MAX or clamp % 64 == 0)
    vth = round(scale) - (1 if whole else 0)
    fires = {"reset": op.reset, "reset_by": reset_by, "v_min": clamp, "most": op.most, "guarded": op.guarded}
    return IntLIF(**{**vars(neuron), "vth": _int(vth), **fires})


def current_decay(alpha: Array) -> Array:
    """du, of which u keeps (4095 - du) / 4096 per step."""
    return np.asarray(ONE - 1 - np.rint(ONE * alpha).clip(0, ONE - 1))


def membrane_decay(beta: Array) -> Array:
    """dv, of which v keeps (4096 - dv) / 4096 per step; the register ends at 4095."""
    return np.asarray((ONE - np.rint(ONE * beta)).clip(0, ONE - 1))


def moves_in_64(neuron: IntLIF) -> bool:
    """Whether v starts at and moves by multiples of 64: no synaptic memory, no leak, such biases."""
    steady = np.all(neuron.du == ONE - 1) and np.all(neuron.dv == 0) and np.all(np.asarray(neuron.v_init) % 64 == 0)
    return bool(steady and (neuron.bias_exp >= 6 or not np.any(neuron.bias_mant)))


def bias_registers(bias: Array, mant_max: int, exp_max: int, lattice: bool) -> tuple[IntArray, int]:
    """Mantissa and the smallest exponent that fits, of a bias in units of v.

    With `lattice`, multiples of 64 when that is exact.
    """
    exponents = list(range(exp_max + 1))
    if lattice and exp_max >= 6 and np.all(np.abs(np.rint(bias / 64) * 64 - bias) < 1e-6 * np.abs(bias) + 1e-9):
        exponents = exponents[6:]
    for exp in exponents:
        mant = np.rint(bias / 2**exp)
        if np.all(np.abs(mant) <= mant_max):
            break
    mant = np.clip(mant, -mant_max, mant_max)
    return _int(mant), exp if np.any(mant != 0) else 0


def _int(value: Any) -> IntArray:
    array: IntArray = np.asarray(np.rint(value), np.int32)
    if array.ndim and array.size and np.all(array == array.reshape(-1)[0]):
        array = array.reshape(-1)[0:1].reshape(())
    array.setflags(write=False)
    return array
