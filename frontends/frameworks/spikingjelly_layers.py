"""SpikingJelly's stateless layers: the torch.nn class that each acts as, and plain layers for those that compute more.

WSConv2d, WSLinear             weights are standardized in each forward pass: gain (w - mean) / sqrt(var fan_in + eps)
TemporalEffectiveBatchNorm     y[t] = scale[t] batchnorm(x[t]): one batch norm where all scales are equal
VotingLayer                    the mean of each group of outputs, one group per class
BatchNormThroughTime           a batch norm per step: one where all are equal
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from spikingjelly.activation_based import layer
from spikingjelly.activation_based.ann2snn.modules import ChannelVoltageScaler, VoltageScaler
from torch import nn

from seamount.frontends.frameworks.refusal import Refusal

LAYERS: dict[type, type] = {
    layer.Linear: nn.Linear,
    layer.Conv1d: nn.Conv1d,
    layer.Conv2d: nn.Conv2d,
    layer.ConvTranspose1d: nn.ConvTranspose1d,
    layer.ConvTranspose2d: nn.ConvTranspose2d,
    layer.Upsample: nn.Upsample,
    layer.WSLinear: nn.Linear,
    layer.WSConv2d: nn.Conv2d,
    layer.BatchNorm1d: nn.BatchNorm1d,
    layer.BatchNorm2d: nn.BatchNorm2d,
    layer.ThresholdDependentBatchNorm1d: nn.BatchNorm1d,
    layer.ThresholdDependentBatchNorm2d: nn.BatchNorm2d,
    layer.TemporalEffectiveBatchNorm1d: nn.BatchNorm1d,
    layer.TemporalEffectiveBatchNorm2d: nn.BatchNorm2d,
    layer.BatchNormThroughTime1d: nn.BatchNorm1d,
    layer.BatchNormThroughTime2d: nn.BatchNorm2d,
    layer.AvgPool1d: nn.AvgPool1d,
    layer.AvgPool2d: nn.AvgPool2d,
    layer.VotingLayer: nn.AvgPool1d,
    layer.AdaptiveAvgPool1d: nn.AdaptiveAvgPool1d,
    layer.AdaptiveAvgPool2d: nn.AdaptiveAvgPool2d,
    layer.MaxPool2d: nn.MaxPool2d,
    layer.Flatten: nn.Flatten,
    layer.Dropout: nn.Dropout,
    layer.Dropout2d: nn.Dropout2d,
}
"""Stateless layers -> the torch.nn class that they act as, in either step mode."""

MULTI_STEP_ALONE = ("ThresholdDependentBatchNorm", "TemporalEffectiveBatchNorm")
"""Classes that take all steps at once whatever their step_mode says."""

_EFFECTIVE = (layer.TemporalEffectiveBatchNorm1d, layer.TemporalEffectiveBatchNorm2d)
_THROUGH = (layer.BatchNormThroughTime1d, layer.BatchNormThroughTime2d)
_PER_STEP = Refusal(
    "its scale differs between steps, which has no counterpart in NIR", "use a batch norm for all steps"
)


def factor(module: Any, rank: int) -> float | torch.Tensor:
    """What a scaler that ann2snn puts around neurons multiplies by: a number, or one of each channel of `rank` axes."""
    if isinstance(module, VoltageScaler):
        return float(module.scale)
    channels = [1] * rank
    channels[module.channel_dim - 1] = -1
    return module.scale.detach().reshape(channels)  # type: ignore[no-any-return]


SCALES: dict[type, Callable[[Any, int], float | torch.Tensor]] = {
    VoltageScaler: factor, ChannelVoltageScaler: factor,
}  # fmt: skip
"""Layers that multiply by a number, or by one of each channel."""


def plain(module: Any) -> nn.Module | Refusal:
    """The layer as one that torch.nn has; why not, where there is none."""
    if isinstance(module, (layer.WSConv2d, layer.WSLinear)):
        return _with_weight(module, module.get_weight())
    if isinstance(module, layer.VotingLayer):
        return nn.AvgPool1d(module.voting_size).eval()
    if isinstance(module, _EFFECTIVE):
        return _one_scale(module)
    if isinstance(module, _THROUGH):
        return _one_of_all(list(module.bn_list))
    return module  # type: ignore[no-any-return]


def _with_weight(module: Any, weight: torch.Tensor) -> nn.Module:
    fixed = copy.copy(module)
    fixed._parameters = {**module._parameters, "weight": nn.Parameter(weight.detach(), requires_grad=False)}
    return fixed  # type: ignore[no-any-return]


def _one_scale(module: Any) -> nn.Module | Refusal:
    scale = module.scale.detach()
    if bool((scale != scale[0]).any()):
        return _PER_STEP
    weight = torch.ones_like(module.running_mean) if module.weight is None else module.weight.detach()
    fixed = _with_weight(module, weight * scale[0])
    if module.bias is not None:
        fixed._parameters["bias"] = nn.Parameter(module.bias.detach() * scale[0], requires_grad=False)
    return fixed


def _one_of_all(norms: list[Any]) -> nn.Module | Refusal:
    first = norms[0]
    for other in norms[1:]:
        for name in ("weight", "bias", "running_mean", "running_var"):
            a, b = getattr(first, name), getattr(other, name)
            if (a is None) != (b is None) or (a is not None and not torch.equal(a, b)):
                return _PER_STEP
    return first  # type: ignore[no-any-return]
