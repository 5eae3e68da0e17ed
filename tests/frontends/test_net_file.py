"""Frontend .net: the integers of a file, exactly, through compiler, simulators, Lava and reports; and refusals."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import seamount as sm
from seamount.backends.cpu.run import CpuEngine
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.codes import encode
from seamount.compiler.errors import CompileError, ImportRefused, InputError, SeamountError
from seamount.compiler.ir.notes import Convention, FieldsUnused
from seamount.compiler.program.needs import chip_needs
from seamount.frontends.netx.codes import coded
from seamount.models.data.datasets import user_folder
from seamount.workflows.compile import compilation
from tests.backends.lava_support import ALL, backend, differing, lava_python
from tests.cli.running import call
from tests.frontends.net_files import (
    FLATTEN,
    NETWORKS,
    conv,
    dense,
    even,
    image,
    meant,
    neuron,
    odd,
    pool,
    spikes,
    without_neurons,
    write_net,
)

STEPS = 12
DIGITS = 5
DATA = Path(os.environ.get("SEAMOUNT_DATA") or user_folder()) / "traces"
recorded = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"RECORDED TRACES NOT FOUND at {DATA}; set SEAMOUNT_DATA to the data folder"
)
FAST = ("exponents, one sign, synaptic memory",)
"""Networks that go through Lava in every run; the others are slow tests."""
IN_LAVA = [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in NETWORKS]


def made(tmp_path: Path, name: str) -> tuple[list[dict[str, Any]], sm.Artifact]:
    layers = NETWORKS[name]()
    return layers, sm.compile(write_net(tmp_path / "net.net", layers), progress=False)


def sent(artifact: sm.Artifact, samples: int = 2) -> np.ndarray:
    """Messages (N, T, *shape) in the range of the port."""
    (port,) = artifact.program.inputs
    rng = np.random.default_rng(1)
    shape = (samples, STEPS, *port.shape)
    return rng.integers(port.low, port.high + 1, shape) if port.graded else (rng.random(shape) < 0.4).astype(int)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_register_is_as_the_file_says(name: str, tmp_path: Path) -> None:
    """But u of an input block: what netx adds as a bias comes as a message there."""
    layers, artifact = made(tmp_path, name)
    x = sent(artifact)
    messages = encode(artifact.inputs, x, STEPS)
    traces = [
        b.run(artifact.program, messages, ALL) for b in (ReferenceSimulator(), VectorizedSimulator(), CpuEngine())
    ]
    fired = 0
    for sample in range(len(x)):
        expected = meant(layers, x[sample])
        assert len(expected) == len(artifact.program.populations)
        for population, registers in zip(artifact.program.populations, expected, strict=True):
            for trace in traces:
                for key, found in (("u", trace.u), ("v", trace.v), ("s", trace.spikes)):
                    if key in registers and (key != "s" or population.fires):
                        same = found[population.name][sample].reshape(STEPS, -1)
                        assert np.array_equal(same, registers[key].reshape(STEPS, -1)), (population.name, key)
            fired += int(registers.get("s", np.zeros(1)).sum())
    assert fired > 20


@pytest.mark.lava
@pytest.mark.parametrize("name", IN_LAVA)
def test_lava_agrees_and_its_export_too(name: str, tmp_path: Path) -> None:
    _, artifact = made(tmp_path, name)
    python = lava_python()
    messages = encode(artifact.inputs, sent(artifact), STEPS)
    expected = VectorizedSimulator().run(artifact.program, messages, ALL)
    wrong, compared = differing(expected, backend().run(artifact.program, messages, ALL))
    assert wrong == 0 and compared > 500
    sm.export_lava(artifact, tmp_path / "lava")
    run = subprocess.run(
        [python, "network.py"], cwd=tmp_path / "lava", capture_output=True, text=True, timeout=120, env={}
    )
    assert run.returncode == 0, run.stdout + run.stderr


def network_of(artifact: sm.Artifact, x: np.ndarray, steps: int) -> Any:
    return VectorizedSimulator().run(artifact.program, encode(artifact.inputs, x, steps), ALL)


def bare(path: Path, **assume: object) -> sm.Artifact:
    """An artifact without test vectors, which take the time of the slow reference."""
    return compilation(sm.load(path, assume=assume), vectors=False, progress=False).artifact


@recorded
def test_tiny_net_is_what_was_recorded() -> None:
    """Three layers of lava-dl's tiny.net, reset every 17 steps. Column c + 1 of the recording is step c."""
    folder = DATA / "tinynet"
    artifact = bare(folder / "tiny.net", steps=17, encoding="constant")
    driven = np.load(folder / "input_bias.npy").transpose(2, 1, 0)
    trace = network_of(artifact, driven[None], 17)
    compared = 0
    for name, file in (("layer0", "input"), ("layer1", "layer1"), ("layer2", "output")):
        expected = np.moveaxis(np.load(folder / f"{file}.npy")[0], -1, 0)
        assert not expected[0].any()
        assert np.array_equal(trace.spikes[name][0, :15], expected[1:]), name
        compared += expected.size
    current = np.moveaxis(np.load(folder / "current.npy")[0], -1, 0)
    assert np.array_equal(trace.u["layer1"][0, :15], 64 * current[1:])
    assert compared == 16 * (768 + 864 + 36)


@recorded
def test_the_recorded_dense_layer(tmp_path: Path) -> None:
    with np.load(DATA / "dense" / "dense.npz") as file:
        x, weight, current, out = (file[name] for name in ("in", "weight", "current", "out"))
    layer = dense(0, 200, 256, weight=weight, neuron=neuron(iDecay=4096, vDecay=415, vThMant=6))
    artifact = bare(write_net(tmp_path / "dense.net", [layer], 2000))
    trace = network_of(artifact, x.T[None], 2000)
    assert np.array_equal(trace.spikes["layer0"][0, :-1].T, out[:, 1:])
    assert np.array_equal(trace.u["layer0"][0, :-1].T, 64 * current[:, 1:])


@recorded
@pytest.mark.parametrize("number", range(10))
def test_recorded_convolutions(number: int, tmp_path: Path) -> None:
    """Their weights are Lava's (out, x, y, in), flipped. A convolution is linear, so the real input goes in digit by
    digit, one step each: 5 bits at a time, which keeps u within its register."""
    with np.load(DATA / "conv_gt" / f"gt_conv_paris_{number}.npz") as file:
        case = {name: file[name] for name in file.files}
    weight = case["weights"].transpose(0, 3, 2, 1)[:, :, ::-1, ::-1]
    width, height, channels = case["input"].shape
    out = case["out_gt"].transpose(2, 1, 0)
    geometry = {k: case[k][::-1] for k in ("stride", "padding", "dilation")}
    layer = conv(0, channels, out.shape, weight.shape[2:], weight=weight, groups=int(case["groups"]), **geometry)
    path = write_net(tmp_path / "conv.net", [spikes(channels, height, width), layer], DIGITS)
    artifact = bare(path, coding="graded", low=0, high=31)
    whole = (case["input"].transpose(2, 1, 0) * 32**DIGITS).astype(np.int64)
    digits = np.stack([whole >> 5 * (DIGITS - 1 - k) & 31 for k in range(DIGITS)])
    u = network_of(artifact, digits[None], DIGITS).u["layer1"][0]
    found = sum(u[k] / 64 * 32.0 ** -(k + 1) for k in range(DIGITS))
    assert found.shape == out.shape
    assert np.abs(found - out).max() <= 1e-5 * np.abs(out).max()


# what codes hold


@pytest.mark.parametrize(
    ("weight", "exponent"),
    [([-2, 254], 0), ([-1, 127], -1), ([-256, 2], 0), ([0, 255], 0), ([-255, 0], 0), ([-512, 508], 1), ([0, 0], 0)],
)
def test_codes_are_the_weights(weight: list[int], exponent: int) -> None:
    found = coded(np.array(weight))
    assert found is not None and found.exponent == exponent
    assert np.array_equal(found.codes * 2.0**found.exponent, weight)


@pytest.mark.parametrize("weight", [[-1, 128], [-129, 1], [-257, 2], [0, 257], [-256, 0, -1], [-510, 511]])
def test_weights_that_no_code_holds(weight: list[int]) -> None:
    assert coded(np.array(weight)) is None


# refusals


def _first(layer: dict[str, Any]) -> list[dict[str, Any]]:
    return [spikes(8), layer, dense(1, 4, 3)]


REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "float weights": (_first(dense(0, 8, 4, weight=even(0, 4, 8) / 3)), "its weight is float"),
    "float bias": (_first(dense(0, 8, 4, bias=[0.5, 1, 2, 3])), "its bias is float: 1 of 4 numbers are no integers"),
    "sigma-delta": (_first(dense(0, 8, 4, neuron={**neuron(), "type": "SDNN"})), "sigma-delta neurons (SDNN)"),
    "resonate": (_first(dense(0, 8, 4, neuron={**neuron(), "type": "RF_PHASE"})), "resonate-and-fire neurons (RF)"),
    "adaptive": (_first(dense(0, 8, 4, neuron={**neuron(), "type": "ALIF"})), "adaptive neurons (ALIF)"),
    "refractory": (_first(dense(0, 8, 4, neuron=neuron(refDelay=3))), "a refractory period (refDelay = 3)"),
    "no decay": (_first(dense(0, 8, 4, neuron=neuron(iDecay=0))), "a current that never decays (iDecay = 0)"),
    "graded spikes": (_first(dense(0, 8, 4, neuron=neuron(gradedSpike=True))), "sends graded spikes (gradedSpike)"),
    "reset": (_first(dense(0, 8, 4, neuron=neuron(reset_interval=17))), "every so many steps (reset_interval)"),
    "batch norm": (_first(dense(0, 8, 4, neuron=neuron(weight_exp=2))), "scales what arrives by a batch norm"),
    "complex": (
        _first({**dense(0, 8, 4), "weight": {"real": even(0, 4, 8), "imag": even(1, 4, 8)}}),
        "is complex (real and imag)",
    ),
    "nine bits": (_first(dense(0, 8, 4, weight=odd(0, 4, 8) * 2 + 1)), "which no 8 bits and exponent hold exactly"),
    "long delay": (_first(dense(0, 8, 4, delay=[0, 1, 2, 63])), "has delays (delay) of 0 to 63 steps"),
    "large bias": (_first(dense(0, 8, 4, bias=[9000] * 3 + [1])), "has biases of 1 to 9000"),
    "transposed": (_first({**conv(0, 8, (4, 1, 1), (1, 1)), "type": "convT"}), "a transposed convolution (convT)"),
    "unpool": (_first({**pool((4, 1, 1), 2), "type": "unpool"}), "an unpooling (unpool)"),
    "concat": (_first({"type": "concat", "shape": [8], "layers": [0]}), "a concatenation (concat)"),
    "unknown layer": (_first({"type": "attention", "shape": [8]}), "is of type 'attention', which is not known"),
    "unknown neurons": (_first(dense(0, 8, 4, neuron={**neuron(), "type": "HH"})), "neurons of type 'HH'"),
    "behind a readout": (_first(without_neurons(dense(0, 8, 4))), "a layer that never fires"),
    "sizes": (_first(dense(0, 9, 4)), "takes 9 inputs and gets 8"),
    "declared": (_first(dense(0, 8, 4, inFeatures=9)), "declares inFeatures = 9"),
    "window": (
        [spikes(2, 7, 7), pool((2, 4, 4), 2)], "declares shape (2, 4, 4), and its weights give (2, 3, 3)"
    ),
    "flat": ([spikes(2, 7, 7), FLATTEN, conv(0, 2, (2, 6, 6), (2, 2))], "gets messages of shape (98,)"),
    "no shape": ([conv(0, 2, (2, 6, 6), (2, 2))], "does not say which shape its input has"),
    "threshold": (_first(dense(0, 8, 4, neuron=neuron(vThMant=-1))), "its vThMant is -1"),
    "decay": (_first(dense(0, 8, 4, neuron=neuron(vDecay=5000))), "its vDecay is 5000"),
    "no threshold": (_first(dense(0, 8, 4, neuron={"type": "CUBA", "iDecay": 9, "vDecay": 9})), "has no vThMant"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_carried_is_refused_by_name(name: str, tmp_path: Path) -> None:
    layers, words = REFUSED[name]
    path = write_net(tmp_path / "net.net", layers)
    with pytest.raises(ImportRefused) as refused:
        sm.load(path)
    (problem,) = [p for p in refused.value.problems if words in p.found]
    assert problem.where.startswith("layer ") and problem.remedy
    found = sm.check_import(path)
    assert problem in found.problems and not found.importable


def test_fields_without_a_value_are_not_there(tmp_path: Path) -> None:
    """As mlGeNN writes them, with words that are no arrays, delays for every synapse and registers per neuron."""
    layers = [spikes(6), dense(0, 6, 4, delay=np.arange(24).reshape(4, 6) % 3), dense(1, 4, 3)]
    layers[2]["neuron"] |= {"vDecay": [100, 200, 300], "vThMant": [10, 1 << 16, 20], "refDelay": 0}
    path = write_net(tmp_path / "net.net", layers, None)
    with h5py.File(path, "r+") as file:
        for group in (file["layer/1"], file["layer/2"]):
            for field in ("inFeatures", "outFeatures", "neuron/gradedSpike", "type"):
                del group[field]
            group.create_dataset("inFeatures", dtype="i4")
            group.create_dataset("outFeatures", dtype="i4")
            group["neuron"].create_dataset("gradedSpike", dtype="b1")
            group.create_dataset("type", data="dense", dtype="S10")
    artifact = sm.compile(path, steps=STEPS, progress=False)
    x = sent(artifact)
    trace = network_of(artifact, x, STEPS)
    expected = by_synapse(layers[1], x[0])
    assert np.array_equal(trace.u["layer1"][0], 64 * expected)
    spiked = trace.spikes["layer1"][0].astype(int)
    again = meant([layers[2] | {"neuron": layers[2]["neuron"] | as_arrays(layers[2]["neuron"])}], spiked)
    assert np.array_equal(trace.v["layer2"][0], again[0]["v"]) and trace.spikes["layer2"].any()


def as_arrays(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: np.array(fields[name]) for name in ("vDecay", "vThMant")}


def by_synapse(layer: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Sums of every step, synapse by synapse."""
    total = np.zeros((len(x), 4), np.int64)
    for (i, j), d in np.ndenumerate(layer["delay"]):
        total[d:, i] += int(layer["weight"][i, j]) * x[: len(x) - d, j]
    return total


def test_all_problems_at_once(tmp_path: Path) -> None:
    layers = [spikes(8), dense(0, 8, 4, weight=even(0, 4, 8) / 3), dense(1, 4, 3, neuron=neuron(refDelay=2))]
    with pytest.raises(ImportRefused) as refused:
        sm.load(write_net(tmp_path / "net.net", layers, None))
    assert [p.where for p in refused.value.problems] == ["layer 1 (dense)", "layer 2 (dense)", "network"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.__delitem__("layer"), "there is no group of layers"),
        (lambda f: f.move("layer/1", "layer/7"), "layers are numbered from 0 to 1, and there is '7'"),
        (lambda f: f["layer/0"].__delitem__("type"), "has no type"),
        (lambda f: f.__setitem__("layer/1/stride", h5py.SoftLink("/x")), "is a soft link"),
        (lambda f: f.__setitem__("layer/1/bias", np.full(4, np.nan)), "not finite"),
        (lambda f: f.__setitem__("layer/1/bias", "words"), "its bias holds no numbers"),
        (lambda f: f.__setitem__("layer/1/bias", np.full(4, 1e20)), "its bias reaches 1e+20"),
    ],
)
def test_damaged_files(change: Any, words: str, tmp_path: Path) -> None:
    path = write_net(tmp_path / "net.net", [spikes(8), dense(0, 8, 4)])
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(SeamountError, match=words.replace("(", r"\(").replace("+", r"\+")):
        sm.load(path)


@pytest.mark.parametrize("data", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_no_hdf5(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.net").write_bytes(data)
    with pytest.raises(InputError):
        sm.load(tmp_path / "net.net")


def test_any_damage_is_an_input_error(tmp_path: Path) -> None:
    """Bytes changed at random: the file is refused, or read as some network, and nothing else is raised."""
    sound = write_net(tmp_path / "sound.net", NETWORKS["picture, convolution, pool, dense"]()).read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for number in range(60):
        data = bytearray(sound)
        for at in rng.integers(0, len(data), rng.integers(1, 20)):
            data[at] = rng.integers(0, 256)
        path = tmp_path / "damaged.net"
        path.write_bytes(bytes(data[: rng.integers(1, len(data))] if number % 4 == 0 else data))
        try:
            sm.load(path)
        except SeamountError:
            refused += 1
    assert refused > 10


# how such a network goes through the workflows


def test_conventions_and_fields_are_named(tmp_path: Path) -> None:
    layers = [image(1, 4, 4), FLATTEN, {**dense(0, 16, 4), "comment": [1]}]
    found = sm.check_import(write_net(tmp_path / "net.net", layers), assume=["readout=max", "dt=1"], target="loihi2")
    assert found.importable and found.idle == ["--assume dt=1"]
    said = {a.key: (a.value, a.source) for a in found.examined.assumed if isinstance(a, Convention)}
    assert said["steps"] == ("12", "the file's tSample / Ts") and said["readout"] == ("max", "--assume readout=max")
    assert said["low"][0] == "-2" and said["high"][0] == "70"
    assert found.examined.notes == (FieldsUnused("layer 2 (dense)", ("comment",)),)


def test_loihi_1_has_no_graded_input(tmp_path: Path) -> None:
    path = write_net(tmp_path / "net.net", [image(1, 4, 4), FLATTEN, dense(0, 16, 4)])
    with pytest.raises(CompileError, match="the target has no graded spikes"):
        sm.compile(path, target="loihi1", progress=False)


def test_nothing_is_rounded_again(tmp_path: Path) -> None:
    path = write_net(tmp_path / "net.net", NETWORKS["two dense layers"]())
    with pytest.raises(CompileError, match="are integers already"):
        sm.compile(path, weight_bits=4, progress=False)
    with pytest.raises(InputError, match="omit --calibrate"):
        sm.compile(path, calibrate=np.zeros((1, STEPS, 12)), progress=False)
    with pytest.raises(InputError, match="evaluate compares widths"):
        sm.evaluate(path, (np.zeros((1, STEPS, 12)), np.zeros(1, int)), progress=False)
    artifact = sm.compile(path, prove=True, progress=False)
    assert all(row.error == 0 and row.clipped == 0 for row in artifact.manifest.layers)
    codes = {q.name: q.connection.weight * 2.0**q.weight_exp for q in artifact.program.projections}
    assert np.array_equal(codes["dense1"], even(0, 9, 12)) and np.array_equal(codes["dense2"], even(1, 4, 9))


def test_doubled_weights_need_nothing_of_a_chip(tmp_path: Path) -> None:
    """Halving what was doubled cuts off no bit, so a chip's shift of each weight is Lava's shift of the sum."""
    layers = [spikes(8), dense(0, 8, 4, weight=odd(0, 4, 8)), dense(1, 4, 3, neuron=neuron(wgtExp=-3))]
    artifact = sm.compile(write_net(tmp_path / "net.net", layers), target="loihi1", progress=False)
    assert artifact.program.projections[0].weight_exp == -1
    assert [n.where for n in chip_needs(artifact.program)] == ["projection 'dense2'"]
    assert sm.fit(artifact).to_dict()["fits"]


def test_a_register_that_may_overflow_is_not_proven(tmp_path: Path) -> None:
    layer = dense(0, 10, 2, weight=np.full((2, 10), 254), neuron=neuron(wgtExp=3, iDecay=64))
    path = write_net(tmp_path / "net.net", [spikes(10), layer])
    with pytest.raises(CompileError, match="no scale keeps it from overflowing"):
        sm.compile(path, prove=True, progress=False)
    assert any("may wrap" in str(note) for note in sm.compile(path, progress=False).manifest.notes)


def test_check_has_the_integer_forms_alone(tmp_path: Path) -> None:
    path = write_net(tmp_path / "net.net", NETWORKS["recurrent"]())
    found = sm.check(path, lava="no", progress=False)
    assert found.ok and [r.name for r in found.rungs] == ["integer program", "reference simulator"]
    assert found.rungs[1].differing == 0 and found.rungs[1].compared > 500
    assert any("no float form" in note for note in found.notes)
    with_data = sm.check(path, (np.ones((3, STEPS, 10)), np.zeros(3, int)), lava="no", progress=False)
    assert with_data.ok and with_data.rungs[0].samples == 3


def test_price_place_and_report(tmp_path: Path) -> None:
    path = write_net(tmp_path / "net.net", NETWORKS["picture, convolution, pool, dense"]())
    artifact = sm.compile(path, target="loihi2", progress=False)
    artifact.save(tmp_path / "net.seamount")
    again = sm.load_artifact(tmp_path / "net.seamount")
    assert again.manifest.model.name == "net"
    ran = again.run(sent(again), np.zeros(2, int), progress=False)
    assert ran.spikes_per_sample > 0
    priced = sm.price(ran)
    assert priced.to_dict()
    assert sm.fit(again).to_dict()["fits"]
    text = sm.report(ran).text("md")
    assert "layer1" in text and "conv1" in text
    assert {p.name for p in again.program.populations} <= set(str(sm.ranges(again)).split())


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_net(Path("net.net"), NETWORKS["two dense layers"]())
    write_net(Path("bad.net"), REFUSED["refractory"][0])
    asked = call(["check-import", "net.net"])
    assert asked.code == 0 and "it can be imported" in asked.out
    assert call(["compile", "net.net"]).code == 0 and Path("net.seamount").is_dir()
    assert call(["inspect", "net.net"]).code == 0
    assert call(["check", "net.net", "--lava", "no"]).code == 0
    assert call(["check-import", "bad.net"]).code == 1
    refused = call(["compile", "bad.net"])
    assert refused.code == 2 and "refractory period" in refused.err and not Path("bad.seamount").exists()
    early = call(["run", "net.net", "--data", "digits"])
    assert early.code == 2 and "compile it first: seamount compile net.net" in early.err
