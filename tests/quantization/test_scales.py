"""Choice of scales: exact where it can be, safe where it says so, sensible at the edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.ir.ops import Affine, Conv, Sparse, freeze
from seamount.compiler.ir.weights import sign_mode
from seamount.compiler.quantization.scales import (
    FINEST,
    HEADROOM,
    U_LIMIT,
    Choice,
    Demand,
    Incoming,
    Limits,
    choose,
    expected,
    payload_error,
    payload_unit,
    reaches,
)
from tests.passing import weights

LIMITS = Limits(131071, 4095 * 128, range(8))
LIF = Demand(fires=True, bias=0.0, held=0.0, current_gain=1.0, membrane_gain=1.0, typical=None)
LI = replace(LIF, fires=False)


def incoming(w, bits=8, unit=1.0, low=0.0, high=1.0, op=None) -> Incoming:
    w = freeze(np.atleast_2d(w))
    return Incoming("w", op or Affine(w), unit, low, high, freeze(0.1), bits, sign_mode(w))


def stored(choice: Choice, q: Incoming, k: int = 0):
    """The weights of the k-th projection as they were rounded, in units of the graph."""
    return choice.rounded[k].codes * 2.0 ** choice.rounded[k].exponent / (choice.scale * q.unit)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.sampled_from([64, 10, 100, 3, 7, 1]), st.booleans())
def test_weights_on_a_grid_are_represented_exactly(seed, bits, denominator, fires) -> None:
    """At every width: weights that are multiples of some number, as many as the width holds."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), (4, 6))
    q = incoming(codes / denominator, bits)
    choice = choose((q,), LIF if fires else LI, LIMITS)
    assert choice.error == 0.0
    np.testing.assert_allclose(stored(choice, q), codes / denominator, rtol=1e-9, atol=1e-12)


def test_sixty_fourths_at_eight_bits() -> None:
    w = np.arange(-64, 65, 3).reshape(1, -1) / 64
    choice = choose((incoming(w),), LIF, LIMITS)
    assert choice.scale % 64 == 0 and choice.error == 0.0
    np.testing.assert_array_equal(stored(choice, incoming(w)), w)


def test_two_projections_on_grids_of_their_own() -> None:
    a, b = incoming([[0.5, -1.0]]), incoming([[0.3, 0.1]])
    choice = choose((a, b), LIF, LIMITS)
    assert choice.error == 0.0 and choice.scale % 10 == 0


def test_exactness_survives_the_payload() -> None:
    w = np.arange(-8, 9).reshape(1, -1) / 8
    q = incoming(w, unit=1 / 255, high=1.0)
    choice = choose((q,), LIF, LIMITS)
    np.testing.assert_allclose(stored(choice, q), w, rtol=1e-9)


def test_constants_of_a_neuron_that_compares_with_ge() -> None:
    choice = choose((incoming([[1.0, -1.0]]),), replace(LIF, quantum=1 / 8), LIMITS)
    assert choice.scale % 8 == 0 and choice.error == 0.0


def reach_of(choice: Choice, q: Incoming) -> float:
    """Largest |a| over all messages in range, by trying both ends for each weight."""
    codes = choice.rounded[0].codes * 2.0 ** choice.rounded[0].exponent
    ends = [min(round(q.low / q.unit), 0), max(round(q.high / q.unit), 0)]
    products = np.stack([codes * e for e in ends])
    return float(max(products.max(axis=0).sum(axis=1).max(), -products.min(axis=0).sum(axis=1).min()))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 8),
    st.sampled_from([1, 30, 3000]),
    st.sampled_from(
        [(0.0, 1.0, 1.0), (0.0, 1.0, 1 / 255), (-1.0, 1.0, 1 / 127), (-2.0, 0.5, 2 / 127), (3.0, 4.0, 4 / 255)]
    ),
    st.sampled_from([1.0, 4.0, 4096.0]),
)
def test_proven_means_proven(seed, bits, fan_in, source, gain) -> None:
    low, high, unit = source
    w = np.random.default_rng(seed).normal(0.01, 1, (3, fan_in))
    q = incoming(np.abs(w) if bits == 1 else w, bits, unit, low, high)
    for demand in (replace(LIF, current_gain=gain), replace(LI, membrane_gain=gain, bias=0.3)):
        choice = choose((q,), demand, LIMITS)
        extra = 0.0 if demand.fires else demand.bias * choice.scale
        if choice.proven:
            assert 64 * (reach_of(choice, q) + extra) * gain < 2**23


def test_not_proven_where_safety_would_cost_more_than_two_bits() -> None:
    q = incoming(np.full((1, 10_000), 0.5))
    loose = choose((q,), replace(LIF, typical=30.0), LIMITS)
    assert not loose.proven
    assert loose.scale * 30.0 <= U_LIMIT
    assert choose((incoming(np.full((1, 500), 0.5)),), LIF, LIMITS).proven


def test_no_projection_and_no_weights() -> None:
    empty = choose((), LIF, LIMITS)
    assert empty.proven and FINEST <= empty.scale <= 2 * FINEST and empty.error == 0.0
    zero = choose((incoming(np.zeros((3, 4))),), LIF, LIMITS)
    assert zero.proven and FINEST <= zero.scale <= 2 * FINEST
    assert not np.any(zero.rounded[0].codes)
    none = np.zeros(0, np.int64)
    sparse = incoming([[0.0]], op=Sparse(none, none, freeze([]), (3,), (2,)))
    assert choose((sparse,), LIF, LIMITS).error == 0.0


def test_bias_start_value_and_threshold_bound_the_scale() -> None:
    q = incoming([[0.5, -0.25]])
    assert choose((q,), replace(LIF, bias=100.0), LIMITS).scale <= LIMITS.bias_max / 6400
    assert choose((q,), replace(LIF, held=1000.0), LIMITS).scale <= U_LIMIT / 1000
    tiny = choose((incoming([[1e-7, -1e-7]]),), LIF, LIMITS)
    assert tiny.scale <= LIMITS.vth_max
    assert choose((incoming([[1e-4, -1e-4]]),), replace(LIF, membrane_gain=1e9), LIMITS).scale <= U_LIMIT / HEADROOM


def test_large_weights_still_have_an_exponent() -> None:
    q = incoming([[200.0, -150.0]])
    choice = choose((q,), LIF, LIMITS)
    np.testing.assert_allclose(stored(choice, q), [[200.0, -150.0]], rtol=0.01)
    huge = incoming([[30_000.0, -20_000.0]])
    np.testing.assert_allclose(stored(choose((huge,), LIF, LIMITS), huge), [[3e4, -2e4]], rtol=0.01)


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 1e6])
def test_readouts_have_no_threshold_to_keep(size: float) -> None:
    w = weights(3, 5) * size
    q = incoming(w)
    np.testing.assert_allclose(stored(choose((q,), LI, LIMITS), q), w, atol=size / 100)


def test_an_outlier_does_not_erase_the_rest_silently() -> None:
    w = np.append(weights(1, 60), 40.0)[None]
    choice = choose((incoming(w),), LIF, LIMITS)
    np.testing.assert_allclose(stored(choice, incoming(w)), w, atol=0.17)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_better_than_a_scale_at_random(seed, bits) -> None:
    """The choice is at least as good as the natural scale and as a finer sweep, to a few per cent."""
    rng = np.random.default_rng(seed)
    q = incoming(rng.normal(0, rng.uniform(0.05, 2), (8, 16)), bits)
    best = choose((q,), LIF, LIMITS)
    again = choose((q,), LIF, LIMITS)
    assert (best.scale, best.error) == (again.scale, again.error)
    peak = np.abs(q.op.weight).max()
    assert best.error <= 0.1 * 16 * (peak * 2.0 ** (1 - bits)) ** 2 / 12 * 1.6


def test_reaches_over_several_projections() -> None:
    dense = incoming([[1.0, -2.0], [3.0, 4.0]])
    kernel = Conv(freeze([[[1.0, -1.0]], [[0.5, 0.5]]]), None, (1,), (0,), (1,))
    conv = Incoming("c", kernel, 1.0, -1.0, 1.0, freeze(1.0), 8, "mixed")
    up, down = reaches((dense, conv))
    assert (up.tolist(), down.tolist()) == ([3.0, 9.0], [4.0, 2.0])
    late = incoming([[1.0]], low=0.5, high=2.0)
    assert [r.tolist() for r in reaches((late,))] == [[2.0], [0.0]], "silence is in range, too"


def test_expected_current() -> None:
    q = replace(incoming(np.full((2, 100), 0.3)), importance=freeze(0.1))
    assert expected((q,), (freeze(0.1),)) == pytest.approx(3.0 + 6 * np.sqrt(100 * 0.09 * 0.1))


def test_payloads() -> None:
    assert payload_unit(0.0, 1.0, 8) == 1 / 255
    assert payload_unit(-1.0, 0.5, 8) == 1 / 127
    assert payload_unit(-0.5, 2.0, 4) == 2 / 7
    q = incoming([[1.0, 1.0]])
    assert payload_error(q, 1 / 255, 255) == 0.0 and payload_error(q, 1 / 255, 51) == 0.0
    assert payload_error(q, 0.5, 0) == pytest.approx(2 * 0.25 / 12)
    assert payload_error(q, 1 / 255, 100) > 0
