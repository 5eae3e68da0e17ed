"""Functions of torch that do what a layer of torch.nn does: each call becomes that layer.

The layer is made from the arguments of the call, which must not depend on activations; the same arguments at another
step give the same layer. What a layer cannot carry is refused with the layer's own causes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from seamount.frontends.frameworks.layers import kind_of, objections
from seamount.frontends.traced import Lead
from seamount.frontends.tracing.recording import Recording

Args = tuple[Any, ...]
Make = Callable[..., nn.Module]


def _held(module: nn.Module, **tensors: torch.Tensor | None) -> nn.Module:
    """The module, made without memory, with the parameters and buffers of the call."""
    for name, tensor in tensors.items():
        if name in module._buffers:
            module._buffers[name] = tensor
        else:
            module._parameters[name] = None if tensor is None else nn.Parameter(tensor.detach(), requires_grad=False)
    return module.eval()


def _linear(input: Any, weight: Any, bias: Any = None) -> nn.Module:
    into, out = weight.shape[-1], weight.shape[0]
    return _held(nn.Linear(into, out, device="meta"), weight=weight, bias=bias)


def _conv(kind: type[Any]) -> Make:
    def make(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> nn.Module:
        out, into, *kernel = weight.shape
        given = {"stride": stride, "padding": padding, "dilation": dilation}
        sizes = {k: tuple(v) if isinstance(v, (list, torch.Size)) else v for k, v in given.items()}
        module = kind(into * groups, out, tuple(kernel), groups=groups, device="meta", **sizes)
        return _held(module, weight=weight, bias=bias)

    return make


def _conv_transpose(kind: type[Any]) -> Make:
    def make(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
        groups: int = 1, dilation: Any = 1,
    ) -> nn.Module:  # fmt: skip
        into, per_group, *kernel = weight.shape
        given = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
        sizes = {k: tuple(v) if isinstance(v, (list, torch.Size)) else v for k, v in given.items()}
        module = kind(into, per_group * groups, tuple(kernel), groups=groups, device="meta", **sizes)
        return _held(module, weight=weight, bias=bias)

    return make


def _interpolate(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None,
    recompute_scale_factor: Any = None, antialias: bool = False,
) -> nn.Module:  # fmt: skip
    whole = tuple(size) if isinstance(size, (list, torch.Size)) else size
    factor = tuple(scale_factor) if isinstance(scale_factor, (list, tuple)) else scale_factor
    return nn.Upsample(whole, factor, mode, align_corners, recompute_scale_factor)


def _batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> nn.Module:  # fmt: skip
    kind = nn.BatchNorm2d if input.ndim == 4 else nn.BatchNorm1d
    module = kind(input.shape[1], eps=eps, device="meta")
    module._buffers["num_batches_tracked"] = torch.zeros((), dtype=torch.long)
    held = _held(module, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    return held.train(bool(training))


def _torch_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float,
    eps: float, cudnn_enabled: bool = True,
) -> nn.Module:  # fmt: skip
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def _max_pool(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> nn.Module:  # fmt: skip
    return nn.MaxPool2d(kernel_size, stride or None, padding, dilation, return_indices, ceil_mode)


def _avg_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> nn.Module:  # fmt: skip
    return nn.AvgPool2d(kernel_size, stride or None, padding, ceil_mode, count_include_pad, divisor_override)


def _avg_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> nn.Module:  # fmt: skip
    return nn.AvgPool1d(kernel_size, stride or kernel_size, padding, ceil_mode, count_include_pad)


def _lp_pool(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> nn.Module:
    return nn.LPPool2d(norm_type, kernel_size, stride, ceil_mode)


LAYERS: Mapping[str, Make] = {
    "linear": _linear,
    "conv1d": _conv(nn.Conv1d),
    "conv2d": _conv(nn.Conv2d),
    "conv_transpose1d": _conv_transpose(nn.ConvTranspose1d),
    "conv_transpose2d": _conv_transpose(nn.ConvTranspose2d),
    "interpolate": _interpolate,
    "pixel_shuffle": lambda input, upscale_factor: nn.PixelShuffle(upscale_factor),
    "batch_norm": _batch_norm,
    "max_pool2d": _max_pool,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool1d": _avg_pool1d,
    "avg_pool2d": _avg_pool2d,
    "lp_pool2d": _lp_pool,
    "adaptive_avg_pool1d": lambda input, output_size: nn.AdaptiveAvgPool1d(output_size),
    "adaptive_avg_pool2d": lambda input, output_size: nn.AdaptiveAvgPool2d(output_size),
}
"""Name of the function, of torch and of torch.nn.functional -> the layer that a call is."""


def layer(recording: Recording, func: Any, name: str, args: Args, kwargs: dict[str, Any], result: Any) -> bool:
    """Note a call of a function as a layer; False where its arguments are not constants, or it has another form."""
    make = _torch_batch_norm if func is torch.batch_norm else LAYERS[name]
    x, given = (args[0], args[1:]) if args else (kwargs.get("input"), ())
    value = recording.value(x)
    options = {k: v for k, v in kwargs.items() if k != "input"}
    tensors = [t for t in (*given, *options.values()) if isinstance(t, torch.Tensor)]
    fixed = all(map(recording.is_constant, tensors)) and isinstance(result, torch.Tensor)
    if value is None or not isinstance(x, torch.Tensor) or not fixed:
        return False
    if value.rule or value.partial:
        recording.refuse(
            "a layer follows the combination over time",
            "end the saved module at the spikes or membranes of each step and choose the readout rule in save()",
            result=result,
        )  # fmt: skip
        return True
    module = recording.made(name, (given, options), lambda: make(x, *given, **options))
    return _apply(recording, module, name, x, result)


def _apply(
    recording: Recording, module: nn.Module, name: str, x: torch.Tensor, result: torch.Tensor, lead: Lead | None = None
) -> bool:
    """Note that `result` is what the layer makes of x, or refuse it for the layer's own causes. lead: leading axes that
    the layer is taken to see, other than those of x."""
    value = recording.value(x)
    assert value is not None
    where = f"{name} on the output of '{recording.nodes[value.node].name}'" if value.node >= 0 else name
    problems = objections(where, module, kind_of(module))
    for problem in problems:
        recording.refuse(problem.found, problem.remedy, problem.where, result)
    if not problems:
        recording.layer(module, name, x, value, result, lead or value.lead, functional=True)
    return True


def over_space(
    recording: Recording, rule: str, x: torch.Tensor, axes: tuple[int, ...], keep: bool, result: Any
) -> bool:
    """mean, sum or max over one or two of the last axes of (C, L) or (C, H, W): a pool over all of each."""
    value = recording.value(x)
    if value is None or value.rule or value.partial or not isinstance(result, torch.Tensor):
        return False
    shape, first = recording.features(x, value.lead), len(value.lead)
    inner = sorted(a % x.ndim - first for a in axes)
    kind = {"mean": nn.AvgPool2d, "sum": nn.LPPool2d, "max": nn.MaxPool2d}[rule]
    if len(shape) != 3 or not inner or inner[0] < 1 or len(set(inner)) < len(inner):
        return False
    window = tuple(n if a in inner else 1 for a, n in enumerate(shape))[1:]
    options = (1, window) if kind is nn.LPPool2d else (window,)
    module = recording.made(rule, options, lambda: kind(*options))
    kept = torch.Size((*x.shape[:first], *(1 if a in inner else n for a, n in enumerate(shape))))
    pooled = result if keep else result.reshape(kept)
    if not _apply(recording, module, rule, x, pooled, "N"):
        return False
    whole = recording.value(pooled)
    if not keep and whole is not None and whole.node >= 0:
        after = recording.features(result, value.lead)
        before, ref = recording.features(pooled, value.lead), recording.ref(whole)
        recording.set(result, replace(whole, node=recording.node("reshape", "flatten", (ref,), before, after)))
    elif not keep:
        recording.refuse_quietly(result)
    return True


__all__ = ["LAYERS", "layer", "over_space"]
