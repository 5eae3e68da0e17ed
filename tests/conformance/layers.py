"""Rows of layers that enlarge, behind which 16 neurons stand; the same for every framework."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from tests.conformance.case import Case

Parts = Callable[[], Sequence[nn.Module]]
ENLARGING: dict[str, tuple[tuple[int, ...], Parts, str]] = {
    "ConvTranspose2d, kernel 2, stride 2": ((3, 2, 2), lambda: [nn.ConvTranspose2d(3, 1, 2, 2)], ""),
    "ConvTranspose2d, kernel 3, stride 2, padding 1, output padding 1, 2 groups": (
        (6, 2, 1), lambda: [nn.ConvTranspose2d(6, 2, (3, 2), 2, (1, 0), (1, 0), groups=2)], "",
    ),
    "ConvTranspose1d, kernel 4, stride 2, padding 1": ((6, 2), lambda: [nn.ConvTranspose1d(6, 4, 4, 2, 1)], ""),
    "Upsample, nearest, and Conv2d": (
        (3, 2, 2), lambda: [nn.Upsample(scale_factor=2), nn.Conv2d(3, 1, 3, padding=1)], "",
    ),
    "Upsample, bilinear": (
        (3, 2, 2), lambda: [nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(3, 1, 3, padding=1)],
        "interpolates between pixels",
    ),
}  # fmt: skip
"""What stands before the neurons -> the shape of 12 inputs, the layers, and words of the cause where it is refused."""


def enlarging(framework: str, name: str, reset: str, timing: str, compare: str, scale: float,
              build: Callable[[Sequence[nn.Module]], nn.Module]) -> list[Case]:  # fmt: skip
    """The rows with one neuron of the framework; `build` puts it behind the layers."""
    return [
        Case(
            framework, name, reset, timing, compare, lambda parts=parts: build(parts()), f"behind {words}",
            scale=scale, refused=refused, shape=shape,
        )
        for words, (shape, parts, refused) in ENLARGING.items()
    ]  # fmt: skip
