"""Products: of two spike trains, by neurons that keep nothing; of a spike train and a constant mask, by a scale.

a b            is 1 where a + b > 1.5                    (AND)
(1 - a) b      is 1 where b - a > 0.5                    (IAND)
a + b - a b    is 1 where a + b > 0.5                    (OR)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from seamount.frontends.frameworks.layers import Mask
from seamount.frontends.traced import ZERO, Ref
from seamount.frontends.tracing.recording import Recording, Value


def times(recording: Recording, value: Value, factor: float, shape: tuple[int, ...]) -> Value:
    """A value times a number, for features of a shape."""
    if factor == 1.0 or value.node == ZERO:
        return value
    return replace(value, node=recording.node("scale", "scale", (Ref(value.node),), shape, shape, factor=factor))


def conjunction(recording: Recording, a: Any, b: Any, result: Any, either: bool = False) -> bool:
    """Note AND (`either`: OR) of two spike trains, each of them perhaps negated; False where they are none."""
    left, right = recording.value(a), recording.value(b)
    if left is None or right is None or left.lead != right.lead or a.shape != b.shape or a.shape != result.shape:
        return False
    if not all(v.node >= 0 and not v.rule and not v.partial for v in (left, right)):
        return False
    shape, terms, threshold = recording.features(result, left.lead), [], 0.5 if either else 1.5
    for value in (left, right):
        node = recording.nodes[value.node]
        if node.kind == "not":
            inner = Value(node.refs[0].node, value.step, value.lead)
            terms.append(times(recording, inner, -1.0, shape))
            threshold -= 1
        elif node.fires:
            terms.append(value)
        else:
            return False
    aligned = recording.align(terms)
    if threshold < 0 or aligned is None:
        return False
    refs = tuple(sorted(aligned[0]))
    number = recording.node("and", "or" if either else "and", refs, shape, shape, factor=threshold, lead=left.lead)
    recording.set(result, Value(number, aligned[1], left.lead))
    return True


def negation(recording: Recording, x: Any, result: Any) -> bool:
    """Note 1 - x of a spike train; False where x is none."""
    value = recording.value(x)
    if value is None or value.node < 0 or value.rule or value.partial:
        return False
    node = recording.nodes[value.node]
    if node.kind == "not":
        recording.set(result, replace(value, node=node.refs[0].node))
        return True
    if not node.fires:
        return False
    shape = recording.features(x, value.lead)
    number = recording.node("not", "not", (recording.ref(value),), shape, shape, lead=value.lead)
    recording.set(result, Value(number, value.step, value.lead))
    return True


def masked(recording: Recording, x: torch.Tensor, mask: Any, result: torch.Tensor) -> bool:
    """Note x times a constant tensor that is the same for every sample and step; False where it is none."""
    value = recording.value(x)
    if value is None or value.node < 0 or value.rule or value.partial or not isinstance(mask, torch.Tensor):
        return False
    shape = recording.features(x, value.lead)
    first = max(mask.ndim - len(shape), 0)
    fits = recording.is_constant(mask) and result.shape == x.shape and all(n == 1 for n in mask.shape[:first])
    if not fits or not bool(torch.isfinite(mask).all()):
        return False
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    whole = mask.detach().reshape(mask.shape[first:]).broadcast_to(torch.Size(shape)).to(dtype)
    module = recording.made("mask", whole, lambda: Mask(whole.clone()))
    binary = recording.nodes[value.node].fires and bool(((whole == 0) | (whole == 1)).all())
    recording.layer(module, "mask", x, value, result, "N", functional=True)
    if binary:
        made = recording.value(result)
        assert made is not None
        recording.nodes[made.node].fires = True
    return True


__all__ = ["conjunction", "masked", "negation", "times"]
