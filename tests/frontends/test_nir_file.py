"""Reading .nir files: what comes back, facts from the version, and each kind of unusable content."""

from __future__ import annotations

import io

import h5py
import nir
import numpy as np
import pytest

from seamount.compiler.errors import InputError
from seamount.compiler.ir.ops import LIF
from seamount.frontends.conventions import Conventions, Meaning, parse_assumptions
from seamount.frontends.hdf5.tree import Limits
from seamount.frontends.nir.file import read_nir
from seamount.frontends.nir.from_nir import from_nir
from tests.frontends.nir_nets import affine, chain, lif, meaning, net, out, port, write
from tests.noted import said


def read(data):
    return read_nir(io.BytesIO(data), "net.nir")


def edited(data, change):
    """The file after `change(h5py file)`."""
    stream = io.BytesIO(data)
    with h5py.File(stream, "r+") as file:
        change(file)
    return stream.getvalue()


def refused(data):
    with pytest.raises(InputError) as caught:
        read(data)
    return str(caught.value)


def put(file, path, value):
    if path in file:
        del file[path]
    if value is not None:
        file[path] = value


V = np.linspace(0.5, 1.5, 4)
EVERY = {
    "Affine": nir.Affine(np.arange(8.0).reshape(2, 4), np.ones(2)),
    "Linear": nir.Linear(np.arange(8.0).reshape(2, 4)),
    "Scale": nir.Scale(V),
    "Conv1d": nir.Conv1d(9, np.ones((2, 1, 3)), 2, 1, 1, 1, np.zeros(2)),
    "Conv1d padded": nir.Conv1d(9, np.ones((2, 1, 3)), 1, "same", 1, 1, np.zeros(2)),
    "Conv2d": nir.Conv2d((8, 8), np.ones((4, 1, 3, 3)), (1, 2), (0, 1), 1, 2, np.zeros(4)),
    "Conv2d padded": nir.Conv2d((8, 8), np.ones((2, 1, 3, 3)), 1, "valid", 1, 1, np.zeros(2)),
    "SumPool2d": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
    "AvgPool2d": nir.AvgPool2d(np.array([2, 2]), np.array([1, 2]), np.array([1, 0])),
    "Flatten": nir.Flatten({"input": np.array([2, 3, 4])}, 0, -1),
    "Delay": nir.Delay(V),
    "Threshold": nir.Threshold(V),
    "I": nir.I(V),
    "IF": nir.IF(V, V + 1, V - 1),
    "LI": nir.LI(V, V, V),
    "LIF": nir.LIF(V, V, V, V + 1, V - 1),
    "CubaLI": nir.CubaLI(V, V, V, V, V),
    "CubaLIF": nir.CubaLIF(V, V, V, V, V + 1, V - 1, 2.0),
}


def contents(node):
    return {k: v for k, v in node.to_dict().items() if k != "metadata"}


@pytest.mark.parametrize("compression", ["gzip", "lzf", None])
@pytest.mark.parametrize("name", EVERY)
def test_every_type_comes_back_as_it_was(name, compression):
    node = EVERY[name]
    graph = net({"input": port(4), "x": node, "output": out(4)}, [("input", "x"), ("x", "output")])
    file = read(write(graph, compression=compression))
    assert (file.version, file.name, file.facts) == (nir.version, "net.nir", Conventions())
    assert file.graph.edges == [("input", "x"), ("x", "output")]
    back = file.graph.nodes["x"]
    assert type(back) is type(node)
    mine, theirs = contents(back), contents(node)
    assert mine.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_array_equal(np.asarray(mine[key]), np.asarray(value), err_msg=key)


def test_fields_that_may_be_absent():
    def change(file):
        put(file, "node/nodes/flatten/input_type", None)
        put(file, "node/nodes/output/shape", None)
        put(file, "node/nodes/cubalif/w_in", None)
        put(file, "node/nodes/cubalif/v_reset", None)

    nodes = read(edited(write(chain(port(4), EVERY["Flatten"], EVERY["CubaLIF"])), change)).graph.nodes
    assert nodes["flatten"].input_type == {"input": None}
    assert nodes["output"].output_type == {"output": None}
    np.testing.assert_array_equal([nodes["cubalif"].w_in, nodes["cubalif"].v_reset], [np.ones(4), np.zeros(4)])


def test_ports_nesting_metadata_and_names():
    inner = net({"in": port(3), "n": lif(), "out": out(3)}, [("in", "n"), ("n", "out")])
    inner.nodes["n"].metadata = {"note": "words", "values": np.arange(3), "deep": {"x": 1}, "list": ["a", "b"]}
    graph = net(
        {"in put": port(3), "größe.1": affine(3, 3), "sub": inner, "output": out(3)},
        [("in put", "größe.1"), ("größe.1", "sub"), ("sub", "output")],
    )
    file = read(write(graph))
    assert sorted(file.graph.nodes) == ["größe.1", "in put", "output", "sub"]
    assert isinstance(file.graph.nodes["sub"], nir.NIRGraph)
    np.testing.assert_array_equal(file.graph.nodes["in put"].input_type["input"], [3])
    assert sorted(n.name for n in from_nir(file.graph, meaning()).nodes) == ["größe.1", "in put", "output", "sub.n"]


def test_from_a_path(tmp_path):
    path = tmp_path / "net.nir"
    path.write_bytes(write(chain(port(3), lif())))
    assert read_nir(path).name == str(path)
    assert read_nir(str(path), "mine").name == "mine"


def test_small_numbers_and_scalars():
    node = nir.LIF(*(np.array(v, dtype=np.float16) for v in (1.0, 1.0, 0.0, 1.0, 0.0)))
    back = read(write(chain(port(3), node), compression=None)).graph.nodes["lif"]
    assert back.tau.shape == ()
    assert back.tau.dtype == np.float64
    mixed = edited(
        write(chain(port(4), EVERY["LIF"])),
        lambda f: (put(f, "node/nodes/lif/tau", 2.0), put(f, "node/nodes/lif/r", np.array([3], dtype=np.int8))),
    )
    back = read(mixed).graph.nodes["lif"]
    np.testing.assert_array_equal([back.tau, back.r], [np.full(4, 2.0), np.full(4, 3.0)])


def test_convolutions_that_nir_cannot_read_itself():
    conv = nir.Conv2d((8, 10), np.ones((4, 1, 3, 5)), 1, 0, 1, 4, np.zeros(4))
    graph = net({"input": port(4, 8, 10), "c": conv, "output": out(4, 6, 6)}, [("input", "c"), ("c", "output")])
    data = write(graph)
    with pytest.raises(ValueError, match="type mismatch"):
        nir.read(io.BytesIO(data))
    assert from_nir(read(data).graph, meaning())["c"].op.groups == 4


def test_fixed_length_strings_and_no_edges():
    def change(file):
        put(file, "version", np.bytes_("1.0.8"))
        put(file, "node/type", np.bytes_("NIRGraph"))
        put(file, "node/edges", np.array([[b"input", b"lif"], [b"lif", b"output"]]))

    assert read(edited(write(chain(port(3), lif())), change)).graph.edges == [("input", "lif"), ("lif", "output")]
    empty = edited(write(chain(port(3), lif())), lambda f: put(f, "node/edges", np.empty(0)))
    assert read(empty).graph.edges == []


# Facts from the version.


def old(version, node=None, v_reset=False):
    def change(file):
        put(file, "version", version)
        for name, group in file["node/nodes"].items():
            if not v_reset and "v_reset" in group:
                put(file, f"node/nodes/{name}/v_reset", None)

    return edited(write(chain(port(4), node or EVERY["LIF"])), change)


@pytest.mark.parametrize(
    ("version", "v_reset", "subtracts"),
    [
        ("1.0.4", False, True),
        ("1.0.5", False, True),
        ("0.1", False, True),
        ("1.0", False, True),
        ("1.0.5", True, False),
        ("1.0.6.dev3+g1234", False, False),
        ("1.0.6", False, False),
        ("1.0.8", False, False),
        ("1.2", False, False),
    ],
)
def test_reset_generation(version, v_reset, subtracts):
    file = read(old(version, v_reset=v_reset))
    assert file.version == version
    assert file.facts.reset == ("subtract" if subtracts else None)


def test_files_without_resets_settle_nothing():
    assert read(old("1.0.4", EVERY["LI"])).facts == Conventions()


def test_old_files_subtract_unless_told_otherwise():
    file = read(old("1.0.4", lif((4,))))
    known = Meaning(default=Conventions(**{k: v for k, v in meaning().default.known().items() if k != "reset"}))
    graph = from_nir(file.graph, file.meaning(known))
    assert isinstance(graph["lif"].op, LIF)
    assert graph["lif"].op.reset == "subtract"
    assert "reset=subtract (file version 1.0.4)" in said(graph)
    words = ["norse", "coding=spikes", "steps=2", "readout=sum"]
    graph = from_nir(read(old("1.0.4", lif((4,)))).graph, file.meaning(parse_assumptions(words)))
    assert graph["lif"].op.reset == "zero"
    assert "reset=zero (preset norse; file version 1.0.4 would say subtract)" in said(graph)


# Unusable content, one message each.


def good():
    return write(chain(port(4), EVERY["Affine"], lif((2,))))


L = "node/nodes/lif"
A = "node/nodes/affine"
BAD = {
    "no version": ("version", None, "net.nir: has no /version, which decides what its resets mean"),
    "future version": ("version", "99.0", "was written by nir version '99.0'"),
    "no number": ("version", "new", "was written by nir version 'new'"),
    "version is a number": ("version", 1.0, "has no /version"),
    "no node": ("node", None, "net.nir: /node: does not hold a NIRGraph"),
    "wrong root": ("node/type", "LIF", "/node: does not hold a NIRGraph"),
    "no nodes": ("node/nodes", None, "/node: has no nodes"),
    "no edges": ("node/edges", None, "/node: has no list of edges"),
    "edges are numbers": ("node/edges", np.ones((2, 2)), "/node: has no list of edges"),
    "edges are triples": ("node/edges", [["a", "b", "c"]], "/node: has no list of edges"),
    "unknown ends": (
        "node/edges",
        [["input", "ghost"]],
        "edge 'input' -> 'ghost' names a node that does not exist: 'ghost'",
    ),
    "double edge": ("node/edges", [["input", "lif"]] * 2, "an edge occurs twice: 'input -> lif'"),
    "no type": (f"{L}/type", None, "net.nir: node 'lif': has no type"),
    "type is a number": (f"{L}/type", 3, "node 'lif': has no type"),
    "unknown type": (f"{L}/type", "ALIF", "node 'lif': unknown type 'ALIF'\n  remedy: known types: Affine, AvgPool2d"),
    "missing field": (f"{L}/tau", None, "node 'lif' (LIF): field 'tau' is missing"),
    "unknown field": (f"{L}/refractory", 2.0, "node 'lif' (LIF): unknown field 'refractory'"),
    "text field": (f"{L}/tau", "long", "node 'lif' (LIF): 'tau' is not an array of numbers"),
    "complex field": (f"{L}/tau", np.ones(2, complex), "'tau' is of type complex128, not numbers"),
    "group as field": (f"{L}/tau/more", 2.0, "'tau' is a group, not numbers"),
    "NaN": (f"{A}/weight", np.full((2, 4), np.nan), "'weight' holds 8 NaN or infinite values of 8"),
    "infinity": (f"{A}/bias", np.array([np.inf, 0]), "'bias' holds 1 NaN or infinite values of 2"),
    "bias length": (f"{A}/bias", np.ones(3), "'bias' has shape (3,), but 'weight' (2, 4) gives (2,)"),
    "vector weight": (f"{A}/weight", np.ones(4), "'weight' has shape (4,)\n  remedy: a matrix (out, in) is needed"),
    "empty weight": (f"{A}/weight", np.ones((0, 4)), "'weight' is empty"),
    "unequal": (f"{L}/r", np.ones(3), "parameters differ in shape: tau (2,), r (3,)"),
    "port": ("node/nodes/input/shape", np.array([4, -1]), "node 'input' (Input): 'shape' is (4, -1)"),
    "port of fractions": ("node/nodes/input/shape", np.array([1.5]), "'shape' is [1.5], not a few integers"),
    "no shape": ("node/nodes/input/shape", None, "field 'shape' is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_unusable_content(name):
    path, value, text = BAD[name]

    def change(file):
        if path.endswith("more"):
            del file[path.removesuffix("/more")]
        put(file, path, value)

    assert text in refused(edited(good(), change))


CONV = {
    "groups": ("groups", 3, "'groups' is (3,) for 4 output channels"),
    "stride": ("stride", np.array([1, 0]), "'stride' is (1, 0)"),
    "three strides": ("stride", np.array([1, 1, 1]), "'stride' is (1, 1, 1)"),
    "padding": ("padding", np.array([-1, 0]), "'padding' is (-1, 0)"),
    "padding word": ("padding", "reflect", "'padding' is 'reflect'\n  remedy: use 'same', 'valid' or integers"),
    "same with stride": ("padding", "same", "padding 'same' with a stride other than 1 is undefined"),
    "weight": ("weight", np.ones((4, 3, 3)), "'weight' has shape (4, 3, 3)"),
    "bias": ("bias", np.ones(2), "'bias' has shape (2,), but 'weight' (4, 1, 3, 3) gives (4,)"),
    "huge": ("dilation", 2**40, "'dilation' is "),
}


@pytest.mark.parametrize("name", CONV)
def test_unusable_convolutions(name):
    key, value, text = CONV[name]
    data = write(chain(port(2, 8, 8), EVERY["Conv2d"]))
    assert text in refused(edited(data, lambda f: put(f, f"node/nodes/conv2d/{key}", value)))


def test_all_problems_come_together():
    def change(file):
        put(file, f"{L}/tau", None)
        put(file, f"{A}/bias", np.ones(7))
        put(file, "node/edges", [["input", "ghost"]])

    text = refused(edited(good(), change))
    assert len(text.split("net.nir: ")) == 4


def test_slash_in_a_name():
    text = refused(write(net({"input": port(3), "a/b": lif(), "output": out(3)}, [("input", "output")])))
    assert "node 'a': has no type, but nodes inside" in text
    assert "remedy: rename nodes: '/' in a name splits it in HDF5" in text


def test_faults_in_nested_graphs_name_the_path():
    inner = net({"in": port(3), "n": lif(), "out": out(3)}, [("in", "n"), ("n", "ghost")])
    text = refused(write(net({"input": port(3), "g": inner, "output": out(3)}, [("input", "g"), ("g", "output")])))
    assert "net.nir: graph 'g': edge 'n' -> 'ghost' names a node that does not exist: 'ghost'" in text


def test_paths_that_are_no_files(tmp_path):
    for path, text in ((tmp_path / "none.nir", "no such file"), (tmp_path, "is not a regular file")):
        with pytest.raises(InputError, match=text):
            read_nir(path)
    for path in ("with\0null", "x" * 5000):
        with pytest.raises(InputError, match=r"no such file|cannot be read"):
            read_nir(path)
    path = tmp_path / "net.nir"
    path.write_bytes(good())
    with pytest.raises(InputError, match="bytes long"):
        read_nir(path, limits=Limits(nbytes=1000))
