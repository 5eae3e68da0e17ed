"""Loihi's weight grid, and rounding to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seamount.compiler.ir.ops import Affine, Conv, Sparse, freeze
from seamount.compiler.ir.weights import grid, sign_mode
from seamount.compiler.quantization.rounding import per_weight, round_weights, spacing

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)
MODES = ("mixed", "excitatory", "inhibitory")


def lava(weights, bits: int, mode: str):
    """What lava-nc 0.10.0 does to the weights of Dense on its first step: clip to 8 bits, drop low bits."""
    w = np.asarray(weights, np.int64)
    if mode == "mixed":
        k = 8 - bits + 1
        return np.floor_divide(np.clip(w, -256, 255), 2**k) * 2**k
    k = 8 - bits
    sign = -1 if mode == "inhibitory" else 1
    return sign * (np.floor_divide(np.clip(sign * w, 0, 255), 2**k) * 2**k)


def test_lava_as_observed() -> None:
    """The observations that the formula was checked against."""
    assert lava([-300, -255, -3, -1, 1, 3, 255, 300], 8, "mixed").tolist() == [-256, -256, -4, -2, 0, 2, 254, 254]
    assert lava([-1, 127], 4, "mixed").tolist() == [-32, 96]
    assert lava([-256, -300], 8, "inhibitory").tolist() == [-255, -255]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bits", range(1, 9))
def test_the_grid_is_what_lava_leaves_unchanged(bits: int, mode) -> None:
    g = grid(bits, mode)
    codes = set(range(g.low, g.high + 1, g.step))
    fixed = {w for w in range(-300, 301) if lava([w], bits, mode)[0] == w}
    assert codes == fixed
    assert len(codes) == 2**bits


@pytest.mark.parametrize(
    ("weights", "mode"),
    [([0, 1], "excitatory"), ([0, -1], "inhibitory"), ([-1, 1], "mixed"), ([0, 0], "excitatory"), ([], "excitatory")],
)
def test_sign_mode(weights, mode: str) -> None:
    assert sign_mode(freeze(weights)) == mode


@SETTINGS
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.sampled_from(MODES), st.floats(0.01, 3000))
def test_rounding_ends_on_the_grid_and_finds_the_best_exponent(seed, bits, mode, scale) -> None:
    assume(bits > 1 or mode != "mixed")
    rng = np.random.default_rng(seed)
    w = rng.normal(0, scale, 20)
    w = {"mixed": w, "excitatory": np.abs(w), "inhibitory": -np.abs(w)}[mode]
    importance = rng.uniform(0.1, 1, 20)
    r = round_weights(w, importance, bits, mode, range(8))
    np.testing.assert_array_equal(lava(r.codes, bits, mode), r.codes)
    assert r.codes.dtype == np.int32
    g = grid(bits, mode)
    errors = []
    for e in range(8):
        best = np.clip(np.rint(w / 2**e / g.step) * g.step, g.low, g.high) * 2.0**e
        errors.append(float(np.sum(importance * (best - w) ** 2)))
    assert r.error == pytest.approx(min(errors), rel=1e-9, abs=1e-12)
    assert r.error == pytest.approx(float(np.sum(importance * (r.codes * 2.0**r.exponent - w) ** 2)))


def test_clipped_weights_are_counted() -> None:
    r = round_weights(freeze([255.0, 3.0]), freeze(1.0), 8, "mixed", range(1))
    assert (r.codes.tolist(), r.clipped) == ([254, 4], 1)


def test_exponents_are_limited() -> None:
    r = round_weights(freeze([1e9, 1.0]), freeze(1.0), 8, "excitatory", range(8))
    assert (r.codes.tolist(), r.exponent, r.clipped) == ([255, 0], 7, 1)
    assert round_weights(freeze(np.zeros(3)), freeze(1.0), 8, "excitatory", range(2, 4)).exponent == 2


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1 / 64, 3 / 64, -17 / 64], 1 / 64),
        ([0.4, 0.6, -1.0], 0.2),
        ([6.0, 10.0, 15.0], 1.0),
        ([1 / 3, 2 / 3], 1 / 3),
        ([0.0, -0.5], 0.5),
        ([0.0], 0.0),
        ([], 0.0),
        ([1.0, np.pi], 0.0),
        ([1.0, 1 / 300], 0.0),
    ],
)
def test_spacing(values, wanted: float) -> None:
    assert spacing(freeze(values)) == pytest.approx(wanted, rel=1e-9)


def test_spacing_of_float32_values() -> None:
    tenths = freeze(np.arange(-9, 10).astype(np.float32) * np.float32(0.1))
    assert spacing(tenths) == pytest.approx(0.1, rel=1e-5)
    assert spacing(freeze(np.random.default_rng(0).normal(size=100))) == 0.0


def test_importance_is_spread_to_the_weights_that_read_a_source() -> None:
    source = freeze(np.arange(8).reshape(4, 2))
    assert per_weight(Affine(freeze(np.ones((3, 8)))), source).tolist() == [list(range(8))]
    index = np.array([7, 0], np.int64)
    sparse = Sparse(np.zeros(2, np.int64), index, freeze([1.0, 1.0]), (4, 2), (1,))
    assert per_weight(sparse, source).tolist() == [7.0, 0.0]
    conv = Conv(freeze(np.ones((4, 2, 1))), None, (1,), (0,), (1,), groups=2)
    assert per_weight(conv, source)[:, :, 0].tolist() == [[0.5, 2.5], [0.5, 2.5], [4.5, 6.5], [4.5, 6.5]]
