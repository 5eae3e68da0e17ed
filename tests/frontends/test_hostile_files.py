"""Files that want something else than to be read: each ends in one InputError, quickly and in little memory."""

from __future__ import annotations

import io
import itertools
import re
import resource
import struct
import time
import zlib

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamount.compiler.errors import InputError, SeamountError
from seamount.frontends.conventions import parse_assumptions
from seamount.frontends.hdf5.tree import Limits
from seamount.frontends.nir.file import read_nir
from seamount.frontends.nir.from_nir import from_nir
from tests.frontends.nir_nets import affine, chain, lif, net, out, port, write

WEIGHT = "node/nodes/affine/weight"
MEANING = parse_assumptions(["norse", "coding=spikes", "steps=3", "readout=sum"])


def sample():
    """A file with most features: nesting, convolution, words as padding, several arrays."""
    inner = net({"in": port(2, 6, 6), "n": lif((2, 6, 6)), "out": out()}, [("in", "n"), ("n", "out")])
    nodes = {
        "input": port(1, 6, 6),
        "conv": nir.Conv2d((6, 6), np.ones((2, 1, 3, 3)), 1, "same", 1, 1, np.zeros(2)),
        "sub": net({**inner.nodes, "out": out(2, 6, 6)}, inner.edges),
        "flat": nir.Flatten({"input": np.array([2, 6, 6])}, 0, -1),
        "affine": affine(3, 72),
        "output": out(3),
    }
    names = list(nodes)
    return net(nodes, list(itertools.pairwise(names)))


DATA = {c: write(sample(), compression=c) for c in ("gzip", "lzf", None)}


def crafted(tmp_path, change):
    path = tmp_path / "net.nir"
    path.write_bytes(write(chain(port(4), affine(3, 4), lif())))
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def refused(path, **limits):
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        read_nir(path, "net.nir", Limits(**limits) if limits else None)
    assert time.monotonic() - began < 5
    return str(caught.value)


def test_the_sample_is_good():
    for data in DATA.values():
        assert len(from_nir(read_nir(io.BytesIO(data)).graph, MEANING).nodes) == 6


# Links.


def test_external_link(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.ones((3, 4))

    def change(file):
        del file[WEIGHT]
        file[WEIGHT] = h5py.ExternalLink(str(tmp_path / "other.h5"), "secret")

    text = refused(crafted(tmp_path, change))
    assert f"net.nir: /{WEIGHT}: is a link into another file" in text
    assert "limit:  links are not followed" in text


def test_soft_links(tmp_path):
    def change(file):
        file["node/nodes/loop"] = h5py.SoftLink("/node")
        file["node/nodes/away"] = h5py.SoftLink("/nowhere")

    text = refused(crafted(tmp_path, change))
    assert "/node/nodes/loop: is a soft link (to '/node')" in text
    assert "/node/nodes/away: is a soft link" in text


def test_hard_link_cycle_and_shared_object(tmp_path):
    def cycle(file):
        file["node/nodes/lif/inside"] = file["node"]

    assert "is linked from two places in the file" in refused(crafted(tmp_path, cycle))

    def shared(file):
        file["node/nodes/twin"] = file["node/nodes/lif"]

    assert "is linked from two places in the file" in refused(crafted(tmp_path, shared))


# Data from elsewhere.


def test_external_storage(tmp_path):
    (tmp_path / "raw.bin").write_bytes(bytes(96))

    def change(file):
        del file[WEIGHT]
        file.create_dataset(WEIGHT, (3, 4), "f8", external=[(str(tmp_path / "raw.bin"), 0, 96)])

    assert "keeps its data in another file (external storage)" in refused(crafted(tmp_path, change))


# Data that are missing: they would read as zeros, or as whatever the fill value is.


def partly(file):
    never(file, chunks=(2, 3))
    file[WEIGHT][:2, :3] = 1.0


def never(file, **options):
    del file[WEIGHT]
    file.create_dataset(WEIGHT, (3, 4), "f8", **options)


def short_chunk(file):
    never(file, chunks=(3, 4), compression="gzip")
    file[WEIGHT].id.write_direct_chunk((0, 0), zlib.compress(bytes(40)))


def unfiltered_chunk(file):
    never(file, chunks=(3, 4), compression="gzip")
    file[WEIGHT].id.write_direct_chunk((0, 0), bytes(40), filter_mask=1)


MISSING = {
    "no chunk": lambda file: never(file, chunks=(2, 3), compression="gzip"),
    "one chunk of four": partly,
    "contiguous, not allocated": never,
    "a chunk that unpacks to less": short_chunk,
    "a chunk stored as it is, too short": unfiltered_chunk,
}


@pytest.mark.parametrize("name", MISSING)
def test_missing_data(name, tmp_path):
    found = "holds less data than its shape declares; what is missing would read as zeros"
    assert f"{WEIGHT}: {found}" in refused(crafted(tmp_path, MISSING[name]))


@pytest.mark.parametrize("options", [{}, {"chunks": (2, 3)}, {"chunks": (3, 4), "compression": "lzf"}])
def test_fill_value(options, tmp_path):
    text = refused(crafted(tmp_path, lambda file: never(file, fillvalue=7.0, **options)))
    assert "has a fill value of its own, which may stand for data that were never stored" in text


def test_numbers_in_a_format_of_their_own(tmp_path):
    """One flipped bit of a header moves the exponent: all weights would change by a factor."""
    kind = h5py.h5t.IEEE_F64LE.copy()
    kind.set_ebias(1022)

    def change(file):
        del file[WEIGHT]
        space = h5py.h5s.create_simple((3, 4))
        made = h5py.h5d.create(file.id, WEIGHT.encode(), kind, space)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ones((3, 4)))

    assert "'weight' is numbers in a format of their own" in refused(crafted(tmp_path, change))


def test_a_flipped_bit_never_gives_other_weights():
    """Of a gzip file of several chunks, whose content has a checksum: headers, indices and data."""
    weight = np.random.default_rng(0).normal(0, 1, (128, 64))
    names = ["input", "fc", "output"]
    nodes = dict(zip(names, (port(64), nir.Linear(weight), out(128)), strict=True))
    data, rng = write(net(nodes, list(itertools.pairwise(names))), compression="gzip"), np.random.default_rng(0)
    changed = []
    for at in rng.choice(len(data), 1000, replace=False):
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(rng.integers(8))
        try:
            read = read_nir(io.BytesIO(bytes(flipped))).graph.nodes["fc"].weight
        except (InputError, KeyError):
            continue
        if not np.array_equal(read, weight):
            changed.append(int(at))
    assert changed == []


def test_virtual_dataset(tmp_path):
    def change(file):
        layout = h5py.VirtualLayout((3, 4), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (3, 4))
        del file[WEIGHT]
        file.create_virtual_dataset(WEIGHT, layout)

    assert "is a virtual dataset; its data lie in other files" in refused(crafted(tmp_path, change))


# More than there is.


def replaced(shape, **options):
    def change(file):
        del file[WEIGHT]
        file.create_dataset(WEIGHT, shape, "f8", **options)

    return change


def test_eighty_gigabytes_declared(tmp_path):
    path = crafted(tmp_path, replaced((100_000, 100_000), chunks=(1000, 1000), compression="gzip"))
    assert path.stat().st_size < 100_000
    text = refused(path)
    assert "declares an array of shape (100000, 100000), 80,000,000,000 bytes" in text
    assert "limit:  2,147,483,648 bytes for all arrays of a file together" in text


def test_the_limit_is_on_the_sum(tmp_path):
    def change(file):
        for k in range(10):
            file.create_dataset(f"node/nodes/lif/more{k}", data=np.zeros(10_000), chunks=(10_000,), compression="gzip")

    path = crafted(tmp_path, change)
    assert "declares an array" in refused(path, nbytes=700_000)
    assert "unknown field 'more0'" in refused(path, nbytes=900_000)


def test_huge_chunk_for_a_small_array(tmp_path):
    change = replaced((3, 4), chunks=(20_000, 20_000), maxshape=(None, None))
    assert "declares an array of shape (3, 4)" in refused(crafted(tmp_path, change))


def test_gzip_bomb(tmp_path):
    def change(file):
        del file[WEIGHT]
        weight = file.create_dataset(WEIGHT, (3, 4), "f8", chunks=(3, 4), compression="gzip")
        weight.id.write_direct_chunk((0, 0), zlib.compress(bytes(300_000_000), 9))

    path = crafted(tmp_path, change)
    assert path.stat().st_size < 1_000_000
    assert "unpacks to more data than its shape declares" in refused(path)


def test_lzf_that_could_expand_too_far(tmp_path):
    def change(file):
        del file[WEIGHT]
        weight = file.create_dataset(WEIGHT, (3, 4), "f8", chunks=(3, 4), compression="lzf")
        weight.id.write_direct_chunk((0, 0), bytes(100_000))

    assert "unpacks to more data than its shape declares" in refused(crafted(tmp_path, change), nbytes=1_000_000)


def test_filters_that_are_not_read(tmp_path):
    change = replaced((3, 4), chunks=(3, 4), scaleoffset=3)
    assert "uses HDF5 filters [6]" in refused(crafted(tmp_path, change))


def test_too_many_objects_and_too_deep(tmp_path):
    def many(file):
        for k in range(60):
            file.create_group(f"node/nodes/n{k}")

    assert "the file holds more than 50 objects" in refused(crafted(tmp_path, many), objects=50)

    def deep(file):
        file.create_group("node/nodes/" + "/".join("x" * 100))

    assert "groups are nested more than 64 deep" in refused(crafted(tmp_path, deep))


def test_many_names_of_one_long_string(tmp_path):
    """Edges that all point at one megabyte of text would make 10 GB of strings."""
    name = "x" * 1_000_000

    def change(file):
        del file["node/edges"]
        file["node/edges"] = np.array([[name, name]] * 5000, dtype=object)

    path = crafted(tmp_path, lambda file: None)
    with h5py.File(path, "r+") as file:
        del file["node/edges"]
        edges = file.create_dataset("node/edges", (5000, 2), h5py.string_dtype())
        edges[0] = [name, name]
        offset = edges.id.get_offset()
    data = bytearray(path.read_bytes())
    data[offset : offset + 5000 * 32] = bytes(data[offset : offset + 16]) * 10_000
    path.write_bytes(data)
    assert "the strings are longer than any network needs" in refused(path)


# Odd objects and names.


def test_names_with_control_characters(tmp_path):
    text = refused(crafted(tmp_path, lambda file: file.create_group("node/nodes/a\x1b[31mred")))
    assert "the name holds control characters" in text
    assert "\x1b" not in text


def test_names_that_are_not_utf8(tmp_path):
    path = crafted(tmp_path, lambda file: file.create_group("node/nodes/abcdefg"))
    path.write_bytes(path.read_bytes().replace(b"abcdefg", b"abc\xff\xfe\xfdg"))
    assert "the name is not UTF-8 text" in refused(path)


def test_named_types_references_and_empty_datasets(tmp_path):
    assert "is neither a group nor a dataset" in refused(
        crafted(tmp_path, lambda file: file.__setitem__("node/nodes/lif/kind", np.dtype("f8")))
    )

    def reference(file):
        del file[WEIGHT]
        file.create_dataset(WEIGHT, data=file["node"].ref, dtype=h5py.ref_dtype)

    assert "'weight' is of type object, not numbers" in refused(crafted(tmp_path, reference))

    def empty(file):
        del file[WEIGHT]
        file[WEIGHT] = h5py.Empty("f8")

    assert "'weight' is empty, not numbers" in refused(crafted(tmp_path, empty))


def test_text_in_a_layout_nir_does_not_write(tmp_path):
    def change(file):
        del file["node/nodes/lif/type"]
        file.create_dataset("node/nodes/lif/type", data=["LIF"], chunks=(1,), dtype=h5py.string_dtype())

    assert "node 'lif': has no type" in refused(crafted(tmp_path, change))


# Damage.


@pytest.mark.parametrize("data", [b"", b"x", b"text " * 100, b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_not_hdf5(data):
    with pytest.raises(InputError, match=r"net: is (empty|not an HDF5 file|damaged or cut off)"):
        read_nir(io.BytesIO(data), "net")


def test_cut_off_anywhere():
    data = DATA["gzip"]
    for length in [*range(0, len(data), 997), len(data) - 1]:
        with pytest.raises(InputError, match=r"cut off|not an HDF5|empty"):
            read_nir(io.BytesIO(data[:length]))


def test_string_heaps_that_hang_libhdf5():
    """A heap object of size 2^64 - 16 makes libhdf5 2.0.0 loop for ever; its neighbours are near misses."""
    data = DATA["gzip"]
    heap = data.index(b"GCOL")
    for size in (0, 2**64 - 16, 2**63, 7):
        for at in (heap + 24, heap + 8):
            broken = bytearray(data)
            broken[at : at + 8] = struct.pack("<Q", size)
            outcome(bytes(broken))


def outcome(data):
    """Import a file; only a SeamountError may come out, within seconds."""
    began = time.monotonic()
    try:
        from_nir(read_nir(io.BytesIO(data), "net.nir").graph, MEANING)
    except SeamountError as error:
        assert error.problems
        assert str(error)
    assert time.monotonic() - began < 10


class Blob(bytes):
    """Bytes that print as their number."""

    def __repr__(self):
        return f"<{len(self)} bytes>"


@st.composite
def damaged(draw):
    """A good file with some bytes changed, most of them where there was something."""
    data = bytearray(DATA[draw(st.sampled_from(sorted(DATA, key=str)))])
    used = [k for k, b in enumerate(data) if b]
    for _ in range(draw(st.integers(1, 12))):
        at = draw(st.sampled_from(used)) if draw(st.booleans()) else draw(st.integers(0, len(data) - 1))
        data[at] = draw(st.sampled_from([0, 1, 255, data[at] ^ (1 << draw(st.integers(0, 7)))]))
    end = draw(st.sampled_from([len(data)] * 9 + [draw(st.integers(0, len(data)))]))
    return Blob(data[:end])


@settings(max_examples=250, deadline=None)
@given(damaged())
def test_damaged_bytes(data):
    outcome(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data):
    outcome(data)
    outcome(DATA["gzip"][:512] + data)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(damaged())
def test_damaged_bytes_many(data):
    outcome(data)


VALUES = [0, -1, 1, 2, 2**31, -(2**31), 1e308, np.nan, np.inf, "", "same", "LIF", "NIRGraph", "1.0.4"]


@st.composite
def rewritten(draw):
    """A well-formed HDF5 file with wrong values: fields deleted, retyped, reshaped, renamed."""
    stream = io.BytesIO(DATA["gzip"])
    with h5py.File(stream, "r+") as file:
        paths = []
        file.visit(paths.append)
        for path in draw(st.lists(st.sampled_from(sorted(paths)), min_size=1, max_size=3)):
            if path not in file:
                continue
            del file[path]
            kind = draw(st.integers(0, 3))
            if kind == 1:
                file[path] = draw(st.sampled_from(VALUES))
            elif kind == 2:
                shape = draw(st.lists(st.integers(0, 4), max_size=4))
                file[path] = np.full(shape, draw(st.sampled_from([0, 1, 3, -2, 0.5, np.inf])))
            elif kind == 3:
                file[path] = draw(st.lists(st.sampled_from(["input", "conv", "sub", "ghost", ""]), min_size=1))
    return Blob(stream.getvalue())


@settings(max_examples=200, deadline=None)
@given(rewritten())
def test_wrong_values(data):
    outcome(data)


def test_a_damaged_structure_takes_little_memory(tmp_path):
    """Eight bytes lost in a table of links once made libhdf5 fill 20 GB with zeros; found by fuzzing (nir 11531)."""
    data = DATA["lzf"]
    table = next(m.start() for m in re.finditer(b"SNOD", data) if m.start() > 12_000)
    path = tmp_path / "net.nir"
    path.write_bytes(data[: table + 121] + data[table + 129 :])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrlimit(resource.RLIMIT_AS)
    assert "is damaged or cut off" in refused(path)
    most, limits = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrlimit(resource.RLIMIT_AS)
    assert most - before[0] < 600_000 and limits == before[1]
