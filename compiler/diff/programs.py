"""What differs between two programs themselves, part by part, in one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import InputPort, Population, Program, Projection, Readout, Shape
from seamount.compiler.program.text import array_text

SHOWN = 3
"""Entries of an array that are written out."""
Part = TypeVar("Part", InputPort, Population, Projection, Readout)


def program_differences(a: Program, b: Program) -> tuple[str, ...]:
    """One line per difference, in the order of the programs; empty when they mean the same.

    Parameters given once and given per neuron are the same where their values are. Names count: nothing is matched
    up that is called differently.
    """
    lines = list(_parts("input", a.inputs, b.inputs))
    lines += _parts("population", a.populations, b.populations)
    lines += _parts("projection", a.projections, b.projections)
    lines += _parts("readout", a.readouts, b.readouts)
    if a.steps != b.steps:
        lines.append(f"steps: {a.steps} against {b.steps}")
    if a.slow_down != b.slow_down:
        lines.append(f"steps of the chip for each: {a.slow_down} against {b.slow_down}")
    return tuple(lines)


def _parts(kind: str, a: Sequence[Part], b: Sequence[Part]) -> Iterator[str]:
    left, right = {x.name: x for x in a}, {x.name: x for x in b}
    for name in left:
        if name not in right:
            yield f"{kind} '{name}': only in the first"
    for name in right:
        if name not in left:
            yield f"{kind} '{name}': only in the second"
    common = [name for name in left if name in right]
    if common != [name for name in right if name in left]:
        yield f"{kind}s: in another order"
    for name in common:
        for found in _members(kind, left[name], right[name]):
            yield f"{kind} '{name}': {found}"


def _members(kind: str, a: Any, b: Any) -> Iterator[str]:
    """Differing members of two dataclasses of one kind, those of a connection among them."""
    shape = a.shape if kind == "population" and a.shape == b.shape else None
    for member in fields(a):
        if member.name == "reset_by" and not a.reset == b.reset == "subtract":
            continue
        left, right = getattr(a, member.name), getattr(b, member.name)
        if member.name == "connection":
            yield from _connections(left, right)
        elif isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            yield from _arrays(member.name, left, right, shape)
        elif left != right:
            yield f"{member.name} {left} against {right}"


def _connections(a: Any, b: Any) -> Iterator[str]:
    if type(a) is type(b):
        yield from _members("connection", a, b)
    else:
        yield f"{type(a).__name__.lower()} synapses against {type(b).__name__.lower()}"


def _arrays(name: str, a: Any, b: Any, shape: Shape | None) -> Iterator[str]:
    if a is None or b is None:
        if a is not b:
            yield f"{name} {_value(a)} against {_value(b)}"
        return
    left, right = np.asarray(a), np.asarray(b)
    if shape is not None and (left.ndim or right.ndim):
        left, right = np.broadcast_to(left, shape), np.broadcast_to(right, shape)
    if left.shape != right.shape:
        yield f"{name} of shape {left.shape} against {right.shape}"
        return
    differs = np.argwhere(left != right)
    if left.ndim == 0 and len(differs):
        yield f"{name} {int(left)} against {int(right)}"
    elif len(differs):
        yield f"{len(differs)} of {left.size} {name}{_plural(name)}: {_entries(differs, left, right)}"


def _entries(differs: NDArray[Any], left: NDArray[Any], right: NDArray[Any]) -> str:
    shown = [
        f"[{','.join(map(str, at))}] {int(left[tuple(at)])} against {int(right[tuple(at)])}"
        for at in differs[:SHOWN].tolist()
    ]
    return ", ".join(shown) + (", ..." if len(differs) > SHOWN else "")


def _plural(name: str) -> str:
    return "s differ" if name == "weight" else " differ"


def _value(value: NDArray[Any] | None) -> str:
    return "none" if value is None else array_text(value)
