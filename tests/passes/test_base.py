"""The contract of passes, and the pipeline that checks it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from seamount.compiler.errors import ContractError, InputError
from seamount.compiler.ir.graph import Edge, Graph
from seamount.compiler.ir.ops import BatchNorm, Input, Output, freeze
from seamount.compiler.ir.properties import NO_BATCHNORM, SHAPES_KNOWN
from seamount.compiler.passes import PASSES
from seamount.compiler.passes.base import Pass, Pipeline
from seamount.compiler.passes.fold_batchnorm import FoldBatchnorm
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import canonical
from tests.passing import graph_of, lif

SMALL = graph_of({"x": Input((1,)), "n": lif(), "y": Output()}, "x n y")


@dataclass(frozen=True)
class Careless(Pass):
    """Does something it did not announce."""

    change: str = "nothing"

    name: ClassVar[str] = "careless"
    ensures = frozenset({NO_BATCHNORM})

    def __call__(self, graph: Graph) -> Graph:
        if self.change == "norm":
            return graph.with_op("n", BatchNorm(freeze([1.0]), freeze([0.0])))
        if self.change == "shapes":
            return graph.map_nodes(lambda n: replace(n, shape=None))
        if self.change == "edges":
            return replace(graph, edges=(*graph.edges, Edge("n", "z")))
        return graph


def broken(*passes: Pass) -> str:
    with pytest.raises(ContractError) as error:
        Pipeline(passes)(SMALL)
    return str(error.value)


def test_order_is_checked_before_anything_runs() -> None:
    with pytest.raises(ContractError) as error:
        Pipeline((FoldBatchnorm(), InferShapes()))
    assert str(error.value) == ("pass fold-batchnorm: needs shapes-known\n  remedy: put a pass that ensures it earlier")
    with pytest.raises(ContractError, match="pass quantize: needs linear-folded, shapes-known, threshold-folded"):
        Pipeline((Quantize(),))


def test_a_pass_must_ensure_what_it_says() -> None:
    assert broken(InferShapes(), Careless("norm")) == (
        "pass careless: no-batchnorm: node 'n' is a BatchNorm\n"
        "  remedy: this is a fault in Seamount: please report it with the model"
    )


def test_a_pass_must_keep_what_held_before() -> None:
    assert "pass careless: shapes-known: node 'x' has no shape; shapes-known: node 'n' has no shape" in broken(
        InferShapes(), Careless("shapes")
    )
    assert "pass careless: well-formed: edge Edge(source='n', target='z', delay=0) names unknown node 'z'" in broken(
        Careless("edges")
    )


def test_what_a_pass_breaks_is_not_held_against_it() -> None:
    class Open(Careless):
        breaks = frozenset({SHAPES_KNOWN})

    Pipeline((InferShapes(), Open("shapes")))(SMALL)
    with pytest.raises(ContractError, match="pass fold-batchnorm: needs shapes-known"):
        Pipeline((InferShapes(), Open("shapes"), FoldBatchnorm()))


def test_the_input_must_be_well_formed() -> None:
    with pytest.raises(ContractError) as error:
        Pipeline((InferShapes(),))(replace(SMALL, edges=(*SMALL.edges, SMALL.edges[0])))
    assert str(error.value).startswith("the input graph: well-formed: an edge occurs twice")


def test_the_watcher_sees_every_pass() -> None:
    seen = []
    result = canonical()(SMALL, lambda p, g: seen.append((p.name, g)))
    assert [name for name, _ in seen] == [
        "infer-shapes", "fold-batchnorm", "fold-linear", "normalise-neurons", "fold-threshold",
    ]  # fmt: skip
    assert seen[-1][1] is result


def test_until() -> None:
    assert [p.name for p in canonical().until("fold-linear").passes] == [
        "infer-shapes",
        "fold-batchnorm",
        "fold-linear",
    ]
    with pytest.raises(InputError) as error:
        canonical().until("quantise")
    assert str(error.value) == (
        "pass 'quantise': is not in the pipeline\n"
        "  remedy: one of infer-shapes, fold-batchnorm, fold-linear, normalise-neurons, fold-threshold"
    )


def test_text_form_and_table() -> None:
    assert str(InferShapes()) == "infer-shapes"
    assert str(Careless()) == "careless{change=nothing}"
    assert str(Quantize(weight_bits=4)).startswith("quantize{weight-bits=4, payload-bits=8, vth-max=131071")
    assert list(PASSES) == sorted(PASSES)
    for name, kind in PASSES.items():
        assert kind.name == name and kind.summary().endswith(".")


def test_passes_leave_their_input_alone() -> None:
    from seamount.compiler.ir.text import to_text

    graph, before = SMALL, to_text(SMALL)
    for p in (*canonical().passes, Quantize()):
        graph_before, text = graph, to_text(graph)
        graph = p(graph)
        assert to_text(graph_before) == text
    assert to_text(SMALL) == before
