"""Products of layers as trained, against their synapses written out one by one."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.analysis.operations import mac_count, products
from seamount.compiler.errors import InputError
from seamount.compiler.ir.linear import as_synapses
from seamount.compiler.ir.ops import Affine, BatchNorm, Conv, Input, Output, Pool, Reshape, fires, freeze
from seamount.compiler.manifest import Analysis, decode
from seamount.compiler.pipelines import canonical
from tests.passing import graph_of, lif
from tests.strategies import cases


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_every_product_is_a_synapse(case) -> None:
    graph = canonical().until("infer-shapes")(case[0])
    rows = {p.layer: p for p in products(graph)}
    assert set(rows) == {n.name for n in graph.nodes if hasattr(n.op, "weight") or hasattr(n.op, "kernel")
                         or hasattr(n.op, "rows")}  # fmt: skip
    for name, p in rows.items():
        source = graph[graph.into(name)[0].source].shape
        assert p.macs == np.count_nonzero(as_synapses(graph[name].op, source)[2])
        assert (p.inputs, p.outputs) == (np.prod(source), np.prod(graph[name].shape))
        assert p.sources and p.analog == any(not fires(graph[s].op) for s in p.sources)
    kept = Analysis(trained=tuple(rows.values()))
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Analysis) == kept


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_borders_strides_dilation_and_groups(data) -> None:
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    stride, dilation, kernel, groups = (data.draw(s) for s in (pair, pair, pair, st.sampled_from((1, 2))))
    padding = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    weight = rng.integers(-1, 2, (4, 4 // groups, *kernel)).astype(float)
    op = Conv(freeze(weight), None, stride, padding, dilation, groups)
    assert mac_count(op, (4, 7, 8)) == np.count_nonzero(as_synapses(op, (4, 7, 8))[2])
    pool = Pool(kernel, stride, (0, 0), mean=True)
    assert mac_count(pool, (3, 7, 8)) == len(as_synapses(pool, (3, 7, 8))[2])


def test_a_pool_stays_a_pool_and_its_source_is_seen_through_it() -> None:
    """1 x 4 x 4 in, 3 x 3 kernel to 2 channels, pool by 2, flat, 3 classes: by hand."""
    ones = freeze(np.ones((2, 1, 3, 3)))
    norm = BatchNorm(freeze(np.ones(2)), freeze(np.zeros(2)))
    nodes = {
        "x": Input((1, 4, 4), "graded"), "conv": Conv(ones, None, (1, 1), (1, 1), (1, 1)), "norm": norm, "lif": lif(),
        "pool": Pool((2, 2), (2, 2), (0, 0), True), "flat": Reshape((8,)), "fc": Affine(freeze(np.ones((3, 8)))),
        "out": Output(),
    }  # fmt: skip
    graph = graph_of(nodes, "x conv norm lif pool flat fc out")
    conv, pool, fc = products(canonical().until("infer-shapes")(graph))
    assert (conv.macs, conv.weights, conv.sources, conv.analog) == (2 * 10 * 10, 18, ("x",), True)
    assert (pool.pool, pool.macs, pool.weights, pool.sources) == (True, 32, 0, ("lif",))
    assert (fc.macs, fc.inputs, fc.outputs, fc.sources, fc.analog) == (24, 8, 3, ("lif",), False)


def test_a_damaged_table_is_refused(tmp_path) -> None:
    (tmp_path / "analysis.json").write_text('{"trained": [{"layer": "conv"}]}')
    with pytest.raises(InputError, match=r"analysis.json: is damaged: .*`\$.trained\[0\]`\n.*compile the model again"):
        decode(tmp_path / "analysis.json", Analysis)
