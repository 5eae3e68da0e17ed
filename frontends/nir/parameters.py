"""Parameters of elementwise NIR nodes in shapes that broadcast to their layer."""

from __future__ import annotations

import numpy as np

from seamount.compiler.ir.notes import AxisDropped
from seamount.compiler.ir.ops import Array, Shape, freeze
from seamount.frontends.nir.log import Log
from seamount.frontends.nir.schema import Fields


def fitted(where: str, fields: Fields, shape: Shape, log: Log) -> Fields | None:
    """The parameters that are there, fitted to a layer of `shape`; None after a refusal.

    One number stands for the whole layer; a leading batch axis of 1 is dropped with a note. Fewer axes are not
    stretched, since (C,) against (C, H, W) would fall on the wrong axis.
    """
    result: Fields = {}
    for name, value in fields.items():
        if value is None:
            continue
        if value.size == 1:
            result[name] = value.reshape(())
        elif value.shape == (1, *shape):
            log.note(AxisDropped(where, "parameters"))
            result[name] = value[0]
        elif value.ndim == len(shape) and all(n in (1, m) for n, m in zip(value.shape, shape, strict=True)):
            result[name] = value
        else:
            found = f"'{name}' has shape {value.shape}, but the layer has shape {shape}"
            log.refuse(where, found, "give one number, or an array of the layer's shape (per channel: (C, 1, 1))")
            return None
    return result


def compact(value: Array) -> Array:
    """Read-only, reduced to 0-d where all entries agree and to (C, 1, ...) where each channel does."""
    if value.size and np.all(value == value.flat[0]):
        return freeze(value.flat[0])
    if value.ndim > 1:
        channels = value.reshape(len(value), -1)
        if np.all(channels == channels[:, :1]):
            return freeze(channels[:, 0].reshape(-1, *(1,) * (value.ndim - 1)))
    return freeze(value)
