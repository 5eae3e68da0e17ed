"""Every format that comes from outside: valid files, their mutations, and how they are read."""

from __future__ import annotations

import io
import json
import os
import random
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from seamount.backends.lava.host import execute
from seamount.backends.lava.results import join_traces, load_trace, save_messages, save_trace
from seamount.backends.registry import load_backend, load_target
from seamount.compiler.artifact import Artifact, load_artifact, save_artifact
from seamount.compiler.diff.recording import read_record
from seamount.compiler.driver import compile_graph
from seamount.compiler.energy.cost_file import read_costs
from seamount.compiler.files import digest
from seamount.compiler.kept_run import _digest as of_content
from seamount.compiler.kept_run import load_run, save_run
from seamount.compiler.program.codec import load_arrays, save_arrays, write_program
from seamount.compiler.program.lower import lower
from seamount.compiler.program.program import Program
from seamount.compiler.target.system_file import read_system
from seamount.compiler.target.target_file import read_target
from seamount.frontends.conventions import Conventions, Meaning
from seamount.frontends.netx.file import from_net, read_net
from seamount.frontends.nir.data_file import data_bytes
from seamount.frontends.nir.data_file import read_data as read_data_file
from seamount.frontends.nir.file import read_nir
from seamount.frontends.nir.from_nir import from_nir
from seamount.models.data.datasets import load_inputs
from tests.frontends.net_files import NETWORKS, write_net
from tests.frontends.test_hostile_files import DATA, MEANING
from tests.fuzz import mutate
from tests.test_artifact import small_artifact
from tests.test_kept_run import small_run


@dataclass(frozen=True)
class Format:
    """name: of the format. make: (empty folder, source of chance) -> a mutated input in it. read: reads that. quick:
    inputs in the default suite."""

    name: str
    make: Callable[[Path, random.Random], Path]
    read: Callable[[Path], object]
    quick: int = 250


# what is accepted must mean the same everywhere


@cache
def engines() -> tuple[Any, ...]:
    names = ["reference", "vectorized", *(["cpu"] if find_spec("numba") else [])]
    return tuple(load_backend(name) for name in names)


def agree(program: Program) -> None:
    """Run an accepted program on every engine. Raises AssertionError where they differ."""
    if program.steps > 64 or sum(p.size for p in program.populations) > 4096:
        return
    rng = np.random.default_rng(0)
    sent = {p.name: rng.integers(p.low, p.high + 1, (2, 3, *p.shape)).astype(np.int32) for p in program.inputs}
    first, *others = [engine.run(program, sent, record=frozenset({"spikes", "v"})) for engine in engines()]
    for other in others:
        for part in ("readout", "spikes", "v"):
            mine, theirs = getattr(first, part), getattr(other, part)
            assert all(np.array_equal(mine[name], theirs[name]) for name in mine), part


# mutations by format


def nir_bytes(folder: Path, rng: random.Random) -> Path:
    path = folder / "net.nir"
    path.write_bytes(mutate.of_bytes(DATA[rng.choice(("gzip", "lzf", None))], rng))
    return path


def net_layers(folder: Path, rng: random.Random) -> Path:
    """A field of a layer or of its neurons as another value, shape or nothing, or the bytes of the file."""
    layers = deepcopy(NETWORKS[rng.choice(sorted(NETWORKS))]())
    for _ in range(rng.randrange(1, 3)):
        fields = rng.choice(layers)
        fields = fields["neuron"] if "neuron" in fields and rng.random() < 0.5 else fields
        name = rng.choice((*sorted(fields), "delay", "bias", "groups", "wgtExp", "weight_rec"))
        held = np.asarray(fields.get(name, 1))
        if name == "type":
            fields[name] = rng.choice(("conv", "dense", "pool", "average", "flatten", "CUBA", "SDNN", ""))
        elif rng.random() < 0.15 and name in fields:
            del fields[name]
        elif held.dtype.kind in "fiub":
            number = rng.choice((0, -1, 1, 2, 3, 127, 128, 4096, 5000, 2**17, 2**31, 1e300, 0.5, np.nan))
            whole, part = np.full(held.shape, number), held.reshape(-1)[: rng.randrange(held.size + 1)]
            fields[name] = rng.choice((number, whole, held[None], part, np.resize(held, (2, 3)), held * 2, held * -1))
    path = write_net(folder / "net.net", layers, rng.choice((None, 0, 3, 12, 10**7)))
    if rng.random() < 0.2:
        path.write_bytes(mutate.of_bytes(path.read_bytes(), rng))
    return path


def read_layers(path: Path) -> None:
    graph = from_net(read_net(path), Meaning(default=Conventions(steps=4)))
    agree(lower(graph, delay_max=62))


def compiled(path: Path) -> Artifact:
    graph = from_nir(read_nir(path).graph, MEANING)
    return compile_graph(graph, load_target("loihi-sim")).artifact


def read_network(path: Path) -> None:
    agree(compiled(path).program)


def arrays_changed(path: Path, rng: random.Random) -> None:
    """One array of an .npz as another type, shape or value, or the bytes of the file."""
    if rng.random() < 0.3:
        path.write_bytes(mutate.of_bytes(path.read_bytes(), rng))
        return
    held = load_arrays(path)
    if not held:
        return
    name = rng.choice(sorted(held))
    a = held[name]
    kind = rng.randrange(7)
    if kind == 0:
        del held[name]
    elif kind == 1:
        held[name] = a.astype(rng.choice(("f4", "i1", "u8", ">i4", "?", "U3", "c8")))
    elif kind == 2:
        held[name] = a[None]
    elif kind == 3:
        held[name] = a.reshape(-1)[: rng.randrange(max(a.size, 1))]
    elif kind == 4 and a.size:
        held[name] = a.copy()
        held[name].reshape(-1)[rng.randrange(a.size)] = rng.choice((0, -1, 1, 127, -128))
    elif kind == 5:
        held[rng.choice(("x", "spikes:", "spikes:nothing", "labels", "\x1b"))] = a
    else:
        held[name] = np.full(a.shape, rng.choice((np.nan, np.inf, 1e300, -1.0)))
    save_arrays(path, held)


def artifact(folder: Path, rng: random.Random) -> Path:
    """Content with digests that are right, three times of four."""
    place = folder / "a"
    save_artifact(small_artifact(), place)
    name = rng.choice(("manifest.json", "program.json", "analysis.json", "arrays.npz", "vectors.npz"))
    _change(place / name, rng)
    if name != "manifest.json" and rng.random() < 0.75:
        manifest = json.loads((place / "manifest.json").read_text())
        manifest["digests"][name] = digest(place / name)
        (place / "manifest.json").write_text(json.dumps(manifest))
    return place


def _change(path: Path, rng: random.Random) -> None:
    if path.suffix == ".npz":
        arrays_changed(path, rng)
    elif rng.random() < 0.2:
        path.write_bytes(mutate.of_bytes(path.read_bytes(), rng))
    else:
        path.write_text(json.dumps(mutate.of_tree(json.loads(path.read_text()), rng)))


def kept_run(folder: Path, rng: random.Random) -> Path:
    place = folder / "run"
    save_run(small_run(), place)
    name = rng.choice(("run.json", "counts.npz", "recording.npz"))
    body = json.loads((place / "run.json").read_text())
    digests = body.pop("digests")
    if name == "run.json":
        body = mutate.of_tree(body, rng)
    else:
        arrays_changed(place / name, rng)
        digests[name] = digest(place / name)
    digests["run.json"] = of_content((json.dumps(body, indent=1, sort_keys=True) + "\n").encode())
    (place / "run.json").write_text(json.dumps({**body, "digests": digests}))
    return place


def npz_data(folder: Path, rng: random.Random) -> Path:
    path = folder / "d.npz"
    np.savez(path, x=np.arange(24, dtype=np.float32).reshape(4, 6), y=np.arange(4))
    if rng.random() < 0.5:
        path.write_bytes(mutate.of_bytes(path.read_bytes(), rng))
    else:
        arrays_changed(path, rng)
    return path


def npz_trace(folder: Path, rng: random.Random) -> Path:
    path = folder / "t.npz"
    vectors = small_artifact().vectors
    save_arrays(path, {f"spikes:{k}": v for k, v in vectors.spikes.items()})
    arrays_changed(path, rng)
    return path


def csv_trace(folder: Path, rng: random.Random) -> Path:
    path = folder / "t.csv"
    text = "sample,step,population,neuron,register,value\n0,1,hidden,1,,\n1,2,hidden,0,v,-12\n,,hidden,,,\n"
    path.write_bytes(mutate.of_text(text, rng).encode("utf-8", "surrogatepass"))
    return path


def read_trace(path: Path) -> None:
    read_record(path, small_artifact().program, 2, 3)


def toml(folder: Path, rng: random.Random) -> Path:
    kind, name = rng.choice((("targets", "loihi1"), ("systems", "nahuku"), ("costs", "loihi2"), ("costs", "45nm")))
    text = (files(f"seamount.backends.{kind}") / f"{name}.toml").read_text(encoding="utf-8")
    path = folder / f"{kind}.toml"
    path.write_bytes(mutate.of_text(text, rng).encode("utf-8", "surrogatepass"))
    return path


def read_toml(path: Path) -> None:
    {"targets": read_target, "systems": read_system, "costs": read_costs}[path.stem](path)


def read_data(path: Path) -> None:
    load_inputs(str(path))


@cache
def model_bytes() -> bytes:
    """A model file, made once."""
    from seamount.frontends import save
    from tests.frontends.networks import Residual, spikes

    place = Path(tempfile.mkdtemp()) / "model.pt"
    save(Residual(), place, sample=spikes(6, 7, 12), readout="sum", labels=np.arange(6), accuracy=0.5)
    return place.read_bytes()


def model(folder: Path, rng: random.Random) -> Path:
    import torch

    path = folder / "m.pt"
    if rng.random() < 0.5:
        path.write_bytes(mutate.of_bytes(model_bytes(), rng))
        return path
    fields = torch.load(io.BytesIO(model_bytes()), weights_only=True)
    key = rng.choice(sorted(fields))
    value = fields[key]
    odd = (
        torch.zeros(0), torch.tensor(1.0), torch.zeros(3, dtype=torch.bfloat16), torch.zeros(2, device="meta"),
    )  # fmt: skip
    if isinstance(value, torch.Tensor) and rng.random() < 0.5:
        changed: Any = rng.choice((value[:1], value.to(torch.float16), value[None], torch.nn.Parameter(value.float())))
    elif isinstance(value, str) and value.startswith(("{", "[")) and rng.random() < 0.6:
        changed = json.dumps(mutate.of_tree(json.loads(value), rng))
    else:
        changed = rng.choice((*odd, *mutate.ODD))
    torch.save({**fields, key: changed}, path)
    return path


def read_model(path: Path) -> None:
    agree(compiled_model(path).program)


def compiled_model(path: Path) -> Artifact:
    """An accepted model file, compiled."""
    from seamount.frontends import load_model

    return compile_graph(load_model(path).graph(), load_target("loihi-sim")).artifact


def save_small() -> dict[str, bytes]:
    """The files of a small artifact."""
    with tempfile.TemporaryDirectory() as folder:
        save_artifact(small_artifact(), Path(folder) / "a")
        return {path.name: path.read_bytes() for path in (Path(folder) / "a").iterdir()}


BUILDERS: dict[str, Callable[[Path], Artifact]] = {
    "nir": compiled,
    "artifact": load_artifact,
    "model": compiled_model,
}
"""Readers of networks: the artifact of an accepted file."""


# HDF5 as such: what its structure can hide


def hdf5(folder: Path, rng: random.Random) -> Path:
    """A network whose HDF5 is changed."""
    path = folder / "net.nir"
    path.write_bytes(DATA[rng.choice(("gzip", "lzf", None))])
    return _changed_hdf5(path, rng)


def recorded(folder: Path, rng: random.Random) -> Path:
    """A recording in NIR's data format whose HDF5 is changed, or its bytes."""
    path = folder / "recorded.nir"
    path.write_bytes(data_bytes({"lif": {"spikes": np.ones((2, 3, 4)), "v": np.zeros((2, 3, 4))}}, 1e-3))
    if rng.random() < 0.5:
        path.write_bytes(mutate.of_bytes(path.read_bytes(), rng))
        return path
    return _changed_hdf5(path, rng)


def _changed_hdf5(path: Path, rng: random.Random) -> Path:
    """One array stored in another way that HDF5 allows, or an attribute or link beside it."""
    import h5py

    folder = path.parent
    with h5py.File(path, "r+") as file:
        arrays = [n for n in _datasets(file, "") if file[n].shape and file[n].dtype.kind in "fiu"]
        name = rng.choice(arrays)
        values = file[name][()]
        kind = rng.randrange(10)
        if kind < 8:
            del file[name]
        if kind == 0:
            _virtual(file, name, values, folder, rng)
        elif kind == 1:
            place = rng.choice((str(folder / "raw.bin"), "/etc/hostname", "raw.bin", "../x"))
            (folder / "raw.bin").write_bytes(values.tobytes()[: rng.choice((0, 7, 10**6))])
            length = rng.choice((values.nbytes, values.nbytes - 1, h5py.h5f.UNLIMITED))
            with suppress(ValueError, RuntimeError):  # libhdf5 itself refuses what is too short
                file.create_dataset(name, values.shape, values.dtype, external=[(place, rng.choice((0, 8)), length)])
        elif kind == 2:
            link = (
                h5py.SoftLink("/node"),
                h5py.ExternalLink("/etc/hostname", "/"),
                h5py.SoftLink("/gone"),
                file[next(iter(file))],
            )
            file[name] = rng.choice(link)
        elif kind == 3:
            _filtered(file, name, values, rng)
        elif kind == 4:
            file.create_dataset(name, values.shape, values.dtype, fillvalue=rng.choice((0.0, 7.0, float("nan"))))
        elif kind == 5:
            held = file.create_dataset(name, values.shape, values.dtype, chunks=(1,) * values.ndim)
            held[(0,) * values.ndim] = 1.0
        elif kind == 6:
            odd = rng.choice(("S3", "i1", ">f4", "f2", "c16", "?", "u8", [("a", "f8"), ("b", "i4")]))
            file.create_dataset(name, values.shape, odd)
        elif kind == 7:
            form = rng.choice(((0,), (2**40,), values.shape[::-1], (*values.shape, 0), (1,) * 9))
            large = {"chunks": (1024,), "compression": "gzip"} if form == (2**40,) else {}
            file.create_dataset(name, form, values.dtype, **large)
        elif kind == 8:
            file[name].attrs[rng.choice(("type", "scale", "\x1b"))] = rng.choice((1, "x", h5py.Empty("f8")))
        else:
            other = rng.choice(arrays)
            file[name][...] = rng.choice((float("nan"), 1e300, -1.0, 0.0, 5e-324))
            with suppress(ValueError):  # a name that is taken, or lies in an array
                file.move(name, other + rng.choice(("x", "/y")))
    if rng.random() < 0.2:
        path.write_bytes(mutate.of_bytes(path.read_bytes(), rng))
    return path


def _datasets(item: Any, path: str) -> list[str]:
    if not hasattr(item, "keys"):
        return [path]
    return [name for key in item for name in _datasets(item[key], f"{path}/{key}")]


def _virtual(file: Any, name: str, values: Any, folder: Path, rng: random.Random) -> None:
    """A dataset whose values lie in another one, of this file, of another, or of none."""
    import h5py

    with h5py.File(folder / "other.h5", "w") as other:
        other["v"] = values
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    source = rng.choice((str(folder / "other.h5"), "other.h5", "gone.h5", "."))
    layout[...] = h5py.VirtualSource(source, rng.choice(("v", name, "gone")), shape=values.shape)
    file.create_virtual_dataset(name, layout, fillvalue=rng.choice((None, 3.0)))


def _filtered(file: Any, name: str, values: Any, rng: random.Random) -> None:
    """Chunks that say they passed filters, known ones or plug-ins, and hold any bytes."""
    import h5py

    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(values.shape)
    optional = h5py.h5z.FLAG_OPTIONAL
    for _ in range(rng.choice((1, 1, 2, 3))):
        code = rng.choice((1, 2, 3, 4, 5, 6, 305, 307, 32000, 32001, 32004, 32008, 32013, 32015, 40000, 65535))
        with suppress(ValueError, RuntimeError, OSError):
            properties.set_filter(code, optional, tuple(rng.randrange(10) for _ in range(rng.randrange(4))))
    space = h5py.h5s.create_simple(values.shape)
    try:
        held = h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(values.dtype), space, properties)
        body = (
            zlib.compress(values.tobytes()) if rng.random() < 0.5 else rng.randbytes(rng.choice((0, 1, values.nbytes)))
        )
        held.write_direct_chunk((0,) * values.ndim, body, rng.choice((0, 1, 2, 0xFFFFFFFF)))
    except (ValueError, RuntimeError, OSError):
        if name not in file:
            file[name] = values


# what a Lava run passes between two interpreters


def lava_folder(folder: Path, rng: random.Random) -> Path:
    """A program, its messages and its result, of which one is damaged, missing, or a link."""
    write_program(small_artifact().program, folder)
    save_messages(folder / "messages.npz", small_artifact().vectors.messages)
    program, messages = small_artifact().program, small_artifact().vectors.messages
    save_trace(folder / "out.npz", engines()[1].run(program, messages, record=frozenset({"spikes", "u", "v"})))
    place = folder / rng.choice(("program.json", "arrays.npz", "messages.npz", "out.npz", "out.npz"))
    kind = rng.randrange(10)
    if kind == 0:
        place.unlink()
    elif kind == 1:
        target = rng.choice(("/dev/null", str(place), "gone", "/", str(folder / "program.json")))
        place.unlink()
        place.symlink_to(target)
    elif kind == 2:
        place.unlink()
        place.mkdir() if rng.random() < 0.5 else os.mkfifo(place)
    else:
        _change(place, rng)
    return folder


def read_lava_folder(path: Path) -> None:
    """Both sides: the host's jobs on a simulator, and the result as the caller reads it."""
    result = load_trace(path / "out.npz")
    join_traces([result, result])
    job = {"program": str(path), "messages": str(path / "messages.npz"), "record": ["spikes", "v"]}
    mine, theirs = (execute(0, {**job, "on": name}) for name in ("reference", "vectorized"))
    assert all(np.array_equal(mine.v[name], theirs.v[name]) for name in mine.v)


# training that goes on


@cache
def training() -> tuple[Callable[[Path], None], bytes]:
    """What goes on from a checkpoint, by one epoch more, and the bytes of one."""
    import torch

    from seamount.models.recipes.recipe import Recipe
    from seamount.models.recipes.training import Samples, Schedule, train

    samples = Samples(torch.rand(4, 1, 4, 4), torch.arange(4) % 2, constant=True)

    def build(neuron: object) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 2))

    def go_on(path: Path) -> None:
        train(Recipe(steps=1), build, samples, Schedule(epochs=2, batch=4), 0, checkpoint=path)

    place = Path(tempfile.mkdtemp()) / "c.pt"
    go_on(place)
    content = torch.load(place, weights_only=True)
    torch.save({**content, "epoch": 1, "history": content["history"][:1]}, place)
    return go_on, place.read_bytes()


def checkpoint(folder: Path, rng: random.Random) -> Path:
    import torch

    path = folder / "c.pt"
    data = training()[1]
    if rng.random() < 0.4:
        path.write_bytes(mutate.of_bytes(data, rng))
        return path
    content = torch.load(io.BytesIO(data), weights_only=True)
    torch.save(mutate.of_tree(_tensors_changed(content, rng), rng), path)
    return path


def _tensors_changed(content: Any, rng: random.Random) -> Any:
    """One tensor of a tree of them of another shape, type, layout or value, one time of two."""
    import torch

    holders = [(h, k) for h, k in mutate.places(content) if isinstance(h[k], torch.Tensor)]
    if rng.random() < 0.5:
        holder, key = rng.choice(holders)
        value = holder[key]
        holder[key] = rng.choice(
            (value[:1], value[None], value.double(), value.to(torch.complex64), value.to_sparse(), value * float("nan"),
             torch.zeros(2, device="meta"), torch.nn.Parameter(value), torch.zeros(0), value.int()),
        )  # fmt: skip
    return content


def read_checkpoint(path: Path) -> None:
    training()[0](path)


FORMATS = (
    Format("nir", nir_bytes, read_network),
    Format("net", net_layers, read_layers, quick=60),
    Format("artifact", artifact, lambda path: agree(load_artifact(path).program)),
    Format("run", kept_run, load_run),
    Format("data", npz_data, read_data),
    Format("trace-npz", npz_trace, read_trace),
    Format("trace-csv", csv_trace, read_trace),
    Format("toml", toml, read_toml),
    Format("hdf5", hdf5, read_network, 40),
    Format("recorded", recorded, read_data_file, 40),
    Format("lava", lava_folder, read_lava_folder, 40),
    *([Format("checkpoint", checkpoint, read_checkpoint, 40)] if find_spec("torch") else []),
    *([Format("model", model, read_model)] if find_spec("torch") and find_spec("norse") else []),
)
