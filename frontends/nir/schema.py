"""The fields of every NIR 1.0.8 primitive, and of ours beside them (transposed.py), and what makes them usable.

One table serves files (before a nir object is built) and graphs in memory (whose objects nir does not check for
NaN, bias length, negative strides and so on). The result is canonical: arrays are float64, counts are tuples of
int, one per axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import nir
import numpy as np

from seamount.compiler.ir.ops import Array

Fields = dict[str, Any]
"""Canonical: Array for parameters, tuple[int, ...] for counts and shapes, str for padding words, None for absent."""


class BadField(Exception):
    """What is wrong with a field, and the remedy. Never leaves this package."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found, self.remedy = found, remedy


def real(name: str, value: object) -> Array:
    """A finite, non-empty float64 array."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fiub":
        raise BadField(f"'{name}' is not an array of numbers", "store floating-point numbers")
    if array.size == 0:
        raise BadField(f"'{name}' is empty", "store at least one number")
    with np.errstate(over="ignore"):
        result = array.astype(np.float64)
    bad = int(np.count_nonzero(~np.isfinite(result)))
    if bad and name.startswith("tau"):
        remedy = "write an integrator (IF, I) for a neuron without leak (snntorch: beta < 1); else train again"
        raise BadField(f"'{name}' holds {bad} NaN or infinite values of {array.size}", remedy)
    if bad:
        remedy = "export the network before training diverged"
        raise BadField(f"'{name}' holds {bad} NaN or infinite values of {array.size}", remedy)
    return result


def whole(name: str, value: object) -> tuple[int, ...]:
    """One or more integers."""
    array = real(name, value)
    if array.ndim > 1 or array.size > 8 or np.any(array != np.rint(array)) or np.any(np.abs(array) > 2**31):
        raise BadField(f"'{name}' is {_short(array)}, not a few integers", "store one integer per axis")
    return tuple(int(n) for n in array.ravel())


def padding(name: str, value: object) -> tuple[int, ...] | str:
    """Integers, "same" or "valid"."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        if value not in ("same", "valid"):
            raise BadField(f"'{name}' is {value[:40]!r}", "use 'same', 'valid' or integers")
        return value
    return whole(name, value)


def shape(name: str, value: object) -> tuple[int, ...]:
    """Positive sizes, at least one axis."""
    sizes = whole(name, value)
    if min(sizes) < 1:
        raise BadField(f"'{name}' is {sizes}", "every axis needs at least one entry")
    return sizes


def declared(name: str, value: object) -> tuple[int, ...] | None:
    """A shape that only says what the graph gives anyway; None for a placeholder such as (0, 0, 0, 0)."""
    sizes = whole(name, value)
    return sizes if min(sizes) >= 1 else None


Reader = Callable[[str, object], Any]
Check = Callable[[Fields], Iterator[BadField]]


@dataclass(frozen=True)
class Layout:
    """Fields of a primitive: required and optional readers, and a check of all fields together."""

    required: Mapping[str, Reader]
    optional: Mapping[str, Reader]
    check: Check


def _nothing(fields: Fields) -> Iterator[BadField]:
    yield from ()


def _linear(fields: Fields) -> Iterator[BadField]:
    weight, bias = fields["weight"], fields.get("bias")
    if weight.ndim < 2:
        yield BadField(f"'weight' has shape {weight.shape}", "a matrix (out, in) is needed")
    elif bias is not None and bias.shape != weight.shape[:-1]:
        found = f"'bias' has shape {bias.shape}, but 'weight' {weight.shape} gives {weight.shape[:-1]}"
        yield BadField(found, "store one bias per output")


def _conv(rank: int, fields: Fields) -> Iterator[BadField]:
    weight, bias, groups = fields["weight"], fields["bias"], fields["groups"]
    if weight.ndim != rank + 2:
        found = f"'weight' has shape {weight.shape}"
        yield BadField(found, f"{rank + 2} axes are needed: (out, in / groups, *kernel)")
        return
    if bias.shape != weight.shape[:1]:
        found = f"'bias' has shape {bias.shape}, but 'weight' {weight.shape} gives {weight.shape[:1]}"
        yield BadField(found, "store one bias per output channel")
    if len(groups) != 1 or groups[0] < 1 or weight.shape[0] % groups[0]:
        yield BadField(f"'groups' is {groups} for {weight.shape[0]} output channels", "groups must divide them")
    yield from _windows(fields, rank, ("stride", "padding", "dilation"))
    if fields["padding"] == "same" and fields["stride"] != (1,) * rank:
        yield BadField("padding 'same' with a stride other than 1 is undefined", "give the padding as integers")


def _transposed(rank: int, fields: Fields) -> Iterator[BadField]:
    weight, bias, groups = fields["weight"], fields["bias"], fields["groups"]
    if weight.ndim != rank + 2:
        found = f"'weight' has shape {weight.shape}"
        yield BadField(found, f"{rank + 2} axes are needed: (in, out / groups, *kernel)")
        return
    if len(groups) != 1 or groups[0] < 1 or weight.shape[0] % groups[0]:
        yield BadField(f"'groups' is {groups} for {weight.shape[0]} input channels", "groups must divide them")
    elif bias.shape != (weight.shape[1] * groups[0],):
        found = f"'bias' has shape {bias.shape}, but 'weight' {weight.shape} and {groups[0]} groups give "
        yield BadField(f"{found}{(weight.shape[1] * groups[0],)}", "store one bias per output channel")
    faults = list(_windows(fields, rank, ("stride", "padding", "output_padding", "dilation")))
    yield from faults
    most = [max(pair) for pair in zip(fields["stride"], fields["dilation"], strict=not faults)]
    if not faults and any(more >= m for more, m in zip(fields["output_padding"], most, strict=True)):
        found = f"'output_padding' is {fields['output_padding']}"
        yield BadField(found, f"keep it below the stride or the dilation, {tuple(most)}")


def _pool(fields: Fields) -> Iterator[BadField]:
    yield from _windows(fields, 2, ("kernel_size", "stride", "padding"))


def _windows(fields: Fields, rank: int, names: tuple[str, ...]) -> Iterator[BadField]:
    """Spread single integers over `rank` axes, in place, and check their sign."""
    for name in names:
        value = fields[name]
        if isinstance(value, str):
            continue
        fields[name] = value = value * rank if len(value) == 1 else value
        low = 0 if name.endswith("padding") else 1
        if len(value) != rank or min(value) < low:
            yield BadField(f"'{name}' is {value}", f"give {rank} integers, {low} or more")


def _neuron(fields: Fields) -> Iterator[BadField]:
    shapes = {v.shape for v in fields.values() if v is not None and v.size > 1}
    if len(shapes) > 1:
        found = ", ".join(f"{k} {v.shape}" for k, v in fields.items() if v is not None)
        yield BadField(f"parameters differ in shape: {found}", "give all parameters the layer's shape, or one number")


_CONV = {"weight": real, "stride": whole, "padding": padding, "dilation": whole, "groups": whole, "bias": real}
_TRANSPOSED = {**_CONV, "padding": whole, "output_padding": whole}
_POOL = Layout({"kernel_size": whole, "stride": whole, "padding": whole}, {}, _pool)
_LEAKY = {"tau": real, "r": real, "v_leak": real}
_CUBA = {"tau_syn": real, "tau_mem": real, "r": real, "v_leak": real}
_FIRES = {"v_threshold": real}
_RESET = {"v_reset": real}
LAYOUTS: dict[str, Layout] = {
    "Input": Layout({"shape": shape}, {}, _nothing),
    "Output": Layout({}, {"shape": shape}, _nothing),
    "Affine": Layout({"weight": real, "bias": real}, {}, _linear),
    "Linear": Layout({"weight": real}, {}, _linear),
    "Scale": Layout({"scale": real}, {}, _nothing),
    "Conv1d": Layout(_CONV, {"input_shape": declared}, partial(_conv, 1)),
    "Conv2d": Layout(_CONV, {"input_shape": declared}, partial(_conv, 2)),
    "ConvTranspose1d": Layout(_TRANSPOSED, {"input_shape": declared}, partial(_transposed, 1)),
    "ConvTranspose2d": Layout(_TRANSPOSED, {"input_shape": declared}, partial(_transposed, 2)),
    "SumPool2d": _POOL,
    "AvgPool2d": _POOL,
    "Flatten": Layout({"start_dim": whole, "end_dim": whole}, {"input_type": declared}, _nothing),
    "Delay": Layout({"delay": real}, {}, _nothing),
    "Threshold": Layout({"threshold": real}, {}, _nothing),
    "I": Layout({"r": real}, {}, _nothing),
    "IF": Layout({"r": real, **_FIRES}, _RESET, _neuron),
    "LI": Layout(_LEAKY, {}, _neuron),
    "LIF": Layout({**_LEAKY, **_FIRES}, _RESET, _neuron),
    "CubaLI": Layout(_CUBA, {"w_in": real}, _neuron),
    "CubaLIF": Layout({**_CUBA, **_FIRES}, {**_RESET, "w_in": real}, _neuron),
}
"""Every primitive that can be stored, but NIRGraph, which holds others."""

STATEFUL = frozenset({"Threshold", "I", "IF", "LI", "LIF", "CubaLI", "CubaLIF"})
RESETTING = frozenset({"IF", "LIF", "CubaLIF"})
_UNUSED = frozenset({"type", "metadata", "input_type", "output_type"})
"""Entries of any node that carry no meaning of their own; shapes are derived again."""


def canonical(kind: str, raw: Mapping[str, Any]) -> tuple[Fields, list[BadField]]:
    """The fields of a node of type `kind`, absent optional ones as None, and everything wrong with them."""
    layout = LAYOUTS[kind]
    fields: Fields = {}
    faults: list[BadField] = []
    for name, reader in {**layout.required, **layout.optional}.items():
        value = raw.get(name)
        if value is None:
            fields[name] = None
            if name in layout.required:
                faults.append(BadField(f"field '{name}' is missing", "export the network again"))
            continue
        try:
            fields[name] = reader(name, value)
        except BadField as fault:
            faults.append(fault)
    for name in sorted(raw.keys() - _UNUSED - layout.required.keys() - layout.optional.keys()):
        faults.append(BadField(f"unknown field '{name}'", "a newer NIR may give it a meaning: remove it to ignore it"))
    if not faults:
        faults += layout.check(fields)
    return fields, faults


def raw_fields(node: nir.NIRNode) -> dict[str, Any]:
    """The fields of a nir object, under the names the file uses."""
    names = LAYOUTS[type(node).__name__]
    raw = {k: getattr(node, k, None) for k in (*names.required, *names.optional)}
    if isinstance(node, nir.Input):
        raw["shape"] = (node.input_type or {}).get("input")
    elif isinstance(node, nir.Output):
        raw["shape"] = (node.output_type or {}).get("output")
    elif isinstance(node, nir.Flatten):
        raw["input_type"] = (node.input_type or {}).get("input")
    return raw


def _short(array: Array) -> str:
    return np.array2string(array, threshold=4, edgeitems=2).replace("\n", " ")[:60]
