"""Logic on spikes, which are 0 and 1: and, or, not, comparisons, rectifiers, conversions to other types of numbers.

Each is a product of spike trains (products.py) or leaves spikes as they are; of other values it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from seamount.frontends.frameworks.pooling import POOLS
from seamount.frontends.traced import ZERO
from seamount.frontends.tracing import products
from seamount.frontends.tracing.recording import Recording

Args = tuple[Any, ...]
RECTIFIER = "leave it out, or put it behind the spikes of a neuron layer, which fires for positive membranes alone"
"""What to do instead of a rectifier."""
Rule = Callable[[Recording, Args, dict[str, Any], Any], bool]
"""Notes what the result holds; False where the function is none of this file."""


def is_binary(recording: Recording, x: Any) -> bool:
    """Whether x holds spikes of one layer or one network of logic, at one step or at all."""
    value = recording.value(x)
    if value is None or value.node < 0 or value.rule or value.partial:
        return False
    return recording.nodes[value.node].fires or recording.nodes[value.node].kind == "not"


def is_positive(recording: Recording, x: Any) -> bool:
    """Whether x holds spikes, or sums, pools and reshapes of them, none of which is negative."""
    value = recording.value(x)
    return value is not None and not value.rule and not value.partial and _not_negative(recording, value.node)


def _not_negative(recording: Recording, number: int) -> bool:
    if number < 0:
        return number == ZERO
    node = recording.nodes[number]
    grows = node.kind in ("add", "reshape") or (node.kind == "scale" and node.factor > 0)
    through = grows or isinstance(node.module, tuple(POOLS))
    return node.fires or (through and all(_not_negative(recording, ref.node) for ref in node.refs))


def _same(recording: Recording, x: Any, result: Any) -> bool:
    value = recording.value(x)
    assert value is not None
    recording.set(result, value)
    return True


def _both(either: bool) -> Rule:
    """and, or, min, max of two; with a constant of 0 and 1, and alone."""

    def rule(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
        if len(args) != 2 or kwargs:
            return False
        a, b = args
        if recording.value(a) is None:
            a, b = b, a
        if not is_binary(recording, a):
            return False
        if recording.value(b) is not None:
            return products.conjunction(recording, a, b, result, either)
        constant = isinstance(b, torch.Tensor) and bool(((b == 0) | (b == 1)).all())
        return constant and not either and products.masked(recording, a, b, result)

    return rule


def _not(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """logical_not; ~ of truth values, for of integers it is -1 - x."""
    return (
        isinstance(result, torch.Tensor)
        and result.dtype == torch.bool
        and products.negation(recording, args[0], result)
    )


def _compared(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """x > 0, x == 1 and the like: the spikes, or their negation, by what the comparison makes of 0 and 1."""
    if len(args) != 2 or not is_binary(recording, args[0]):
        return False
    level = float(args[1]) if isinstance(args[1], (int, float)) else None
    if isinstance(args[1], torch.Tensor) and args[1].numel() == 1 and recording.is_constant(args[1]):
        level = float(args[1])
    if level is None or not isinstance(result, torch.Tensor):
        return False
    compare = _COMPARISONS[kwargs["name"]]
    truth = compare(0.0, level), compare(1.0, level)
    if truth == (False, True):
        return _same(recording, args[0], result)
    return truth == (True, False) and products.negation(recording, args[0], result)


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "gt": lambda x, y: x > y, "ge": lambda x, y: x >= y, "lt": lambda x, y: x < y, "le": lambda x, y: x <= y,
    "eq": lambda x, y: x == y, "ne": lambda x, y: x != y,
}  # fmt: skip


def _rectified(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """relu, abs: values that are not negative stay as they are."""
    return is_positive(recording, args[0]) and _same(recording, args[0], result)


def _clamped(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """clamp to bounds that hold 0 and 1; of pools of spikes to a lower bound alone."""
    low, high = (*args[1:], *(kwargs.get(k) for k in ("min", "max")[len(args) - 1 :]))[:2]
    if not all(b is None or isinstance(b, (int, float)) for b in (low, high)):
        return False
    below, above = -math.inf if low is None else low, math.inf if high is None else high
    fits = is_positive(recording, args[0]) if above == math.inf else is_binary(recording, args[0]) and above >= 1
    return below <= 0 and fits and _same(recording, args[0], result)


def _six(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """relu6."""
    return is_binary(recording, args[0]) and _same(recording, args[0], result)


def _power(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """x ** n for n > 0: 0 and 1 stay."""
    n = args[1] if len(args) > 1 else 2
    return isinstance(n, (int, float)) and n > 0 and is_binary(recording, args[0]) and _same(recording, args[0], result)


def _typed(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """Truth values, integers and short floats hold 0 and 1 as well as 32 bits do."""
    return isinstance(result, torch.Tensor) and is_binary(recording, args[0]) and _same(recording, args[0], result)


def _differ(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """xor: a or b, and not both."""
    if len(args) != 2 or not all(is_binary(recording, x) for x in args):
        return False
    one, both, not_both = (result.clone() for _ in range(3))
    return (
        products.conjunction(recording, *args, one, either=True)
        and products.conjunction(recording, *args, both)
        and products.negation(recording, both, not_both)
        and products.conjunction(recording, one, not_both, result)
    )


def _is_zero(recording: Recording, x: Any) -> bool:
    return recording.value(x) is None and recording.is_constant(x) and not torch.as_tensor(x).any()


def _known(recording: Recording, x: torch.Tensor) -> torch.Tensor:
    recording.set_constant(x)
    return x


def _where(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """where(spikes, y, 0) and where(spikes, 0, y): a product."""
    if len(args) != 3 or not is_binary(recording, args[0]):
        return False
    if _is_zero(recording, args[2]):
        return _AND(recording, args[:2], {}, result)
    silent = result.clone()
    fits = _is_zero(recording, args[1]) and products.negation(recording, args[0], silent)
    return fits and _AND(recording, (silent, args[2]), {}, result)


def _filled(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """x.masked_fill(mask, 0): a product with the negated mask."""
    x, mask, value = (*args, *kwargs.values())[:3] if len(args) + len(kwargs) == 3 else (None, None, None)
    if not _is_zero(recording, value) or not isinstance(mask, torch.Tensor):
        return False
    if recording.is_constant(mask):
        return products.masked(recording, x, _known(recording, ~mask), result)
    silent = result.clone()
    return products.negation(recording, mask, silent) and _AND(recording, (x, silent), {}, result)


_AND, _OR = _both(False), _both(True)
RULES: dict[str, Rule] = {
    **dict.fromkeys(("logical_and", "logical_and_", "bitwise_and", "__and__", "__rand__", "__iand__", "minimum"), _AND),
    **dict.fromkeys(("logical_or", "logical_or_", "bitwise_or", "__or__", "__ror__", "__ior__", "maximum"), _OR),
    **dict.fromkeys(("logical_not", "logical_not_", "bitwise_not", "__invert__"), _not),
    **dict.fromkeys(("logical_xor", "bitwise_xor", "__xor__"), _differ),
    "where": _where,
    **dict.fromkeys(("masked_fill", "masked_fill_"), _filled),
    **dict.fromkeys(("relu", "relu_", "abs", "absolute", "__abs__"), _rectified),
    **dict.fromkeys(("clamp", "clip", "clamp_", "clip_", "clamp_min", "clamp_min_"), _clamped),
    **dict.fromkeys(("relu6", "hardtanh"), _six),
    **dict.fromkeys(("pow", "__pow__", "square"), _power),
    **dict.fromkeys(
        ("bool", "int", "long", "short", "char", "byte", "half", "bfloat16", "to", "type", "type_as"), _typed
    ),
}
_SPELLED = {f"{start}{name}{end}": name for name in _COMPARISONS for start, end in (("", ""), ("__", "__"))}
_SPELLED |= {"greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne"}


def note(recording: Recording, name: str, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """Note what a function of logic makes of spikes; False where it is none, or its arguments are no spikes."""
    if name in _SPELLED:
        return _compared(recording, args, {"name": _SPELLED[name]}, result)
    return name in RULES and bool(args) and RULES[name](recording, args, kwargs, result)


__all__ = ["is_binary", "is_positive", "note"]
