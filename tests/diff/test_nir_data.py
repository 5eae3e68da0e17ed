"""NIR's data format: what is written nir reads, what others write is compared, and what cannot be meant is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

import seamount
from seamount.compiler.artifact import Artifact
from seamount.compiler.errors import InputError, SeamountError
from seamount.frontends.nir.data_file import Events, grid, read_data

MODEL = Path(__file__).parents[2] / "models" / "weights" / "digits-conv.pt"
SAMPLES, STEPS, DT = 4, 4, 1e-3


@pytest.fixture(scope="module")
def ran() -> Any:
    return seamount.compile(MODEL).run(np.random.default_rng(0).random((SAMPLES, 1, 8, 8)))


@pytest.fixture(scope="module")
def kept(ran: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "run.nir"
    ran.save(path, record=SAMPLES)
    return path


def observables(path: Path) -> dict[str, dict[str, Any]]:
    return {name: dict(node.observables) for name, node in nir.read_data(path).nodes.items()}


def written(path: Path, nodes: dict[str, dict[str, Any]]) -> Path:
    nir.write_data(path, nir.NIRGraphData({name: nir.NIRNodeData(held) for name, held in nodes.items()}))
    return path


def test_nir_reads_what_a_run_wrote(ran: Any, kept: Path) -> None:
    nodes = observables(kept)
    assert set(nodes) == {"input", "lif1", "lif2"}, "nodes of the trained graph, not the readout that was added"
    whole = ran.artifact.run(ran.x, record=("spikes", "v"))
    for name in ("lif1", "lif2"):
        assert nodes[name]["spikes"].data.dtype == bool
        assert nodes[name]["spikes"].dt == DT
        np.testing.assert_array_equal(nodes[name]["spikes"].data, whole.spikes[name].reshape(SAMPLES, STEPS, -1))
        np.testing.assert_array_equal(nodes[name]["v"].data, whole.v[name].reshape(SAMPLES, STEPS, -1))


def test_a_recording_with_its_inputs_agrees_and_one_changed_spike_is_found(
    ran: Any, kept: Path, tmp_path: Path
) -> None:
    found = seamount.check_recording(ran.artifact, kept)
    assert found.ok
    assert [layer.entries for layer in found.layers] == [SAMPLES * STEPS * 512 * 2, SAMPLES * STEPS * 256 * 2, None]
    assert seamount.diff(ran.artifact, kept).equal
    nodes = observables(kept)
    nodes["lif2"]["spikes"].data[2, 1, 17] ^= True
    changed = seamount.check_recording(ran.artifact, written(tmp_path / "changed.h5", nodes))
    assert not changed.ok
    assert changed.layers[1].first == (2, 1)
    assert changed.layers[1].differing == 1
    assert seamount.diff(ran.artifact, tmp_path / "changed.h5").divergence is not None


def test_events_of_another_tool_and_membranes_in_its_unit(ran: Any, kept: Path, tmp_path: Path) -> None:
    nodes = observables(kept)
    for name in ("lif1", "lif2"):
        v = nodes[name]["v"].data
        nodes[name] = {
            "spikes": nodes[name]["spikes"].to_event(2000),
            "v": nir.TimeGriddedData(v / 36.5 + 0.25, DT),
        }
    path = written(tmp_path / "events.nir", nodes)
    found = seamount.check_recording(ran.artifact, path)
    assert found.ok
    assert found.layers[0].recorded == ran.artifact.run(ran.x, record=("spikes",)).spikes["lif1"].sum()
    assert found.layers[0].v_correlation == pytest.approx(1)
    assert "in a unit of its own" in str(found)
    assert seamount.diff(ran.artifact, path).left_out == ("lif1", "lif2")


@pytest.mark.parametrize("dt", [1.0, 0.1, 1e-3, 1e-4, 3e-7])
def test_events_at_multiples_of_dt_stay_in_their_step(dt: float) -> None:
    """nir.data_ir takes floor(t / dt), which puts three of 0.1 into step 2."""
    steps = 1000
    t = np.arange(steps) * dt
    found = grid(Events(np.zeros((1, steps), np.int64), t[None], None, 1, steps * dt), dt)
    assert not isinstance(found, str)
    assert found.shape == (1, steps, 1)
    assert found.all()
    inside = grid(Events(np.zeros((1, steps), np.int64), t[None] + 0.999 * dt, None, 1, steps * dt), dt)
    assert not isinstance(inside, str)
    assert inside.all()


def test_nested_nodes_and_padding(tmp_path: Path) -> None:
    path = tmp_path / "nested.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("nodes/block/nodes/lif/observables/spikes")
        group["idx"], group["time"] = np.array([[1, -1], [0, 2]]), np.array([[0.0, np.inf], [0.002, 0.001]])
        group.attrs["n_neurons"], group.attrs["t_max"] = 3, 0.003
    held = read_data(path)["block.lif"]["spikes"]
    found = grid(held, 1e-3)
    assert not isinstance(found, str)
    assert [tuple(map(int, at)) for at in np.argwhere(found)] == [(0, 0, 1), (1, 1, 2), (1, 2, 0)]


Change = Callable[[dict[str, dict[str, Any]]], Any]


def gridded(shape: tuple[int, ...] = (SAMPLES, STEPS, 512), dt: float = DT) -> Any:
    return nir.TimeGriddedData(np.zeros(shape, bool), dt)


def event(t: float, n: int = 2, index: int = 0, end: float = STEPS * DT) -> Any:
    return nir.EventData(np.full((1, n), index), np.full((1, n), t), 512, end)


REFUSED: dict[str, tuple[Change, str]] = {
    "node": (lambda n: n.update(lif9={"spikes": gridded()}), "the program has no node 'lif9', but input, lif1, lif2"),
    "name": (lambda n: n["lif1"].update(gain=gridded()), "unknown name"),
    "size": (lambda n: n["lif1"].update(spikes=gridded((SAMPLES, STEPS, 500))), "is of 500 neurons"),
    "samples": (lambda n: n["lif1"].update(spikes=gridded((3, STEPS, 512))), "different N, T"),
    "dt": (lambda n: n["lif1"].update(spikes=gridded(dt=2e-3)), "has steps of 0.001 and 0.002"),
    "no spikes": (lambda n: [n.pop("lif1"), n["lif2"].pop("spikes")], "holds no spikes"),
    "twice": (lambda n: n["lif1"].update(spikes=event(DT)), "several events of one neuron within a step"),
    "late": (lambda n: n["lif1"].update(spikes=event(9 * DT, 1)), "events outside"),
    "index": (lambda n: n["lif1"].update(spikes=event(DT, 1, 512)), "has indices from 512"),
    "never": (lambda n: n["lif1"].update(spikes=event(np.nan, 1)), "no finite time"),
    "endless": (lambda n: n["lif1"].update(spikes=event(DT, 1, end=1e9)), "makes 1000000000000 steps"),
    "spikes of 2": (
        lambda n: n["lif1"].update(spikes=nir.TimeGriddedData(np.full((SAMPLES, STEPS, 512), 2), DT)), "from 2 to 2",
    ),
    "real u": (
        lambda n: n["lif1"].update(u=nir.TimeGriddedData(np.full((SAMPLES, STEPS, 512), 0.5), DT)), "real numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, ran: Any, kept: Path, tmp_path: Path) -> None:
    change, said = REFUSED[name]
    nodes = observables(kept)
    change(nodes)
    with pytest.raises(InputError) as caught:
        seamount.check_recording(ran.artifact, written(tmp_path / "refused.nir", nodes))
    assert said in str(caught.value)
    assert "refused.nir" in str(caught.value)


def test_a_network_is_neither_read_as_a_recording_nor_replaced_by_one(ran: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    nir.write(path, nir.NIRGraph({"a": nir.Input(np.array([2])), "b": nir.Output(np.array([2]))}, [("a", "b")]))
    before = path.read_bytes()
    with pytest.raises(InputError, match="holds a network, not NIR's data format"):
        seamount.check_recording(ran.artifact, path)
    with pytest.raises(InputError, match="holds no recording"):
        ran.save(path)
    assert path.read_bytes() == before


def test_damaged_files_are_refused_or_read(ran: Any, kept: Path, tmp_path: Path) -> None:
    whole, rng = kept.read_bytes(), np.random.default_rng(1)
    refused = 0
    for k in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 1 + k % 3):
            data[at] ^= 1 << rng.integers(8)
        path = tmp_path / "damaged.nir"
        path.write_bytes(data)
        try:
            seamount.check_recording(ran.artifact, path)
        except SeamountError:
            refused += 1
    assert refused > 10


def test_an_artifact_of_spikes_takes_them_back(tmp_path: Path) -> None:
    """Binary inputs are written as spikes, graded ones as values; both come back as the same messages."""
    artifact: Artifact = seamount.compile(MODEL.with_name("ecg-recurrent.pt"))
    x = (np.random.default_rng(2).random((2, 1301, 4)) < 0.1).astype(np.float32)
    path = tmp_path / "spikes.nir"
    artifact.run(x).save(path, record=2)
    assert observables(path)["input"]["spikes"].data.sum() == x.sum()
    assert seamount.check_recording(artifact, path).ok
