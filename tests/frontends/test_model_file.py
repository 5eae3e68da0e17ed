"""The model file: same bytes for the same model, every field checked, everything else refused by name."""

# ruff: noqa: E402

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("norse")

import nir
from torch import nn

from seamount.compiler.errors import InputError, SeamountError
from seamount.frontends import load_model, save, self_check
from seamount.frontends.model_file import file as model_file
from seamount.frontends.model_file.fields import digest, to_fields
from seamount.frontends.model_file.file import write_model
from tests.frontends.networks import Residual, lively, spikes


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.pt"
    save(Residual(), path, sample=spikes(6, 7, 12), readout="sum", labels=np.arange(6), accuracy=0.5)
    return path


def refused(path) -> str:
    with pytest.raises(InputError) as error:
        load_model(path)
    return str(error.value)


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    other = tmp_path / "other name.pt"
    save(Residual(), other, sample=spikes(6, 7, 12), readout="sum", labels=np.arange(6), accuracy=0.5)
    assert other.read_bytes() == saved.read_bytes()
    write_model(load_model(saved), tmp_path / "again.pt")
    assert (tmp_path / "again.pt").read_bytes() == saved.read_bytes()


def test_it_loads_with_weights_only_and_holds_plain_values(saved):
    content = torch.load(saved, weights_only=True)
    assert {type(v) for v in content.values()} == {torch.Tensor, str, int, float}
    assert content["format"] == "seamount-model" and content["version"] == 2


def test_the_nir_graph_can_be_taken_out(saved):
    graph = nir.read(io.BytesIO(load_model(saved).nir))
    assert {"a", "one", "b", "two", "c", "out"} <= set(graph.nodes)


def test_spikes_survive_packing(saved):
    file = load_model(saved)
    assert file.golden.spikes["two"].shape == (6, 7, 16)
    assert set(np.unique(file.golden.spikes["two"])) == {0, 1}


def test_random_damage_never_ends_in_a_traceback(saved, tmp_path):
    data, rng = saved.read_bytes(), np.random.default_rng(0)
    path = tmp_path / "damaged.pt"
    for cut in (0, 1, 4, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        refused(path)
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 20):
            damaged[at] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged))
        try:
            load_model(path).nir_file()
        except InputError as error:
            assert error.problems


def stored(path, content):
    torch.save(content, path)
    return path


def jit(path):
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path)
    return path


def pt2(path):
    program = torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(program, path)
    return path


def other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return path


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10**8)
    return path


def hdf5(path):
    nir.write(path, nir.NIRGraph.from_list(nir.Linear(np.ones((2, 2)))))
    return path


FOREIGN = {
    "whole module": (lambda p: stored(p, nn.Linear(2, 2)), "whole pickled module", "from seamount.frontends import"),
    "whole norse module": (
        lambda p: stored(p, {"model": nn.Sequential(nn.Linear(2, 2))}), "could run code", "sample=x[:8]",
    ),
    "state_dict": (lambda p: stored(p, nn.Linear(2, 2).state_dict()), "plain state_dict", "readout=..."),
    "checkpoint": (lambda p: stored(p, {"epoch": 3, "w": torch.ones(2)}), "is a checkpoint", "from seamount.frontends"),
    "tensor": (lambda p: stored(p, torch.ones(2)), "holds a Tensor", "from seamount.frontends"),
    "list": (lambda p: stored(p, [1, 2]), "holds a list", "from seamount.frontends"),
    "legacy": (
        lambda p: torch.save(nn.Linear(2, 2).state_dict(), p, _use_new_zipfile_serialization=False) or p,
        "old torch format", "from seamount.frontends",
    ),
    "TorchScript": (jit, "TorchScript", "from seamount.frontends"),
    ".pt2": (pt2, "torch.export archive", "from seamount.frontends"),
    "zip": (other_zip, "not a PyTorch file", "from seamount.frontends"),
    "bomb": (bomb, "compressed", "from seamount.frontends"),
    "HDF5": (hdf5, "is an HDF5 file", ".nir"),
    "text": (lambda p: p.write_text("hello") and p, "not a PyTorch file", "from seamount.frontends"),
    "empty": (lambda p: p.write_bytes(b"") or p, "is empty", "save it again"),
    "folder": (lambda p: p.mkdir() or p, "is a folder", "model file"),
    "missing": (lambda p: p, "no such file", "check the path"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FOREIGN)
def test_other_files_are_refused_by_name(name, tmp_path):
    make, found, remedy = FOREIGN[name]
    text = refused(make(tmp_path / "model.pt"))
    assert found in text and remedy in text and "model.pt" in text


def test_a_pickle_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/ran",)

    torch.save({"format": "seamount-model", "version": 1, "x": Evil()}, tmp_path / "m.pt")
    assert "could run code" in refused(tmp_path / "m.pt")
    assert not (tmp_path / "ran").exists()


FORGED = {
    "no nir": ({"nir": None}, "field 'nir': is missing"),
    "nir as text": ({"nir": "x"}, "field 'nir': is str"),
    "future": ({"version": 3}, "update Seamount"),
    "no version": ({"version": None}, "save the model again"),
    "version as text": ({"version": "1"}, "version '1'"),
    "unknown field": ({"extra": 3}, "field 'extra': is not a field of this version"),
    "bad meaning": ({"meaning": '{"default": {"reset": "soft"}}'}, "Invalid enum value"),
    "meaning of the wrong kind": ({"meaning": "[]"}, "field 'meaning'"),
    "unknown convention": ({"meaning": '{"default": {"colour": 1}}'}, "unknown field"),
    "no readout": ({"meaning": "{}"}, "the readout rule is missing"),
    "accuracy": ({"accuracy": 3.0}, "field 'accuracy'"),
    "name": ({"name": 5}, "field 'name': is int, not a text"),
    "double inputs": ({"golden.inputs": torch.zeros(6, 7, 12, dtype=torch.float64)}, "is float64"),
    "NaN": ({"golden.inputs": torch.full((6, 7, 12), float("nan"))}, "holds NaN"),
    "wrong steps": ({"golden.inputs": torch.zeros(6, 8, 12)}, "for 7 steps"),
    "wrong samples": ({"golden.labels": torch.zeros(5, dtype=torch.int64)}, "one label per sample"),
    "huge by strides": ({"golden.inputs": torch.zeros(1).expand(6, 7, 10**9)}, "is Tensor, not a plain tensor"),
    "sparse": ({"golden.inputs": torch.zeros(6, 7, 12).to_sparse()}, "not a plain tensor"),
    "spikes too short": ({"golden.spikes/two": torch.zeros(3, dtype=torch.uint8)}, "do not hold spikes of shape"),
    "spikes missing": ({"golden.spikes/two": None}, "field 'golden.spikes/two': is missing"),
    "huge shape": ({"golden.shapes": '{"one": [6, 7, 99999999999], "two": [6, 7, 16]}'}, "do not hold spikes"),
    "negative shape": ({"golden.shapes": '{"one": [6, -7, -16], "two": [6, 7, 16]}'}, "do not hold spikes"),
    "bfloat16": ({"golden.inputs": torch.zeros(6, 7, 12, dtype=torch.bfloat16)}, "is bfloat16 of shape (6, 7, 12)"),
    "gradient": ({"golden.inputs": torch.zeros(6, 7, 12).requires_grad_()}, "is Tensor, not a plain tensor"),
    "meta": ({"golden.inputs": torch.zeros(6, 7, 12, device="meta")}, "is Tensor, not a plain tensor"),
    "negative bit": ({"golden.inputs": torch._neg_view(torch.zeros(6, 7, 12))}, "is Tensor, not a plain tensor"),
    "Parameter": ({"golden.inputs": nn.Parameter(torch.zeros(6, 7, 12))}, "is Parameter, not a plain tensor"),
    "0-d": ({"golden.inputs": torch.tensor(1.0)}, "is float32 of shape (), not of several axes"),
    "format as a tensor": ({"format": torch.zeros(3)}, "is a checkpoint"),
    "version as a tensor": ({"version": torch.zeros(3)}, "model file of version Tensor"),
    "no digest": ({"digest": None}, "field 'digest': is missing"),
    "digest of another file": ({"ties": 7}, "its digest does not fit its content"),
    "series": ({"golden.series": torch.zeros(6, 6, 5)}, "for 6 samples of 7 steps"),
}


@pytest.mark.parametrize("name", FORGED)
def test_every_field_is_checked(name, saved, tmp_path):
    change, found = FORGED[name]
    content = {**torch.load(saved, weights_only=True), **change}
    torch.save({k: v for k, v in content.items() if v is not None}, tmp_path / "m.pt")
    assert found in refused(tmp_path / "m.pt")


def test_one_flipped_bit_is_refused(saved, tmp_path):
    """torch.load looks at no checksum, and most bits of the weights would only give another network."""
    data, rng, path = saved.read_bytes(), np.random.default_rng(0), tmp_path / "flipped.pt"
    whole = torch.load(saved, weights_only=True)["nir"].numpy().tobytes()
    start = data.index(whole)
    for at in rng.integers(start, start + len(whole), 40):
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(flipped))
        assert "is damaged: the checksum of" in refused(path)


def test_a_changed_value_is_refused_where_the_checksums_fit(saved, tmp_path):
    content = torch.load(saved, weights_only=True)
    content["golden.outputs"][0, 0] += 1
    torch.save(content, tmp_path / "m.pt")
    assert "its digest does not fit its content" in refused(tmp_path / "m.pt")


def test_version_1_has_no_digest_and_is_read(saved, tmp_path):
    content = {**torch.load(saved, weights_only=True), "version": 1}
    del content["digest"]
    torch.save(content, tmp_path / "old.pt")
    old, new = load_model(tmp_path / "old.pt"), load_model(saved)
    assert old.nir == new.nir and np.array_equal(old.golden.outputs, new.golden.outputs)


def test_the_digest_is_of_every_field(saved):
    fields = to_fields(load_model(saved))
    for name in set(fields) - {"digest"}:
        assert digest({k: v for k, v in fields.items() if k != name}) != fields["digest"], name
    inputs = fields["golden.inputs"]
    assert digest({**fields, "golden.inputs": inputs.reshape(7, 6, 12)}) != fields["digest"]


_KINDS = (
    None, True, 3, -1, 2**70, float("nan"), "", "\0", "[]", "{}", "null", '{"a": [1, 2]}', b"x", [1], (), {"a": 1},
    torch.zeros(()), torch.zeros(0), torch.zeros(2, 3), torch.zeros(6, 7, 12, 1), torch.zeros(6, 7, 11),
    torch.zeros(3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.complex64),
)  # fmt: skip


def test_any_value_in_any_field_is_accepted_or_refused_by_name(saved, tmp_path):
    """As version 1, which no digest protects."""
    whole = {**torch.load(saved, weights_only=True), "version": 1}
    del whole["digest"]
    escaped = []
    for name in whole:
        for value in _KINDS:
            torch.save({**whole, name: value}, tmp_path / "m.pt")
            try:
                self_check(load_model(tmp_path / "m.pt"))
            except SeamountError as error:
                assert error.problems
            except Exception as error:  # counted, and raised below
                escaped.append((name, value, error))
    assert escaped == []


def test_a_golden_trace_of_another_network_is_refused(saved, tmp_path):
    fields = {k: v for k, v in torch.load(saved, weights_only=True).items() if k != "digest"}
    fields["golden.spikes/other"] = fields.pop("golden.spikes/two")
    fields["golden.shapes"] = fields["golden.shapes"].replace('"two"', '"other"')
    torch.save({**fields, "version": 1}, tmp_path / "m.pt")
    with pytest.raises(InputError, match=r"node 'other': has shape .*, but the network has no such node"):
        load_model(tmp_path / "m.pt").graph()


def test_damaged_nir_bytes_are_refused(saved, tmp_path):
    content = torch.load(saved, weights_only=True)
    content["nir"] = content["nir"][:200].clone()
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(InputError):
        load_model(tmp_path / "m.pt").graph()


def test_an_old_file_stays_when_the_disk_is_full(saved, tmp_path, monkeypatch):
    path = tmp_path / "m.pt"
    path.write_bytes(b"before")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(model_file.os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_model(load_model(saved), path)
    assert path.read_bytes() == b"before" and [p.name for p in tmp_path.iterdir()] == ["m.pt"]


def test_an_interrupt_leaves_nothing(saved, tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(model_file.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_model(load_model(saved), tmp_path / "m.pt")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(saved, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        write_model(load_model(saved), tmp_path / "no" / "m.pt")


def test_without_torch_the_extra_is_named(saved):
    code = f"""
    import sys
    sys.modules["torch"] = None
    from seamount.compiler.errors import InputError
    from seamount.frontends import load_model
    try:
        load_model({str(saved)!r})
    except InputError as error:
        assert "pip install 'seamount[torch]'" in str(error), error
    else:
        raise SystemExit("no error")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_every_stored_field_is_documented(saved):
    text = (Path(__file__).parents[2] / "docs" / "model-file.md").read_text(encoding="utf-8")
    fields = set(to_fields(load_model(saved)))
    documented = {f"golden.spikes/{name}" for name in ("one", "two")}
    assert {f for f in fields - documented if f"`{f}`" not in text} == set()
    assert "`golden.spikes/NODE`" in text


def test_a_convolutional_model_stays_small(tmp_path):
    import norse.torch as snn

    layers = nn.Conv2d(1, 8, 5), snn.LIFBoxCell(), nn.Flatten(), nn.Linear(8 * 576, 10), snn.LIBoxCell()
    model = snn.SequentialState(*layers)
    save(lively(model, 3.0), tmp_path / "m.pt", sample=torch.rand(4, 1, 28, 28), steps=5, readout="sum")
    weights = sum(p.numel() for p in model.parameters())
    assert (tmp_path / "m.pt").stat().st_size < 8 * weights + 200_000
