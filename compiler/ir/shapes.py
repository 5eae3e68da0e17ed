"""Output shape of every operation from its input shape; the only shape arithmetic there is."""

from __future__ import annotations

import math

import numpy as np

from seamount.compiler.errors import CompileError, Problem
from seamount.compiler.ir.ops import (
    LI,
    LIF,
    Affine,
    Array,
    BatchNorm,
    Conv,
    Input,
    Op,
    Pool,
    Reshape,
    Scale,
    Shape,
    Sparse,
)
from seamount.compiler.windows import Window


def size(shape: Shape) -> int:
    """Number of entries; 1 for ()."""
    return math.prod(shape)


def output_shape(op: Op, source: Shape, where: str = "operation") -> Shape:
    """Shape of op(x) for x of shape `source`. Raises CompileError when they do not fit."""
    problem = _misfit(op, source)
    if problem:
        raise CompileError(Problem(where, problem[0], problem[1]))
    if isinstance(op, Input):
        return op.shape
    if isinstance(op, Affine):
        return op.shape or (op.weight.shape[0],)
    if isinstance(op, (Sparse, Reshape)):
        return op.shape
    if isinstance(op, Conv):
        return (op.weight.shape[0], *_places(op, source))
    if isinstance(op, Pool):
        return (*source[: -len(op.kernel)], *_pooled(op, source))
    return source


def _places(op: Conv, source: Shape) -> Shape:
    axes = zip(op.windows, source[1:], op.output_padding, strict=True)
    return tuple(window.outputs(n, more) for window, n, more in axes)


def _pooled(op: Pool, source: Shape) -> Shape:
    axes = zip(op.kernel, op.stride, op.padding, source[len(source) - len(op.kernel) :], strict=True)
    return tuple(Window(kernel, stride, padding).outputs(n) for kernel, stride, padding, n in axes)


def _misfit(op: Op, source: Shape) -> tuple[str, str] | None:
    """(what is wrong, remedy), or None."""
    if isinstance(op, Affine) and op.weight.shape[1] != size(source):
        found = f"weight {op.weight.shape} takes {op.weight.shape[1]} inputs but gets {source} = {size(source)}"
        return found, "check the layer before it, or a missing Flatten"
    if isinstance(op, Affine) and op.shape is not None and size(op.shape) != len(op.weight):
        return f"has {len(op.weight)} outputs, arranged as {op.shape}", "check its shape"
    if isinstance(op, (Affine, Conv)) and op.bias is not None and op.bias.shape != (len(op.weight),):
        return f"has {op.bias.size} biases for {len(op.weight)} outputs", "check the layer's bias"
    if isinstance(op, (Sparse, Reshape)):
        wanted = size(op.in_shape) if isinstance(op, Sparse) else size(op.shape)
        if wanted != size(source):
            return f"takes {wanted} entries but gets {source}", "check the layer before it"
    if isinstance(op, Conv):
        return _conv_misfit(op, source)
    if isinstance(op, Pool) and len(source) < len(op.kernel):
        return f"pools {len(op.kernel)} axes but gets shape {source}", "check the sample shape"
    if isinstance(op, Pool) and min(_pooled(op, source)) < 1:
        return f"window {op.kernel} is larger than its input {source}", "use a smaller window"
    if isinstance(op, BatchNorm) and (not source or op.scale.shape[0] != source[0]):
        return f"has {op.scale.shape[0]} channels but gets shape {source}", "check the layer before it"
    return _parameter_misfit(op, source)


def _conv_misfit(op: Conv, source: Shape) -> tuple[str, str] | None:
    rank = op.weight.ndim - 2
    if len(source) != rank + 1:
        return f"{rank}-D convolution gets shape {source}", f"it needs {rank + 1} axes: channels first"
    channels = op.weight.shape[1] * op.groups
    if source[0] != channels:
        return f"takes {channels} channels but gets {source[0]}", "check the layer before it"
    if op.weight.shape[0] % op.groups:
        return (
            f"{op.weight.shape[0]} output channels in {op.groups} groups",
            "groups must divide the channels",
        )
    if min(_places(op, source)) < 1:
        return (
            f"kernel {op.weight.shape[2:]} is larger than its padded input {source}",
            "use a smaller kernel",
        )
    return None


def _parameter_misfit(op: Op, source: Shape) -> tuple[str, str] | None:
    parameters: dict[str, Array] = {}
    if isinstance(op, Scale):
        parameters = {"scale": op.scale}
    elif isinstance(op, (LIF, LI)):
        parameters = {k: v for k, v in vars(op).items() if isinstance(v, np.ndarray)}
    for name, value in parameters.items():
        try:
            fits = np.broadcast_shapes(value.shape, source) == source
        except ValueError:
            fits = False
        if not fits:
            return (
                f"parameter {name} of shape {value.shape} does not broadcast to {source}",
                "check its shape",
            )
    return None
