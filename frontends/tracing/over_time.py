"""Tensor functions along the time axis: taking a step, stacking steps, combining them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from seamount.compiler.errors import Problem
from seamount.compiler.ir.ops import Rule
from seamount.frontends.traced import ALL, ANY
from seamount.frontends.tracing.driving import WrongTime
from seamount.frontends.tracing.functional import over_space
from seamount.frontends.tracing.recording import Recording, Value
from seamount.frontends.tracing.user_line import user_line

Args = tuple[Any, ...]
Handler = Callable[[Recording, Args, dict[str, Any], Any], None]

STACK = "stack the outputs of all steps in order: torch.stack(outputs)"


def _argument(args: Args, kwargs: dict[str, Any], place: int, name: str, default: Any = None) -> Any:
    return kwargs.get(name, args[place] if len(args) > place else default)


def getitem(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """x[t] on (T, N, ...), x[:, t] on (N, T, ...), and what takes everything."""
    value, index = recording.value(args[0]), args[1]
    if value is None:
        recording.refuse("indexing with a traced tensor", "index with numbers", result=result)
        return
    items = list(index) if isinstance(index, tuple) else [index]
    while items and (items[-1] is Ellipsis or _is_all(items[-1])):
        items.pop()
    if not items:
        recording.set(result, value)
    elif type(items[-1]) is int and all(map(_is_all, items[:-1])):
        take(recording, value, len(items) - 1, items[-1], result)
    else:
        _refuse_part(recording, value, args[1], result)


def _is_all(item: Any) -> bool:
    return isinstance(item, slice) and item == slice(None)


def take(recording: Recording, value: Value, axis: int, index: int, result: Any) -> None:
    """One entry of an axis; the axis must be time."""
    if value.lead in ("TN", "NT") and value.lead.index("T") == axis:
        recording.now = index % recording.steps
        recording.set(result, replace(value, step=recording.now, lead="N"))
    elif recording.is_input(value) and axis < 2 and (value.lead == "N" or len(value.lead) == 2):
        part = Problem(user_line(), *_part_text(recording, value, f"{':, ' * axis}{index}"))
        raise WrongTime("loop" if axis == 0 else "batch_first", user_line(), part if value.lead == "N" else None)
    else:
        _refuse_part(recording, value, (slice(None),) * axis + (index,), result)


def _refuse_part(recording: Recording, value: Value, index: Any, result: Any) -> None:
    recording.refuse(*_part_text(recording, value, _show(index)), result=result)


def _part_text(recording: Recording, value: Value, index: str) -> tuple[str, str]:
    found = f"indexing '{recording.nodes[value.node].name}' with [{index}] takes a part of it"
    return found, "only single steps, x[t] of (T, N, *shape) or x[:, t] of (N, T, *shape), can be taken"


def _show(index: Any) -> str:
    if isinstance(index, tuple):
        return ", ".join(map(_show, index))
    if isinstance(index, slice):
        ends = [("" if n is None else str(n)) for n in (index.start, index.stop, index.step)]
        return ":".join(ends[:2] if not ends[2] else ends)
    return "tensor" if isinstance(index, torch.Tensor) else str(index)


def _select(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """x.select(dim, index)."""
    axis = _argument(args, kwargs, 1, "dim", 0)
    getitem(recording, (args[0], (slice(None),) * axis + (_argument(args, kwargs, 2, "index"),)), {}, result)


def unbind(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """x.unbind(dim), or `for x_t in x`."""
    value = recording.value(args[0])
    axis = _argument(args, kwargs, 1, "dim", 0)
    for t, part in enumerate(result):
        if value is not None and value.node >= 0:
            take(recording, value, axis, t, part)
        else:
            recording.refuse_quietly(part)
    recording.now = 0


def iterate(recording: Recording, parts: tuple[Any, ...]) -> Iterator[Any]:
    """`for x_t in x`: the present step follows the loop."""
    for t, part in enumerate(parts):
        recording.now = t
        yield part


def stack(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """torch.stack of the outputs of steps 0..T-1, over axis 0 or 1."""
    values = [recording.value(x) for x in args[0]]
    axis = _argument(args, kwargs, 1, "dim", 0)
    first = values[0]
    ordered = [v.step if v is not None else None for v in values] == list(range(recording.steps))
    alike = all(v is not None and first is not None and v.node == first.node for v in values)
    plain = first is not None and first.lead == "N" and not first.partial and not first.rule
    if first is not None and axis in (0, 1) and ordered and alike and plain:
        recording.now = 0
        recording.set(result, replace(first, step=ALL, lead="TN" if axis == 0 else "NT"))
    elif alike and plain and len(values) > 1 and [v.step for v in values if v] == list(range(len(values))):
        problem = recording.loop_problem(len(values))
        recording.refuse(problem.found, problem.remedy, problem.where, result)
    else:
        recording.refuse("stack of tensors that are not all steps of one layer, in order", STACK, result=result)


def setitem(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """outputs[t] = y (or outputs[:, t] = y) for t = 0..T-1 into a new tensor: a stack, once it is full."""
    target, index, value = args[0], args[1], recording.value(args[2])
    items = list(index) if isinstance(index, tuple) else [index]
    while items and (items[-1] is Ellipsis or _is_all(items[-1])):
        items.pop()
    filled = recording.filling(target)
    axis = len(items) - 1
    fits = value is not None and value.lead == "N" and not value.partial and not value.rule and filled is not None
    in_order = fits and axis in (0, 1) and all(map(_is_all, items[:-1])) and items[-1] == len(filled or ())
    if value is None or filled is None or not in_order or value.step != len(filled):
        recording.refuse("writing into a tensor other than the outputs of all steps, in order", STACK, result=target)
    elif filled and filled[-1] != (value.node, axis):
        recording.refuse("outputs of different layers written into one tensor", STACK, result=target)
    else:
        filled.append((value.node, axis))
        if len(filled) == recording.steps == target.shape[axis]:
            recording.now = 0
            recording.set(target, replace(value, step=ALL, lead="TN" if axis == 0 else "NT"))


def transpose(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """Exchange of the time and the batch axis."""
    rank = args[0].ndim
    axes = [_argument(args, kwargs, 1, "dim0"), _argument(args, kwargs, 2, "dim1")]
    exchanged = all(type(a) is int for a in axes) and sorted(a % rank for a in axes) == [0, 1]
    _exchange(recording, args, result, exchanged)


def permute(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """x.permute(1, 0, 2, ...)."""
    order = kwargs.get("dims", args[1] if len(args) == 2 and isinstance(args[1], (tuple, list)) else args[1:])
    rank = args[0].ndim
    _exchange(recording, args, result, [a % rank for a in order] == [1, 0, *range(2, rank)])


def _exchange(recording: Recording, args: Args, result: Any, exchanged: bool) -> None:
    value = recording.value(args[0])
    if value is not None and exchanged and value.lead in ("TN", "NT"):
        recording.set(result, replace(value, lead="NT" if value.lead == "TN" else "TN"))
        return
    if value is not None and exchanged and recording.is_input(value):
        raise WrongTime("loop", user_line(), Problem(user_line(), "exchanges the batch axis with another", _KEEP))
    recording.refuse("an exchange of axes", _KEEP, result=result)


_KEEP = "keep the batch on axis 0 and the other axes in order"


def repeated(recording: Recording, value: Value) -> bool:
    """Whether the value is of no step, so that it can be shown at every step. Raises WrongTime for a single frame."""
    if recording.is_input(value) and value.step != ANY:
        raise WrongTime("inside", user_line(), Problem(user_line(), "repeats a frame over time", _ONCE))
    return value.step == ANY and not value.rule


_ONCE = "give the frame once: encoding constant, with steps as many as it is repeated"


def repeat(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """x.unsqueeze(0).repeat(T, 1, ...), x.repeat(T, 1, ...) and expand: a frame shown at every step."""
    value = recording.value(args[0])
    if value is not None and repeated(recording, value) and value.lead in ("N", "1N"):
        shape = (recording.steps, recording.samples, *recording.features(args[0], value.lead))
        if tuple(result.shape) == shape:
            recording.set(result, replace(value, step=ALL, lead="TN"))
            return
    recording.refuse("a repetition other than of a frame over all steps", _ONCE, result=result)


def accumulate(recording: Recording, left: Value, right: Value, result: Any) -> bool:
    """Sum over time, one step after the other: (y[0] + ... + y[t-1]) + y[t]."""
    if left.node != right.node or min(left.step, right.step) < 0 or left.rule or right.rule:
        return False
    sofar, new = (left, right) if left.step < right.step else (right, left)
    done = sofar.partial or (1 if sofar.step == 0 else 0)
    if not done or new.partial or new.step != done:
        return False
    recording.set(result, replace(new, partial=done + 1))
    return True


def as_mean(recording: Recording, value: Value, factor: float) -> Value | None:
    """A sum over all steps times 1/T is the mean; None when this is something else."""
    total = value.rule == "sum" or (value.partial == recording.steps and recording.steps > 1)
    if total and abs(factor * recording.steps - 1) < 1e-6:
        return replace(value, rule="mean", partial=0)
    return None


def _reduce(rule: Rule) -> Handler:
    def handler(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
        value, keep = recording.value(args[0]), _argument(args, kwargs, 2, "keepdim", False)
        axis = _argument(args, kwargs, 1, "dim")
        axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
        target = result[0] if isinstance(result, tuple) else result
        timed = value is not None and value.lead in ("TN", "NT") and axes == (value.lead.index("T"),)
        if value is not None and timed and not keep and not value.rule:
            recording.set(target, replace(value, rule=rule, lead="N", step=ANY))
        elif not all(type(a) is int for a in axes) or not over_space(recording, rule, args[0], axes, keep, target):
            recording.refuse(
                f"{rule} over an axis that is not time",
                "reduce only over the time axis, or choose the readout rule in save()", result=result,
            )  # fmt: skip

    return handler


HANDLERS: dict[str, Handler] = {
    "__getitem__": getitem,
    "__setitem__": setitem,
    "select": _select,
    "unbind": unbind,
    "stack": stack,
    "repeat": repeat,
    "transpose": transpose,
    "swapaxes": transpose,
    "swapdims": transpose,
    "movedim": transpose,
    "permute": permute,
    "sum": _reduce("sum"),
    "mean": _reduce("mean"),
    "amax": _reduce("max"),
    "max": _reduce("max"),
}
