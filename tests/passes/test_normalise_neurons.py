"""Pass normalise-neurons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from seamount.compiler.errors import CompileError
from seamount.compiler.ir.ops import LIF, Input, Output
from seamount.compiler.passes.normalise_neurons import NormaliseNeurons
from tests.agreement import assert_same_meaning
from tests.passing import around, assert_idempotent, both, graph_of, lif
from tests.strategies import FEATURES, cases

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)
STATES = frozenset({"v_reset", "v_init", "v_min"})


def small():
    nodes = {
        "x": Input((2,)),
        "hard": lif(v_reset=-0.5, v_init=-0.25, v_min=-1.0, bias=0.1),
        "soft": lif(v_init=0.2, reset="subtract", reset_by=1.0, beta=0.5),
        "plain": lif(),
        "y": Output(),
    }
    return graph_of(nodes, "x hard soft plain y")


def test_golden(golden) -> None:
    golden(both(*around("normalise-neurons", small())), "passes/normalise_neurons.txt")


@SETTINGS
@given(cases(allow=FEATURES, force=STATES - {"v_min"}))
def test_meaning_is_preserved(case) -> None:
    graph, x = case
    before, after = around("normalise-neurons", graph)
    assert_same_meaning(before, after, x, 1e-9)


@SETTINGS
@given(cases(force=STATES))
def test_twice_is_once(case) -> None:
    assert_idempotent(NormaliseNeurons(), around("normalise-neurons", case[0])[1])


def one(**given) -> LIF:
    graph = graph_of({"x": Input((2,)), "n": lif(**given), "y": Output()}, "x n y")
    op = NormaliseNeurons()(graph)["n"].op
    assert isinstance(op, LIF)
    return op


def refusal(**given) -> str:
    with pytest.raises(CompileError) as error:
        one(**given)
    return str(error.value)


def test_hard_reset() -> None:
    op = one(v_reset=[-0.5, 0.5], v_init=0.25, beta=0.5, bias=0.0)
    assert (op.v_reset.tolist(), op.threshold.tolist(), op.v_init.tolist()) == ([0, 0], [1.5, 0.5], [0.75, -0.25])
    assert op.bias.tolist() == [0.25, -0.25]


def test_soft_reset_starts_at_zero_where_that_costs_nothing() -> None:
    soft = {"reset": "subtract", "beta": 0.5}
    op = one(v_init=0.5, reset_by=1.0, v_min=-1.0, **soft)
    assert [float(x) for x in (op.v_init, op.threshold, op.bias, op.v_min)] == [0.0, 0.5, -0.25, -1.5]
    for kept in (
        {"v_init": 1.5, "reset_by": 1.0},
        {"v_init": [0.25, 0.5], "reset_by": 1.0},
        {"v_init": [0.25, 0.5], "threshold": [0.75, 1.0], "reset_by": 0.5, "v_min": -1.0},
    ):
        op = one(**kept, **soft)
        assert op.v_init.tolist() == np.asarray(kept["v_init"]).tolist() and float(op.bias) == 0.0


def test_refusals() -> None:
    assert refusal(threshold=0.5, v_reset=0.5) == (
        "node 'n': threshold 0.5 is not above 0.5, where v restarts\n  remedy: give it a threshold above that"
    )
    assert refusal(threshold=[0.5, -0.25], reset="subtract", reset_by=1.0) == (
        "node 'n': threshold -0.25 is not above 0, where v rests\n  remedy: give it a threshold above that"
    )
    assert refusal(v_reset=[-0.5, 0.5], v_min=-1.0) == (
        "node 'n': a lower clamp together with reset values that differ between neurons\n"
        "  remedy: use one reset value per layer"
    )


def test_all_refusals_at_once() -> None:
    nodes = {"x": Input((1,)), "a": lif(v_reset=2.0), "b": lif(threshold=0.0), "y": Output()}
    with pytest.raises(CompileError) as error:
        NormaliseNeurons()(graph_of(nodes, "x a b y"))
    assert [p.where for p in error.value.problems] == ["node 'a'", "node 'b'"]
