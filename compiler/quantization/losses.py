"""What quantize refuses, and what it must say about what it loses."""

from __future__ import annotations

import numpy as np

from seamount.compiler.errors import Problem
from seamount.compiler.ir.graph import Node
from seamount.compiler.ir.notes import (
    BitsUnused,
    CompareChanged,
    Note,
    ScaleUnproven,
    TimeConstantChanged,
    WeightsVanish,
)
from seamount.compiler.ir.ops import LI, LIF, Array, Input, IntLIF
from seamount.compiler.ir.weights import grid, sign_mode, values_of
from seamount.compiler.quantization.registers import ONE, current_decay, membrane_decay, moves_in_64
from seamount.compiler.quantization.rounding import Rounded
from seamount.compiler.quantization.scales import U_LIMIT, Choice, Incoming

LEAST, MOST = 1e-70, 1e70
"""Beyond them squares and products of weights and inputs leave what floats hold."""
LEAST_READ = 1e-150
"""The same for weights into a readout that never fires: its unit follows them, and only their squares must be held."""
MAGNITUDES = f"{LEAST:g} to {MOST:g} in magnitude"
NOTICEABLE = 0.01
"""Relative change of a time constant that is worth a note."""


def neuron_problems(node: Node, op: LIF | LI, bias_max: int) -> list[Problem]:
    """Parameters that no register holds, whatever the scale."""
    arrays = {name: value for name, value in vars(op).items() if isinstance(value, np.ndarray)}
    broken = [name for name, value in arrays.items() if not np.all(np.isfinite(value))]
    if broken:
        return [Problem(node.where, f"{', '.join(broken)} has values that are not finite", "train or save it again")]
    huge = [name for name, value in arrays.items() if np.max(np.abs(value), initial=0.0) > MOST]
    if huge:
        found = f"{', '.join(huge)} reaches {max(float(np.max(np.abs(arrays[name]))) for name in huge):g}"
        return [Problem(node.where, found, "check how the model was saved", f"{MOST:g}")]
    problems = []
    for name, value in (("alpha (synaptic decay)", op.alpha), ("beta (membrane decay)", op.beta)):
        if np.any((value < 0) | (value > 1)):
            found = f"{name} reaches from {np.min(value):g} to {np.max(value):g}"
            problems.append(Problem(node.where, found, "train with positive time constants", "0 to 1"))
    if np.any((op.alpha > 1 - 0.5 / ONE) & (op.alpha <= 1)):
        limit = "du = 0 still loses 1/4096 per step (lava-nc 0.10.0)"
        remedy = "train with a finite synaptic time constant"
        problems.append(Problem(node.where, "its synaptic current never decays", remedy, limit))
    if isinstance(op, LIF):
        problems += _too_large(node, op, bias_max)
    return problems


def _too_large(node: Node, op: LIF, bias_max: int) -> list[Problem]:
    remedy = "train with a larger threshold, or smaller values beside it"
    problems = []
    for name, value, most in (
        ("bias", op.bias, bias_max // 64),
        ("start value", op.v_init, U_LIMIT),
        ("reset", op.reset_by, U_LIMIT),
    ):
        largest = float(np.max(np.abs(value)))
        if largest > most:
            found = f"its {name} is {largest:g} times its threshold"
            problems.append(Problem(node.where, found, remedy, f"{most} times"))
    if op.reset == "subtract" and np.any(op.reset_by < 0):
        problems.append(Problem(node.where, "its reset adds to the membrane", "subtract a positive amount", ">= 0"))
    return problems


def input_problems(node: Node, op: Input, payload_bits: int) -> list[Problem]:
    """Ranges of graded inputs that no payload covers."""
    if op.coding != "graded":
        return []
    if payload_bits == 0:
        found = "takes graded values, and the target has no graded spikes"
        return [Problem(node.where, found, "compile for loihi2 or loihi-sim, or train on spikes")]
    if not (np.isfinite(op.low) and np.isfinite(op.high) and op.low < op.high):
        found = f"takes values from {op.low:g} to {op.high:g}"
        return [Problem(node.where, found, "state the range of its values", "low < high, both finite")]
    if not LEAST <= max(abs(op.low), abs(op.high)) <= MOST:
        found = f"takes values from {op.low:g} to {op.high:g}"
        return [Problem(node.where, found, "give its values in another unit", MAGNITUDES)]
    return []


def weight_problems(node: Node, bits: int, fires: bool = True) -> list[Problem]:
    """Weights that no code stands for. fires: whether the neurons that they drive have a threshold."""
    values: Array = values_of(node.op)  # type: ignore[arg-type]
    if not np.all(np.isfinite(values)):
        return [Problem(node.where, "has weights that are not finite", "train or save it again")]
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest and not (LEAST if fires else LEAST_READ) <= largest <= MOST:
        limit = MAGNITUDES if fires else f"{LEAST_READ:g} to {MOST:g} in magnitude"
        found = f"has weights of up to {largest:g} thresholds of the neurons they go to"
        return [Problem(node.where, found, "check how the model was saved, or give its values other units", limit)]
    if not 1 <= bits <= 8:
        return [Problem(node.where, f"is to have {bits} bits per weight", "choose another width", "1 to 8 bits")]
    if bits == 1 and sign_mode(values) == "mixed":
        found = "has weights of both signs, and one bit holds the sign alone"
        return [Problem(node.where, found, "give it at least 2 bits", "codes -256 and 0 (lava-nc 0.10.0, Dense)")]
    return []


def losses(node: Node, op: LIF | LI, neuron: IntLIF, incoming: tuple[Incoming, ...], choice: Choice) -> list[Note]:
    """Remarks for the report on one population."""
    notes = [note for q, r in zip(incoming, choice.rounded, strict=True) for note in _weights(node, q, r)]
    if not choice.proven and incoming:
        notes.append(ScaleUnproven(node.name, "u" if isinstance(op, LIF) else "v"))
    kept = (4095 - current_decay(op.alpha)) / ONE
    if _differs(1 - kept, 1 - op.alpha):
        notes.append(TimeConstantChanged(node.name, "synaptic"))
    if _differs(membrane_decay(op.beta) / ONE, 1 - op.beta):
        notes.append(TimeConstantChanged(node.name, "membrane"))
    if isinstance(op, LIF) and op.compare == "ge" and not _exact(neuron):
        notes.append(CompareChanged(node.name))
    return notes


def _exact(neuron: IntLIF) -> bool:
    """Whether v > 64 vth of the integers is v >= threshold: the threshold was lowered by one step of 64."""
    return moves_in_64(neuron) and neuron.vth is not None and round(neuron.scale) == int(np.max(neuron.vth)) + 1


def _differs(stored: Array, wanted: Array) -> bool:
    return bool(np.any(np.abs(stored - wanted) > NOTICEABLE * wanted + 1e-12))


def _weights(node: Node, q: Incoming, r: Rounded) -> list[Note]:
    g = grid(q.bits, q.mode)
    size = np.abs(values_of(q.op))
    there = size > 0
    if not np.any(there):
        return []
    notes: list[Note] = []
    lost = np.abs(r.codes[there]) == 0
    if np.mean(lost) > 0.5:
        ratio = float(np.max(size) / np.median(size[there]))
        notes.append(WeightsVanish(q.name, float(np.mean(lost)), ratio))
    used = int(np.max(np.abs(r.codes))) // g.step
    full = max(-g.low, g.high) // g.step
    if used * 4 <= full:
        bits = max(used, 1).bit_length() + (q.mode == "mixed")
        notes.append(BitsUnused(q.name, bits, q.bits, node.name))
    return notes
