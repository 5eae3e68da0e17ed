"""Pipelines as text: what str writes, parse_pipeline reads, and an artifact's text compiles to the same program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seamount.backends.registry import load_target
from seamount.compiler.artifact import Artifact
from seamount.compiler.driver import compile_graph
from seamount.compiler.errors import CompileError, InputError
from seamount.compiler.ir.ops import Affine, Input, Output, freeze
from seamount.compiler.passes.parse import parse_pipeline
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import Options, chosen_pipeline, default_text, quantizing
from tests.passing import graph_of, lif

CHIP = load_target("loihi2")
USUAL = quantizing(CHIP, Options(), None)
FRONT = "infer-shapes,fold-batchnorm,fold-linear,normalise-neurons,fold-threshold"


def graph() -> Any:
    nodes = {"x": Input((2,)), "fc": Affine(freeze([[0.5, -0.25], [0.125, 1.0]])), "n": lif(), "y": Output()}
    return graph_of(nodes, "x fc n y")


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_pipeline(text, USUAL)
    return str(caught.value)


def test_default_text() -> None:
    assert default_text() == f"{FRONT},quantize,balance-delays"
    assert parse_pipeline(default_text(), USUAL) == USUAL


def test_written_in_full(golden: Any) -> None:
    named = quantizing(CHIP, Options(layer_bits={"fc": 4, "a layer, quoted": 2}), None)
    golden(f"{USUAL}\n{named}\n", "passes/pipeline.txt")
    assert parse_pipeline(str(named), USUAL) == named
    assert str(parse_pipeline(str(named), USUAL)) == str(named)


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        ("weight-bits=4", "weight_bits", 4),
        ("layer-bits={fc=6}", "layer_bits", {"fc": 6}),
        ('layer-bits={"conv 1"=6,fc=4}', "layer_bits", {"conv 1": 6, "fc": 4}),
        ("exponents=[1, 5]", "exponents", (1, 5)),
        ("largest={n=12.5}", "largest", {"n": 12.5}),
    ],
)
def test_options(option: str, field: str, value: object) -> None:
    quantize = parse_pipeline(f"{FRONT},quantize{{{option}}}", USUAL).passes[-1]
    assert isinstance(quantize, Quantize) and quantize.vth_max == CHIP.vth_max
    assert getattr(quantize, field) == value
    assert parse_pipeline(f"{FRONT},{quantize}", USUAL).passes[-1] == quantize


def test_spaces_and_switches() -> None:
    text = f"{FRONT} , quantize {{ weight-bits = 3 , }}".replace(" , }", " }")
    assert str(parse_pipeline(text, USUAL).passes[-1]).startswith("quantize{weight-bits=3, ")
    off = f"{FRONT},quantize,balance-delays{{balance=false, accumulators=null}}"
    balance = str(parse_pipeline(off, USUAL).passes[-1])
    assert balance.startswith("balance-delays{delay-max=62, balance=false,") and "accumulators=null" in balance


def test_every_fault_is_named() -> None:
    text = refusal("infer-shape,fold-batchnorm{deep=1},quantize{bits=4, weight-bits=many, weight-bits=1, vth-max=1.5}")
    assert "pass 'infer-shape': does not exist" in text and "one of balance-delays, fold-batchnorm" in text
    assert "option 'deep' of pass 'fold-batchnorm': does not exist\n  remedy: it has none" in text
    assert "option 'bits' of pass 'quantize': does not exist\n  remedy: one of weight-bits, layer-bits" in text
    assert "option 'weight-bits' of pass 'quantize': has a value that does not fit: Expected `int`" in text
    assert "option 'vth-max' of pass 'quantize': has a value that does not fit" in text
    twice = refusal(f"{FRONT},quantize{{weight-bits=1, weight-bits=2}}")
    assert "option 'weight-bits' of pass 'quantize': is given twice" in twice


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "has its end at character 1, where a pass belongs"),
        ("infer-shapes,", "has its end at character 14, where a pass belongs"),
        ("infer-shapes fold-linear", "has 'fold-linear' at character 14, where ',' belongs"),
        ("quantize{weight-bits}", "has '}' at character 21, where '=' belongs"),
        ("quantize{weight-bits=4", "has its end at character 23, where ',' or '}' belongs"),
        ("quantize{exponents=[0; 7]}", "has ';' at character 22, where ',' or ']' belongs"),
        ('quantize{layer-bits={"\\q"=1}}', "which is not a quoted text"),
    ],
)
def test_text_that_is_no_pipeline(text: str, found: str) -> None:
    assert found in refusal(text)


def test_order_is_checked() -> None:
    text = refusal("fold-batchnorm,infer-shapes,quantize")
    assert "pass fold-batchnorm: needs shapes-known" in text and "pass quantize: needs linear-folded" in text


def test_a_pipeline_makes_integers() -> None:
    with pytest.raises(InputError, match="pipeline: has no pass that ensures quantized"):
        chosen_pipeline(FRONT, CHIP, Options())


def test_numbers_beyond_the_chip_are_refused() -> None:
    text = f"{FRONT},quantize{{vth-max=131072, exponents=[0, 8], payload-bits=-1, weight-bits=4}},balance-delays"
    with pytest.raises(CompileError) as caught:
        chosen_pipeline(text, CHIP, Options())
    shown = str(caught.value)
    assert len(caught.value.problems) == 3 and "loihi2 registers.threshold = 131071 (lava)" in shown
    with pytest.raises(CompileError, match="max-delay: is 63 steps"):
        compile_graph(graph(), CHIP, pipeline=f"{FRONT},quantize,balance-delays{{delay-max=63}}")
    with pytest.raises(CompileError, match="bits of all layers: 9 bits cannot be stored"):
        compile_graph(graph(), CHIP, pipeline=f"{FRONT},quantize{{weight-bits=9}},balance-delays")


def same(a: Artifact, b: Artifact) -> bool:
    from seamount.compiler.program.text import to_text

    arrays = [[np.asarray(q.connection.weight).tolist() for q in x.program.projections] for x in (a, b)]
    return arrays[0] == arrays[1] and to_text(a.program) == to_text(b.program)


@pytest.mark.parametrize("options", [Options(), Options(weight_bits=3, slow_down=2), Options(prove=True)], ids=str)
def test_an_artifact_keeps_its_pipeline(options: Options) -> None:
    samples = {"x": np.random.default_rng(0).random((8, 4, 2)).round()}
    first = compile_graph(graph(), CHIP, options, samples=samples).artifact
    text = first.manifest.pipeline
    assert text == ",".join(first.manifest.passes) and f"weight-bits={options.weight_bits}" in text
    again = compile_graph(graph(), CHIP, samples=samples, pipeline=text).artifact
    assert same(first, again) and again.manifest.pipeline == text
    assert again.manifest.options.weight_bits == options.weight_bits
    assert again.manifest.options.slow_down == options.slow_down
