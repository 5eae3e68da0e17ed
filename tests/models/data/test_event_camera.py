"""Recordings of event cameras: files as published, counted per bin; tonic's data sets; what each fault says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.compiler.errors import InputError
from seamount.models.data.datasets import load
from seamount.models.data.events import Sensor, counted
from tests.models.data.aedat4 import aedat4

RNG = np.random.default_rng(7)


def message(*arguments: object, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        load(*arguments, **options)  # type: ignore[arg-type]
    return str(caught.value)


def drawn(count: int, width: int, most_us: int) -> dict[str, np.ndarray]:
    t = np.sort(RNG.integers(0, most_us, count))
    return {
        "t": t,
        "x": RNG.integers(0, width, count),
        "y": RNG.integers(0, width, count),
        "p": RNG.integers(0, 2, count),
    }


def expected(e: dict[str, np.ndarray], size: int, bins: int, first: int, span: int, merge: int = 1) -> np.ndarray:
    """Frames counted one event at a time."""
    x = np.zeros((bins, 2, size // merge, size // merge), np.float32)
    for t, column, row, p in zip(e["t"], e["x"], e["y"], e["p"], strict=True):
        x[int((t - first) * bins // span), p, row // merge, column // merge] += 1
    return x


def forty_bits(e: dict[str, np.ndarray]) -> bytes:
    """N-MNIST's events: x, y, then polarity and 23 bits of microseconds, the highest first."""
    rows = zip(e["x"], e["y"], e["p"], e["t"], strict=True)
    return b"".join(bytes((x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255)) for x, y, p, t in rows)


# N-MNIST


@pytest.fixture
def digits(tmp_path: Path) -> tuple[Path, dict[str, dict[str, np.ndarray]]]:
    """Three test recordings in the original layout."""
    pytest.importorskip("tonic")
    written = {}
    for name, label in (("00002", 1), ("00001", 7), ("00003", 1)):
        folder = tmp_path / "NMNIST" / "Test" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        written[name] = drawn(200, 34, 300_000)
        (folder / f"{name}.bin").write_bytes(forty_bits(written[name]))
    return tmp_path, written


def test_nmnist_in_its_original_files(digits: Any) -> None:
    root, written = digits
    data = load("nmnist", root=root, steps=5)
    assert data.y.tolist() == [7, 1, 1] and data.encoding == "sequence" and data.low == 0
    for x, name in zip(data.x, ("00001", "00002", "00003"), strict=True):
        assert np.array_equal(x, expected(written[name], 34, 5, 0, 336_041))
    assert data.high == data.x.max()


def test_the_same_events_as_packed_by_us(digits: Any) -> None:
    root, written = digits
    names = ("00001", "00002", "00003")
    (root / "nmnist").mkdir()
    parts = {k: np.concatenate([written[n][k] for n in names]) for k in "txyp"}
    offsets, labels = np.array([0, 200, 400, 600]), np.array([7, 1, 1])
    np.savez(root / "nmnist" / "nmnist-test.npz", **parts, offsets=offsets, labels=labels)
    ours = load("nmnist", root=root, steps=5)
    (root / "nmnist" / "nmnist-test.npz").unlink()
    (root / "nmnist").rmdir()
    assert np.array_equal(ours.x, load("nmnist", root=root, steps=5).x)


def test_no_more_is_read_than_asked_for(digits: Any) -> None:
    root, _ = digits
    (root / "NMNIST" / "Test" / "1" / "00003.bin").write_bytes(b"bad")
    assert load("nmnist", root=root, limit=2).y.tolist() == [7, 1]
    assert "00003.bin: has 3 bytes, which is no whole number of events of 5" in message("nmnist", root=root)


def test_pixels_outside_the_camera(digits: Any) -> None:
    root, _ = digits
    events = drawn(9, 34, 300_000)
    events["x"][4] = 34
    (root / "NMNIST" / "Test" / "1" / "00002.bin").write_bytes(forty_bits(events))
    assert "00002.bin: 'x' holds 34 in 1 of 9 events" in message("nmnist", root=root)
    (root / "NMNIST" / "Test" / "1" / "00002.bin").write_bytes(b"")
    assert "a recording has no events" in message("nmnist", root=root)


def test_without_tonic_the_extra_is_named(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tonic", None)
    assert "pip install 'seamount[events]'" in message("nmnist", root=digits[0])


# DVS128 Gesture


def test_gestures_as_tonic_publishes_them(tmp_path: Path) -> None:
    folder = tmp_path / "DVSGesture" / "ibmGestureTrain" / "user01_lab"
    folder.mkdir(parents=True)
    wave, clap = drawn(300, 128, 5_000), drawn(50, 128, 900)
    for label, e in ((2, wave), (0, clap)):
        np.save(folder / f"{label}.npy", np.stack([e[k] for k in "xypt"], 1))
    data = load("dvs-gesture", "train", root=tmp_path, steps=6)
    assert data.x.shape == (2, 6, 2, 64, 64) and data.y.tolist() == [0, 2] and data.classes[2] == "left hand wave"
    for x, e in zip(data.x, (clap, wave), strict=True):
        first = int(e["t"].min())
        assert np.array_equal(x, expected(e, 128, 6, first, int(e["t"].max()) - first + 1, 2))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((3, 5)), "has 5 columns"),
        (np.zeros(3), "holds float64 of shape (3,)"),
        (np.full((3, 4), np.nan), "'t' holds what is no number"),
        (np.array([[1, 1, 2, 5], [0, 0, 0, 9]]), "'p' holds 2 in 1 of 2 events"),
        (np.array([[1, 1, 1, 2**60], [0, 0, 0, 9]]), "'t' holds what is no number, or none below"),
    ],
)
def test_damaged_gestures(tmp_path: Path, array: np.ndarray, text: str) -> None:
    folder = tmp_path / "DVSGesture" / "ibmGestureTest" / "user24_led"
    folder.mkdir(parents=True)
    np.save(folder / "3.npy", array)
    found = message("dvs-gesture", root=tmp_path)
    assert text in found and "3.npy" in found


def test_objects_in_a_gesture_are_not_unpickled(tmp_path: Path) -> None:
    folder = tmp_path / "DVSGesture" / "ibmGestureTest" / "user24_led"
    folder.mkdir(parents=True)
    np.save(folder / "3.npy", np.array([{}, {}]), allow_pickle=True)
    assert "3.npy: is not a whole .npy file" in message("dvs-gesture", root=tmp_path)
    (folder / "3.npy").unlink()
    assert "holds no N.npy in a folder per user" in message("dvs-gesture", root=tmp_path)


# CIFAR10-DVS


@pytest.fixture
def cars(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Twelve recordings of one class, one of another."""
    pytest.importorskip("tonic")
    pytest.importorskip("aedat")
    events = drawn(60, 128, 10_000)
    content = aedat4(**events)
    for name, count in (("automobile", 12), ("ship", 1)):
        (tmp_path / "CIFAR10DVS" / name).mkdir(parents=True)
        for i in range(count):
            (tmp_path / "CIFAR10DVS" / name / f"cifar10_{name}_{i}.aedat4").write_bytes(content)
    return tmp_path, events


def test_cifar10_dvs_from_aedat4(cars: Any) -> None:
    root, e = cars
    data = load("cifar10-dvs", root=root, steps=3)
    assert data.y.tolist() == [1, 8, 1] and data.x.shape == (3, 3, 2, 64, 64)
    first = int(e["t"].min())
    assert np.array_equal(data.x[0], expected(e, 128, 3, first, int(e["t"].max()) - first + 1, 2))
    assert load("cifar10-dvs", "train", root=root, limit=4).y.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda b: b[:-9], "cannot be read: failed to fill whole buffer"),
        (lambda b: b"#!AER-DAT2.0\r\n" + b[14:], "does not begin as AEDAT 4.0"),
        (lambda b: b.replace(b"sizeX", b"size\xff"), "does not begin as AEDAT 4.0 with a description of its streams"),
        (lambda b: b.replace(b"<node", b"<nod\x01"), "cannot be read"),
        (lambda b: b"", "does not begin as AEDAT 4.0"),
    ],
)
def test_damaged_aedat4(cars: Any, change: Any, text: str) -> None:
    root, _ = cars
    file = root / "CIFAR10DVS" / "automobile" / "cifar10_automobile_0.aedat4"
    file.write_bytes(change(file.read_bytes()))
    found = message("cifar10-dvs", root=root, limit=1)
    assert text in found and "cifar10_automobile_0.aedat4" in found


# tonic's data sets, and those of the same shape


class Recordings:
    """Three recordings of a row of 5 channels, as tonic's SHD; of a plane, with `plane`."""

    def __init__(self, plane: bool = False, size: Any = None) -> None:
        self.sensor_size = size or ((4, 3, 2) if plane else (5, 1, 1))
        fields = ["t", "x", *(["y"] if plane else []), "p"]
        self.events = np.zeros(6, [(name, int) for name in fields])
        self.events["t"], self.events["x"], self.events["p"] = [10, 11, 12, 13, 14, 15], [0, 1, 2, 3, 3, 3], 1

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        return self.events, 2 - i


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_recordings.py").write_text(
        "from tests.models.data.test_event_camera import Recordings\n"
        "def row(split): return Recordings()\n"
        "def plane(): return Recordings(plane=True)\n"
        "def sizeless(): return Recordings(size=(5, 'a', 2))\n"
        "class Broken(Recordings):\n"
        "    def __getitem__(self, i): return self.events[0]['t']\n"
        "class Frames(Recordings):\n"
        "    def __getitem__(self, i): return __import__('numpy').zeros((3, 5)), 0\n"
    )
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("my_recordings", None)


@pytest.mark.usefixtures("module")
def test_a_data_set_of_recordings() -> None:
    row = load("my_recordings:row", "train", steps=3)
    assert row.x.shape == (3, 3, 5) and row.y.tolist() == [2, 1, 0] and row.encoding == "sequence"
    assert row.x[0].tolist() == [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 2, 0]]
    assert load("my_recordings:plane", steps=2, limit=2).x.shape == (2, 2, 2, 3, 4)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sizeless", "its sensor_size is (5, 'a', 2)"),
        ("Broken", "sample 0 raised TypeError"),
        ("Frames", "a recording has no field t, x, only plain numbers"),
    ],
)
def test_data_sets_that_are_none(name: str, text: str) -> None:
    assert text in message(f"my_recordings:{name}")


def test_tonic_hands_out_what_we_take() -> None:
    """The fields and sizes of tonic's own classes."""
    datasets = pytest.importorskip("tonic.datasets")
    for name in ("NMNIST", "DVSGesture", "CIFAR10DVS", "SHD"):
        one = getattr(datasets, name)
        events = np.zeros(2, one.dtype)
        width, height, polarities = one.sensor_size
        frame = counted(events, Sensor(width, height, polarities), 2, name)
        assert frame.shape == (2, *((width,) if height == 1 else (polarities, height, width))) and frame.sum() == 2
