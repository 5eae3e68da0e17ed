"""Histograms of weights and thresholds: every value counted once, in the bin where it lies."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.analysis.distributions import BINS, binned, distributions, histogram
from seamount.compiler.ir.ops import LIF, IntLIF
from seamount.compiler.ir.quantized import dequantized
from seamount.compiler.ir.weights import values_of
from seamount.compiler.manifest import plain
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import canonical
from tests.strategies import cases


def counted(tree: dict, values: np.ndarray) -> list[int]:
    """Values of each bin, one by one."""
    found = [0] * len(tree["counts"])
    for v in np.ravel(values):
        place = int((v - tree["low"]) // tree["width"])
        found[min(max(place, 0), len(found) - 1)] += 1
    return found


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cases(), st.integers(2, 8))
def test_every_weight_is_in_its_bin(case, bits: int) -> None:
    imported = canonical().until("infer-shapes")(case[0])
    folded = canonical()(case[0])
    quantized = Quantize(weight_bits=bits)(folded)
    weights, thresholds = map(plain, distributions(imported, folded, quantized))
    for row in weights:
        for side, graph in (("before", folded), ("after", quantized)):
            values = values_of(dequantized(graph[row["projection"]].op))
            histogram = row[side]
            assert len(histogram["counts"]) <= BINS and list(histogram["counts"]) == counted(histogram, values)
            assert (histogram["smallest"], histogram["largest"]) == (values.min(), values.max())
        assert row["before"]["low"] == row["after"]["low"] and row["before"]["width"] == row["after"]["width"]
    firing = {n.name for n in quantized.nodes if isinstance(n.op, IntLIF) and n.op.vth is not None}
    assert {row["population"] for row in thresholds} <= firing
    for row in thresholds:
        op, stored = imported[row["population"]].op, quantized[row["population"]].op
        assert isinstance(op, LIF) and isinstance(stored, IntLIF)
        size = int(np.prod(quantized[row["population"]].shape, dtype=np.int64))
        assert sum(row["before"]["counts"]) == sum(row["after"]["counts"]) == size
        assert row["before"]["smallest"] == np.min(op.threshold) and row["after"]["largest"] == np.max(stored.vth)


def test_small_and_the_same_each_time() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    made = histogram(values)
    assert sum(made.counts) == 10_000 and len(made.counts) == BINS
    assert made == histogram(values) and len(json.dumps(made.counts)) < 400
    assert histogram(np.full(7, 0.5)).counts == (7,)


def test_grid_points_lie_in_the_middle_of_bins() -> None:
    made = binned(np.array([-2.0, 0.0, 0.0, 2.0]), -3.0, 2.0, 3)
    assert made.counts == (1, 2, 1)
