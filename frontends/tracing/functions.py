"""Tensor functions between layers: what each means for a traced value. One table; the rest is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from seamount.compiler.errors import Problem
from seamount.frontends.frameworks import analog
from seamount.frontends.traced import ANY, REFUSED, STALE, STALE_USE, Lead, Ref
from seamount.frontends.tracing import concat as trace_concat
from seamount.frontends.tracing import functional, logic, products
from seamount.frontends.tracing import over_time as trace_time
from seamount.frontends.tracing.driving import WrittenBatch
from seamount.frontends.tracing.recording import Recording, Value
from seamount.frontends.tracing.user_line import user_line

Args = tuple[Any, ...]
Handler = Callable[[Recording, Args, dict[str, Any], Any], None]

_ASK = {
    "shape", "size", "dim", "ndim", "ndimension", "numel", "nelement", "dtype", "device", "layout",
    "is_cuda", "is_sparse", "requires_grad", "__len__", "stride", "is_contiguous", "element_size",
    "is_floating_point", "get_device", "names",
    "is_leaf", "grad_fn", "grad", "is_quantized", "is_meta", "is_mps", "is_complex", "_version", "__repr__",
    "new_zeros", "zeros_like", "new_ones", "ones_like", "new_full", "full_like", "__hash__",
    "retain_grad", "is_nested", "is_xpu", "is_pinned", "data_ptr",
}  # fmt: skip
"""Functions whose result depends on the shape alone, not on values."""

_SAME = {
    "contiguous", "clone", "detach", "detach_", "data", "requires_grad_", "to", "float", "double", "cpu", "cuda",
    "type", "type_as", "alias", "positive", "__deepcopy__",
}  # fmt: skip
"""Functions whose result has the values of their argument, as long as the result is a 32- or 64-bit float."""

_RESHAPES = {
    "reshape", "view", "flatten", "squeeze", "squeeze_", "unsqueeze", "unsqueeze_", "view_as", "reshape_as",
    "unflatten", "ravel", "expand_as",
}  # fmt: skip

_DATA = {"__bool__", "item", "tolist", "numpy", "__float__", "__int__", "__index__", "__array__", "nonzero", "equal"}
"""Functions that hand values to Python, where they can decide about anything."""

REMEDIES = {
    "relu": logic.RECTIFIER,
    "relu6": logic.RECTIFIER,
    "max_pool2d": "use torch.nn.AvgPool2d, or a strided convolution, and train again",
    "max_pool1d": "use an average pool or a strided convolution, and train again",
    "mul": "use layers and sums only; a product of two activations has no counterpart on the chip",
    "linear": "call a torch.nn.Linear module, so that the layer has a name",
    "conv1d": "call a torch.nn.Conv1d module, so that the layer has a name",
    "conv2d": "call a torch.nn.Conv2d module, so that the layer has a name",
    "dropout": "call model.eval() before save(), and pass training=self.training",
    "batch_norm": "call a torch.nn.BatchNorm module in eval mode",
}
"""What to do instead, by function name."""


def function_name(func: Any) -> str:
    """`add` for torch.add, Tensor.add and a + b; the property's name for attribute access."""
    name = getattr(func, "__name__", str(func))
    if name in ("__get__", "__set__"):
        return str(getattr(func.__self__, "__name__", name)) + ("=" if name == "__set__" else "")
    if name == "fn":
        return str(torch.overrides.resolve_name(func)).rpartition(".")[2]
    return str(name)


def record(recording: Recording, func: Any, args: Args, kwargs: dict[str, Any]) -> Any:
    """Run `func` and note what its result holds, or refuse it."""
    name = function_name(func)
    given = [*args, *kwargs.values()]
    leaves = tree_leaves(given)
    values = [v for v in (recording.value(x) for x in leaves) if v is not None]
    on_state = not values and any(recording.marked(x) for x in leaves)
    if name == "__iter__" and values:
        parts = args[0].unbind(0)
        trace_time.unbind(recording, args, kwargs, parts)
        return trace_time.iterate(recording, parts)
    if values and HANDLERS.get(name) in (add, subtract, subtract_from):
        recording.zeros = {id(x) for x in leaves if _is_zero(x)}
    if name in ("view", "reshape") and values:
        _check_batch(recording, args, values[0])
    result = func(*args, **kwargs)
    if name in _ASK or (not values and not on_state):
        if name in _ASK or all(recording.is_constant(x) for x in leaves if isinstance(x, torch.Tensor)):
            recording.set_constant(result)
        return result
    if name.endswith("_") and not name.endswith("__") and isinstance(args[0], torch.Tensor):
        recording.overwritten(args[0])
    if on_state:
        _on_state(recording, name, args, result)
    elif any(v.node == REFUSED for v in values):
        if name in HANDLERS or name in _SAME or name in _DATA or name in functional.LAYERS:
            recording.refuse_quietly(result)
        else:  # no argument would make it one that is carried over
            refuse(recording, name, args, result)
    elif any(v.node == STALE for v in values):
        recording.refuse(*STALE_USE, result=result)
    else:
        _apply(recording, func, name, args, kwargs, result, values)
    return result


def _on_state(recording: Recording, name: str, args: Args, result: Any) -> None:
    """A function on a neuron's state; only what leaves the values alone passes."""
    if name in _SAME and recording.marked(args[0]) and isinstance(result, torch.Tensor):
        recording.copy_mark(args[0], result)
    else:
        recording.refuse(
            f"{name} on the state of a neuron layer",
            "hand states on unchanged, and read out a layer's output",
            result=result,
        )


def _apply(
    recording: Recording, func: Any, name: str, args: Args, kwargs: dict[str, Any], result: Any, values: list[Value]
) -> None:
    if name in _SAME and isinstance(result, torch.Tensor) and result.dtype in (torch.float32, torch.float64):
        recording.set(result, values[0])
        if recording.marked(args[0]):
            recording.copy_mark(args[0], result)
    elif name in _DATA:
        recording.refuse(
            f"{name} makes the computation depend on the data",
            "keep values of activations out of Python's control flow", result=result,
        )  # fmt: skip
    elif kwargs.get("out") is None and logic.note(recording, name, args, kwargs, result):
        pass
    elif name in HANDLERS and kwargs.get("out") is None:
        HANDLERS[name](recording, args, kwargs, result)
    elif name in functional.LAYERS and functional.layer(recording, func, name, args, kwargs, result):
        pass
    else:
        refuse(recording, name, args, result)


def refuse(recording: Recording, name: str, args: Args, result: Any) -> None:
    """Refuse a function that is not carried over, for its own cause where that is known."""
    bare = name.strip("_")
    fixed = bare in _BY_WEIGHTS and len([x for x in tree_leaves(list(args)) if recording.value(x) is not None]) < 2
    why = None if fixed else analog.FUNCTIONS.get(bare)
    if why is not None:
        told = len(recording.problems)
        recording.refuse(f"{bare} on {source(recording, args)} {why.found}", why.remedy, result=result)
        if why is analog.ATTENTION and len(recording.problems) > told:
            recording.problems.insert(0, recording.problems.pop())  # before the exchanges of axes that prepare it
        return
    remedy = _LINEAR if fixed else "use layers, sums, scaling by a number, and reshapes between neuron layers only"
    remedy = REMEDIES.get(bare, remedy)
    recording.refuse(f"{bare} on {source(recording, args)} cannot be carried over without loss", remedy, result=result)


_BY_WEIGHTS = ("matmul", "mm", "bmm", "einsum", "addmm", "tensordot", "rmatmul")
"""Products that are a layer where one side is weights."""
_LINEAR = "call a torch.nn.Linear module with these weights"


def source(recording: Recording, args: Any) -> str:
    """Names the traced layers among the arguments."""
    numbers = [v.node for v in (recording.value(x) for x in tree_leaves(list(args))) if v is not None and v.node >= 0]
    names = dict.fromkeys(f"'{recording.nodes[n].name}'" for n in numbers)
    return "the output of " + " and ".join(names) if names else "a traced tensor"


def _is_zero(x: Any) -> bool:
    return not bool(x.any()) if isinstance(x, torch.Tensor) else isinstance(x, (int, float)) and x == 0


def _constant(x: Any) -> float | None:
    """A number, or a tensor of one entry, as a float."""
    if isinstance(x, torch.Tensor):
        return float(x) if x.numel() == 1 else None
    return float(x) if isinstance(x, (int, float)) else None


def add(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """a + alpha b, in every spelling."""
    _sum(recording, args, float(kwargs.get("alpha", 1)), result)


def subtract(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """a - alpha b; of 1 and spikes, their negation."""
    one = _constant(args[0]) if recording.value(args[0]) is None and recording.is_constant(args[0]) else None
    if one == 1 and float(kwargs.get("alpha", 1)) == 1 and products.negation(recording, args[1], result):
        return
    _sum(recording, args, -float(kwargs.get("alpha", 1)), result)


def _sum(recording: Recording, args: Args, alpha: float, result: Any) -> None:
    a, b = args[0], args[1]
    left, right = recording.value(a), recording.value(b)
    if result.dtype in (torch.bool, torch.uint8):  # sums of these are no sums of numbers
        refuse(recording, "add", args, result)
        return
    if left is None or right is None:
        known, other, factor = (left, b, 1.0) if left is not None else (right, a, alpha)
        assert known is not None
        if not recording.is_constant(other):
            recording.refuse(
                f"a tensor of unknown origin is added to {source(recording, args)}",
                "use layer and neuron modules; functions of your own cannot be looked into", result=result,
            )  # fmt: skip
        elif id(other) not in recording.zeros:
            recording.refuse(
                f"a constant is added to {source(recording, args)}", "put it into the bias of a layer", result=result
            )
        elif tuple(result.shape) != tuple((a if left is not None else b).shape):
            refuse(recording, "add", args, result)
        else:
            scaled(recording, known, factor, result)
        return
    if alpha == 1.0 and trace_time.accumulate(recording, left, right, result):
        return
    two_leads = len(left.lead) == len(right.lead) and left.lead != right.lead
    if left.rule or right.rule or left.partial or right.partial or a.shape[1:] != b.shape[1:] or two_leads:
        refuse(recording, "add", args, result)
        return
    if alpha != 1.0:
        right = products.times(recording, right, alpha, recording.features(b, right.lead))
    aligned = recording.align([left, right])
    if aligned is None:
        recording.refuse_quietly(result)
        return
    lead = left.lead if left.step != ANY else right.lead
    shape = recording.features(result, lead)
    number = recording.node("add", "sum", tuple(sorted(aligned[0])), shape, shape)
    recording.set(result, replace(left, node=number, step=aligned[1], lead=lead))


def subtract_from(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """b - alpha a, called as rsub(a, b): 1 - spikes, or a difference."""
    one = _constant(args[1]) if recording.value(args[1]) is None and recording.is_constant(args[1]) else None
    alpha = float(kwargs.get("alpha", 1))
    if one != 1 or alpha != 1 or not products.negation(recording, args[0], result):
        _sum(recording, (args[1], args[0]), -alpha, result)


def multiply(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """x * number."""
    known, other = (args[0], args[1]) if recording.value(args[0]) is not None else (args[1], args[0])
    if isinstance(other, torch.Tensor) and other.numel() > 1:
        if products.conjunction(recording, known, other, result):
            return
        if products.masked(recording, known, other, result):
            return
    _scale_by(recording, "mul", known, other, 1, args, result)


def divide(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """x / number."""
    if kwargs.get("rounding_mode") is not None or recording.value(args[0]) is None:
        refuse(recording, "div", args, result)
    else:
        _scale_by(recording, "div", args[0], args[1], -1, args, result)


def negate(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """-x."""
    _scale_by(recording, "neg", args[0], -1.0, 1, args, result)


def _scale_by(recording: Recording, name: str, known: Any, other: Any, power: int, args: Args, result: Any) -> None:
    value, factor = recording.value(known), _constant(other) if recording.is_constant(other) else None
    usable = value is not None and factor is not None and math.isfinite(factor) and factor != 0
    if not usable or result.shape != known.shape:
        refuse(recording, name, args, result)
        return
    assert value is not None and factor is not None
    scaled(recording, value, factor**power, result)


def scaled(recording: Recording, value: Value, factor: float, result: Any) -> None:
    """Note that `result` is a value times a number."""
    mean = trace_time.as_mean(recording, value, factor)
    if mean is not None:
        recording.set(result, mean)
    elif value.rule is None or value.rule != "max" or factor > 0:
        shape = tuple(result.shape) if value.rule else recording.features(result, value.lead)
        recording.set(result, products.times(recording, value, factor, shape))
    else:
        refuse(recording, "mul", (result,), result)


def multiplied(recording: Recording, x: Any, value: Value, factor: float | torch.Tensor, result: Any) -> None:
    """Note that `result` is x times a number, or a constant of each channel."""
    if isinstance(factor, float):
        scaled(recording, value, factor, result)
        return
    recording.set_constant(factor)
    if not products.masked(recording, x, factor, result):
        refuse(recording, "mul", (x,), result)


def reshape(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any, name: str = "flatten") -> None:
    """Any function that keeps the entries in order: reshape, view, flatten, squeeze, ..."""
    value = recording.value(args[0])
    if value is None or value.rule or value.partial or result.numel() != args[0].numel():
        refuse(recording, "reshape", args, result)
        return
    lead = _new_lead(recording, value.lead, tuple(result.shape))
    if lead == "1N" and ((value.step >= 0 and not recording.is_input(value)) or trace_time.repeated(recording, value)):
        pass
    elif lead in (None, "1N"):
        recording.refuse(
            f"a reshape of {source(recording, args)} mixes the batch or time axis with others",
            "keep axis 0 the batch: torch.nn.Flatten() or x.flatten(1)", result=result,
        )  # fmt: skip
        return
    before, after = recording.features(args[0], value.lead), recording.features(result, lead)
    origin, number = Ref(value.node), value.node
    if number >= 0 and recording.nodes[number].kind == "reshape":
        before, origin = recording.nodes[number].in_shape, recording.nodes[number].refs[0]
        number = origin.node
    if before != after:
        number = recording.node("reshape", name, (origin,), before, after)
    recording.set(result, replace(value, node=number, lead=lead))


def _check_batch(recording: Recording, args: Args, value: Value) -> None:
    """x.view(128, -1) with the batch size of training. Raises WrittenBatch."""
    sizes = args[1] if len(args) == 2 and isinstance(args[1], (tuple, list)) else args[1:]
    lead, count = value.lead, recording.samples
    batch = {"N": 0, "TN": 1, "NT": 0, "M": 0, "W": 0, "1N": 1}[lead]
    fits = {"M": count * recording.steps, "W": count * recording.steps}.get(lead, count)
    if value.node < 0 or len(sizes) < 2 or type(sizes[0]) is not int or len(sizes) <= batch:
        return
    whole = math.prod(args[0].shape)
    fixed = math.prod(n for n in sizes if type(n) is int and n > 0)
    written = sizes[batch]
    known = {-1, 1, fits, count, recording.steps, count * recording.steps}
    if lead != "N" or type(written) is not int or written in known or (fixed == whole and -1 not in sizes):
        return
    if -1 in sizes and whole % fixed == 0 and written <= recording.steps:
        return
    line = user_line()
    found = f"a batch size of {written} is written into line {line.rpartition(':')[2]}"
    remedy = "write x.size(0) in its place, or x.flatten(1)"
    raise WrittenBatch("step", line, Problem(line, found, remedy))


def expand(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """x.expand(...): the same entries, or the same frame at every step."""
    same = result.numel() == args[0].numel()
    (reshape if same and recording.steps > 1 else trace_time.repeat)(recording, args, kwargs, result)


def dropout(recording: Recording, args: Args, kwargs: dict[str, Any], result: Any) -> None:
    """torch.nn.functional.dropout outside training."""
    value = recording.value(args[0])
    if value is None or kwargs.get("training", args[2] if len(args) > 2 else True):
        refuse(recording, "dropout", args, result)
    else:
        recording.set(result, value)


def _new_lead(recording: Recording, lead: Lead, shape: tuple[int, ...]) -> Lead | None:
    """Leading axes after a reshape to `shape`; None when they are torn."""
    steps, samples = recording.steps, recording.samples
    if lead in ("N", "1N"):
        return "N" if shape[:1] == (samples,) else "1N" if shape[:2] == (1, samples) else None
    both: tuple[Lead, Lead] = ("TN", "M") if lead in ("TN", "M") else ("NT", "W")
    if shape[:2] == ((steps, samples) if both[0] == "TN" else (samples, steps)):
        return both[0]
    return both[1] if shape[:1] == (steps * samples,) else None


HANDLERS: dict[str, Handler] = {
    "add": add, "add_": add, "__add__": add, "__radd__": add, "__iadd__": add,
    "sub": subtract, "sub_": subtract, "subtract": subtract, "__isub__": subtract,
    **dict.fromkeys(("rsub", "__rsub__"), subtract_from),
    "mul": multiply, "mul_": multiply, "multiply": multiply, "__imul__": multiply, "__rmul__": multiply,
    **dict.fromkeys(("div", "div_", "divide", "true_divide", "__truediv__", "__itruediv__"), divide),
    "neg": negate, "negative": negate, "neg_": negate,
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout", "alpha_dropout",
        "feature_alpha_dropout"), dropout),
    **dict.fromkeys(_RESHAPES, reshape),
    "expand": expand,
    **dict.fromkeys(("cat", "concat", "concatenate"), trace_concat.concatenate),
    **trace_time.HANDLERS,
}  # fmt: skip
