"""Shape arithmetic: agreement with what ops compute is in test_linear; here, every misfit and its message."""

from __future__ import annotations

import numpy as np
import pytest

from seamount.compiler.errors import CompileError
from seamount.compiler.ir.ops import (
    LI,
    LIF,
    Affine,
    BatchNorm,
    Conv,
    Input,
    Output,
    Pool,
    Reshape,
    Scale,
    Sparse,
    freeze,
)
from seamount.compiler.ir.shapes import output_shape, size
from seamount.compiler.windows import Window

ZERO, ONE = freeze(0.0), freeze(1.0)


def conv(weight_shape, stride=1, padding=0, dilation=1, groups=1) -> Conv:
    rank = len(weight_shape) - 2
    axes = ((stride,) * rank, (padding,) * rank, (dilation,) * rank)
    return Conv(freeze(np.ones(weight_shape)), None, *axes, groups)


def lif(**more) -> LIF:
    return LIF(**{**dict(zip(("alpha", "beta", "gain", "bias"), (ZERO, ONE, ONE, ZERO), strict=True)),
                  "threshold": ONE, "v_reset": ZERO, "v_init": ZERO, "reset_by": ONE, **more})  # fmt: skip


@pytest.mark.parametrize(
    ("op", "source", "wanted"),
    [
        (Input((2, 3)), (), (2, 3)),
        (Output(), (4,), (4,)),
        (Affine(freeze(np.ones((6, 4)))), (2, 2), (6,)),
        (Affine(freeze(np.ones((6, 4))), shape=(2, 3)), (4,), (2, 3)),
        (conv((5, 2, 3, 3), padding=1), (2, 7, 8), (5, 7, 8)),
        (conv((4, 1, 3), stride=2, dilation=2, groups=2), (2, 9), (4, 3)),
        (Pool((2, 2), (2, 2), (0, 0), True), (3, 5, 5), (3, 2, 2)),
        (Pool((3, 3), (2, 2), (1, 1), False), (3, 5, 5), (3, 3, 3)),
        (Pool((2,), (1,), (0,), False), (3,), (2,)),
        (Reshape((12,)), (3, 4), (12,)),
        (Scale(freeze(np.ones((3, 1)))), (3, 4), (3, 4)),
        (BatchNorm(freeze(np.ones(3)), freeze(np.ones(3))), (3, 4), (3, 4)),
        (lif(threshold=freeze(np.ones((3, 1, 1)))), (3, 4, 4), (3, 4, 4)),
    ],
    ids=lambda x: type(x).__name__ if not isinstance(x, tuple) else str(x),
)
def test_output_shape(op, source, wanted) -> None:
    assert output_shape(op, source) == wanted


@pytest.mark.parametrize(
    ("op", "source", "message"),
    [
        (
            Affine(freeze(np.ones((2, 5)))), (2, 2),
            "weight (2, 5) takes 5 inputs but gets (2, 2) = 4\n"
            "  remedy: check the layer before it, or a missing Flatten",
        ),
        (
            Affine(freeze(np.ones((2, 4))), freeze(np.ones(3))), (4,),
            "has 3 biases for 2 outputs\n  remedy: check the layer's bias",
        ),
        (
            Affine(freeze(np.ones((2, 4))), shape=(3,)), (4,),
            "has 2 outputs, arranged as (3,)\n  remedy: check its shape",
        ),
        (
            conv((2, 1, 3)) , (1, 4, 4),
            "1-D convolution gets shape (1, 4, 4)\n  remedy: it needs 2 axes: channels first",
        ),
        (
            conv((2, 3, 3)), (2, 9),
            "takes 3 channels but gets 2\n  remedy: check the layer before it",
        ),
        (
            conv((3, 1, 3), groups=2), (2, 9),
            "3 output channels in 2 groups\n  remedy: groups must divide the channels",
        ),
        (
            conv((1, 1, 5)), (1, 4),
            "kernel (5,) is larger than its padded input (1, 4)\n  remedy: use a smaller kernel",
        ),
        (
            Conv(freeze(np.ones((2, 1, 1))), freeze(np.ones(3)), (1,), (0,), (1,)), (1, 4),
            "has 3 biases for 2 outputs\n  remedy: check the layer's bias",
        ),
        (
            Pool((2, 2), (2, 2), (0, 0), True), (4,),
            "pools 2 axes but gets shape (4,)\n  remedy: check the sample shape",
        ),
        (
            Pool((5,), (1,), (0,), True), (1, 4),
            "window (5,) is larger than its input (1, 4)\n  remedy: use a smaller window",
        ),
        (
            Reshape((5,)), (2, 2),
            "takes 5 entries but gets (2, 2)\n  remedy: check the layer before it",
        ),
        (
            Sparse(np.zeros(0, np.int64), np.zeros(0, np.int64), freeze([]), (3,), (2,)), (4,),
            "takes 3 entries but gets (4,)\n  remedy: check the layer before it",
        ),
        (
            BatchNorm(freeze([1.0]), freeze([0.0])), (2, 3),
            "has 1 channels but gets shape (2, 3)\n  remedy: check the layer before it",
        ),
        (
            Scale(freeze(np.ones(2))), (3,),
            "parameter scale of shape (2,) does not broadcast to (3,)\n  remedy: check its shape",
        ),
        (
            lif(threshold=freeze(np.ones((4,)))), (1,),
            "parameter threshold of shape (4,) does not broadcast to (1,)\n  remedy: check its shape",
        ),
        (
            LI(ZERO, freeze(np.ones((2, 2))), ONE, ZERO, ZERO), (2,),
            "parameter beta of shape (2, 2) does not broadcast to (2,)\n  remedy: check its shape",
        ),
    ],
    ids=range(16),
)  # fmt: skip
def test_misfits(op, source, message: str) -> None:
    with pytest.raises(CompileError) as error:
        output_shape(op, source, "node 'a'")
    assert str(error.value) == f"node 'a': {message}"


def test_windows_are_pytorch_s() -> None:
    torch = pytest.importorskip("torch")
    x = torch.zeros(1, 1, 11)
    for kernel in (1, 2, 3):
        for stride in (1, 2, 3):
            for padding in (0, 1, 2):
                for dilation in (1, 2):
                    layer = torch.nn.Conv1d(1, 1, kernel, stride, padding, dilation)
                    assert Window(kernel, stride, padding, dilation).outputs(11) == layer(x).shape[-1]


def test_size() -> None:
    assert size((2, 3)) == 6 and size(()) == 1
