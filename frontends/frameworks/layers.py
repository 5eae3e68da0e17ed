"""Layers of torch.nn to NIR nodes: one function per class, one table. Shared by all frontends.

Weights are written as float64, exactly as they are; shapes have neither batch nor time axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from seamount.compiler.errors import Problem
from seamount.compiler.ir.ops import Array, Shape
from seamount.frontends.frameworks import analog
from seamount.frontends.frameworks.parts import Part, array, chain, refusal, single
from seamount.frontends.frameworks.pooling import POOLS, pool_objections
from seamount.frontends.frameworks.upsampling import UPSAMPLING, upsampling_objections
from seamount.frontends.traced import Lead

Writer = Callable[[str, Any, Shape], Part]


def _linear(name: str, module: nn.Linear, shape: Shape) -> Part:
    if len(shape) != 1:
        raise refusal(
            name,
            f"a Linear acts on the last axis of {shape}",
            'flatten to one axis first; if the first axis is time, the sample is encoding="sequence"',
        )
    weight = array(module.weight)
    if module.bias is None:
        return single(name, nir.Linear(weight))
    return single(name, nir.Affine(weight, array(module.bias)))


def _conv(name: str, module: nn.Conv1d | nn.Conv2d, shape: Shape) -> Part:
    rank = module.weight.ndim - 2
    if len(shape) != rank + 1:
        remedy = 'give the sample a channel axis; if the first axis is time, it is encoding="sequence"'
        raise refusal(name, f"a {rank}-D convolution on shape {shape}", remedy)
    return single(
        name,
        conv_node(
            array(module.weight),
            None if module.bias is None else array(module.bias),
            shape,
            stride=module.stride,
            padding=_padding(name, module),
            dilation=module.dilation,
            groups=module.groups,
        ),
    )


def conv_node(
    weight: Array,
    bias: Array | None,
    shape: Shape,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
    metadata: dict[str, str] | None = None,
) -> nir.NIRNode:
    """A nir.Conv1d or nir.Conv2d, by the rank of the weight (C_out, C_in / groups, *kernel)."""
    bias = np.zeros(weight.shape[0]) if bias is None else bias
    more = {"metadata": dict(metadata or {})}
    if weight.ndim == 3:
        numbers = (int(stride[0]), int(padding[0]), int(dilation[0]))
        return nir.Conv1d(int(shape[-1]), weight, *numbers, groups, bias, **more)
    pairs = [tuple(int(n) for n in axis) for axis in (stride, padding, dilation)]
    return nir.Conv2d(tuple(shape[-2:]), weight, *pairs, groups, bias, **more)


def _padding(name: str, module: nn.Conv1d | nn.Conv2d) -> tuple[int, ...]:
    """Padding in numbers. "same" pads d (k - 1) / 2 on both sides, and one more on the right when that is odd."""
    if not isinstance(module.padding, str):
        return tuple(module.padding)
    if module.padding == "valid":
        return (0,) * len(module.kernel_size)
    total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    if any(t % 2 for t in total):
        found = f'padding="same" with kernel {module.kernel_size} pads unequally on the two sides'
        raise refusal(name, found, "use an odd kernel, or pad by a number")
    return tuple(t // 2 for t in total)


def _batchnorm(name: str, module: nn.BatchNorm1d | nn.BatchNorm2d, shape: Shape) -> Part:
    """Inference batch norm: y = g (x - mean) / sqrt(var + eps) + b, as a layer with diagonal weights."""
    mean, var = array(module.running_mean), array(module.running_var)
    gamma = np.ones_like(mean) if module.weight is None else array(module.weight)
    beta = np.zeros_like(mean) if module.bias is None else array(module.bias)
    scale = gamma / np.sqrt(var + module.eps)
    shift = beta - scale * mean
    tag = {"seamount": "batchnorm"}
    if len(shape) == 1:
        return single(name, nir.Affine(np.diag(scale), shift, metadata=tag))
    rank = len(shape) - 1
    weight, ones = scale.reshape(-1, *(1,) * (rank + 1)), (1,) * rank
    return single(name, conv_node(weight, shift, shape, ones, (0,) * rank, ones, len(scale), tag))


class Mask(nn.Module):
    """Multiplication by a constant of each neuron, written in forward as spikes * mask."""

    factors: torch.Tensor

    def __init__(self, factors: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("factors", factors)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, *shape)."""
        return x * self.factors


def _mask(name: str, module: Mask, shape: Shape) -> Part:
    return single(name, nir.Scale(np.array(np.broadcast_to(array(module.factors), shape))))


LAYERS: dict[type, Writer] = {
    Mask: _mask,
    nn.Linear: _linear,
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.BatchNorm1d: _batchnorm,
    nn.BatchNorm2d: _batchnorm,
    **POOLS,
    **UPSAMPLING,
}
"""torch.nn class -> writer."""

RESHAPING = (nn.Flatten, nn.Unflatten)
"""Layers that tracing treats as a reshape."""

VANISHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
RECTIFYING = (nn.ReLU, nn.ReLU6)
"""Layers that leave spikes as they are; tracing refuses them for anything else."""
_ANY_LEAD = (nn.Linear,)
"""Layers that may also be given (T, N, *shape) or (N, T, *shape) directly."""

_LIFT = 'use a wrapper for all steps (norse.torch.Lift, spikingjelly\'s layer with step_mode="m")'
_REMEDIES = {
    "MaxPool1d": "use an average pool or a strided convolution, and train again",
    "AdaptiveMaxPool2d": "use torch.nn.AvgPool2d, or a strided convolution, and train again",
}


def base_class(module: nn.Module) -> type:
    """The torch.nn class whose forward the module runs; its own class if it defines forward itself."""
    for cls in type(module).__mro__:
        if "forward" in vars(cls):
            return cls if cls.__module__.startswith("torch.nn.") else type(module)
    return type(module)


def kind_of(module: nn.Module) -> type:
    """The class in the tables of this file that the module is an instance of, or its own class."""
    runs = base_class(module)
    for cls in (*LAYERS, *RESHAPING, *VANISHING, *RECTIFYING):
        if isinstance(module, cls) and (runs is cls or runs in cls.__mro__):
            return cls
    return type(module)


def has_offset(module: object) -> bool:
    """Whether a layer puts out something other than zeros for zeros."""
    inner = module.modules() if isinstance(module, nn.Module) else ()
    norms = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in inner)
    return norms or getattr(module, "bias", None) is not None


def is_leaf(module: nn.Module) -> bool:
    """Whether the module is a layer of torch.nn rather than a container or the user's own module."""
    if isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)):
        return False
    home = base_class(module)
    return home.__module__.startswith(("torch.nn.", _QUANTIZED)) and home is not nn.Module


_QUANTIZED = "torch.ao."
"""Where PyTorch keeps layers that round weights and activations in ways of their own."""


def precision_objections(where: str, module: nn.Module) -> list[Problem]:
    """Numbers other than 32- and 64-bit floats: a sum of them cannot be repeated to the spike."""
    tensors = [*module.parameters(), *module.buffers()]
    odd = {t.dtype for t in tensors if t.is_complex() or (t.is_floating_point() and t.dtype not in _EXACT)}
    return [
        Problem(where, f"computes in {dtype}", "call model.float() before save()") for dtype in sorted(odd, key=str)
    ]


_EXACT = (torch.float32, torch.float64)


def objections(where: str, module: nn.Module, kind: type) -> list[Problem]:
    """What speaks against a layer before it is run. kind: the torch.nn class that it acts as."""
    if type(module).__module__.startswith(_QUANTIZED):
        found = "is a quantized layer, which rounds weights and activations in its own way"
        return [Problem(where, found, "save the float model; compiling quantizes")]
    training = module.training and "call model.eval() before save()"
    if kind in VANISHING:
        return [Problem(where, "is in training mode and drops activations at random", training)] if training else []
    if kind in (*RESHAPING, *RECTIFYING):
        return []
    if kind not in LAYERS:
        remedy = _REMEDIES.get(
            type(module).__name__, f"supported layers: {', '.join(sorted(c.__name__ for c in LAYERS if c is not Mask))}"
        )
        why = analog.LAYERS.get(type(module).__name__)
        if why is not None:
            return [Problem(where, why.found, why.remedy)]
        return [Problem(where, f"torch.nn.{type(module).__name__} cannot be carried over without loss", remedy)]
    problems = []
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        if module.running_mean is None:
            remedy = "train it with track_running_stats=True"
            problems.append(Problem(where, "has no running statistics, so its scale follows each batch", remedy))
        elif training:
            problems.append(Problem(where, "is in training mode and normalises by the batch", training))
    if isinstance(module, (nn.Conv1d, nn.Conv2d)) and module.padding_mode != "zeros":
        problems.append(Problem(where, f"pads with {module.padding_mode!r}", 'use padding_mode="zeros"'))
    return problems + pool_objections(where, module) + upsampling_objections(where, module)


def write_layer(name: str, module: nn.Module, shape: Shape, lead: Lead, kind: type, loops: bool = False) -> Part:
    """The NIR nodes of a layer. Raises ImportRefused.

    shape: its input's. lead: leading axes it saw. kind: the torch.nn class that it acts as. loops: whether it takes
    (T, N, *shape).
    """
    if loops and lead != "TN" and kind not in _ANY_LEAD:
        found = f"{type(module).__name__} is set to take (T, N, *shape), but is given (N, *shape)"
        raise refusal(name, found, 'set step_mode="s", or give it all steps')
    if len(lead) == 2 and not loops and kind not in _ANY_LEAD:
        found = f"{kind.__name__} is given ({lead[0]}, {lead[1]}, *shape) and mistakes axis 1 for channels"
        raise refusal(name, found, f"{_LIFT}, or merge time and batch before it")
    bad = [k for k, p in module.named_parameters() if not bool(torch.isfinite(p).all())]
    bad += [k for k, b in module.named_buffers() if not bool(torch.isfinite(b).all())]
    if bad:
        raise refusal(name, f"{' and '.join(bad)} holds NaN or infinity", "train again with a smaller learning rate")
    return LAYERS[kind](name, module, shape)


def write_scale(name: str, factor: float, shape: Shape) -> Part:
    """Multiplication by a number."""
    return single(name, nir.Scale(np.full(shape, factor, np.float64)))


def write_embed(name: str, before: Shape, after: Shape, offset: int) -> Part:
    """The channels of `before` at channel `offset` of `after`, zeros around: weights of 1 and 0."""
    weight, rank = np.eye(after[0], before[0], -offset), len(after) - 1
    if rank == 0:
        return single(name, nir.Linear(weight))
    if rank > 2:
        raise refusal(name, f"concatenates channels of shape {before}", "give layers at most 3 axes, (C, H, W)")
    ones = (1,) * rank
    return single(name, conv_node(weight.reshape(*weight.shape, *ones), None, before, ones, (0,) * rank, ones, 1))


def write_reshape(name: str, before: Shape, after: Shape) -> Part:
    """A reshape that only merges neighbouring axes, as one nir.Flatten per merged group.

    NIR counts axes without the batch axis. Raises ImportRefused for any other reshape.
    """
    if math.prod(before) == math.prod(after):
        groups = _merged_groups(before, after)
        if groups is not None:
            flattens: list[tuple[str, nir.NIRNode]] = []
            shape = list(before)
            for start, end in reversed(groups):
                if end > start:
                    node = nir.Flatten({"input": np.array(shape)}, start, end)
                    flattens.append((name if not flattens else f"{name}_{len(flattens)}", node))
                    shape[start : end + 1] = [math.prod(shape[start : end + 1])]
            return chain(*flattens)
    found = f"reshapes {before} to {after}, which NIR cannot express"
    raise refusal(name, found, "merge neighbouring axes only (Flatten); give the sample its final shape from the start")


def _merged_groups(before: Shape, after: Shape) -> list[tuple[int, int]] | None:
    """First and last axis of `before` that make up each axis of `after`, or None."""
    groups, i = [], 0
    for k, size in enumerate(after):
        start, product = i, 1
        last = k == len(after) - 1
        while i < len(before) and (product < size or i == start or (before[i] == 1 and (last or after[k + 1] != 1))):
            product *= before[i]
            i += 1
        if product != size or i == start:
            return None
        groups.append((start, i - 1))
    return groups if i == len(before) else None
