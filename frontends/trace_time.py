"""Tensor functions along the time axis: taking a step, stacking steps, combining them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from seamount.frontends.driving import WrongTime
from seamount.frontends.trace_origin import user_line
from seamount.frontends.traced import REFUSED

if TYPE_CHECKING:
    from seamount.compiler.ir.ops import Rule
    from seamount.frontends.tracer import Tracer, Value

ANY = -1
"""Step of a value that is the same at every step."""
ALL = -2
"""Step of a tensor that holds all steps."""
_STACK = "stack the outputs of all steps in order: torch.stack(outputs)"


def getitem(tracer: Tracer, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """x[t] on (T, N, ...)."""
    value, index = tracer.value(args[0]), args[1]
    if value is None:
        tracer.refuse("indexing with a traced tensor", "index with numbers", result=result)
        return
    if isinstance(index, tuple) and index and all(i == slice(None) or i is Ellipsis for i in index[1:]):
        index = index[0]
    if index == slice(None) or index is Ellipsis:
        tracer.set(result, value)
    elif type(index) is int and value.lead == "TN":
        tracer.now = index % tracer.steps
        tracer.set(result, replace(value, step=tracer.now, lead="N"))
    elif type(index) is int and value.lead == "N" and value.node == 0:
        raise WrongTime("loop", user_line())
    else:
        tracer.refuse(
            f"indexing '{tracer.nodes[value.node].name}' with [{_show(args[1])}] takes a part of it",
            "only single steps, x[t] of (T, N, *shape), can be taken", result=result,
        )  # fmt: skip


def _show(index: Any) -> str:
    return "tensor" if isinstance(index, torch.Tensor) else str(index)


def unbind(tracer: Tracer, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """x.unbind(0), or `for x_t in x`."""
    value = tracer.value(args[0])
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    if value is None or dim != 0 or value.lead not in ("TN", "N") or value.node == REFUSED:
        tracer.refuse("unbind over an axis that is not time", "loop over axis 0 of (T, N, *shape)", result=result)
    elif value.lead == "N":
        raise WrongTime("loop", user_line())
    else:
        for t, part in enumerate(result):
            tracer.set(part, replace(value, step=t, lead="N"))


def iterate(tracer: Tracer, parts: tuple[Any, ...]) -> Iterator[Any]:
    """`for x_t in x`: the present step follows the loop."""
    for t, part in enumerate(parts):
        tracer.now = t
        yield part


def stack(tracer: Tracer, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """torch.stack of the outputs of steps 0..T-1."""
    values = [tracer.value(x) for x in args[0]]
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    first = values[0]
    wanted = list(range(tracer.steps))
    ordered = [v.step if v is not None else None for v in values] == wanted
    alike = all(v is not None and first is not None and v.node == first.node for v in values)
    plain = first is not None and first.lead == "N" and not first.partial and not first.rule
    if first is not None and dim == 0 and ordered and alike and plain:
        tracer.now = 0
        tracer.set(result, replace(first, step=ALL, lead="TN"))
    else:
        tracer.refuse("stack of tensors that are not all steps of one layer, in order", _STACK, result=result)


def accumulate(tracer: Tracer, left: Value, right: Value, result: Any) -> bool:
    """Sum over time, one step after the other: (y[0] + ... + y[t-1]) + y[t]."""
    if left.node != right.node or min(left.step, right.step) < 0 or left.rule or right.rule:
        return False
    sofar, new = (left, right) if left.step < right.step else (right, left)
    done = sofar.partial or (1 if sofar.step == 0 else 0)
    if not done or new.partial or new.step != done:
        return False
    tracer.set(result, replace(new, partial=done + 1))
    return True


def as_mean(tracer: Tracer, value: Value, factor: float) -> Value | None:
    """A sum over all steps times 1/T is the mean; None when this is something else."""
    total = value.rule == "sum" or (value.partial == tracer.steps and tracer.steps > 1)
    if total and abs(factor * tracer.steps - 1) < 1e-6:
        return replace(value, rule="mean", partial=0)
    return None


def _reduce(rule: Rule) -> Callable[[Tracer, tuple[Any, ...], dict[str, Any], Any], None]:
    def handler(tracer: Tracer, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        value = tracer.value(args[0])
        dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
        dim = dim[0] if isinstance(dim, (tuple, list)) and len(dim) == 1 else dim
        target = result[0] if isinstance(result, tuple) else result
        keeps = bool(kwargs.get("keepdim", False)) or len(args) > 2
        if value is None or value.lead != "TN" or dim != 0 or keeps or value.rule:
            tracer.refuse(
                f"{rule} over an axis that is not time",
                "reduce only over axis 0 of (T, N, *shape), or choose the readout rule in save()", result=result,
            )  # fmt: skip
        else:
            tracer.set(target, replace(value, rule=rule, lead="N", step=ANY))

    return handler


HANDLERS = {
    "__getitem__": getitem,
    "select": lambda tracer, args, kwargs, result: getitem(
        tracer, (args[0], (slice(None),) * args[1] + (args[2],) if args[1] else args[2]), kwargs, result
    ),
    "unbind": unbind,
    "stack": stack,
    "sum": _reduce("sum"),
    "mean": _reduce("mean"),
    "amax": _reduce("max"),
    "max": _reduce("max"),
}
