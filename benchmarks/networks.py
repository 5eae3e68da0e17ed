"""The networks of the benchmark, written once and filled with the neurons of any framework.

All take x (T, B, *shape) and return the outputs of all steps, (T, B, classes). Layers without state act on all steps
at once; neuron layers run over time. So a framework computes layer by layer, its fastest order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch

from benchmarks.neurons import Kit

Tensor = torch.Tensor
nn = torch.nn


class AllSteps(nn.Module):
    """Layers without state on (T, B, *shape), as one batch of T B."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        steps, batch = x.shape[:2]
        y: Tensor = self.inner(x.flatten(0, 1))
        return y.view(steps, batch, *y.shape[1:])


def _conv(c_in: int, c_out: int, kernel: int, stride: int = 1) -> AllSteps:
    conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
    return AllSteps(conv, nn.BatchNorm2d(c_out))


class Dense(nn.Module):
    """784-512-512-10."""

    def __init__(self, kit: Kit, hidden: int = 512, inputs: int = 784, beta: float = 0.75) -> None:
        super().__init__()
        self.fc1 = AllSteps(nn.Flatten(), nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden))
        self.lif1 = kit.layer(beta, 1.0)
        self.fc2 = AllSteps(nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden))
        self.lif2 = kit.layer(beta, 1.0)
        self.classify = AllSteps(nn.Linear(hidden, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.lif2(self.fc2(self.lif1(self.fc1(x)))))  # type: ignore[no-any-return]


class EventConv(nn.Module):
    """2 x 34 x 34 events: 16C5 (stride 2)-32C3-64C3 (stride 2)-FC10."""

    def __init__(self, kit: Kit, width: int = 16, size: int = 34, beta: float = 0.9) -> None:
        super().__init__()
        self.conv1 = _conv(2, width, 5, 2)
        self.lif1 = kit.layer(beta, 1.0)
        self.conv2 = _conv(width, 2 * width, 3)
        self.lif2 = kit.layer(beta, 1.0)
        self.conv3 = _conv(2 * width, 4 * width, 3, 2)
        self.lif3 = kit.layer(beta, 1.0)
        side = ((size + 1) // 2 + 1) // 2
        self.classify = AllSteps(nn.Flatten(), nn.Linear(4 * width * side * side, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.lif2(self.conv2(self.lif1(self.conv1(x))))
        return self.classify(self.lif3(self.conv3(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Two convolutions past which the spikes also go directly, or through a 1 x 1 convolution where shapes differ."""

    def __init__(self, kit: Kit, c_in: int, c_out: int, stride: int, beta: float) -> None:
        super().__init__()
        self.conv1 = _conv(c_in, c_out, 3, stride)
        self.lif1 = kit.layer(beta, 1.0)
        self.conv2 = _conv(c_out, c_out, 3)
        self.skip = _conv(c_in, c_out, 1, stride) if stride > 1 or c_in != c_out else None
        self.lif2 = kit.layer(beta, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.lif1(self.conv1(x)))
        return self.lif2(y + (x if self.skip is None else self.skip(x)))  # type: ignore[no-any-return]


class ResNet18(nn.Module):
    """ResNet-18 for 32 x 32 images (He et al., arXiv:1512.03385, with the first layer of their CIFAR networks): a 3 x 3
    convolution, eight blocks of two, average over the image, FC10. Each ReLU is a neuron layer."""

    def __init__(self, kit: Kit, width: int = 64, beta: float = 0.5) -> None:
        super().__init__()
        self.conv1 = _conv(3, width, 3)
        self.lif1 = kit.layer(beta, 1.0)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.blocks = nn.Sequential(
            *(
                Block(kit, widths[k] if i == 0 else widths[k + 1], widths[k + 1], 2 if i == 0 and k > 0 else 1, beta)
                for k in range(4)
                for i in range(2)
            )
        )
        self.classify = AllSteps(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, 10))
        self.steps: int | None = None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        if self.steps is not None:
            x = x.expand(self.steps, *x.shape[1:])
        return self.classify(self.blocks(self.lif1(x)))  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """4-256 (recurrent)-6: the spikes of the step before come back through a full matrix."""

    def __init__(self, kit: Kit, inputs: int = 4, hidden: int = 256, classes: int = 6, beta: float = 0.95) -> None:
        super().__init__()
        self.drive = AllSteps(nn.Linear(inputs, hidden))
        self.back = nn.Linear(hidden, hidden, bias=False)
        with torch.no_grad():
            # Few inputs, rare events: one or two shall make a neuron fire.
            cast("nn.Linear", self.drive.inner[0]).weight.mul_(2)
        self.cell = kit.cell(beta, 1.0)
        self.classify = AllSteps(nn.Linear(hidden, classes))

    def forward(self, x: Tensor) -> Tensor:
        drive = self.drive(x)
        s, state = self.cell(drive[0], None)
        spikes = [s]
        for t in range(1, len(drive)):
            s, state = self.cell(drive[t] + self.back(s), state)
            spikes.append(s)
        return self.classify(torch.stack(spikes))  # type: ignore[no-any-return]


Network = Callable[[Kit], nn.Module]


def fold_batchnorm(model: nn.Module) -> nn.Module:
    """Batch norms folded into the layer before them, in place, as one does before inference; in evaluation mode."""
    model.eval()
    for module in model.modules():
        if isinstance(module, AllSteps):
            module.inner = nn.Sequential(*_folded(list(module.inner)))
    return model


def _folded(layers: list[nn.Module]) -> list[nn.Module]:
    done: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d) and isinstance(done[-1], nn.Conv2d):
            done[-1] = nn.utils.fusion.fuse_conv_bn_eval(done[-1], layer)
        elif isinstance(layer, nn.BatchNorm1d) and isinstance(done[-1], nn.Linear):
            done[-1] = nn.utils.fusion.fuse_linear_bn_eval(done[-1], layer)
        else:
            done.append(layer)
    return done
