"""Concatenation: of the steps of a layer over time, or of several layers along their channels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from seamount.frontends.traced import ALL, ZERO, Ref
from seamount.frontends.tracing import over_time as trace_time
from seamount.frontends.tracing.recording import Recording, Value

_CHANNELS = "concatenate along the channels, torch.cat([a, b], dim=1) of (N, C, ...), or add the branches"


def concatenate(recording: Recording, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """torch.cat along the channels: each part at its place among zeros, and the sum of them.

    y = sum over parts of E_k x_k, E_k the identity onto the channels of part k: linear, with weights 0 and 1, so that
    it is exact and composes with the layer behind into the slice of its weights that belongs to the part.
    """
    parts = list(kwargs.get("tensors", args[0] if args else ()))
    axis = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    silent = [_is_silent(recording, x) for x in parts]
    values = [recording.value(x) for x, zero in zip(parts, silent, strict=True) if not zero]
    known = [v for v in values if v is not None]
    lead = known[0].lead if known else "N"
    plain = len(known) == len(values) > 0 and all(v.lead == lead and not v.rule and not v.partial for v in known)
    axis %= result.ndim
    if plain and lead == "1N" and axis == 0 and not any(silent):
        _over_time(recording, known, result)
    elif plain and axis == len(lead) and lead != "1N":
        aligned = recording.align(known)
        if aligned is None:
            recording.refuse_quietly(result)
            return
        sizes = [x.shape[axis] for x in parts]
        shape, refs = recording.features(result, lead), iter(aligned[0])
        numbers = [
            recording.node("embed", "concat", (next(refs),), recording.features(x, lead), shape, offset=sum(sizes[:k]))
            for k, x in enumerate(parts)
            if not silent[k]
        ]
        recording.set(result, replace(known[0], node=_sum(recording, numbers, shape), step=aligned[1]))
    else:
        recording.refuse("a concatenation along an axis other than the channels", _CHANNELS, result=result)


def _sum(recording: Recording, numbers: list[int], shape: tuple[int, ...]) -> int:
    refs = tuple(sorted(Ref(n) for n in numbers))
    return numbers[0] if len(numbers) == 1 else recording.node("add", "sum", refs, shape, shape)


def _is_silent(recording: Recording, x: torch.Tensor) -> bool:
    """Whether a part is zeros that stay zeros: channels padded, or spikes before the first step."""
    value = recording.value(x)
    return value.node == ZERO if value is not None else recording.is_constant(x) and not bool(x.any())


def _over_time(recording: Recording, values: list[Value], result: Any) -> None:
    """torch.cat of y[t].unsqueeze(0) for all steps, in order: the same as torch.stack."""
    ordered = [v.step for v in values] == list(range(recording.steps))
    if ordered and all(v.node == values[0].node for v in values):
        recording.now = 0
        recording.set(result, replace(values[0], step=ALL, lead="TN"))
    else:
        recording.refuse(
            "cat of tensors that are not all steps of one layer, in order", trace_time.STACK, result=result
        )
