"""Every format that comes from outside: valid files, their mutations, and how they are read."""

from __future__ import annotations

import io
import json
import random
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from seamount.backends.registry import load_backend, load_target
from seamount.compiler.artifact import load_artifact, save_artifact
from seamount.compiler.diff.recording import read_record
from seamount.compiler.driver import compile_graph
from seamount.compiler.energy.cost_file import read_costs
from seamount.compiler.files import digest
from seamount.compiler.kept_run import _digest as of_content
from seamount.compiler.kept_run import load_run, save_run
from seamount.compiler.program.codec import load_arrays, save_arrays
from seamount.compiler.program.lower import lower
from seamount.compiler.program.program import Program
from seamount.compiler.target.system_file import read_system
from seamount.compiler.target.target_file import read_target
from seamount.frontends.conventions import Conventions, Meaning
from seamount.frontends.netx.file import from_net, read_net
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
    """name: of the format. make: (empty folder, source of chance) -> a mutated input in it. read: reads that.

    quick: inputs of every run; more are a slow test.
    """

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


def read_network(path: Path) -> None:
    graph = from_nir(read_nir(path).graph, MEANING)
    agree(compile_graph(graph, load_target("loihi-sim")).artifact.program)


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
    from seamount.frontends import load_model

    load_model(path)


FORMATS = (
    Format("nir", nir_bytes, read_network),
    Format("net", net_layers, read_layers, quick=60),
    Format("artifact", artifact, lambda path: agree(load_artifact(path).program)),
    Format("run", kept_run, load_run),
    Format("data", npz_data, read_data),
    Format("trace-npz", npz_trace, read_trace),
    Format("trace-csv", csv_trace, read_trace),
    Format("toml", toml, read_toml),
    *([Format("model", model, read_model)] if find_spec("torch") and find_spec("norse") else []),
)
