"""Thirty-odd ways to misuse the command line, each as the arguments that do it.

Each case makes its own files in an empty folder and returns the arguments. `LAYER.nir` stands for a good file.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import nir
import numpy as np

Case = Callable[[Path], list[str]]
CASES: dict[str, Case] = {}
GOOD = ["-a", "norse", "-a", "coding=spikes", "-a", "steps=4", "-a", "readout=sum"]


def case(make: Case) -> Case:
    CASES[make.__name__] = make
    return make


def network(**changes: object) -> nir.NIRGraph:
    """Input(3) -> Affine(2) -> LIF -> Output; changes replace parameters of the LIF or the weights."""
    lif = {"tau": 0.01, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    weight = changes.pop("weight", np.ones((2, 3), np.float32))
    values = {k: np.full(2, changes.get(k, v), np.float32) for k, v in lif.items()}
    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "fc": nir.Affine(weight, np.zeros(2, np.float32)),
        "lif": nir.LIF(**values),
        "output": nir.Output({"output": np.array([2])}),
    }
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "output")]
    return nir.NIRGraph(nodes, edges, type_check=False)


def write(folder: Path, graph: nir.NIRGraph | None = None) -> Path:
    path = folder / "net.nir"
    nir.write(path, graph or network())
    return path


def compile_args(path: Path, *more: str) -> list[str]:
    return ["compile", str(path), "-o", str(path.parent / "out"), *more]


def artifact(folder: Path) -> Path:
    """A good artifact, made by the command itself."""
    from tests.cli.running import call

    assert call(compile_args(write(folder), *GOOD)).code == 0
    return folder / "out"


def samples(folder: Path, **arrays: object) -> str:
    path = folder / "data.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


# Files that are no model.


@case
def file_missing(folder: Path) -> list[str]:
    return compile_args(folder / "none.pt")


@case
def file_is_folder(folder: Path) -> list[str]:
    return compile_args(folder)


@case
def empty_pt(folder: Path) -> list[str]:
    (folder / "model.pt").write_bytes(b"")
    return compile_args(folder / "model.pt")


@case
def text_as_pt(folder: Path) -> list[str]:
    (folder / "model.pt").write_text("import this")
    return compile_args(folder / "model.pt")


@case
def pickled_module(folder: Path) -> list[str]:
    import torch

    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()), folder / "model.pt")
    return compile_args(folder / "model.pt")


@case
def hostile_pickle(folder: Path) -> list[str]:
    class Payload:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return exec, (f"open({str(folder / 'owned')!r}, 'w')",)

    (folder / "model.pt").write_bytes(pickle.dumps(Payload()))
    return compile_args(folder / "model.pt")


@case
def state_dict(folder: Path) -> list[str]:
    import torch

    torch.save(torch.nn.Linear(2, 2).state_dict(), folder / "model.pt")
    return compile_args(folder / "model.pt")


@case
def exported_pt2(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "model.pt2", "w") as archive:
        archive.writestr("model/archive_format", "pt2")
        archive.writestr("model/models/model.json", "{}")
    return compile_args(folder / "model.pt2")


@case
def model_of_the_future(folder: Path) -> list[str]:
    import torch

    torch.save({"format": "seamount-model", "version": 99}, folder / "model.pt")
    return compile_args(folder / "model.pt")


@case
def truncated_model(folder: Path) -> list[str]:
    from seamount.models.reference.card import WEIGHTS

    whole = (WEIGHTS / "digits-dense.pt").read_bytes()
    (folder / "model.pt").write_bytes(whole[: len(whole) // 2])
    return compile_args(folder / "model.pt")


# NIR files: damaged or hostile.


@case
def nir_truncated(folder: Path) -> list[str]:
    path = write(folder)
    path.write_bytes(path.read_bytes()[:700])
    return compile_args(path, *GOOD)


@case
def nir_not_hdf5(folder: Path) -> list[str]:
    (folder / "net.nir").write_bytes(b"PK\x03\x04 not a network")
    return compile_args(folder / "net.nir", *GOOD)


@case
def nir_external_link(folder: Path) -> list[str]:
    path = write(folder)
    (folder / "secret.h5").write_bytes(path.read_bytes())
    with h5py.File(path, "a") as file:
        del file["node/nodes/fc/weight"]
        file["node/nodes/fc/weight"] = h5py.ExternalLink("secret.h5", "/node/nodes/fc/weight")
    return compile_args(path, *GOOD)


@case
def nir_link_cycle(folder: Path) -> list[str]:
    path = write(folder)
    with h5py.File(path, "a") as file:
        file["node/nodes/lif/again"] = file["node"]
    return compile_args(path, *GOOD)


@case
def nir_external_storage(folder: Path) -> list[str]:
    path = write(folder)
    with h5py.File(path, "a") as file:
        del file["node/nodes/fc/weight"]
        file["node/nodes/fc"].create_dataset(
            "weight", (2, 3), "f4", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)]
        )
    return compile_args(path, *GOOD)


@case
def nir_80_gigabytes(folder: Path) -> list[str]:
    path = write(folder)
    with h5py.File(path, "a") as file:
        del file["node/nodes/fc/weight"]
        file["node/nodes/fc"].create_dataset("weight", (100_000, 200_000), "f4", chunks=(1000, 1000))
    return compile_args(path, *GOOD)


@case
def nir_unknown_neuron(folder: Path) -> list[str]:
    path = write(folder)
    with h5py.File(path, "a") as file:
        del file["node/nodes/lif/type"]
        file["node/nodes/lif/type"] = "Izhikevich"
    return compile_args(path, *GOOD)


@case
def nir_nan_weights(folder: Path) -> list[str]:
    return compile_args(write(folder, network(weight=np.full((2, 3), np.nan, np.float32))), *GOOD)


# NIR files: meaning.


@case
def nir_without_conventions(folder: Path) -> list[str]:
    return compile_args(write(folder))


@case
def nir_dt_missing(folder: Path) -> list[str]:
    said = ["reset=zero", "timing=immediate", "compare=gt", "spikes=single", "integrate=euler"]
    return compile_args(write(folder), *(w for s in said for w in ("-a", s)), *GOOD[2:])


@case
def nir_beta_above_one(folder: Path) -> list[str]:
    return compile_args(write(folder, network(tau=-0.01)), *GOOD)


@case
def nir_dt_longer_than_tau(folder: Path) -> list[str]:
    return compile_args(write(folder), *GOOD, "-a", "dt=0.5")


@case
def nir_threshold_zero(folder: Path) -> list[str]:
    return compile_args(write(folder, network(v_threshold=0.0)), *GOOD)


@case
def assume_nonsense(folder: Path) -> list[str]:
    return compile_args(write(folder), "-a", "brian2", "-a", "reset=maybe", "-a", "colour=red")


# Options.


@case
def target_unknown(folder: Path) -> list[str]:
    return compile_args(write(folder), *GOOD, "--target", "tpu")


@case
def too_many_bits(folder: Path) -> list[str]:
    return compile_args(write(folder), *GOOD, "--weight-bits", "9")


@case
def bits_of_unknown_layer(folder: Path) -> list[str]:
    return compile_args(write(folder), *GOOD, "--bits", "conv9=4")


@case
def stop_after_unknown_pass(folder: Path) -> list[str]:
    return compile_args(write(folder), *GOOD, "--stop-after", "polish")


@case
def graded_input_on_loihi1(folder: Path) -> list[str]:
    graded = ["-a", "coding=graded", "-a", "low=0", "-a", "high=1", "-a", "encoding=constant"]
    return compile_args(write(folder), *GOOD, *graded, "--target", "loihi1")


@case
def output_is_somebody_elses(folder: Path) -> list[str]:
    (folder / "out").mkdir()
    (folder / "out" / "thesis.tex").write_text("precious")
    return compile_args(write(folder), *GOOD, "--force")


# Artifacts and data.


@case
def artifact_damaged(folder: Path) -> list[str]:
    place = artifact(folder)
    (place / "arrays.npz").write_bytes(b"x" + (place / "arrays.npz").read_bytes())
    return ["run", str(place)]


@case
def labels_do_not_match(folder: Path) -> list[str]:
    data = samples(folder, x=np.zeros((4, 4, 3), np.float32), y=np.zeros(3, np.int64))
    return ["run", str(artifact(folder)), "--data", data]


@case
def label_beyond_outputs(folder: Path) -> list[str]:
    data = samples(folder, x=np.zeros((2, 4, 3), np.float32), y=np.array([0, 7]))
    return ["run", str(artifact(folder)), "--data", data]


@case
def sample_shape_wrong(folder: Path) -> list[str]:
    data = samples(folder, x=np.zeros((2, 4, 5), np.float32), y=np.zeros(2, np.int64))
    return ["run", str(artifact(folder)), "--data", data]


@case
def data_with_nan(folder: Path) -> list[str]:
    data = samples(folder, x=np.full((2, 4, 3), np.nan, np.float32), y=np.zeros(2, np.int64))
    return ["run", str(artifact(folder)), "--data", data]


@case
def data_pickled(folder: Path) -> list[str]:
    data = samples(folder, x=np.array([{"a": 1}], object), y=np.zeros(1, np.int64))
    return ["run", str(artifact(folder)), "--data", data]


@case
def data_unknown(folder: Path) -> list[str]:
    return ["run", str(artifact(folder)), "--data", "imagenet"]


@case
def data_folder_missing(folder: Path) -> list[str]:
    return ["run", str(artifact(folder)), "--data", "mnist", "--data-folder", str(folder / "none")]


@case
def function_missing(folder: Path) -> list[str]:
    return ["run", str(artifact(folder)), "--data", "no_such_module:load"]


@case
def json_into_nowhere(folder: Path) -> list[str]:
    (folder / "file").write_bytes(io.BytesIO(b"x").getvalue())
    return ["run", str(artifact(folder)), "--json", str(folder / "file" / "result.json")]
