"""Transposed convolutions as convolutions of spread inputs, against PyTorch, and composed with what stands around."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from seamount.compiler.ir.compose import compose
from seamount.compiler.ir.convolve import transposed
from seamount.compiler.ir.linear import apply, as_synapses
from seamount.compiler.ir.ops import Conv, Pool, Sparse, freeze
from seamount.compiler.ir.shapes import output_shape, size
from seamount.compiler.windows import Window

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
GEOMETRY = list(product((1, 2, 3), (1, 2, 3), (0, 1, 3), (1, 2), (0, 1)))
"""Kernel, stride, padding, dilation, output padding."""


def layer(rank, channels, out, groups, **options):
    kind = torch.nn.ConvTranspose1d if rank == 1 else torch.nn.ConvTranspose2d
    return kind(channels, out, groups=groups, **options).double()


def imported(module):
    axes = (tuple(getattr(module, k)) for k in ("stride", "padding", "output_padding", "dilation"))
    weight, bias = (p.detach().numpy() for p in (module.weight, module.bias))
    return transposed(weight, freeze(bias), *axes, module.groups)


def upsampled(factor: int, channels: int) -> Conv:
    ones, two = np.ones((channels, 1, factor, factor)), (factor, factor)
    return transposed(ones, None, two, (0, 0), (0, 0), (1, 1), channels)


def fits(n, kernel, stride, padding, dilation, more) -> bool:
    return more < max(stride, dilation) and (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + more >= 0


@pytest.mark.parametrize("rank", [1, 2])
def test_every_geometry_as_pytorch(rank):
    tried = 0
    for k, s, p, d, more in GEOMETRY:
        if not fits(4, k, s, p, d, more):
            continue
        tried += 1
        groups = 1 + tried % 2
        other = {"kernel_size": (k, 2)[:rank], "stride": (s, 1)[:rank], "padding": (p, 0)[:rank]}
        module = layer(rank, 4, 2, groups, dilation=(d, 1)[:rank], output_padding=(more, 0)[:rank], **other)
        x = torch.from_numpy(RNG.normal(size=(2, 4, *(4, 5)[:rank])))
        op, expected = imported(module), module(x).detach().numpy()
        assert output_shape(op, tuple(x.shape[1:])) == expected.shape[1:]
        np.testing.assert_allclose(apply(op, x.numpy()), expected, atol=1e-12)
        assert_synapses(op, tuple(x.shape[1:]))
    assert tried > 70


def assert_synapses(op, source):
    """As a list of synapses, the op computes the same."""
    rows, cols, values = as_synapses(op, source)
    x = RNG.normal(size=(2, *source))
    target = output_shape(op, source)
    listed = Sparse(rows, cols, freeze(values), source, target, None)
    bare = op if not isinstance(op, Conv) else Conv(**{**vars(op), "bias": None})
    np.testing.assert_allclose(apply(listed, x), apply(bare, x), atol=1e-12)
    assert len(set(zip(rows.tolist(), cols.tolist(), strict=True))) == len(rows), "no pair of neurons twice"


def conv(out, per, kernel, padding=0, stride=1, groups=1):
    weight = freeze(RNG.normal(size=(out, per, kernel, kernel)))
    return Conv(weight, None, (stride,) * 2, (padding,) * 2, (1, 1), groups)


def up(channels, out, kernel, stride, padding=0, more=0):
    weight = RNG.normal(size=(channels, out, kernel, kernel))
    axes = ((stride,) * 2, (padding,) * 2, (more,) * 2)
    return transposed(weight, None, *axes, (1, 1), 1)


CHAINS = {
    "3x3 after doubling": (upsampled(2, 3), conv(4, 3, 3, 1), Conv),
    "3x3 of groups after tripling": (upsampled(3, 4), conv(4, 2, 3, 1, groups=2), Conv),
    "doubling twice": (upsampled(2, 3), upsampled(2, 3), Conv),
    "strided after doubling": (upsampled(2, 3), conv(4, 3, 4, 1, 2), Conv),
    "transposed after 1x1": (conv(4, 3, 1), up(4, 2, 3, 2), Conv),
    "transposed after 3x3, which is not zero around its map": (conv(4, 3, 3), up(4, 2, 3, 2), Sparse),
    "transposed after a mean of 3x3": (Pool((3, 3), (3, 3), (0, 0), True), up(3, 2, 2, 2), Conv),
    "a mean after transposed": (up(3, 2, 2, 2), Pool((2, 2), (2, 2), (0, 0), True), Conv),
    "transposed after padded": (conv(4, 3, 3, 1), up(4, 2, 4, 2, 1, 1), Sparse),
    "doubling after a mean of 2x2": (Pool((2, 2), (2, 2), (0, 0), True), upsampled(2, 3), Sparse),
    "padded after all of a transposed one": (up(3, 2, 3, 2), conv(4, 2, 3, 1), Conv),
    "padded after the middle of a transposed one": (up(3, 2, 3, 2, 1), conv(4, 2, 3, 1), Sparse),
    "after output padding": (up(3, 2, 3, 2, 1, 1), conv(4, 2, 2), Conv),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains(name):
    """One after the other; a convolution where that is exact, else synapses."""
    first, second, kind = CHAINS[name]
    source = (4 if "groups" in name else 3, 6, 7)
    merged = compose(second, first, source)
    assert isinstance(merged, kind), type(merged)
    x = RNG.normal(size=(3, *source))
    expected = apply(second, apply(first, x))
    assert output_shape(merged, source) == expected.shape[1:]
    np.testing.assert_allclose(apply(merged, x), expected, atol=1e-9)


def test_doubling_before_a_convolution_saves_synapses():
    """Each output sees 2x2 sources instead of 3x3 copies of them."""
    merged = compose(conv(4, 3, 3, 1), upsampled(2, 3), (3, 6, 6))
    assert merged.weight.shape == (4, 3, 4, 4) and merged.input_dilation == (2, 2)
    assert len(as_synapses(merged, (3, 6, 6))[0]) == 4 * 3 * (2 * 11) ** 2 < 4 * 3 * 9 * size((12, 12))


def test_phases():
    """Which taps see inputs depends on where an output lies between them."""
    window = Window(kernel=4, padding=2, input_dilation=2)
    assert window.phases().tolist() == [[True, False, True, False], [False, True, False, True]]
    assert Window(3, stride=2, input_dilation=4).period == 2 and Window(3, stride=2).period == 1
    assert Window(3, input_dilation=3).phases().sum() == 3, "no tap is at two phases"
